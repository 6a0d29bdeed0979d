"""The names of `reward_hypotheses`, each with the module that defines it: read by type checkers and by the lazy loader."""

from .analysis.agents.agent_population_api import agents_read as agents_read
from .analysis.agents.agent_population_api import population_risk as population_risk
from .analysis.agents.mdp_cvar_planning import cvar_policy as cvar_policy
from .analysis.agents.mdp_planning_api import demonstrate as demonstrate
from .analysis.agents.mdp_planning_api import occupancy as occupancy
from .analysis.agents.mdp_planning_api import plan as plan
from .analysis.agents.people.api import people_risk as people_risk
from .analysis.agents.people.api import with_judge as with_judge
from .analysis.agents.predicted.choices_api import predict_choices as predict_choices
from .analysis.agents.predicted.register_api import register_prediction as register_prediction
from .analysis.agents.predictions import predict as predict
from .analysis.design.probes import choose_probes as choose_probes
from .analysis.design.queries import rank_queries as rank_queries
from .analysis.design.record_agent_choices import probe as probe
from .analysis.design.sequential_design_simulation import asked_in_turn as asked_in_turn
from .analysis.evidence.by_feedback_api import (
    evidence_by_feedback as evidence_by_feedback,
)
from .analysis.evidence.by_feedback_api import (
    silent_pairs as silent_pairs,
)
from .analysis.evidence.degrees.cues_by_degree_api import cues_by_degree as cues_by_degree
from .analysis.evidence.identifiable_directions import silent_directions as silent_directions
from .analysis.plots.calibration import plot_calibration as plot_calibration
from .analysis.plots.evidence import plot_evidence as plot_evidence
from .analysis.plots.frontier import plot_frontier as plot_frontier
from .analysis.plots.prior_sweep import plot_prior_sweep as plot_prior_sweep
from .analysis.plots.reward_weights import plot_reward_weights as plot_reward_weights
from .analysis.plots.risk import plot_risk as plot_risk
from .analysis.plots.risk_matrix import plot_risk_matrix as plot_risk_matrix
from .analysis.plots.sensitivity import plot_sensitivity as plot_sensitivity
from .analysis.plots.shift import plot_shift as plot_shift
from .analysis.plots.value_bits import plot_value_bits as plot_value_bits
from .analysis.plots.weights import plot_weights as plot_weights
from .analysis.risk.catastrophe_api import catastrophe_risk as catastrophe_risk
from .analysis.risk.distribution.discrepancy import estimate_discrepancy as estimate_discrepancy
from .analysis.risk.distribution.held_out import predict_held_out as predict_held_out
from .analysis.risk.distribution.outcomes import compare_with_outcomes as compare_with_outcomes
from .analysis.risk.distribution.predict_rate import predict_rate as predict_rate
from .analysis.risk.distribution.probe_overlap import probe_overlap as probe_overlap
from .analysis.risk.rules.risk_api import dangerous_rules as dangerous_rules
from .analysis.risk.rules.risk_api import feature_dependence as feature_dependence
from .analysis.risk.rules.risk_api import telling_labels as telling_labels
from .analysis.risk.rules.weights_api import equivalent_rules as equivalent_rules
from .analysis.risk.rules.weights_api import top_rules as top_rules
from .analysis.sensitivity.by_human_judge import risk_by_judge as risk_by_judge
from .analysis.sensitivity.failure_judgements_api import (
    failure_line as failure_line,
)
from .analysis.sensitivity.failure_judgements_api import (
    risk_under_failure_judgements as risk_under_failure_judgements,
)
from .analysis.sensitivity.value_bits_api import risk_bounds as risk_bounds
from .analysis.sensitivity.value_bits_api import value_bits as value_bits
from .analysis.shift.adversarial_scene import search_worst as search_worst
from .analysis.shift.impact_measure_api import impact as impact
from .analysis.shift.worst_case_api import worst_case as worst_case
from .analysis.validation.lander import lander_study as lander_study
from .analysis.validation.minesweeper import minesweeper_study as minesweeper_study
from .analysis.validation.minigrid import minigrid_study as minigrid_study
from .data.errors import InputError as InputError
from .data.readers.decision_ledger import Ledger as Ledger
from .data.readers.factorial import combinations as combinations
from .data.readers.files import read_table as read_table
from .data.readers.pairwise import read_comparisons as read_comparisons
from .data.shifts.features import decorrelate as decorrelate
from .data.shifts.features import fade as fade
from .data.shifts.features import intervene as intervene
from .data.shifts.features import repaint as repaint
from .data.shifts.scenes import add_options as add_options
from .data.shifts.scenes import resample as resample
from .data.shifts.scenes import reweight as reweight
from .data.worlds.episode_simulation import EpisodeSteps as EpisodeSteps
from .data.worlds.gridworld import gridworld as gridworld
from .data.worlds.lander.scenes import landing_frame as landing_frame
from .data.worlds.lander.scenes import landing_sites as landing_sites
from .models.feedback.base import Feedback as Feedback
from .models.feedback.conformance import conforms as conforms
from .models.feedback.kinds.choices import Choices as Choices
from .models.feedback.kinds.demonstrations import Demonstrations as Demonstrations
from .models.feedback.kinds.labels import Labels as Labels
from .models.feedback.kinds.proxy import Proxy as Proxy
from .models.feedback.kinds.rankings import Rankings as Rankings
from .models.feedback.kinds.ratings import Ratings as Ratings
from .models.feedback.kinds.rewards import Rewards as Rewards
from .models.feedback.kinds.stops import Stops as Stops
from .models.fit import fit as fit
from .models.hypotheses.failure_judgements import FailureJudgements as FailureJudgements
from .models.hypotheses.failure_line import InSd as InSd
from .models.hypotheses.linear import Linear as Linear
from .models.hypotheses.none_of_the_above import Unmodelled as Unmodelled
from .models.inference.trust import NotTrustedError as NotTrustedError
from .models.mdp.mdp import MDP as MDP
from .models.policies.base import Policy as Policy
from .models.policies.boltzmann import Boltzmann as Boltzmann
from .models.policies.commit import Commit as Commit
from .models.policies.cvar import Cvar as Cvar
from .models.policies.expected import Expected as Expected
from .models.policies.maximin import Maximin as Maximin
from .models.policies.most_probable import MostProbable as MostProbable
from .models.policies.quantilize import Quantilize as Quantilize
from .models.priors.base import Prior as Prior
from .models.priors.base import log_pool as log_pool
from .models.priors.elicited import Elicited as Elicited
from .models.priors.judgements import Judgements as Judgements
from .models.priors.linear_pool import LinearPool as LinearPool
from .models.priors.quantiles import elicit as elicit
from .models.priors.simplicity import Simplicity as Simplicity
from .models.priors.uniform import Uniform as Uniform
from .models.pymc_model import pymc_model as pymc_model
from .models.rule_space.family.declared import Rules as Rules
from .models.tree.index_draws import given as given
from .models.tree.index_draws import index_draws as index_draws
from .models.tree.posterior_from import posterior_from as posterior_from
from .namespaces import (
    environments as environments,
)
from .namespaces import (
    feedback as feedback,
)
from .namespaces import (
    policies as policies,
)
from .namespaces import (
    priors as priors,
)
from .namespaces import (
    shifts as shifts,
)
from .study.compare import compare as compare
from .study.report import report as report
from .study.run import check as check
from .study.run import run as run

__version__: str
