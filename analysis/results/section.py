"""Section: one analysis of the results document, from numbers to report."""

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
    """One analysis: its numbers, their keys in the results, and its warnings.

    `compute` writes no English, and imports neither matplotlib nor xarray.
    """

    keys: ClassVar[tuple[str, ...]]
    """Keys of the results document that the section writes."""
    of_test: ClassVar[bool] = False
    """Whether the section is about one test, and computed for each."""
    sampled: ClassVar[bool] = False
    """Whether its numbers depend on evidence that may be sampled, and so have Monte Carlo errors."""
    urgency: ClassVar[int] = 0
    """Rank of its warnings: a greater urgency comes first."""
    topic: ClassVar[str] = ""
    """Module of `analysis.report.sections` that presents the section; empty where the section presents itself or nothing."""

    def progress(self, case: Case) -> str:
        """Return the progress message; empty where the section takes no time."""
        return ""

    @abstractmethod
    def compute(self, case: Case) -> T | None:
        """Return the numbers; None where the analysis is not defined for the case."""

    def document(self, case: Case, result: T) -> Document:
        """Return the content of the section's keys.

        Under one key stands the result itself; under several keys stand the entries of the result.
        """
        return {self.keys[0]: result} if len(self.keys) == 1 else {key: result[key] for key in self.keys}  # type: ignore[index]

    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        """Return the numbers of a moved case that depend on sampled evidence.

        The numbers are nested as in the document.

        Parameters
        ----------
        case : Case
            Moved by its Monte Carlo error.
        like : dict
            The document of the unmoved case. Lists of the moved case have the same order.
        """
        return self.written(case, self.compute(case))

    def with_errors(self, case: Case, document: Document, errors: Mapping[str, Any]) -> None:  # noqa: B027
        """Write Monte Carlo errors beside their numbers, where the contract has them.

        Most sections keep their errors under ``mcse``.
        """

    def warnings(self, case: Case, result: T) -> Iterator[str]:
        """Yield the warnings that a result calls for."""
        return iter(())

    def present(self, document: Mapping[str, Any]) -> "Iterable[Presentation]":
        """Return the report of the section: sentences, tables and a figure to draw.

        The report is made from the results document alone.
        """
        if not self.topic:
            return ()
        module = import_module(f"reward_hypotheses.analysis.report.sections.{self.topic}")
        shown: Iterable[Presentation] = module.present(document)
        return shown

    def written(self, case: Case, result: T | None) -> Document:
        """Return the section of the document; None under each key without a result."""
        return dict.fromkeys(self.keys) if result is None else self.document(case, result)


def by_name(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    """Return numbers by name."""
    return dict(zip(names, np.asarray(values, float).tolist(), strict=True))
