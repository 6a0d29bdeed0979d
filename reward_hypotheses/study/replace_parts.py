"""Combination of two studies: parts of the one with the rest of the other.

The result is checked like a study file of these parts.
"""

from collections.abc import Collection
from dataclasses import replace

from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.weights.shared_nuisances import check_shared
from reward_hypotheses.models.weights.weigh import check_lines
from reward_hypotheses.study.build import build_model, check_scenes
from reward_hypotheses.study.section_reader import Problems
from reward_hypotheses.study.validated_study import Study

PARTS = {
    "hypotheses": ("hypotheses",),
    "failure line": ("catastrophe",),
    "data and feedback": (),
    "values": ("values",),
    "agent": ("agent",),
    "test": (),
    "fit": ("fit", "seed"),
}
"""What two studies may differ in and the risk may rest on, in the order in which changes are applied: fields of the spec."""


def combine(a: Study, b: Study, of_b: Collection[str]) -> Study:
    """Return study a with some parts of b.

    Judgements of the failure line and the support are left out: the mean risk by the stated line does not rest on them.

    Parameters
    ----------
    of_b : collection of str
        Of `PARTS`.

    Raises
    ------
    InputError
        The parts do not go together: what a study file of them would be refused for.
    """
    source = {part: b if part in of_b else a for part in PARTS}
    changed = {name: getattr(source[part].spec, name) for part, names in PARTS.items() for name in names}
    spec = replace(a.spec, **changed)
    data, agent, tests = source["data and feedback"], source["agent"], source["test"].tests
    problems = Problems("", ("catastrophe", "values", "agent"))
    judge = source["hypotheses"].hypotheses
    judge = replace(judge, columns=data.feedback[0].table.column_order)
    without_choices = replace(spec, agent=replace(spec.agent, policy="commit", feedback=None))
    model = build_model(without_choices, judge.names, judge, (), source["values"].path.parent, problems)
    problems.refuse()
    model = replace(model, policy=agent.policy)

    feedback = tuple(replace(f, needs=model.needs(of_agent=False)) for f in data.feedback)
    probes = tuple(replace(f, needs=model.needs()) for f in agent.probes)
    together = [*feedback, *probes]
    tables = [*(f.table for f in together), *tests.values()]
    views = [(f.table if f.missing == "error" else f.items, model.expressions(noun="hypothesis ")) for f in together]
    views += [(table, model.test_expressions("hypothesis ")) for table in tests.values()]
    problems.extend(check_columns(views, tables))
    for name, table in tests.items():
        check_scenes(name, table, agent.policy, problems)
    model.check_priors((), bool(len(model.agent_hypotheses) or probes), problems)
    problems.refuse()
    check_lines(model.hypotheses, model.line, model.prior)
    for of_one in (feedback, probes):
        check_shared(of_one, spec.fit.method)
    return replace(
        a, **vars(model), spec=spec, feedback=feedback, probes=probes, tests=tests, judgements=None, support=None
    )
