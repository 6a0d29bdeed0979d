"""The predicted outcome of each probe, from the choices in all other probes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike
from reward_hypotheses.analysis.risk.distribution.episodes import episodes_of, refuse_unavailable
from reward_hypotheses.analysis.risk.distribution.predict_rate import case_of_deployments, deployments_of
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.worlds.episode_simulation import EpisodeSteps, one_step
from reward_hypotheses.models.inference.laplace import pareto_k
from reward_hypotheses.models.policies.base import Policy


def predict_held_out(
    tree: xr.DataTree,
    probes: Any,
    taken: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    steps: int | None = None,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
    draws: int = 4000,
    random_seed: int | None = None,
) -> xr.Dataset:
    """Predict the outcome of each probe from an agent's choices in all other probes.

    The agent was inferred from its choices in all probes. A probe is held out by weighing the draws (Gelfand, 1996)::

        p_m = sum_d w_dm P_d(catastrophe in m) / sum_d w_dm,    w_dm = 1 / p_d(choices in m)

    Parameters
    ----------
    tree, probes, policy, agent, steps, agent_fail_utility, hypotheses
        As for `predict_rate`, whose test is here the probes.
    taken : array of int (scene,), or EpisodeSteps
        The option that the agent took in each scene; where episodes have several steps, their steps.
    draws : int

    Returns
    -------
    Dataset
        ``chance`` (probe,); ``log_score`` (probe,), ``-log mean_d w_dm``, the log probability of the choices in a probe given
        the others, nats; ``k_hat`` (probe,), the Pareto shape of the weights, not to be trusted above 0.7.

    Raises
    ------
    InputError
        As for `predict_rate`; choices of other scenes; a choice of probability 0.
    """
    case = case_of_deployments(tree, probes, policy, agent, agent_fail_utility, hypotheses, random_seed)
    n = whole(draws, "draws", 1)
    refuse_unavailable(probes, "taken")
    episodes = None if steps is None else episodes_of(probes, steps, case.valuation.n_scenes, case.policy.abstain)
    acted = taken if isinstance(taken, EpisodeSteps) else one_step(_options(taken, case.valuation.n_scenes))
    count = case.valuation.n_scenes if episodes is None else len(episodes.first)
    _check(acted, case.valuation.n_scenes, count, int(np.diff(case.valuation.table.starts).max()))
    chance, log = np.empty((2, n, count))
    for some, acts, worse in deployments_of(case, n).choices():
        if episodes is None:
            chance[some] = (acts * worse).sum(axis=1)
        else:
            chance[some] = episodes.chance(acts, worse)
        with np.errstate(divide="ignore"):
            steps_log = np.log(
                np.broadcast_to(acts, (some.stop - some.start, *acts.shape[1:]))[:, acted.option, acted.scene]
            )
        sums = np.zeros((count, len(steps_log)))
        np.add.at(sums, acted.episode, steps_log.T)
        log[some] = sums.T
    never = np.flatnonzero(~np.isfinite(log).all(axis=0))
    if len(never):
        raise InputError(
            f"taken: probe {never[0]}: a choice that the agent never makes by some draw; give a policy that may err"
        )
    top = -log.min(axis=0)
    weight = np.exp(-log - top)
    return xr.Dataset(
        {
            "chance": ("probe", np.clip((weight * chance).sum(axis=0) / weight.sum(axis=0), 0.0, 1.0)),
            "log_score": ("probe", -(np.log(weight.mean(axis=0)) + top)),
            "k_hat": ("probe", [pareto_k(row) for row in -log.T]),
        },
        coords={"probe": np.arange(count)},
        attrs={"policy": case.policy.name},
    )


def _options(taken: Any, scenes: int) -> np.ndarray:
    options = np.asarray(taken)
    if options.shape != (scenes,) or not np.issubdtype(options.dtype, np.integer):
        raise InputError(
            f"taken: {shown(taken)}; give the number of the option taken in each of the {scenes} scenes, or rh.EpisodeSteps"
        )
    return options


def _check(acted: EpisodeSteps, scenes: int, count: int, options: int) -> None:
    for name, values, most in (
        ("episode", acted.episode, count),
        ("scene", acted.scene, scenes),
        ("option", acted.option, options),
    ):
        wrong = np.flatnonzero((values < 0) | (values >= most))
        if len(wrong):
            raise InputError(
                f"taken: step {wrong[0]}: {name}: {values[wrong[0]]}; give one of the {most} of the probes, from 0"
            )
