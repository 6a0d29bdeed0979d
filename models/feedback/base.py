"""Feedback: noisy choices that reward explains, and their evidence.

The likelihood of a kind is ``p(D | r_h, theta)``: answers D, reward r_h of hypothesis h, nuisances theta.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.rounding_error_bounds import CALLABLE
from reward_hypotheses.models.feedback.answers_base import Answers
from reward_hypotheses.models.feedback.equivalence import cells, marked, sums_and_classes
from reward_hypotheses.models.feedback.evidence import MISFIT, Check, Evidence, Weighed, misfit_in_words
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import Nuisance, Theta

CHECKED = 1000  # replications of a predictive check
CHECKED_ANSWERS = 1000  # answers that a check looks at, of rows with counts


@dataclass(frozen=True, eq=False)
class Feedback(Answers, ABC):
    """One kind of human feedback on the items of a table.

    `Answers` describes the parameters.

    A kind writes `log_likelihood` and `replicate`, the prior of each nuisance (`nuisances`) and, where the likelihood
    depends on anything but rewards, `inputs`.
    """

    exchangeable: ClassVar[bool] = False
    """Whether the likelihood of an item depends on its inputs, its answer and the nuisances alone, and its formula on the
    fields alone. Equal items are then sampled as one with a count, and a compiled model is kept for other data."""

    integrated: ClassVar[str] = ""
    """How a kind with exact evidence integrates its nuisance: "in closed form", "by quadrature"; empty for one that is sampled."""

    locates_failure: ClassVar[bool] = True
    """Whether the answers depend on the failure line, so that they say where failing lies."""

    second_dim: ClassVar[str] = "option"
    """What the second dimension of the answers holds, for its name in a tree."""

    @property
    def exact(self) -> bool:
        """Whether `evidence` integrates the nuisances exactly; False by default."""
        return type(self).evidence is not Feedback.evidence

    @property
    def symbolic(self) -> bool:
        """Whether `log_likelihood` takes PyMC's tensors, as sampling asks."""
        return True

    @property
    def sampling_problem(self) -> str | None:
        """Why NUTS and PyMC cannot take the likelihood; None where they can."""
        if self.symbolic:
            return None
        return (
            f"{self.name}: its likelihood is computed anew at each rationality and cannot be sampled; use method = 'auto', "
            "which integrates it by quadrature"
        )

    @property
    def shares(self) -> str | None:
        """Name under which feedbacks share the values of their nuisances, or None."""
        return None

    def evidence_together(self, feedback: "Sequence[Feedback]", valuations: Sequence[Valuation]) -> list[Evidence]:
        """Return the exact evidence of feedbacks that share their nuisances.

        This feedback is the first of them. A kind that shares nuisances writes this method.
        """
        raise InputError(
            f"{self.name}: {type(self).__name__} shares nuisances without saying how they are integrated together"
        )

    def refuse_to_share(self, feedback: "Sequence[Feedback]", called: Sequence[str]) -> None:
        """Refuse feedbacks that share nuisances but disagree on them.

        This feedback is the first of them. InputError names the disagreement.
        """
        del feedback, called  # a kind that shares nothing has nothing to agree on

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """Arrange values of the items used (item,) in the layout of the answers."""
        return values

    def scales(self, valuation: Valuation) -> np.ndarray | None:
        """Return the scale ``s_h`` that divides the rewards of each hypothesis.

        Shape (hypothesis,), reward units; None for kinds without a scale.
        """
        return None

    def constants(self) -> dict[str, np.ndarray]:
        """Return constants that a tree holds beside the answers.

        Returns name -> (item,).
        """
        return {}

    def unscaled(self) -> "Feedback":
        """Return this feedback for raw rewards: ``beta = 1`` and ``s = 1``."""
        return self

    def softened(self) -> "Feedback":
        """Return this feedback with every answer possible.

        Sampling may then begin where some answers have likelihood 0.
        """
        return self

    def dims(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Name the dimensions of the answers: ``<name>_item``, then `second_dim`."""
        return (f"{self.name}_item", f"{self.name}_{self.second_dim}")[: len(shape)]

    @property
    def nuisances(self) -> Mapping[str, Nuisance]:
        """Priors of the inferred nuisances by name, one value a hypothesis."""
        return {}

    def inputs(self, block: Block, h: int) -> np.ndarray:
        """Return the inputs of the likelihood of h: (option, scene).

        The inputs are the rewards of h, unless the kind says otherwise.
        """
        return block.reward(h)

    def input_error(self, block: Block, h: int) -> np.ndarray | float:
        """Bound the rounding error of `inputs`: (option, scene), or 0.0.

        For rewards, the bound is that of the rewards; for other numbers, 64 eps of their size; for boolean inputs, 0.
        """
        if type(self).inputs is Feedback.inputs:
            return block.error(h)
        inputs = self.inputs(block, h)
        return 0.0 if inputs.dtype == bool else CALLABLE * np.abs(inputs)

    def predicted(self, rewards: np.ndarray, failure: Any, tolerance: Any) -> np.ndarray:
        """Return the inputs for given rewards and their failure line: (..., item).

        The inputs are the rewards, unless the kind says otherwise. A kind that writes `inputs` and supports
        continuous weights (`Linear`) writes this method too.

        Parameters
        ----------
        failure : float or ndarray (item,)
        tolerance : ndarray (..., 1)
            The difference up to which two rewards are equal.
        """
        return rewards

    @abstractmethod
    def log_likelihood(self, inputs: Any, theta: Theta, observed: Any, xp: Any) -> Any:
        """Return ``log p(y_i | r_h, theta)``, nats.

        One definition serves numpy arrays and PyMC's tensors.

        Parameters
        ----------
        inputs : (..., item)
            Predictions of h, as numbers: labels as 0 and 1, or rewards.
        theta : dict
            Nuisances, (..., 1), or (..., item) where they differ by item.
        observed : (item,)
        xp : module
            numpy or pytensor.tensor.
        """

    @abstractmethod
    def replicate(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw feedback on the items n times from the model: (n, item).

        The nuisances are those of one hypothesis, (n,) each.
        """

    @property
    def tally(self) -> np.ndarray:
        """The answers as a tree holds them: `observed`, or with counts `counted_tally`."""
        return self.observed if self.counts is None else self.counted_tally()

    def counted_tally(self) -> np.ndarray:
        """Return the answers of a feedback with counts, as a tree holds them.

        For labels, how many of each item's labels are true; `observed` by default.
        """
        return self.observed

    def tallies(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `tally` n times from the model: (n, *tally.shape)."""
        draw = self.replicate if self.counts is None else self.counted_tallies
        return draw(inputs, theta, n, rng)

    def counted_tallies(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `counted_tally` n times from the model: (n, *tally.shape).

        By default, one answer a unit is drawn.
        """
        return self.replicate(inputs, theta, n, rng)

    def evidence(self, valuation: Valuation) -> Evidence | None:
        """Return the exact evidence of the feedback for each hypothesis.

        None where the evidence takes sampling.
        """
        return None

    def exact_draws(
        self, evidence: Evidence, hypotheses: np.ndarray, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw the nuisances from ``p(theta | D, h)`` of exact evidence.

        Returns name -> (draw, hypothesis given). A kind that writes `evidence` writes this method too; a kind that
        writes neither is sampled.
        """
        raise InputError(
            f"{self.name}: {type(self).__name__} gives exact evidence without draws of its nuisances; write exact_draws too, or "
            "leave evidence out, and it is sampled"
        )

    def classes(self, valuation: Valuation) -> np.ndarray:
        """Group the hypotheses between which this feedback is silent.

        Hypotheses of one class have the same likelihood whatever is answered: (hypothesis,) of int.
        """
        return sums_and_classes(self, valuation, None)[1]

    def cells(self, valuation: Valuation, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Group items with equal inputs under every hypothesis.

        Returns the cell of each item (item,), and one item of each cell (cell,).
        """
        return cells(self, valuation, classes)

    def check(
        self,
        valuation: Valuation,
        evidence: Evidence,
        weights: np.ndarray,
        rng: np.random.Generator,
        lead: int | None = None,
    ) -> Check:
        """Check the fit by replication (a posterior predictive check).

        The hypothesis of each replication is drawn from the weights. The leading hypothesis is `lead`, or the one
        with the greatest weight.
        """
        lead = int(np.argmax(weights)) if lead is None else lead
        return self._check(Weighed(valuation, evidence, weights, lead), rng)

    def _check(self, over: Weighed, rng: np.random.Generator) -> Check:
        """Check the mean log likelihood, unless the kind has a sharper statistic.

        Data that are less likely than almost all replications of the model do not come from that model.
        """
        drawn = over.drawn(CHECKED, rng)
        observed, theta = self.observed, self.draws(over.evidence, np.arange(len(over.weights)), CHECKED, rng)
        units = np.arange(len(observed))
        if self.counts is not None:
            n = self.n_answers
            units = self.unit_of(np.sort(rng.choice(n, min(n, CHECKED_ANSWERS), replace=False)))
            observed = observed[units]

        def mean_log_likelihood(inputs: np.ndarray, rows: np.ndarray, h: int, answers: np.ndarray) -> np.ndarray:
            columns = {name: values[rows, h][:, None] for name, values in theta.items()}
            each = self.log_likelihood(inputs.astype(float), columns, answers.astype(float), np)
            return np.broadcast_to(each, (len(rows), len(observed))).mean(axis=1)

        p, at_lead, replications = 0.0, np.nan, np.empty(CHECKED)
        for h in tracked(sorted({*drawn.tolist(), over.lead})):
            inputs = np.asarray(self.at(over.valuation, h))[units]
            rows = np.flatnonzero(drawn == h)
            if rows.size:
                theta_h = {name: values[rows, h] for name, values in theta.items()}
                replicated = np.asarray(self.replicate(inputs, theta_h, len(rows), rng))
                made = replications[rows] = mean_log_likelihood(inputs, rows, h, replicated)
                p += float((made <= mean_log_likelihood(inputs, rows, h, observed) + 1e-12).sum()) / CHECKED
            if h == over.lead:
                at_lead = float(mean_log_likelihood(inputs, np.arange(CHECKED), h, observed).mean())
        improbable = f"the answers are improbable under the leading hypothesis {over.lead_name!r}"
        misfit = misfit_in_words(str(self.name), improbable, p, CHECKED)
        what = "mean log likelihood of an item, nats"
        return Check.of(at_lead, p, what, replications, [misfit] if p < MISFIT else [])

    def draws(
        self, evidence: Evidence, hypotheses: np.ndarray, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw the nuisances from ``p(theta | D, h)``.

        Draws are exact, or rows of sampled draws. Returns name -> (draw, hypothesis given).
        """
        if not self.nuisances:
            return {}
        if evidence.draws is None:
            return self.exact_draws(evidence, hypotheses, n, rng)
        flat = {name: v.reshape(-1, v.shape[-1])[:, hypotheses] for name, v in evidence.draws.items()}
        rows = rng.integers(len(next(iter(flat.values()))), size=n)
        return {name: values[rows] for name, values in flat.items()}

    def variable(self, nuisance: str) -> str:
        """Return the name of a nuisance in trees and in PyMC: ``<feedback>_<nuisance>``."""
        return f"{self.name}_{nuisance}"

    def derived(self, theta: Theta) -> dict[str, np.ndarray]:
        """Return quantities that the tree shows beside the nuisances, by name."""
        return {}

    def log_prior(self, theta: Theta) -> dict[str, np.ndarray]:
        """Return the log density of the prior of each nuisance, of the shape given."""
        return {name: prior.log_density(theta[name]) for name, prior in self.nuisances.items()}

    def pymc_nuisances(self, name: str, dims: str = "hypothesis") -> dict[str, Any]:
        """Declare the nuisances in the current PyMC model.

        Returns name -> random variable over `dims`.
        """
        return {key: prior.pymc(f"{name}_{key}", dims) for key, prior in self.nuisances.items()}

    def at(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return the inputs of the likelihood of h item by item: (item,)."""
        return np.concatenate([by_item(block, self.inputs(block, h)) for block in valuation.blocks()])

    def errors(self, valuation: Valuation, h: int) -> np.ndarray | float:
        """Bound the rounding error of the inputs item by item: (item,), or 0.0."""
        errors = [(block, self.input_error(block, h)) for block in valuation.blocks()]
        if not any(np.any(error) for _, error in errors):
            return 0.0
        return np.concatenate([by_item(block, error) for block, error in errors])

    def sums(self, inputs: np.ndarray, observed: np.ndarray, inside: np.ndarray | None) -> tuple[float, ...]:
        """Return the sufficient statistics of a block, to be added up; default none."""
        return ()

    def counted_sums(self, inputs: np.ndarray, observed: np.ndarray, times: np.ndarray) -> tuple[float, ...]:
        """Return `sums` of items with counts.

        `times` says how often each item occurs, of the shape of `inputs`.
        """
        return ()

    def gather(self, block: Block, observed: np.ndarray | None) -> tuple[np.ndarray, Any]:
        """Return the statistics of a block, and marks that tell inputs apart.

        The statistics are (hypothesis, k). For boolean inputs, the marks are a list of keys; for other inputs, the
        marks and slacks of `sums_and_classes`.
        """
        answers = None if observed is None else block.gather(observed)
        inside = block.available
        times = None
        if answers is not None and self.item_counts is not None:
            times = block.gather(self.item_counts) * (1.0 if inside is None else inside)
        n = len(block.valuation.hypotheses)
        sums, keys = [], []
        marks: np.ndarray | None = None
        for h in range(n):
            inputs = self.inputs(block, h)
            if inside is not None:
                inputs = np.where(inside, inputs, inputs.dtype.type(0))
            if answers is not None and times is not None:
                sums.append(self.counted_sums(inputs, answers, times))
            else:
                sums.append(() if answers is None else self.sums(inputs, answers, inside))
            if inputs.dtype == bool:
                keys.append(np.packbits(inputs).tobytes())
            else:
                if marks is None:
                    marks, slack = np.zeros(n), np.zeros(n)
                    probe = np.random.default_rng(block.lo).random(block.shape)
                marks[h], slack[h] = marked(inputs, self.input_error(block, h), probe)
        return np.array(sums, float), keys if marks is None else (marks, slack)


def by_item(block: Block, values: np.ndarray | float) -> np.ndarray:
    """Return values of a block item by item: (item,).

    The values are (option, scene), or broadcast to that shape.
    """
    by_scene = np.broadcast_to(values, block.shape).T
    return by_scene.ravel() if block.available is None else by_scene[block.available.T]


def refuse_numeric(feedback: Feedback) -> None:
    """Refuse a feedback whose likelihood PyMC cannot take; InputError says so."""
    if feedback.sampling_problem is not None:
        raise InputError(feedback.sampling_problem)
