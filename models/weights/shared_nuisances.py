"""Nuisance parameters that feedbacks share, and whether they agree on them."""

from collections.abc import Sequence

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.valuation import Valuation


def check_shared(
    feedback: Sequence[Feedback], method: str, called: Sequence[str] | None = None
) -> dict[str, list[int]]:
    """Positions of the feedbacks of each human.

    Raises
    ------
    InputError
        Some of one human that do not agree on what they share, or are to be sampled.
    """
    called = [str(one.name or one.kind) for one in feedback] if called is None else called
    groups: dict[str, list[int]] = {}
    for k, one in enumerate(feedback):
        if one.shares is not None:
            groups.setdefault(one.shares, []).append(k)
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
    """Give the exact evidence of each feedback, None where that takes sampling; those that share nuisances are taken together."""
    groups = check_shared(feedback, method)
    found: list[Evidence | None] = []
    alone = {k for members in groups.values() if len(members) == 1 for k in members}
    for k, (one, valuation) in enumerate(zip(feedback, valuations, strict=True)):
        found.append(one.evidence(valuation) if one.shares is None or k in alone else None)
    for members in groups.values():
        if len(members) > 1:
            together = feedback[members[0]].evidence_together(
                [feedback[k] for k in members], [valuations[k] for k in members]
            )
            for k, evidence in zip(members, together, strict=True):
                found[k] = evidence
    return found
