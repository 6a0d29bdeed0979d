"""Cases of the bench that analyse a posterior on a test."""

import numpy as np
from case_tables import rules, table, timed


def queries(n: int, count: int) -> float:
    """Labels of n items ranked, before a test of 1,000 scenes of three options."""
    import reward_hypotheses as rh

    def columns(scenes: int, options: int) -> dict[str, np.ndarray]:
        made = table(scenes, options)
        return {name: column.values.reshape(scenes, options) for name, column in made.columns.items() if name != "y"}

    train = columns(20, 1)
    train["y"] = train["x0"] > 0
    tree = rh.fit(rules(count), rh.Uniform("a bench"), [rh.Labels(train, "y", noise=0.2)], 0)
    asked, test = columns(n, 1), columns(1000, 3)
    return timed(lambda: rh.rank_queries(tree, asked, test), 3)


def policies(n: int, count: int) -> float:
    """Expected reward and risk of every policy that ships, the agent's weights all alike."""
    from reward_hypotheses.analysis.risk.frontier import frontier
    from reward_hypotheses.models.hypotheses.failure_line import stated_line
    from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
    from reward_hypotheses.models.hypotheses.valuation import Valuation
    from reward_hypotheses.models.policies.commit import Commit

    hypotheses = hypotheses_of(rules(count))
    valuation = Valuation(hypotheses, table(n, 5), stated_line(0.0, hypotheses.names))
    w = np.full(count, 1 / count)
    return timed(lambda: frontier(valuation, Commit(), w, w), 3)


def argument(n: int, count: int) -> float:
    """Evidence or prior to the end, and how wrong the values may be: all that a report says of either, but the risk itself."""
    from reward_hypotheses.analysis.agents.agent import Extrapolating
    from reward_hypotheses.analysis.case import Case
    from reward_hypotheses.analysis.evidence.bayes_factor_limits import bounded_pairs
    from reward_hypotheses.analysis.evidence.bayes_factors import pairs, silent_pairs_of
    from reward_hypotheses.analysis.evidence.equivalent_on_declared_support import support_document
    from reward_hypotheses.analysis.evidence.sample_size import sample_size_document
    from reward_hypotheses.analysis.risk.asymptotic import left_by_class, risk_parts
    from reward_hypotheses.analysis.risk.catastrophe import compute_risk
    from reward_hypotheses.analysis.risk.intervals import dangerous_pairs
    from reward_hypotheses.analysis.sensitivity.failure_line_curve import failure_curve
    from reward_hypotheses.analysis.sensitivity.prior import (
        bounds_within_factor,
        contamination_bounds,
        risk_bound_unlisted,
        slopes,
        tipping_point,
        weight_to_lead,
    )
    from reward_hypotheses.analysis.sensitivity.shared_prior_misspecification import risk_bounds_jointly
    from reward_hypotheses.analysis.sensitivity.value_bits_by_sample_size import bits_curve
    from reward_hypotheses.analysis.shift.minimax_lower_bound import Impossible
    from reward_hypotheses.models.feedback.kinds.labels import Labels
    from reward_hypotheses.models.hypotheses.failure_line import stated_line
    from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
    from reward_hypotheses.models.hypotheses.valuation import Valuation
    from reward_hypotheses.models.policies.commit import Commit
    from reward_hypotheses.models.priors.uniform import Uniform
    from reward_hypotheses.models.weights.weigh import weigh

    hypotheses = hypotheses_of(rules(count))
    line = stated_line(0.0, hypotheses.names)
    posterior = weigh(
        hypotheses, Uniform("a bench"), [Labels(table(20, 1), "y", noise=(1.0, 19.0), name="labels")], line
    )
    valuation = Valuation(hypotheses, table(n, 3), line)
    w, policy, support = posterior.weights, Commit(), table(2000, 1)
    risk = compute_risk(valuation, policy, w, w)
    held = posterior.log_prior, posterior.log_evidence

    def work() -> object:
        first = [
            silent_pairs_of(posterior),
            pairs(posterior),
            dangerous_pairs(posterior, risk.matrix),
            bounded_pairs(posterior),
            support_document(posterior, support),
            sample_size_document(posterior, 0),
            risk_parts(risk, left_by_class(valuation, posterior, policy, None, risk), w, w, hypotheses.names),
            Impossible().compute(Case(posterior, Extrapolating(), policy, valuation)),
            bits_curve(posterior, valuation, risk.matrix, 0.01, np.random.default_rng(0)),
        ]
        second = [
            [contamination_bounds(*held, risk.by_truth, e) for e in (0.01, 0.05, 0.1)],
            [risk_bound_unlisted(*held, risk.by_truth, e) for e in (0.01, 0.05, 0.1)],
            [risk_bounds_jointly(*held, risk.matrix, e) for e in (0.01, 0.05, 0.1)],
            [bounds_within_factor(*held, risk.by_truth, k) for k in (2.0, 10.0)],
            [tipping_point(*held, risk.by_truth, h, t) for h in range(count) for t in (0.1, 0.01, 0.001)],
            [weight_to_lead(*held, h) for h in range(count)],
            slopes(*held, risk.by_truth),
            failure_curve(posterior, valuation, policy, w),
        ]
        return first, second

    return timed(work, 3)


def worst(n: int, count: int) -> float:
    """The worst tenth and the worst within 0.1 nats of many scenes, and the features that set them apart."""
    from reward_hypotheses.analysis.rollout import rollout
    from reward_hypotheses.analysis.shift.numeric_features import usable_features
    from reward_hypotheses.analysis.shift.worst_case import worst_document
    from reward_hypotheses.models.hypotheses.failure_line import stated_line
    from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
    from reward_hypotheses.models.hypotheses.valuation import Valuation
    from reward_hypotheses.models.policies.commit import Commit

    hypotheses = hypotheses_of(rules(count))
    scenes = table(n, 4)
    line = stated_line(0.0, hypotheses.names)
    w = np.full(count, 1 / count)

    def work() -> object:
        acted = rollout(Valuation(hypotheses, scenes, line), Commit(), w, w)
        return worst_document(acted, usable_features([scenes]))

    return timed(work, 1)
