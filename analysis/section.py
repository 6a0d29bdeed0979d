"""Section: one analysis of the results document, from its numbers to what a report shows of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reward_hypotheses.analysis.case import Case

if TYPE_CHECKING:
    from reward_hypotheses.analysis.report.presentation import Presentation

Document = dict[str, Any]


class Section[T](ABC):
    """One analysis: numbers computed of a case, their place in the results document, and its warnings.

    `compute` knows no English, and neither matplotlib nor xarray is imported for it.
    """

    keys: ClassVar[tuple[str, ...]]
    """Keys of the results document that the section writes."""
    of_test: ClassVar[bool] = False
    """Whether the section is about one test, and computed for each."""
    sampled: ClassVar[bool] = False
    """Whether its numbers rest on evidence that may be sampled, and so have a Monte Carlo error."""
    urgency: ClassVar[int] = 0
    """How far up its warnings stand: a greater urgency comes first."""
    topic: ClassVar[str] = ""
    """Module of `analysis.report.sections` that presents it; empty where it presents itself, or nothing."""

    def progress(self, case: Case) -> str:
        """Return the words that tell a user that it is computed now; empty where it takes no time."""
        return ""

    @abstractmethod
    def compute(self, case: Case) -> T | None:
        """Return the numbers; None where the analysis is not defined for the case."""

    def document(self, case: Case, result: T) -> Document:
        """Return what stands under the section's keys: the result itself under one key, its entries under several."""
        return {self.keys[0]: result} if len(self.keys) == 1 else {key: result[key] for key in self.keys}  # type: ignore[index]

    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        """Return the numbers of a moved case that rest on sampled evidence, nested as in the document.

        Parameters
        ----------
        case : Case
            Moved by its Monte Carlo error.
        like : dict
            The document of the case as it is, whose lists the moved ones follow.
        """
        return self.written(case, self.compute(case))

    def with_errors(self, document: Document, errors: Mapping[str, Any]) -> None:  # noqa: B027
        """Write Monte Carlo errors where the contract has them beside the numbers; most sections have them apart."""

    def warnings(self, case: Case, result: T) -> Iterator[str]:
        """Yield the warnings that a result calls for."""
        return iter(())

    def present(self, document: Mapping[str, Any]) -> "Iterable[Presentation]":
        """Return what a report shows of it, from the results document alone: sentences, tables, a figure to draw."""
        if not self.topic:
            return ()
        module = import_module(f"reward_hypotheses.analysis.report.sections.{self.topic}")
        shown: Iterable[Presentation] = module.present(document)
        return shown

    def written(self, case: Case, result: T | None) -> Document:
        """Return the section of the document, with None under its keys where there is no result."""
        return dict.fromkeys(self.keys) if result is None else self.document(case, result)


def by_name(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    """Return numbers by name."""
    return dict(zip(names, np.asarray(values, float).tolist(), strict=True))
