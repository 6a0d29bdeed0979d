"""Tables of the results document as CSV files, numbers in full."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

AGENT_ERRORS = ("risk_if_it_must_act_mcse", "risk_if_it_may_abstain_mcse", "abstained_mcse")


def table_files(document: Mapping[str, Any]) -> dict[str, bytes]:
    """Give every table that the results hold: path -> bytes of a CSV file."""
    names = document["hypotheses"]
    tested = document["risk"] is not None

    def error(*path: str) -> float | None:
        """Monte Carlo error of a number of the document; 0 where it is exact."""
        at = document["mcse"]
        if at is None:
            return 0.0
        for key in path:
            at = at[key]
        return at

    files = {
        "tables/weights.csv": _csv(
            (
                "hypothesis",
                "reward",
                "prior",
                "log_evidence",
                "weight",
                "agent_weight",
                "risk_if_true",
                "log_evidence_mcse",
                "weight_mcse",
                "agent_weight_mcse",
                "risk_if_true_mcse",
            ),
            (
                (
                    name,
                    document["rewards"][name],
                    document["prior"][name],
                    document["log_evidence"][name],
                    document["weights"][name],
                    document["agent_weights"][name],
                    document["risk_by_truth"][name] if tested else None,
                    *(error(key, name) for key in ("log_evidence", "weights", "agent_weights")),
                    error("risk_by_truth", name) if tested else None,
                )
                for name in names
            ),
        ),
        "tables/pairs.csv": _csv(
            ("first", "second", "log_prior_odds", "log_bayes_factor", "log_posterior_odds", "silent", "mcse"),
            (
                (
                    *p["pair"],
                    p["log_prior_odds"],
                    p["log_bayes_factor"],
                    p["log_posterior_odds"],
                    p["silent"],
                    p["mcse"],
                )
                for p in document["pairs"]
            ),
        ),
    }
    if tested:
        files["tables/matrix.csv"] = _csv(
            ("agent_hypothesis", *names), ((a, *(document["matrix"][a][b] for b in names)) for a in names)
        )
        files["tables/agents.csv"] = _csv(
            ("agent_prior", "risk_if_it_must_act", "risk_if_it_may_abstain", "abstained", *AGENT_ERRORS),
            (
                (
                    key,
                    a["acts"]["risk"],
                    a["may_abstain"]["risk"],
                    a["may_abstain"]["abstained"],
                    error("agents", key, "acts", "risk"),
                    error("agents", key, "may_abstain", "risk"),
                    error("agents", key, "may_abstain", "abstained"),
                )
                for key, a in document["agents"].items()
            ),
        )
        files["tables/riskiest_scenes.csv"] = _csv(
            ("scene", "risk"), ((s["scene"], s["risk"]) for s in document["riskiest_scenes"])
        )
    return files


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return stream.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
