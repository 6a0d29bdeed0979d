"""Draws of a fitted model, in the groups that ArviZ reads."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.hypotheses import weight_names
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior, cells_of
from reward_hypotheses.models.tree.variable_names import variable_name

LEAST_DRAWS = 4000
"""Draws from which the ends of an interval come, however few the tree holds."""
MOST_PREDICTIVE = 200

MOST_REPLICATED = 20_000_000  # replicated items that a group holds; of very long tables, fewer draws


class Groups:
    """Draws, made once, and the groups that hold them."""

    def __init__(self, posterior: Posterior, draws: int, chains: int, seed: int) -> None:
        self.posterior = posterior
        self.names = list(posterior.hypotheses.names)
        self.shape = (chains, draws)
        n = chains * draws
        values, weights, truths = posterior.draws(max(n, LEAST_DRAWS), substream(seed, "values"))
        rng = substream(seed, "prior values")
        blind = rng.choice(len(self.names), n, p=posterior.prior.weights_of(posterior.hypotheses))
        pi = posterior.prior.draws(posterior.hypotheses, blind, rng)
        self.truths = {"posterior": truths[:n], "prior": blind}
        self.values = {"posterior": values[:n], "prior": pi}
        self.weights = {"posterior": weights[:n], "prior": pi}
        self.theta: dict[str, dict[str, dict[str, np.ndarray]]] = {"posterior": {}, "prior": {}}
        self.seed = seed
        for one, evidence in zip(posterior.feedback, posterior.evidence, strict=True):
            name = str(one.name)
            key = one.shares or name  # who shares a nuisance shares its draws
            after, before = substream(seed, f"posterior {key}"), substream(seed, f"prior {key}")
            if evidence.draws is None:
                fixed = np.setdiff1d(posterior.hypotheses.rules, list(posterior.families)).astype(int)
                drawn = one.draws(evidence, fixed, n, after) if len(fixed) else {}
                theta = {k: np.full((n, len(self.names)), np.nan) for k in one.nuisances}
                for key, values in drawn.items():
                    theta[key][:, fixed] = values
            else:
                theta = {key: self._kept(values) for key, values in evidence.draws.items()}
            self.theta["posterior"][name] = theta
            _, _, place, _ = distinct(evidence.classes)
            own = before if one.shares is None else substream(seed, f"prior {name}")
            blind_theta = {
                k: p.draws((n, int(place.max()) + 1), before if k == "rationality" else own)
                for k, p in one.nuisances.items()
            }
            self.theta["prior"][name] = {k: v[:, place] for k, v in blind_theta.items()}
            if posterior.learnt is not None:  # no rule, so none that is wrong now and then
                for found in (*theta.values(), *self.theta["prior"][name].values()):
                    found[:, posterior.learnt.hypothesis] = np.nan
            for (
                h,
                fitted,
            ) in posterior.families.items():  # drawn with its weights; under a normal prior these say how rational
                for key in theta:
                    theta[key][:, h] = fitted.nuisances[one.variable(key)][:n]
                    if isinstance(one, Rational) and key == "rationality" and fitted.linear.sd is not None:
                        self.theta["prior"][name][key][:, h] = 1.0
        self.reward_weights = {
            h: {
                "posterior": fitted.weights[:n],
                "prior": fitted.linear.prior_draws(n, substream(seed, f"prior weights of {self.names[h]}")),
            }
            for h, fitted in posterior.families.items()
        }

    def _kept(self, values: np.ndarray) -> np.ndarray:
        """Of (chain, draw, ...) draws of NUTS those that the tree holds, evenly spaced: (chain * draw, ...)."""
        chains, draws = self.shape
        at = np.arange(draws) * values.shape[1] // draws
        return values[:chains, at].reshape(chains * draws, *values.shape[2:])

    def sample_stats(self) -> xr.Dataset:
        """What the sampler reports; on the exact path an empty group that says so."""
        sampler = self.posterior.sampler
        if sampler is None:
            return xr.Dataset(
                attrs={"method": "exact", "note": "draws are independent and exact; nothing was sampled by MCMC"}
            )
        coords = self._coords()
        del coords["hypothesis"]
        return xr.Dataset(
            {key: (("chain", "draw"), self._kept(values).reshape(self.shape)) for key, values in sampler.stats.items()},
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
        return ("chain", "draw", "hypothesis"), values.reshape(*self.shape, -1)

    def parameters(self, group: str) -> xr.Dataset:
        variables = {"weight": self.weights[group], "value_prior": self.values[group]}
        for one in self.posterior.feedback:
            variables |= {one.variable(key): values for key, values in self.theta[group][str(one.name)].items()}
            variables |= {
                one.variable(key): values for key, values in one.derived(self.theta[group][str(one.name)]).items()
            }
        found = xr.Dataset({k: self._by_draw(v) for k, v in variables.items()}, coords=self._coords())
        each = np.arange(len(self.truths[group])), self.truths[group]
        for one in self.posterior.feedback:
            if "rationality" in one.nuisances:  # whoever is right: of the hypothesis that is drawn with the draw
                values = self.theta[group][str(one.name)]["rationality"][each]
                found[one.variable("rationality") + "_marginal"] = (("chain", "draw"), values.reshape(self.shape))
        for h, drawn in self.reward_weights.items():
            variable, dim = weight_names(self.posterior.hypotheses, h)
            found[variable] = (("chain", "draw", dim), drawn[group].reshape(*self.shape, -1))
            found = found.assign_coords({dim: list(self.posterior.families[h].linear.names)})
        return found

    def _inputs(
        self, one: Feedback, valuation: Valuation, h: int, group: str, rows: np.ndarray
    ) -> Iterator[tuple[Feedback, np.ndarray, np.ndarray]]:
        """What the likelihood of h depends on at some draws: who reads it, inputs, and those of the rows that have them.

        One for all of a fixed reward, one a draw of a family.
        """
        if h not in self.reward_weights:
            yield one, one.at(valuation, h), np.arange(len(rows))
            return
        reader = self.posterior.families[h].linear.read_by(one)
        for place, weights in enumerate(self.reward_weights[h][group][rows]):
            yield reader, self.posterior.inputs_of_member(reader, valuation, h, weights), np.array([place])

    def _by_cell(self, valuation: Valuation, n: int, group: str, rng: np.random.Generator) -> np.ndarray:
        """Draws of the label probability of each item, where no rule is right: (draw, item)."""
        learnt = self.posterior.learnt
        assert learnt is not None
        at, _ = learnt.place(cells_of(valuation, learnt.rules))
        return learnt.draws(n, rng, blind=group == "prior")[:, at]

    def _each(self) -> Sequence[tuple[Feedback, Valuation, Evidence]]:
        p = self.posterior
        return list(zip(p.feedback, p.valuations, p.evidence, strict=True))

    def predictive(self, group: str) -> xr.Dataset:
        chains, draws = self.shape
        longest = max(one.tally.size for one in self.posterior.feedback)
        kept = min(draws, max(1, min(MOST_PREDICTIVE, MOST_REPLICATED // longest) // chains))
        rows = (np.arange(chains)[:, None] * draws + np.arange(kept)).ravel()
        truths = self.truths[group][rows]
        variables, coords = {}, {"chain": np.arange(chains), "draw": np.arange(kept)}
        for one, valuation, _ in self._each():
            name = str(one.name)
            rng = substream(self.seed, f"{group} predictive {name}")
            tally = one.tally
            out = np.empty((len(rows), *tally.shape), tally.dtype)
            for h in sorted(set(truths.tolist())):
                of_h = np.flatnonzero(truths == h)
                if h == self.posterior.hypotheses.unmodelled:
                    chance = self._by_cell(valuation, len(of_h), group, rng)
                    if one.counts is None:
                        out[of_h] = rng.random((len(of_h), out.shape[1])) < chance
                    else:
                        out[of_h] = rng.binomial(one.counts.astype(np.int64), chance)
                    continue
                for reader, inputs, some in self._inputs(one, valuation, h, group, rows[of_h]):
                    mine = of_h[some]
                    theta = {k: v[rows[mine], h] for k, v in self.theta[group][name].items()}
                    replicated = np.asarray(reader.tallies(inputs, theta, len(mine), rng))
                    if replicated.shape != out[mine].shape:
                        raise InputError(
                            f"{name}: replicate() gives shape {replicated.shape}; it must give one row a draw and one column an item, "
                            f"{out[mine].shape}"
                        )
                    out[mine] = replicated
            dims = one.dims(tally.shape)
            variables[name] = (("chain", "draw", *dims), out.reshape(chains, kept, *tally.shape))
            coords |= {dim: np.arange(n) for dim, n in zip(dims, tally.shape, strict=True)}
        return xr.Dataset(variables, coords=coords)

    def observed(self) -> xr.Dataset:
        variables: dict[str, Any] = {}
        coords: dict[str, Any] = {}
        for one, _, _ in self._each():
            tally = one.tally
            dims = one.dims(tally.shape)
            variables[str(one.name)] = (dims, tally)
            coords |= {dim: np.arange(n) for dim, n in zip(dims, tally.shape, strict=True)}
        return xr.Dataset(variables, coords=coords)

    def constant(self) -> xr.Dataset:
        columns = dict.fromkeys(c for e in self.posterior.hypotheses.expressions().values() for c in e.columns)
        variables: dict[str, Any] = {}
        coords: dict[str, Any] = {}
        held: dict[str, tuple[str, str]] = {}  # what feedback and column a variable holds
        taken = self._names_beside_columns()
        for one, valuation, _ in self._each():
            laid = {c: one.laid_out(one.items.columns[c].values) for c in columns if c in one.items.columns}
            for column, values in laid.items():
                dims, name = one.dims(values.shape), variable_name(f"{one.name}_{column}", taken | held.keys())
                variables[name], held[name] = (dims, values), (str(one.name), column)
                coords |= {dim: np.arange(n) for dim, n in zip(dims, values.shape, strict=True)}
            for key, values in one.constants().items():
                variables[f"{one.name}_{key}"] = (one.dims(values.shape), values)
            if one.counts is not None:
                variables[f"{one.name}_counts"] = (one.dims(one.counts.shape), one.counts.astype(np.int64))
            scales = one.scales(valuation)
            if scales is not None:
                scales[list(self.posterior.families)] = np.nan  # one for each of their weights
                variables[f"{one.name}_scale"] = ("hypothesis", scales)
                coords["hypothesis"] = self.names
        for h, fitted in self.posterior.families.items():
            variable, dim = weight_names(self.posterior.hypotheses, h)
            variables[f"{variable}_scale"] = (dim, fitted.scale)
            for key, spread in fitted.spreads.items():
                variables[f"{variable}_{key}_spread"] = ((f"{dim}_row", f"{dim}_column"), spread)
            coords[dim] = list(fitted.linear.names)
        return xr.Dataset(variables, coords=coords, attrs={"columns": json.dumps(held)})

    def _names_beside_columns(self) -> set[str]:
        """What else the group ``constant_data`` holds: dims, scales, units of families and what the kinds keep."""
        found = {"hypothesis"}
        for one, _, _ in self._each():
            found |= set(one.dims((1, 1))) | {f"{one.name}_{key}" for key in ("scale", "counts", *one.constants())}
        for h, fitted in self.posterior.families.items():
            variable, dim = weight_names(self.posterior.hypotheses, h)
            found |= {f"{variable}_scale", dim, f"{dim}_row", f"{dim}_column"}
            found |= {f"{variable}_{key}_spread" for key in fitted.spreads}
        return found

    def log_likelihood(self) -> xr.Dataset:
        variables, coords = {}, self._coords()
        for one, valuation, _ in self._each():
            name = str(one.name)
            n, n_units = self.shape[0] * self.shape[1], len(one.observed)
            times = 1.0 if one.counts is None else one.counts
            out = np.empty((n, len(self.names), n_units))
            for h in range(len(self.names)):
                if h == self.posterior.hypotheses.unmodelled:
                    true = self._by_cell(valuation, n, "posterior", substream(self.seed, f"cells of {name}"))
                    out[:, h] = np.where(one.observed, np.log(true), np.log1p(-true)) * times
                    continue
                for reader, inputs, some in self._inputs(one, valuation, h, "posterior", np.arange(n)):
                    theta = {k: v[some, h, None] for k, v in self.theta["posterior"][name].items()}
                    found = reader.log_likelihood(inputs.astype(float), theta, one.observed.astype(float), np)
                    out[some, h] = found * times
            variables[name] = (
                ("chain", "draw", "hypothesis", f"{name}_item"),
                out.reshape(*self.shape, *out.shape[1:]),
            )
            coords[f"{name}_item"] = np.arange(n_units)
        return xr.Dataset(variables, coords=coords)

    def log_prior(self) -> xr.Dataset:
        variables: dict[str, Any] = {}
        for one, _, _ in self._each():
            found = one.log_prior(self.theta["posterior"][str(one.name)])
            variables |= {one.variable(k): self._by_draw(v) for k, v in found.items()}
        return xr.Dataset(variables, coords=self._coords())
