"""Items of a feedback that are expected to separate two hypotheses, in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.analysis.report.claims import Claim, Read, Sentence, holds, paragraph
from reward_hypotheses.analysis.report.phrases import counted, leading
from reward_hypotheses.analysis.report.presentation import Document

UNSETTLED = 0.01
"""Posterior weight of either hypothesis above which a pair is not settled."""
FIRST = 2
"""Unsettled pairs of a feedback that are mentioned."""


def more_data(document: Document) -> list[Sentence]:
    """Return the items in all that would settle unsettled pairs, by feedback."""
    sentences, weights = [], document["weights"]
    for name, simulated in document["telling"].items():
        if simulated is None:
            continue
        unsettled = [p for p in simulated["pairs"] if min(weights[p["truth"]], weights[p["other"]]) > UNSETTLED]
        unsettled.sort(key=lambda p: -weights[p["truth"]])
        sentences += [ExpectedItems(name, simulated, pair).sentence(document) for pair in unsettled[:FIRST]]
        rest = len(unsettled) - FIRST
        if rest > 0:
            claims = [_has_pairs(name, len(unsettled))]
            text = f"The table has {counted(rest, 'more unsettled pair')} for {name!r}."
            sentences.append(Sentence(text, rest, claims=claims))
    return sentences


def _has_pairs(feedback: str, n: int) -> Claim:
    return holds(lambda d: len(d["telling"][feedback]["pairs"]) >= n)


@dataclass(frozen=True)
class ExpectedItems:
    """The expected items of a feedback that favour one hypothesis over another."""

    feedback: str
    simulated: Mapping[str, Any]
    pair: Mapping[str, Any]

    @property
    def odds(self) -> float:
        """Odds to be reached."""
        return float(next(iter(self.pair["items"])))

    @property
    def items(self) -> float:
        """Items in all; infinite where the simulated sizes do not reach the odds."""
        items = next(iter(self.pair["items"].values()))
        return math.inf if items is None else items

    @property
    def most(self) -> int:
        """The largest simulated size."""
        return int(self.simulated["sizes"][-1])

    def _evidence(self, document: Document) -> tuple[float, float] | None:
        """Return the log Bayes factor of training for the hypothesis, and its error.

        The result is None with several feedbacks, or where it is not known.
        """
        truth, other = self.pair["truth"], self.pair["other"]
        for pair in document["pairs"] if len(document["n_items"]) == 1 else ():
            factor = pair["log_bayes_factor"]
            if factor is not None and set(pair["pair"]) == {truth, other}:
                return float(-factor if pair["pair"][0] == other else factor), float(pair.get("mcse") or 0.0)
        return None

    def log_odds(self, document: Document) -> float | None:
        """Return the log Bayes factor of training for the hypothesis.

        The result is None where it is not known.
        """
        known = self._evidence(document)
        return None if known is None else known[0]

    def missed(self, document: Document) -> bool:
        """Return whether training has at least this many items and misses the odds."""
        log_odds = self.log_odds(document)
        enough = document["n_items"][self.feedback] >= self.items
        return log_odds is not None and enough and 0 <= log_odds < math.log(self.odds)

    def so_far(self, document: Document) -> Sentence:
        """Return the odds of the pair in training, in a sentence."""
        known, n = self._evidence(document), ("n_items", self.feedback)
        size = document["n_items"][self.feedback]
        number, verb = counted(size, "item"), "favours" if size == 1 else "favour"
        if known is None:
            return Sentence(f"Training has {number}.", n)
        log_odds, error = known
        if abs(log_odds) <= 2 * error or _odds(abs(log_odds)) == "1":
            neither = holds(lambda d: abs(self.log_odds(d) or 0.0) <= max(2 * error, 0.05))
            return Sentence(f"Training has {number}, which {verb} neither.", n, claims=[neither])
        favoured = self.pair["truth"] if log_odds > 0 else self.pair["other"]

        def odds(d: Document) -> float:
            return float(f"{math.exp(min(abs(self.log_odds(d) or 0.0), 700.0)):.2g}")

        signed = holds(lambda d: ((self.log_odds(d) or 0.0) > 0) == (favoured == self.pair["truth"]))
        text = f"Training has {number}, which {verb} {favoured!r} at {_odds(abs(log_odds))} to 1."
        found = Sentence(text, n, odds, 1e6, 1, claims=[signed])
        if not self.missed(document):
            return found
        short = holds(lambda d: d["n_items"][self.feedback] >= self.items and odds(d) <= self.odds)
        return paragraph(found, Sentence("This is less than expected: people may follow neither.", claims=[short]))

    def sentence(self, document: Document) -> Sentence:
        """Return the number of items, and the odds of the pair in training."""
        never = math.isinf(self.items)
        of_kind = f" of {self.feedback!r}" if len(document["telling"]) > 1 else ""
        aim = f"to favour {self.pair['truth']!r} over {self.pair['other']!r} at {self.odds:g} to 1, if {self.pair['truth']!r} is true"
        reads: tuple[Read, ...] = (self._size, self.odds, 1)
        if never:
            reached = holds(lambda d: self.pair["items"][next(iter(self.pair["items"]))] is None)
            return Sentence(
                f"More than {self.most:,} training items{of_kind} are expected to be needed {aim}.",
                *reads,
                claims=[reached],
            )
        number = counted(int(self.items), "training item")
        first = Sentence(
            f"About {number}{of_kind} in total {'is' if self.items == 1 else 'are'} expected {aim}.", *reads
        )
        return paragraph(first, self.so_far(document))

    def _size(self, document: Document) -> float:
        """Return the items in all, or the largest simulated size, from the document."""
        simulated = document["telling"][self.feedback]
        pair = next(
            p for p in simulated["pairs"] if (p["truth"], p["other"]) == (self.pair["truth"], self.pair["other"])
        )
        items = next(iter(pair["items"].values()))
        return float(simulated["sizes"][-1] if items is None else items)


def hardest(document: Document, least: float = UNSETTLED) -> ExpectedItems | None:
    """Return the items that tell the leading hypothesis from its closest rival.

    Only hypotheses that agent or judge give more weight than ``least`` count, and of each the feedback that tells it soonest;
    None where no number was simulated for any of them.
    """
    weights, agent, lead = document["weights"], document["agent_weights"], leading(document)
    soonest: dict[str, ExpectedItems] = {}
    for name, simulated in document["telling"].items():
        if simulated is None:
            continue
        classes = {h: members for members in simulated["classes"] for h in members}
        for pair in simulated["pairs"]:
            others = classes.get(pair["other"], ())
            if lead not in classes.get(pair["truth"], ()) or not any(
                max(weights[h], agent.get(h, 0.0)) > least for h in others
            ):
                continue
            expected = ExpectedItems(name, simulated, pair)
            if pair["other"] not in soonest or expected.items < soonest[pair["other"]].items:
                soonest[pair["other"]] = expected
    return max(soonest.values(), key=lambda expected: expected.items, default=None)


def _odds(log_odds: float) -> str:
    """Return odds that are not below 1, in two digits."""
    if log_odds > math.log(1e6):
        return "more than 1,000,000"
    x = float(f"{math.exp(log_odds):.2g}")
    return f"{x:,.0f}" if x >= 10 else f"{x:g}"
