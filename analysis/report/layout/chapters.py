"""Chapters of a report, in their order, for the page and for the terminal."""

OUTSIDE = ("question", "answer", "facts", "misfits", "drivers", "frames")
"""Chapters to which the template gives a place of their own, before all others."""
CHAPTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "lower": ("What would lower the risk", ("remedies",)),
    "agent": ("What the agent does", ("policy", "inferred_agent", "agents", "languages")),
    "parts": ("How the risk comes about", ("risk_parts", "matrix")),
    "people": ("People who differ", ()),
    "policies": ("Other policies", ("frontier",)),
    "evidence": ("Evidence or prior?", ("evidence", "pairs", "weights", "reward_weights", "sampling")),
    "rules": ("All the rules", ()),
    "feedback": ("What each feedback says", ("feedback",)),
    "values": ("Whose values", ("values", "bounds", "tipping")),
    "line": ("The failure line", ("risk_by_line", "failure_line")),
    "limit": ("What more data would change", ("limit", "bits_by_size")),
    "shift": ("Is the test a shift?", ("shift", "worst_case", "impact", "riskiest_scenes")),
    "precision": ("How precise is the risk?", ("finite_test", "headline", "risk_by_source")),
    "fit": ("Does the model fit the training data?", ("subgroups", "predictive_check")),
    "also": ("Other tests", ()),
    "asked": ("What was asked", ("asked",)),
    "methods": ("For a paper", ("methods",)),
    "provenance": ("To reproduce the result", ("provenance",)),
}
"""Id of a chapter -> its title, and the presentations that come first in it."""
ALERTS = 3
"""Misfits and warnings above the number; the others fold away beside them."""
