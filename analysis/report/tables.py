"""Tables of the results document, each one value from which CSV, TeX and a page are written.

A table holds plain values. Its CSV has them in full; on paper a number is rounded to its Monte Carlo error, and the
error's own column and long texts are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reward_hypotheses.analysis.report.headline_numbers import at, error_of, quantities
from reward_hypotheses.analysis.report.latex import numbers_file, tabular_file
from reward_hypotheses.analysis.report.rounding import shown
from reward_hypotheses.analysis.report.sentences import named_with_human, percent, plainly, spent, value_in_words
from reward_hypotheses.analysis.report.table_model import MOST_HYPOTHESES, Column, PaperTable


def table_files(document: Mapping[str, Any]) -> dict[str, bytes]:
    """Give every table that the results hold as CSV and as TeX, and the headline numbers as TeX macros.

    Returns
    -------
    dict of str to bytes
        ``tables/NAME.csv`` and ``tables/NAME.tex`` of every table of `paper_tables`, and ``tables/numbers.tex``.
    """
    title = document["title"]
    version = document["versions"].get("reward_hypotheses", "")
    files = {}
    for table in paper_tables(document):
        files[f"tables/{table.name}.csv"] = table.csv()
        files[f"tables/{table.name}.tex"] = tabular_file(table.cut(), title, version)
    files["tables/numbers.tex"] = numbers_file(quantities(document), title, version)
    return files


def paper_tables(document: Mapping[str, Any]) -> list[PaperTable]:
    """Every table that the results hold; what is about a test is left out where there is none."""
    tables = [
        _weights(document),
        _pairs(document),
        *_by_feedback(document),
        *_telling(document),
        *_subgroups(document),
        *_reward_weights(document),
        *_failure_line(document),
        *_reading(document),
    ]
    if document["risk"] is not None:
        tables = [_headline(document), *tables, _matrix(document), _agents(document), *_frontier(document)]
        tables += [_riskiest_scenes(document), *_parts(document), *_bits(document), *_bounds(document)]
        tables += [_tipping(document), *_by_line(document), *_languages(document)]
        tables += [*_worst_case(document), *_impact(document)]
    return tables


def _weights(document: Mapping[str, Any]) -> PaperTable:
    names, risk = document["hypotheses"], document["risk"]
    zero = risk["upper_of_zero"] if risk else None
    columns = (
        Column("hypothesis", "hypothesis"),
        Column("reward"),
        Column("prior", "prior", "share", "%"),
        Column("log_evidence", "log evidence", "nats", "nats", error="log_evidence_mcse"),
        Column("weight", "weight", "share", "%", error="weight_mcse"),
        Column("agent_weight", "agent's weight", "share", "%", error="agent_weight_mcse"),
        # without a test its cells are empty in the CSV file, and on paper it has no place
        Column("risk_if_true", "risk if true" if risk else None, "share", "%", error="risk_if_true_mcse", zero=zero),
        *(Column(f"{key}_mcse") for key in ("log_evidence", "weight", "agent_weight", "risk_if_true")),
    )
    rows = tuple(
        (
            name,
            document["rewards"][name],
            document["prior"][name],
            document["log_evidence"][name],
            document["weights"][name],
            document["agent_weights"][name],
            at(document["risk_by_truth"], [name]),
            *(error_of(document, key, name) for key in ("log_evidence", "weights", "agent_weights")),
            error_of(document, "risk_by_truth", name) if risk else None,
        )
        for name in names
    )
    tested = ", and the risk of catastrophe were the hypothesis true" if risk else ""
    caption = f"Prior, log evidence and posterior weight of each hypothesis, the agent's own weight{tested}."
    ranks = tuple(document["weights"][name] for name in names)
    return PaperTable("weights", "Weights of the hypotheses", caption, columns, rows, ranks=ranks)


def _pairs(document: Mapping[str, Any]) -> PaperTable:
    columns = (
        Column("first", "first"),
        Column("second", "second"),
        Column("log_prior_odds", "prior odds", "nats", "nats"),
        Column("log_bayes_factor", "Bayes factor", "nats", "nats", error="mcse", flag="silent"),
        Column("log_posterior_odds", "posterior odds", "nats", "nats", error="mcse"),
        Column("silent"),
        Column("mcse"),
    )
    keys = [column.key for column in columns[2:]]
    rows = tuple((*p["pair"], *(p[key] for key in keys)) for p in document["pairs"])
    caption = (
        "Logarithms of the odds of the first hypothesis over the second: by the prior, by the evidence of training, and by "
        "both. Silent: training cannot tell them apart, whatever its size."
    )
    weights = document["weights"]
    ranks = tuple(min(weights[a], weights[b]) for a, b in (p["pair"] for p in document["pairs"]))
    return PaperTable("pairs", "Evidence or prior?", caption, columns, rows, ranks=ranks)


def _by_feedback(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """Nats by feedback and hypothesis, by feedback and pair, and how far each feedback agrees with the others."""
    found = document["evidence_by_feedback"]
    if found is None:
        return
    feedbacks, weights = list(found["nats"]), document["weights"]
    who = {name: named_with_human(name, document["feedback"][name]) for name in feedbacks}
    shared = any(value is None or abs(value) > 1e-9 for value in found["together"].values())
    columns = (
        Column("hypothesis", "hypothesis"),
        *(Column(f"by {name}", who[name], "number", "nats", error=f"mcse by {name}") for name in feedbacks),
        Column("together", "together" if shared else None, "number", "nats"),
        Column("log_evidence", "all", "number", "nats", error="log_evidence_mcse"),
        *(Column(f"mcse by {name}") for name in feedbacks),
        Column("log_evidence_mcse"),
    )
    rows = tuple(
        (
            name,
            *(found["nats"][one][name] for one in feedbacks),
            found["together"][name],
            document["log_evidence"][name],
            *(found["mcse"][one][name] for one in feedbacks),
            error_of(document, "log_evidence", name),
        )
        for name in document["hypotheses"]
    )
    extra = (
        " Together: what feedbacks that share a human, or continuous weights, add to or take from one another."
        if shared
        else ""
    )
    caption = f"Log evidence of each hypothesis by each feedback alone; only differences within a column mean something.{extra}"
    ranks = tuple(weights[row[0]] for row in rows)
    yield PaperTable("evidence_by_feedback", "What each feedback says", caption, columns, rows, ranks=ranks)
    odds = (
        Column("first", "first"),
        Column("second", "second"),
        Column("values", "values", "number", "nats"),
        *(Column(f"by {name}", who[name], "number", "nats") for name in feedbacks),
        Column("together", "together" if shared else None, "number", "nats"),
        Column("all", "all", "number", "nats"),
    )
    told = "What the values and each feedback add to the log odds of the first hypothesis over the second."
    by_pair = tuple(
        (*one["pair"], one["values"], *(one["feedback"][name] for name in feedbacks), one["together"], one["all"])
        for one in found["pairs"]
    )
    heavy = tuple(min(weights[a], weights[b]) for a, b, *_ in by_pair)
    yield PaperTable("pairs_by_feedback", "What tells two hypotheses apart", told, odds, by_pair, ranks=heavy)
    agreed = (
        Column("feedback", "feedback"),
        Column("favours", "speaks for"),
        Column("others_favour", "the others leave"),
        Column("agreement", "agreement", "number", "nats", error="mcse"),
        Column("chance_at_most", "chance at most", "share", "%"),
        Column("p", "own check, p", "number", error="p_mcse"),
        Column("mcse"),
        Column("p_mcse"),
    )
    held = tuple(
        (
            name,
            ", ".join(one["favours"]) or "none",
            ", ".join(one["others_favour"]),
            *(one[column.key] for column in agreed[3:]),
        )
        for name, one in found["given_others"].items()
    )
    said = (
        "Each feedback held against all the others: how much likelier they and the values make what it says than the values "
        "alone do; the chance, at most, of so little agreement if all follow a hypothesis of the list; and its own predictive "
        "check by the weights that the others leave."
    )
    yield PaperTable("agreement", "Does the feedback agree?", said, agreed, held)


def _telling(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """How many items of each feedback, in all, tell which hypothesis from which."""
    simulated = {name: one for name, one in document["telling"].items() if one is not None and one["pairs"]}
    if not simulated:
        return
    odds = list(next(iter(simulated.values()))["pairs"][0]["items"])
    columns = (
        Column("feedback", "feedback"),
        Column("truth", "if it is true"),
        Column("other", "over"),
        *(Column(f"items_{o}", f"items for {float(o):g} to 1", "count", error=f"items_{o}_mcse") for o in odds),
        *(Column(f"items_{o}_mcse") for o in odds),
        Column("at_most"),
    )
    rows = tuple(
        (
            name,
            pair["truth"],
            pair["other"],
            *(pair["items"][o] for o in odds),
            *(pair["items_mcse"][o] for o in odds),
            one["sizes"][-1],
        )
        for name, one in simulated.items()
        for pair in one["pairs"]
    )
    weights = document["weights"]
    ranks = tuple(min(weights[row[1]], weights[row[2]]) for row in rows)
    caption = (
        "Fewest items in all such as training has, of each feedback, of which a log Bayes factor of so many to one is expected in favour "
        "of the hypothesis, were it true; none given where that is not reached. By simulation."
    )
    yield PaperTable("telling", "What more data would tell", caption, columns, rows, ranks=ranks)


def _subgroups(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """The worst-fitting subgroup of each feedback with labels."""
    found = document.get("subgroups")
    if not found:
        return
    columns = (
        Column("feedback", "feedback"),
        Column("subgroup", "subgroup"),
        Column("n", "items", "count"),
        Column("contradicted", "contradicted", "share", "%"),
        Column("elsewhere", "elsewhere", "share", "%"),
        Column("statistic", "statistic", "number"),
        Column("p", "p", "number", error="mcse"),
        Column("looked_at", "looked at", "count"),
        Column("replications"),
        Column("mcse"),
    )
    rows = tuple(
        (name, one["words"] or "none", *(one[column.key] for column in columns[2:])) for name, one in found.items()
    )
    caption = (
        "The subgroup of items, by up to two features, whose labels contradict the leading hypothesis the most: the share that do "
        "there and elsewhere, the root of the deviance between the two, and how often the worst subgroup of a replication is as bad."
    )
    yield PaperTable("subgroups", "Where labels fit worst", caption, columns, rows)


def _reward_weights(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    if not document["reward_weights"]:
        return
    columns = (
        Column("hypothesis", "hypothesis"),
        Column("feature", "feature"),
        Column("mean", "mean weight", "number", error="mcse"),
        Column("sd", "sd", "number"),
        Column("lower", "lower", "number"),
        Column("upper", "upper", "number"),
        Column("for_each", "for each", "number"),
        Column("mcse"),
    )
    rows = tuple(
        (name, feature, *(one["unit" if c.key == "for_each" else c.key] for c in columns[2:]))
        for name, known in document["reward_weights"].items()
        for feature, one in known["features"].items()
    )
    caption = (
        "Posterior of the weights of features, where a hypothesis has continuous ones: each weighs so much of its feature as "
        "the column 'for each' says, its standard deviation over what was fitted."
    )
    yield PaperTable("reward_weights", "Weights of features", caption, columns, rows)


def _failure_line(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """The failure line by hypothesis: as it was stated, and as judgements leave it."""
    found, risk = document.get("failure_line"), document.get("risk_under_judged_line")
    if found is None:
        return
    columns = (
        Column("hypothesis", "hypothesis"),
        Column("declared", "stated"),
        Column("mean", "judged", "number"),
        Column("lower", "lower", "number"),
        Column("upper", "upper", "number"),
        Column("sd", "sd", "number"),
        Column("risk_if_true", "risk if true" if risk else None, "share", "%", error="risk_if_true_mcse"),
        Column("mcse"),
        Column("risk_if_true_mcse"),
    )
    rows = tuple(
        (
            name,
            value_in_words(document["fail_utility"][name]),
            *(one[key] for key in ("mean", "lower", "upper", "sd")),
            at(risk, ["by_truth", name]),
            one["mcse"],
            at(risk, ["mcse_by_truth", name]),
        )
        for name, one in found["by_hypothesis"].items()
    )
    tested = ", and the risk of catastrophe were the hypothesis true, its line known no better" if risk else ""
    caption = (
        "Where failing lies, in the reward units of each hypothesis: as it was stated, and as judges' answers leave it, with the "
        f"{shown(found['prob'], 'level')} interval{tested}."
    )
    ranks = tuple(document["weights"][row[0]] for row in rows)
    yield PaperTable("failure_line", "Where failing lies", caption, columns, rows, ranks=ranks)


def _reading(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """Weights of an agent that was read, beside those of agents that are assumed."""
    reading = document.get("agent_reading")
    if reading is None:
        return
    columns = (
        Column("hypothesis", "hypothesis"),
        Column("agent_prior", "its prior", "share", "%"),
        Column("log_evidence_of_choices", "log evidence", "nats", "nats", error="log_evidence_of_choices_mcse"),
        Column("without_training", "by its choices alone", "share", "%"),
        Column("with_training", "and training", "share", "%"),
        Column("log_evidence_of_choices_mcse"),
    )
    rows = tuple(
        (
            name,
            reading["prior"].get(name),
            reading["log_evidence"].get(name),
            reading["without_training"]["weights"][name],
            reading["with_training"]["weights"][name],
            reading["log_evidence_mcse"].get(name),
        )
        for name in reading["with_training"]["weights"]
        if name in reading["prior"]
    )
    caption = "What the agent goes by, read off its own choices: its prior, how well each hypothesis explains them, and its weights."
    ranks = tuple(reading["with_training"]["weights"][row[0]] for row in rows)
    yield PaperTable("agent_reading", "What the agent goes by", caption, columns, rows, ranks=ranks)
    distances = (
        Column("agent_prior", "agent's prior"),
        *(
            Column(key, words, "share", "%")
            for key, words in (("weight_elsewhere", "weight elsewhere"), ("risk", "its risk"))
        ),
        Column("bits", "divergence", "number", "bits"),
    )
    risks = document["risk_by_agent_prior"] or {}
    beside = tuple(
        (prior, one["total_variation"], risks.get(prior), one["bits"])
        for prior, one in reading["with_training"]["distance"].items()
    )
    own = ("read off its choices", 0.0, reading["with_training"]["risk"], 0.0)
    told = (
        "The agent that was read beside agents that are assumed: the weight that it has elsewhere than they (total variation), "
        "and the bits by which its weights diverge from theirs."
    )
    yield PaperTable("agent_distance", "The agent beside assumed ones", told, distances, (own, *beside))


def _parts(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """What the risk is the sum of: by pair where the policy draws one hypothesis, else by class."""
    found, zero = document["risk_parts"], document["risk"]["upper_of_zero"]
    if found is None:
        return
    by_pair = found["pairs"] is not None
    first = (Column("agent", "the agent took up"), Column("truth", "people mean"), Column("silent", "silent"))
    told = (
        *(first if by_pair else (Column("hypotheses", "people mean one of"), Column("weight", "weight", "share", "%"))),
        Column("risk", "now", "share", "%", error="risk_mcse", zero=zero),
        Column("left", "left", "share", "%", error="left_mcse", zero=zero),
        Column("removed", "removed", "share", "%", error="removed_mcse"),
        *(Column(f"{key}_mcse") for key in ("risk", "left", "removed")),
    )
    what = "pairs" if by_pair else "classes"
    rows = []
    for k, one in enumerate(found[what]):
        lead = (one["agent"], one["truth"], one["silent"]) if by_pair else (", ".join(one["hypotheses"]), one["weight"])
        errors = (error_of(document, "risk_parts", what, k, key) for key in ("risk", "left", "removed"))
        rows.append((*lead, one["risk"], one["left"], one["removed"], *errors))
    rest = found["others"]
    if by_pair and rest["pairs"]:
        errors = (error_of(document, "risk_parts", "others", key) for key in ("risk", "left", "removed"))
        rows.append((f"{rest['pairs']} other pairs", "", None, rest["risk"], rest["left"], rest["removed"], *errors))
    caption = (
        "The risk as a sum: what is caught up in it now, what endless training of this kind would leave, and what it would "
        "remove. A part can grow, its removed below 0: the weight of what is ruled out moves to the others. Silent: training cannot "
        "tell the two apart."
    )
    yield PaperTable("risk_parts", "What the risk is made of", caption, told, tuple(rows))


def _matrix(document: Mapping[str, Any]) -> PaperTable:
    names, matrix, weights = document["hypotheses"], document["matrix"], document["weights"]
    columns = (
        Column("agent_hypothesis", "the agent takes up"),
        *(Column(name, name, "share", "%", rank=weights[name]) for name in names),
    )
    rows = tuple((a, *(matrix[a][b] for b in names)) for a in names)
    caption = "Share of scenes with a catastrophe, by the hypothesis that the agent takes up and the one that is true."
    return PaperTable(
        "matrix",
        "Risk by what is taken up and what is true",
        caption,
        columns,
        rows,
        over="true hypothesis",
        notes=_of_zeros(document, [value for row in rows for value in row[1:]]),
        ranks=tuple(weights[name] for name in names),
        most=MOST_HYPOTHESES,
    )


def _agents(document: Mapping[str, Any]) -> PaperTable:
    zero = document["risk"]["upper_of_zero"]
    told = (
        ("risk_if_it_must_act", "risk if it must act", ("acts", "risk")),
        ("risk_if_it_may_abstain", "risk if it may abstain", ("may_abstain", "risk")),
        ("abstained", "then abstains", ("may_abstain", "abstained")),
    )
    columns = (
        Column("agent_prior", "agent's prior"),
        *(Column(key, words, "share", "%", error=f"{key}_mcse", zero=zero) for key, words, _ in told),
        *(Column(f"{key}_mcse") for key, _, _ in told),
    )
    rows = tuple(
        (
            prior,
            *(at(one, path) for _, _, path in told),
            *(error_of(document, "agents", prior, *path) for _, _, path in told),
        )
        for prior, one in document["agents"].items()
    )
    agent = document["agent"]
    caption = (
        "Risk of the same agent, did it extrapolate by another prior. The study's own has the prior "
        f"{agent['prior']!r} and {'may abstain' if agent['abstain'] else 'must act'}."
    )
    return PaperTable("agents", "The same agent by another prior", caption, columns, rows)


def _frontier(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """Every built-in policy: its risk, and what the judge expects it to earn."""
    found = document.get("frontier")
    if not found:
        return
    numbers = ("risk", "reward", "regret", "abstained", "price")
    columns = (
        Column("policy", "policy"),
        Column("risk", "risk", "share", "%", error="risk_mcse", zero=document["risk"]["upper_of_zero"]),
        Column("reward", "reward", "number", error="reward_mcse"),
        Column("abstained", "abstains", "share", "%", error="abstained_mcse"),
        Column("price", "its price", "number", error="price_mcse"),
        Column("efficient", "best"),
        Column("regret"),
        Column("own"),
        Column("lacking"),
        *(Column(f"{key}_mcse") for key in numbers),
    )
    rows = tuple(
        (
            one["words"] + (" (this study's)" if one["own"] else ""),
            *(one[key] for key in ("risk", "reward", "abstained", "price", "efficient", "regret", "own", "lacking")),
            *(error_of(document, "frontier", k, key) if one[key] is not None else None for key in numbers),
        )
        for k, one in enumerate(found)
    )
    caption = (
        "Every built-in policy, by the agent's own weights. Reward: what the judge expects, reward units a scene, rewards of "
        "different hypotheses added up as they stand. Its price: how much less that is than of the same policy that must act. "
        "Best: none other is safer and earns as much."
    )
    yield PaperTable("frontier", "Safety and reward, policy by policy", caption, columns, rows)


def _riskiest_scenes(document: Mapping[str, Any]) -> PaperTable:
    columns = (Column("scene", "scene"), Column("risk", "risk", "share", "%"))
    rows = tuple((s["scene"], s["risk"]) for s in document["riskiest_scenes"])
    caption = "The scenes of the test with the greatest risk of catastrophe."
    if alike(document):
        caption += " Those that are listed have the same, so the first stands for them."
        return PaperTable("riskiest_scenes", "Riskiest scenes", caption, columns, rows, most=1)
    return PaperTable("riskiest_scenes", "Riskiest scenes", caption, columns, rows)


def alike(document: Mapping[str, Any]) -> bool:
    """Whether the scenes of highest risk that are listed have the same risk, so that there is nothing to compare."""
    risks = [scene["risk"] for scene in document["riskiest_scenes"]]
    return not risks or risks[0] - risks[-1] < 1e-9


def _worst_case(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """Risk on the worst tenth and within so many nats, and the features that make it so."""
    found = document.get("worst_case")
    if found is None:
        return
    columns = (
        Column("weighting", "weighting"),
        Column("risk", "risk", "share", "%", error="risk_mcse"),
        Column("effective_scenes", "equal scenes", "number"),
        Column("feature", "feature"),
        Column("of", "of"),
        Column("worst", "mean there", "number"),
        Column("pool", "mean in all", "number"),
        Column("difference", "difference", "number", "sd"),
        Column("risk_mcse"),
    )
    named = {"tail": "worst tenth", "kl": f"within {found['kl']['nats']:g} nats"}
    rows = []
    for key, words in named.items():
        one = found[key]
        error = error_of(document, "worst_case", key, "risk")
        for apart in one["features"] or [dict.fromkeys(("feature", "of", "worst", "pool", "difference"))]:
            about = [apart[column.key] for column in columns[3:8]]
            about[0] = about[0] or ""
            about[1] = {"taken": "option taken", "scene": "options on offer", "item": "item"}.get(about[1], "")
            rows.append((words, one["risk"], one["effective_scenes"], *about, error))
    caption = (
        "The worst weighting of the test's scenes for the agent: its worst tenth, and the worst within so many nats of "
        "divergence; how many equal scenes that is worth, and the features that set it apart, the largest difference first, in "
        "standard deviations over the test."
    )
    yield PaperTable("worst_case", "Worst-case shift", caption, columns, tuple(rows))


def _impact(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """What impact says of what the agent does, beside the values."""
    found = document.get("impact")
    if found is None:
        return
    columns = (
        Column("impact", "by impact"),
        *(
            Column(key, words, "share", "%", error=f"{key}_mcse")
            for key, words in (("catastrophe", "catastrophe"), ("fine", "no catastrophe"))
        ),
        *(Column(f"{key}_mcse") for key in ("catastrophe", "fine")),
    )
    rows = tuple(
        (
            row,
            *(found["table"][row][key] for key in ("catastrophe", "fine")),
            *(error_of(document, "impact", "table", row, key) for key in ("catastrophe", "fine")),
        )
        for row in ("flagged", "passed")
    )
    caption = (
        "What the agent does on the test, by a measure of impact that knows no values (flagged: farther from the centre of "
        f"training than {100 * found['level']:g}% of it) and by the values."
    )
    yield PaperTable("impact", "Impact and the values", caption, columns, rows, over="by the values")


def _bits(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    bits, by_truth, weights = document["value_bits"], document["value_bits_by_truth"], document["weights"]
    names = document["hypotheses"]
    if all(value is None for value in [*bits.values(), *(b for t in bits for b in by_truth[t].values())]):
        return
    columns = [
        Column("target_risk", "target risk", "level", "%"),
        Column("bits", "uniform prior", "number", "bits", error="mcse"),
        Column("mcse"),
        Column("bits of this agent", "this agent", "number", "bits", error="mcse of this agent"),
        Column("mcse of this agent"),
    ]
    own = document["value_bits_of_agent"] or {}
    for name in names:
        error = f"mcse if {name}"
        rank = weights[name]
        columns.append(Column(f"bits if {name}", f"if {name}", "number", "bits", error=error, rank=rank))
        columns.append(Column(error, rank=rank))
    rows = []
    for target, value in bits.items():
        row = [float(target), value, error_of(document, "value_bits", target), own.get(target)]
        row.append(error_of(document, "value_bits_of_agent", target) if own else None)
        for name in names:
            row += [by_truth[target][name], error_of(document, "value_bits_by_truth", target, name)]
        rows.append(tuple(row))
    caption = (
        "What an agent of uniform prior must be told of human values to bring its risk down to a target: averaged over the "
        "posterior weights, and if each hypothesis is true; beside it this study's own agent, averaged. A dash: no amount of it does."
    )
    yield PaperTable("bits", "Bits of human values", caption, tuple(columns), tuple(rows))


def _bounds(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    zero = document["risk"]["upper_of_zero"]
    told = (("lower", "least risk"), ("upper", "greatest risk"), ("unlisted", "or by an unlisted truth"))
    columns = (
        Column("contamination", "prior that may be wrong", "level", "%"),
        *(Column(key, words, "share", "%", error=f"{key}_mcse", zero=zero) for key, words in told),
        *(Column(f"{key}_mcse") for key, _ in told),
    )
    rows = []
    for share, (lower, upper) in document["risk_bounds"].items():
        errors = [error_of(document, "risk_bounds", share, end) for end in (0, 1)]
        unlisted = document["risk_bounds_unlisted"][share]
        error = error_of(document, "risk_bounds_unlisted", share)
        rows.append((float(share), lower, upper, unlisted, *errors, error))
    caption = (
        "Bounds of the risk where a share of the prior is replaced by any other over the same hypotheses, or by a truth "
        "that none of them is."
    )
    if rows:
        yield PaperTable("bounds", "Risk under a wrong prior", caption, columns, tuple(rows))


def _by_line(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """The risk by what failing is worth."""
    found, zero = document["risk_by_line"], document["risk"]["upper_of_zero"]
    if found["at"] is None:
        return
    columns = (
        Column("moved", "failing is worth", "number"),
        Column("risk", "risk", "share", "%", error="risk_mcse", zero=zero),
        Column("lead", "leading hypothesis"),
        Column("risk_mcse"),
    )
    rows = tuple(
        (t, risk, lead, error_of(document, "risk_by_line", "risk", k))
        for k, (t, risk, lead) in enumerate(zip(found["at"], found["risk"], found["lead"], strict=True))
    )
    again = f" {plainly(found['refitted'])} weighed again each time;" if found["refitted"] else ""
    caption = (
        "The risk with failing worth so many standard deviations of the rewards on the test more than was stated, under every "
        f"hypothesis;{again} the agent stays as it is."
    )
    yield PaperTable("risk_by_line", "Risk by the failure line", caption, columns, rows)


def _languages(document: Mapping[str, Any]) -> Iterator[PaperTable]:
    """What each language charges a hypothesis, and what an agent that extrapolates by it would hold."""
    found = {name: one for name, one in document["languages"].items() if one is not None}
    if not found:
        return
    names = [name for name in document["hypotheses"] if name in next(iter(found.values()))["bits"]]
    columns = (
        Column("hypothesis", "hypothesis"),
        *(Column(f"bits {language}", f"{language}, bits", "number", "bits") for language in found),
        *(
            Column(f"weight {language}", f"{language}, weight", "share", "%", error=f"weight {language} mcse")
            for language in found
        ),
        *(Column(f"weight {language} mcse") for language in found),
    )
    rows = tuple(
        (
            name,
            *(one["bits"][name] for one in found.values()),
            *(one["weights"][name] for one in found.values()),
            *(error_of(document, "languages", language, "weights", name) for language in found),
        )
        for name in names
    )
    risks = "; ".join(f"{language}, {shown(one['risk'], 'share')}" for language, one in found.items())
    caption = (
        "Bits that each simplicity language charges a hypothesis, and the weight that an agent which extrapolates by it gives the "
        f"hypothesis after training. Risk by language: {risks}."
    )
    ranks = tuple(document["weights"][name] for name in names)
    yield PaperTable("languages", "Simplicity in every language", caption, columns, rows, ranks=ranks)


def _tipping(document: Mapping[str, Any]) -> PaperTable:
    targets = list(document["value_bits"])
    columns = (
        Column("hypothesis", "hypothesis"),
        Column("prior", "prior", "share", "%"),
        Column("leads_from", "leads from", "share", "%", error="leads_from_mcse"),
        *(Column(f"risk {t}", f"risk {100 * float(t):g}%", "share", "%", error=f"risk {t} mcse") for t in targets),
        Column("leads_from_mcse"),
        *(Column(f"risk {t} mcse") for t in targets),
    )
    rows = tuple(
        (
            name,
            document["prior"][name],
            one["leads_from"],
            *(one["risk_at"][t] for t in targets),
            error_of(document, "tipping", name, "leads_from"),
            *(error_of(document, "tipping", name, "risk_at", t) for t in targets),
        )
        for name, one in document["tipping"].items()
    )
    caption = (
        "What weight among the values would tip the answer, the other weights in proportion and the agent as it is: the least at "
        "which the hypothesis is the most probable after the data, and that at which the risk is so much. A dash: no weight is."
    )
    ranks = tuple(document["weights"][row[0]] for row in rows)
    return PaperTable("tipping", "Tipping points", caption, columns, rows, ranks=ranks)


def _headline(document: Mapping[str, Any]) -> PaperTable:
    risk = document["risk"]
    columns = (
        Column("quantity", "quantity"),
        Column("value", "value", "row", error="mcse"),
        Column("lower", "lower", "row", error="lower_mcse"),
        Column("upper", "upper", "row", error="upper_mcse"),
        Column("mcse", "Monte Carlo error", "row", error="mcse"),
        Column("unit", "unit"),
        Column("lower_mcse"),
        Column("upper_mcse"),
    )
    rows, rates = [], []
    for one in quantities(document):
        if one.zero is not None:
            rates.append(one.value)
        ends = one.path == ("risk", "mean")
        lower, upper = (risk["lower"], risk["upper"]) if ends else (None, None)
        errors = (risk["mcse_lower"], risk["mcse_upper"]) if ends else (None, None)
        if one.words:
            rows.append((one.words, one.value, lower, upper, one.error, one.unit, *errors))
    level = shown(risk["prob"], "level")
    caption = (
        "The risk of catastrophe; what the finite test, the training and the agent's prior make of it; the bits of human values "
        "that an agent of uniform prior needs for a lower one; and whether the test is a shift. "
        f"Lower and upper: the {level} interval by uncertainty about the values. Numbers are rounded to their Monte Carlo error; "
        "one of 0 says that a number is exact."
    )
    notes = tuple(one for one in (spent(document),) if one)
    notes += () if notes else _of_zeros(document, rates)
    return PaperTable("headline", "Headline numbers", caption, columns, tuple(rows), notes=notes)


def _of_zeros(document: Mapping[str, Any], rates: Sequence[float | None]) -> tuple[str, ...]:
    """Say what a 0 among rates of the test is worth."""
    if 0 not in rates:
        return ()
    risk = document["risk"]
    limit = percent(risk["upper_of_zero"])
    return (f"0: none seen in {risk['n_scenes']:,} scenes, so at most {limit} (95% confidence).",)
