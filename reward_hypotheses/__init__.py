"""Posterior weights for reward hypotheses under explicit human values, and the risk of catastrophe on a shifted test.

The flow: state reward hypotheses, a human-value prior over them with its source, and a line below which an outcome is
worse than failing completely; bring training data (labels, rewards); get posterior weights, and how much of each is
evidence and how much is prior; bring a shifted test, and get the risk that an agent trained on such data does there
what is worse than failing, with its uncertainty and what it hinges on. A study file holds all of it:

    import reward_hypotheses as rh
    results = rh.run("study.toml")
    results["risk"]["mean"]

Names are loaded when they are first used, so that ``import reward_hypotheses`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from reward_hypotheses.analysis.agents.cvar_policy import cvar_policy
    from reward_hypotheses.analysis.agents.mdp_behaviour import demonstrate, occupancy, plan
    from reward_hypotheses.analysis.agents.population import agents_read, population_risk
    from reward_hypotheses.analysis.design.probe_agent import probe
    from reward_hypotheses.analysis.design.probes import choose_probes
    from reward_hypotheses.analysis.design.queries import rank_queries
    from reward_hypotheses.analysis.evidence.by_feedback_api import evidence_by_feedback, silent_pairs
    from reward_hypotheses.analysis.evidence.identifiable_directions_api import silent_directions
    from reward_hypotheses.analysis.report.write import report
    from reward_hypotheses.analysis.risk.by_judge import risk_by_judge
    from reward_hypotheses.analysis.risk.catastrophe_api import catastrophe_risk
    from reward_hypotheses.analysis.risk.predictions import predict
    from reward_hypotheses.analysis.sensitivity.failure_line_api import failure_line, risk_under_failure_judgements
    from reward_hypotheses.analysis.sensitivity.value_bits_api import risk_bounds, value_bits
    from reward_hypotheses.analysis.shift.adversarial_scene import search_worst
    from reward_hypotheses.analysis.shift.impact_api import impact
    from reward_hypotheses.analysis.shift.worst_case_api import worst_case
    from reward_hypotheses.analysis.validation.lander import lander_study
    from reward_hypotheses.analysis.validation.minigrid import minigrid_study
    from reward_hypotheses.data.errors import InputError
    from reward_hypotheses.data.ledger import Ledger
    from reward_hypotheses.data.readers.factorial import combinations
    from reward_hypotheses.data.readers.files import read_table
    from reward_hypotheses.data.readers.pairwise import read_comparisons
    from reward_hypotheses.data.shifts.features import decorrelate, fade, intervene, repaint
    from reward_hypotheses.data.shifts.scenes import add_options, resample, reweight
    from reward_hypotheses.data.worlds.gridworld import gridworld
    from reward_hypotheses.data.worlds.lander.scenes import landing_frame, landing_sites
    from reward_hypotheses.models.feedback.base import Feedback
    from reward_hypotheses.models.feedback.choices import Choices
    from reward_hypotheses.models.feedback.demonstrations import Demonstrations
    from reward_hypotheses.models.feedback.labels import Labels
    from reward_hypotheses.models.feedback.proxy import Proxy
    from reward_hypotheses.models.feedback.rankings import Rankings
    from reward_hypotheses.models.feedback.ratings import Ratings
    from reward_hypotheses.models.feedback.rewards import Rewards
    from reward_hypotheses.models.feedback.stops import Stops
    from reward_hypotheses.models.fit import fit
    from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements
    from reward_hypotheses.models.hypotheses.failure_line import InSd
    from reward_hypotheses.models.hypotheses.linear import Linear
    from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled
    from reward_hypotheses.models.inference.trust import NotTrustedError
    from reward_hypotheses.models.mdp.mdp import MDP
    from reward_hypotheses.models.policies.base import Policy
    from reward_hypotheses.models.policies.boltzmann import Boltzmann
    from reward_hypotheses.models.policies.commit import Commit
    from reward_hypotheses.models.policies.cvar import Cvar
    from reward_hypotheses.models.policies.expected import Expected
    from reward_hypotheses.models.policies.maximin import Maximin
    from reward_hypotheses.models.policies.most_probable import MostProbable
    from reward_hypotheses.models.policies.quantilize import Quantilize
    from reward_hypotheses.models.priors.base import Prior, log_pool
    from reward_hypotheses.models.priors.elicited import Elicited
    from reward_hypotheses.models.priors.judgements import Judgements
    from reward_hypotheses.models.priors.pools import LinearPool
    from reward_hypotheses.models.priors.quantiles import elicit
    from reward_hypotheses.models.priors.simplicity import Simplicity
    from reward_hypotheses.models.priors.uniform import Uniform
    from reward_hypotheses.models.pymc_model import pymc_model
    from reward_hypotheses.models.tree.conformance import conforms
    from reward_hypotheses.models.tree.index_draws import given, index_draws
    from reward_hypotheses.study.compare import compare
    from reward_hypotheses.study.run import check, run

_HOME = {
    "read_table": "data.readers.files",
    "landing_sites": "data.worlds.lander.scenes",
    "landing_frame": "data.worlds.lander.scenes",
    "repaint": "data.shifts.features",
    "decorrelate": "data.shifts.features",
    "intervene": "data.shifts.features",
    "reweight": "data.shifts.scenes",
    "resample": "data.shifts.scenes",
    "add_options": "data.shifts.scenes",
    "fade": "data.shifts.features",
    "InputError": "data.errors",
    "Ledger": "data.ledger",
    "gridworld": "data.worlds.gridworld",
    "Prior": "models.priors.base",
    "Elicited": "models.priors.elicited",
    "elicit": "models.priors.quantiles",
    "Judgements": "models.priors.judgements",
    "Uniform": "models.priors.uniform",
    "Simplicity": "models.priors.simplicity",
    "LinearPool": "models.priors.pools",
    "log_pool": "models.priors.base",
    "Feedback": "models.feedback.base",
    "conforms": "models.tree.conformance",
    "Choices": "models.feedback.choices",
    "Demonstrations": "models.feedback.demonstrations",
    "Labels": "models.feedback.labels",
    "Proxy": "models.feedback.proxy",
    "Rankings": "models.feedback.rankings",
    "Ratings": "models.feedback.ratings",
    "Rewards": "models.feedback.rewards",
    "Stops": "models.feedback.stops",
    "Linear": "models.hypotheses.linear",
    "InSd": "models.hypotheses.failure_line",
    "Unmodelled": "models.hypotheses.none_of_the_above",
    "MDP": "models.mdp.mdp",
    "read_comparisons": "data.readers.pairwise",
    "Policy": "models.policies.base",
    "Commit": "models.policies.commit",
    "MostProbable": "models.policies.most_probable",
    "Cvar": "models.policies.cvar",
    "Maximin": "models.policies.maximin",
    "Quantilize": "models.policies.quantilize",
    "Expected": "models.policies.expected",
    "Boltzmann": "models.policies.boltzmann",
    "NotTrustedError": "models.inference.trust",
    "fit": "models.fit",
    "pymc_model": "models.pymc_model",
    "plan": "analysis.agents.mdp_behaviour",
    "occupancy": "analysis.agents.mdp_behaviour",
    "demonstrate": "analysis.agents.mdp_behaviour",
    "catastrophe_risk": "analysis.risk.catastrophe_api",
    "value_bits": "analysis.sensitivity.value_bits_api",
    "risk_bounds": "analysis.sensitivity.value_bits_api",
    "risk_by_judge": "analysis.risk.by_judge",
    "FailureJudgements": "models.hypotheses.failure_judgements",
    "failure_line": "analysis.sensitivity.failure_line_api",
    "risk_under_failure_judgements": "analysis.sensitivity.failure_line_api",
    "combinations": "data.readers.factorial",
    "evidence_by_feedback": "analysis.evidence.by_feedback_api",
    "silent_pairs": "analysis.evidence.by_feedback_api",
    "cvar_policy": "analysis.agents.cvar_policy",
    "predict": "analysis.risk.predictions",
    "agents_read": "analysis.agents.population",
    "population_risk": "analysis.agents.population",
    "choose_probes": "analysis.design.probes",
    "probe": "analysis.design.probe_agent",
    "rank_queries": "analysis.design.queries",
    "worst_case": "analysis.shift.worst_case_api",
    "search_worst": "analysis.shift.adversarial_scene",
    "impact": "analysis.shift.impact_api",
    "given": "models.tree.index_draws",
    "index_draws": "models.tree.index_draws",
    "silent_directions": "analysis.evidence.identifiable_directions_api",
    "report": "analysis.report.write",
    "run": "study.run",
    "check": "study.run",
    "compare": "study.compare",
    "lander_study": "analysis.validation.lander",
    "minigrid_study": "analysis.validation.minigrid",
}

__all__ = [
    "cvar_policy",
    "Quantilize",
    "Maximin",
    "Cvar",
    "Boltzmann",
    "Choices",
    "Commit",
    "Demonstrations",
    "Elicited",
    "Expected",
    "FailureJudgements",
    "Feedback",
    "InSd",
    "InputError",
    "Judgements",
    "Labels",
    "Ledger",
    "Linear",
    "LinearPool",
    "MDP",
    "MostProbable",
    "NotTrustedError",
    "Policy",
    "Prior",
    "Proxy",
    "Rankings",
    "Ratings",
    "Rewards",
    "Simplicity",
    "Stops",
    "Uniform",
    "Unmodelled",
    "__version__",
    "add_options",
    "agents_read",
    "catastrophe_risk",
    "check",
    "compare",
    "conforms",
    "choose_probes",
    "combinations",
    "rank_queries",
    "decorrelate",
    "demonstrate",
    "elicit",
    "evidence_by_feedback",
    "fade",
    "failure_line",
    "fit",
    "given",
    "gridworld",
    "impact",
    "index_draws",
    "intervene",
    "lander_study",
    "minigrid_study",
    "landing_frame",
    "landing_sites",
    "log_pool",
    "occupancy",
    "plan",
    "population_risk",
    "predict",
    "probe",
    "pymc_model",
    "read_comparisons",
    "read_table",
    "repaint",
    "report",
    "resample",
    "reweight",
    "risk_bounds",
    "risk_by_judge",
    "risk_under_failure_judgements",
    "run",
    "search_worst",
    "silent_directions",
    "silent_pairs",
    "value_bits",
    "worst_case",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'reward_hypotheses' has no attribute {name!r}; there is {', '.join(__all__)}")
    value = getattr(import_module(f"reward_hypotheses.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
