"""Spaces of rules in the results: rules that fit, and the risk by prior."""

from collections.abc import Iterator
from typing import Any, override

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section


class RuleSpaces(Section[Document]):
    """Every space of rules: rules that fit, and the risk by prior and feature.

    First those that are hypotheses, then those that the study asks about. None where there is neither.
    """

    keys = ("rule_spaces",)
    of_test = True

    @override
    def progress(self, case: Case) -> str:
        return "rules of the space" if case.posterior.spaces or case.settings.rules else ""

    @override
    def compute(self, case: Case) -> Document | None:
        if not case.posterior.spaces and not case.settings.rules:
            return None
        from reward_hypotheses.analysis.risk.rules.on_test import documents

        return documents(case)

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        for h, fitted in case.posterior.spaces.items():
            name = case.judge_names[h]
            yield f"intervals of the risk hold the prior over the rules of {name!r} fixed: rule_spaces and risk_bounds have others"
            inside = [who for who in fitted.patterns.beside if len(fitted.equivalent_to(who)[0])]
            if inside:
                listed = " and ".join(map(repr, inside[:3])) + (
                    f" and {len(inside) - 3} more" if len(inside) > 3 else ""
                )
                yield f"{listed}: training cannot tell {'it' if len(inside) == 1 else 'them'} from rules of {name!r}, so such rules count in both"

    @override
    def present(self, document: Any) -> Any:
        from reward_hypotheses.analysis.report.sections.risk.rule_space import present

        return present(document)
