"""Nuisance parameters that feedbacks share, and whether they agree on them."""

from collections.abc import Sequence

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.valuation import Valuation


def check_shared(
    feedback: Sequence[Feedback], method: str, called: Sequence[str] | None = None
) -> dict[str, list[int]]:
    """Return the positions of the feedbacks of each human.

    Raises
    ------
    InputError
        Feedbacks of one human that do not agree on the nuisances that they share, or that are to be sampled.
    """
    called = [str(data.name or data.kind) for data in feedback] if called is None else called
    groups: dict[str, list[int]] = {}
    for k, data in enumerate(feedback):
        if data.shares is not None:
            groups.setdefault(data.shares, []).append(k)
    for human, members in groups.items():
        if len(members) > 1:
            first = feedback[members[0]]
            first.refuse_to_share([feedback[k] for k in members], [called[k] for k in members])
            if method == "nuts" and first.nuisances:
                raise InputError(
                    f"method: 'nuts', but {', '.join(called[k] for k in members)} share the rationality of {human!r}, "
                    "which is integrated exactly; use 'auto'"
                )
    return groups


def exactly(feedback: Sequence[Feedback], valuations: Sequence[Valuation], method: str) -> list[Evidence | None]:
    """Return the exact evidence of each feedback; None where it takes sampling.

    Feedbacks that share nuisances are integrated together.
    """
    groups = check_shared(feedback, method)
    evidence: list[Evidence | None] = []
    alone = {k for members in groups.values() if len(members) == 1 for k in members}
    pairs = tracked(zip(feedback, valuations, strict=True), len(feedback))
    for k, (data, valuation) in enumerate(pairs):
        evidence.append(data.evidence(valuation) if data.shares is None or k in alone else None)
    for members in groups.values():
        if len(members) > 1:
            of_one_human = [feedback[k] for k in members], [valuations[k] for k in members]
            for k, e in zip(members, of_one_human[0][0].evidence_together(*of_one_human), strict=True):
                evidence[k] = e
    return evidence
