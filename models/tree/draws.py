"""Draws of a fitted model, in the groups that ArviZ reads."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import distinct, each_in_threads
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.hypotheses.hypotheses import weight_names
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.rule_space.answers.inputs import inputs_of
from reward_hypotheses.models.rule_space.weights import Rule
from reward_hypotheses.models.tree.name_escaping import variable_name
from reward_hypotheses.models.weights.label_cells import cells_of

LEAST_DRAWS = 4000
"""Draws from which the ends of an interval come, however few the tree holds."""
MANY = 100_000
"""Draws times hypotheses from which posterior and prior are drawn in parallel."""
MOST_PREDICTIVE = 200

MOST_REPLICATED = 20_000_000  # replicated items that a group holds; of very long tables, fewer draws


class Groups:
    """Draws of a posterior, made once, and the groups that hold them."""

    def __init__(self, posterior: Posterior, draws: int, chains: int, seed: int) -> None:
        self.posterior = posterior
        self.names = list(posterior.hypotheses.names)
        self.shape = (chains, draws)
        self.seed = seed
        n = chains * draws

        def from_prior() -> tuple[np.ndarray, ...]:
            rng, hypotheses = substream(seed, "prior values"), posterior.hypotheses
            blind = rng.choice(len(self.names), n, p=posterior.prior.weights_of(hypotheses))
            return posterior.prior.draws(hypotheses, blind, rng), blind

        def from_posterior() -> tuple[np.ndarray, ...]:
            return posterior.draws(max(n, LEAST_DRAWS), substream(seed, "values"))

        many = posterior.prior.uncertain and n * len(self.names) > MANY
        (values, weights, truths), (pi, blind) = each_in_threads(
            lambda draw: draw(), (from_posterior, from_prior), many
        )
        self.truths = {"posterior": truths[:n], "prior": blind}
        self.values = {"posterior": values[:n], "prior": pi}
        self.weights = {"posterior": weights[:n], "prior": pi}
        self.rules = {
            h: {
                group: fitted.drawn(n, substream(seed, f"{group} rules of {self.names[h]}"), group == "posterior")
                for group in ("posterior", "prior")
            }
            for h, fitted in posterior.spaces.items()
        }
        self.theta: dict[str, dict[str, dict[str, np.ndarray]]] = {"posterior": {}, "prior": {}}
        for data, evidence in zip(posterior.feedback, posterior.evidence, strict=True):
            after, before = self._nuisances(data, evidence, n)
            for group, theta in (("posterior", after), ("prior", before)):
                self.theta[group][str(data.name)] = theta
        self.reward_weights = {
            h: {
                "posterior": fitted.weights[:n],
                "prior": fitted.linear.prior_draws(
                    n, substream(seed, f"prior weights of {self.names[h]}"), fitted.scale
                ),
            }
            for h, fitted in posterior.families.items()
        }

    def _nuisances(
        self, data: Feedback, evidence: Evidence, n: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Draw the nuisances of a feedback from the posterior and from the prior.

        Two dicts by nuisance of arrays (draw, hypothesis).
        """
        posterior, seed, name = self.posterior, self.seed, str(data.name)
        human = data.shares or name  # feedbacks that share a nuisance share its draws
        if evidence.draws is None:
            fixed = list(posterior.hypotheses.fixed)
            drawn, at = {key: np.empty((n, 0)) for key in data.nuisances}, np.full(len(self.names), -1)
            if fixed:
                _, first, at[fixed], _ = distinct(evidence.only(fixed).alike)
                drawn = data.draws(evidence, np.array(fixed)[first], n, substream(seed, f"posterior {human}"))
            others = np.full((n, 1), np.nan)  # the last column
            after = {key: np.hstack([values, others]).take(at, axis=1) for key, values in drawn.items()}
        else:
            after = {key: self._thinned(values) for key, values in evidence.draws.items()}
        _, first, place, _ = distinct(evidence.alike)
        shared = substream(seed, f"prior {human}")
        own = shared if data.shares is None else substream(seed, f"prior {name}")
        before = {
            key: prior.draws((n, len(first)), shared if key == "rationality" else own).take(place, axis=1)
            for key, prior in data.nuisances.items()
        }
        if (none := posterior.hypotheses.unmodelled) is not None:  # no rule, so none that is wrong now and then
            for values in (*after.values(), *before.values()):
                values[:, none] = np.nan
        for h, rules in self.rules.items():  # drawn with its rule
            for key in after:
                after[key][:, h] = self._with_rules(
                    data, h, rules["posterior"], substream(seed, f"posterior {human} of {self.names[h]}")
                )
        for h, fitted in posterior.families.items():  # drawn with its weights
            for key in after:
                after[key][:, h] = fitted.nuisances[data.variable(key)][:n]
                if isinstance(data, Rational) and key == "rationality" and fitted.linear.sd is not None:
                    before[key][:, h] = 1.0  # under a normal prior the weights say how rational
        return after, before

    def _with_rules(self, data: Feedback, h: int, rules: Sequence[Rule], rng: np.random.Generator) -> np.ndarray:
        """Draw the nuisance of a feedback, each with a rule of a space: (draw,)."""
        fitted, feedback = self.posterior.spaces[h], self.posterior.feedback
        if isinstance(data, Labels):
            return data.eps_draws(fitted.wrong(feedback.index(data), rules), data.n_answers, rng)
        assert fitted.answers is not None  # a space of rules takes no other kind
        shared = [
            k for k, other in enumerate(feedback) if other is data or (data.shares and other.shares == data.shares)
        ]
        out = np.empty(len(rules))
        for rule, at in _places(rules).items():
            integral = fitted.answers.of_rule(shared, rule.size, rule.place, rule.table)
            assert integral is not None
            out[at] = np.exp(integral.draws(len(at), rng))
        return out

    def _thinned(self, values: np.ndarray) -> np.ndarray:
        """Return the draws of NUTS that the tree holds, evenly spaced.

        Parameters
        ----------
        values : ndarray (chain, draw, ...)

        Returns
        -------
        ndarray (chain * draw, ...)
        """
        chains, draws = self.shape
        at = np.arange(draws) * values.shape[1] // draws
        return values[:chains, at].reshape(chains * draws, *values.shape[2:])

    def sample_stats(self) -> xr.Dataset:
        """Return the statistics of the sampler.

        On the exact path the group is empty, and its attributes say so.
        """
        sampler = self.posterior.sampler
        if sampler is None:
            return xr.Dataset(
                attrs={"method": "exact", "note": "draws are independent and exact; nothing was sampled by MCMC"}
            )
        coords = self._coords()
        del coords["hypothesis"]
        return xr.Dataset(
            {
                key: (("chain", "draw"), self._thinned(values).reshape(self.shape))
                for key, values in sampler.stats.items()
            },
            coords=coords,
            attrs={
                "method": "nuts",
                "inference_library": "nutpie",
                "divergences": sampler.divergences,
                "r_hat": sampler.r_hat,
                "ess": sampler.ess,
                "target_accept": sampler.target_accept,
                "sampled_chains": sampler.stats["energy"].shape[0],
                "sampled_draws": sampler.stats["energy"].shape[1],
            },
        )

    def _coords(self) -> dict[str, Any]:
        return {"chain": np.arange(self.shape[0]), "draw": np.arange(self.shape[1]), "hypothesis": self.names}

    def _by_draw(self, values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        own = values if values.flags.writeable else values.copy()  # a tree's arrays are its reader's
        return ("chain", "draw", "hypothesis"), own.reshape(*self.shape, -1)

    def parameters(self, group: str) -> xr.Dataset:
        """Return the group ``posterior`` or ``prior``.

        Weights, value priors, nuisances, and weights of families.
        """
        variables = {"weight": self.weights[group], "value_prior": self.values[group]}
        for data in self.posterior.feedback:
            theta = self.theta[group][str(data.name)]
            variables |= {data.variable(key): values for key, values in (theta | data.derived(theta)).items()}
        out = xr.Dataset({k: self._by_draw(v) for k, v in variables.items()}, coords=self._coords())
        each = np.arange(len(self.truths[group])), self.truths[group]
        for data in self.posterior.feedback:
            if "rationality" in data.nuisances:  # under the hypothesis that is drawn with the draw
                drawn = self.theta[group][str(data.name)]["rationality"][each]
                out[data.variable("rationality") + "_marginal"] = (("chain", "draw"), drawn.reshape(self.shape))
        for h, weights in self.reward_weights.items():
            variable, dim = weight_names(self.posterior.hypotheses, h)
            out[variable] = (("chain", "draw", dim), weights[group].reshape(*self.shape, -1))
            out = out.assign_coords({dim: list(self.posterior.families[h].linear.names)})
        return out

    def _inputs(
        self, data: Feedback, valuation: Valuation, h: int, group: str, rows: np.ndarray
    ) -> Iterator[tuple[Feedback, np.ndarray, np.ndarray]]:
        """Yield the inputs of a likelihood under h at some draws.

        A fixed reward yields once for all draws, a family once a draw.

        Yields
        ------
        Feedback, ndarray, ndarray
            The feedback as the hypothesis reads it, the inputs, and the positions in `rows` that have these inputs.
        """
        if h in self.rules:
            yield from self._inputs_of_rules(data, valuation, h, [self.rules[h][group][row] for row in rows])
            return
        if h not in self.reward_weights:
            yield data, data.at(valuation, h), np.arange(len(rows))
            return
        reader = self.posterior.families[h].linear.read_by(data)
        for place, weights in enumerate(self.reward_weights[h][group][rows]):
            yield reader, self.posterior.inputs_of_member(reader, valuation, h, weights), np.array([place])

    def _inputs_of_rules(
        self, data: Feedback, valuation: Valuation, h: int, rules: Sequence[Rule]
    ) -> Iterator[tuple[Feedback, np.ndarray, np.ndarray]]:
        """Yield the inputs of a likelihood under drawn rules of a space, a rule at a time."""
        fitted, failing = self.posterior.spaces[h], data.items.failing()
        literals, line = fitted.literals.on(data.items), valuation.line.values[h]
        assert isinstance(line, float)
        for rule, at in _places(rules).items():
            approved = fitted.predictions([rule], literals)[0]
            if isinstance(data, Rational):
                yield data, inputs_of(data, approved, fitted.rules.reward, line), np.array(at)
            else:
                yield data, approved if failing is None else approved & ~failing, np.array(at)

    def _by_cell(self, valuation: Valuation, n: int, group: str, rng: np.random.Generator) -> np.ndarray:
        """Draw the label probability of each item under the unmodelled hypothesis.

        Shape (draw, item).
        """
        cells = self.posterior.cell_posterior
        assert cells is not None
        spaces = self.posterior.spaces
        listed = [(n, h) for n, h in enumerate(cells.rules) if h not in spaces]
        of_spaces = [(n, spaces[h]) for n, h in enumerate(cells.rules) if h in spaces]
        at, _ = cells.place(cells_of(valuation.table, valuation, listed, of_spaces))
        return cells.label_draws(n, rng, blind=group == "prior")[:, at]

    def _each(self) -> Iterator[tuple[Feedback, Valuation]]:
        return zip(self.posterior.feedback, self.posterior.valuations, strict=True)

    def predictive(self, group: str) -> xr.Dataset:
        """Return the group ``posterior_predictive`` or ``prior_predictive``.

        Data replicated by some of the draws.
        """
        chains, draws = self.shape
        longest = max(data.tally.size for data in self.posterior.feedback)
        n_draws = min(draws, max(1, min(MOST_PREDICTIVE, MOST_REPLICATED // longest) // chains))
        rows = (np.arange(chains)[:, None] * draws + np.arange(n_draws)).ravel()
        truths = self.truths[group][rows]
        variables, coords = {}, {"chain": np.arange(chains), "draw": np.arange(n_draws)}
        for data, valuation in self._each():
            name = str(data.name)
            rng = substream(self.seed, f"{group} predictive {name}")
            tally = data.tally
            out = np.empty((len(rows), *tally.shape), tally.dtype)
            for h in sorted(set(truths.tolist())):
                of_h = np.flatnonzero(truths == h)
                if h == self.posterior.hypotheses.unmodelled:
                    chance = self._by_cell(valuation, len(of_h), group, rng)
                    if data.counts is None:
                        out[of_h] = rng.random((len(of_h), out.shape[1])) < chance
                    else:
                        out[of_h] = rng.binomial(data.counts.astype(np.int64), chance)
                    continue
                for reader, inputs, some in self._inputs(data, valuation, h, group, rows[of_h]):
                    places = of_h[some]
                    theta = {k: v[rows[places], h] for k, v in self.theta[group][name].items()}
                    replicated = np.asarray(reader.tallies(inputs, theta, len(places), rng))
                    if replicated.shape != out[places].shape:
                        raise InputError(
                            f"{name}: replicate() gives shape {replicated.shape}; it must give one row a draw and one column an item, "
                            f"{out[places].shape}"
                        )
                    out[places] = replicated
            dims = data.dims(tally.shape)
            variables[name] = (("chain", "draw", *dims), out.reshape(chains, n_draws, *tally.shape))
            coords |= {dim: np.arange(n) for dim, n in zip(dims, tally.shape, strict=True)}
        return xr.Dataset(variables, coords=coords)

    def observed(self) -> xr.Dataset:
        """Return the group ``observed_data``."""
        variables: dict[str, Any] = {}
        coords: dict[str, Any] = {}
        for data in self.posterior.feedback:
            tally = data.tally
            dims = data.dims(tally.shape)
            variables[str(data.name)] = (dims, tally)
            coords |= {dim: np.arange(n) for dim, n in zip(dims, tally.shape, strict=True)}
        return xr.Dataset(variables, coords=coords)

    def constant(self) -> xr.Dataset:
        """Return the group ``constant_data``: columns, counts, scales and units."""
        columns = dict.fromkeys(c for e in self.posterior.hypotheses.expressions().values() for c in e.columns)
        variables: dict[str, Any] = {}
        coords: dict[str, Any] = {}
        columns_of: dict[str, tuple[str, str]] = {}  # what feedback and column a variable holds
        taken = self._names_beside_columns()
        for data, valuation in self._each():
            laid = {c: data.laid_out(data.items.columns[c].values) for c in columns if c in data.items.columns}
            for column, values in laid.items():
                dims, name = data.dims(values.shape), variable_name(f"{data.name}_{column}", taken | columns_of.keys())
                variables[name], columns_of[name] = (dims, values), (str(data.name), column)
                coords |= {dim: np.arange(n) for dim, n in zip(dims, values.shape, strict=True)}
            for key, values in data.constants().items():
                variables[f"{data.name}_{key}"] = (data.dims(values.shape), values)
            if data.counts is not None:
                variables[f"{data.name}_counts"] = (data.dims(data.counts.shape), data.counts.astype(np.int64))
            scales = data.scales(valuation)
            if scales is not None:
                scales[list(self.posterior.families)] = np.nan  # one for each of their weights
                variables[f"{data.name}_scale"] = ("hypothesis", scales)
                coords["hypothesis"] = self.names
        for h, fitted in self.posterior.families.items():
            variable, dim = weight_names(self.posterior.hypotheses, h)
            variables[f"{variable}_scale"] = (dim, fitted.scale)
            for key, spread in fitted.spreads.items():
                variables[f"{variable}_{key}_spread"] = ((f"{dim}_row", f"{dim}_column"), spread)
            coords[dim] = list(fitted.linear.names)
        return xr.Dataset(variables, coords=coords, attrs={"columns": json.dumps(columns_of)})

    def _names_beside_columns(self) -> set[str]:
        """Return the names in ``constant_data`` that are not columns.

        Dims, scales, units of families and constants of kinds.
        """
        names = {"hypothesis"}
        for data in self.posterior.feedback:
            names |= set(data.dims((1, 1))) | {f"{data.name}_{key}" for key in ("scale", "counts", *data.constants())}
        for h, fitted in self.posterior.families.items():
            variable, dim = weight_names(self.posterior.hypotheses, h)
            names |= {f"{variable}_scale", dim, f"{dim}_row", f"{dim}_column"}
            names |= {f"{variable}_{key}_spread" for key in fitted.spreads}
        return names

    def log_likelihood(self) -> xr.Dataset:
        """Return the group ``log_likelihood``, by draw, hypothesis and item; nats."""
        variables, coords = {}, self._coords()
        for data, valuation in self._each():
            name = str(data.name)
            n, n_units = self.shape[0] * self.shape[1], len(data.observed)
            times = 1.0 if data.counts is None else data.counts
            out = np.empty((n, len(self.names), n_units))
            for h in range(len(self.names)):
                if h == self.posterior.hypotheses.unmodelled:
                    true = self._by_cell(valuation, n, "posterior", substream(self.seed, f"cells of {name}"))
                    out[:, h] = np.where(data.observed, np.log(true), np.log1p(-true)) * times
                    continue
                for reader, inputs, some in self._inputs(data, valuation, h, "posterior", np.arange(n)):
                    theta = {k: v[some, h, None] for k, v in self.theta["posterior"][name].items()}
                    values = reader.log_likelihood(inputs.astype(float), theta, data.observed.astype(float), np)
                    out[some, h] = values * times
            variables[name] = (
                ("chain", "draw", "hypothesis", f"{name}_item"),
                out.reshape(*self.shape, *out.shape[1:]),
            )
            coords[f"{name}_item"] = np.arange(n_units)
        return xr.Dataset(variables, coords=coords)

    def log_prior(self) -> xr.Dataset:
        """Return the group ``log_prior``: log density of every nuisance, nats.

        By draw and hypothesis.
        """
        variables: dict[str, Any] = {}
        for data in self.posterior.feedback:
            values = data.log_prior(self.theta["posterior"][str(data.name)])
            variables |= {data.variable(k): self._by_draw(v) for k, v in values.items()}
        return xr.Dataset(variables, coords=self._coords())


def _places(rules: Sequence[Rule]) -> dict[Rule, list[int]]:
    """Return where each distinct rule stands."""
    places: dict[Rule, list[int]] = {}
    for place, rule in enumerate(rules):
        places.setdefault(rule, []).append(place)
    return places
