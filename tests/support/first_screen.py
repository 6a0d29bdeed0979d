"""What the first screen must hold, worked out again from the results: rows of the tornado plot, facts and remedies."""

import re


def moved(document, low, high):
    """Return lowest and highest of two risks and the present one."""
    risks = (low, high, document["risk"]["mean"])
    return min(risks), max(risks)


def rows(document):
    """Return the ends of every row that the tornado plot must have, by key."""
    out, risk, agent = {}, document["risk"], document["agent"]
    abstains = agent["abstain"]
    key = "may_abstain" if abstains else "acts"
    comparable = document["agent_reading"] is None and set(document["agent_weights"]) == set(document["weights"])
    others = [entry[key]["risk"] for name, entry in document["agents"].items() if name != agent["prior"]]
    if comparable and others:
        out["agent_prior"] = moved(document, min(others), max(others))
    alike = [
        entry["risk"]
        for entry in document["frontier"] or []
        if entry["risk"] is not None and not entry["own"] and entry["abstain"] == abstains
    ]
    if alike:
        out["policy"] = moved(document, min(alike), max(alike))
    if risk["lower"] is not None:
        out["values"] = moved(document, risk["lower"], risk["upper"])
    rules = any(of["hypothesis"] for of in (document.get("rule_spaces") or {}).values())
    if rules or len(document["hypotheses"]) > 1:
        joint, bounds = None if rules else document["risk_bounds_jointly"], document["risk_bounds"]
        if joint:
            largest = joint[max(joint, key=float)]
            out["prior"] = moved(document, largest["lower"], largest["upper"])
        elif bounds:
            out["prior"] = moved(document, *bounds[max(bounds, key=float)])
    curve = document["risk_by_line"]
    if curve is not None and curve["at"] is not None:
        near = [x for t, x in zip(curve["at"], curve["risk"], strict=True) if x is not None and 0 < abs(t) <= 0.5]
        if near:
            out["line"] = moved(document, min(near), max(near))
    if risk["limit"] is not None and not document["bounded_pairs"]:
        out["data"] = moved(document, risk["limit"], risk["limit"])
    return out


def candidates(document):
    """Return the risk after each change that was tried, by words that its sentence must hold."""
    agent, weights, out = document["agent"], document["weights"], {}
    key = "may_abstain" if agent["abstain"] else "acts"
    draws_one = agent["policy"] in ("commit", "boltzmann")
    unmodelled = document["unmodelled"]
    if draws_one:
        if unmodelled is None or unmodelled["weight"] < 0.0005:
            out["knows the true hypothesis"] = sum(w * document["matrix"][h][h] for h, w in weights.items())
        by_hypothesis = {h: x for h, x in document["risk_by_agent_hypothesis"].items() if h in weights}
        best = min(by_hypothesis, key=by_hypothesis.get)
        if document["agent_weights"][best] < 1 - 0.0005:
            out["always follows"] = by_hypothesis[best]
    if agent["prior"] != "values" or document["agent_reading"] is not None:
        out["whose prior is the human values"] = document["agents"]["values"][key]["risk"]
    if document["risk"]["limit"] is not None and not document["bounded_pairs"]:
        out["unlimited training data"] = document["risk"]["limit"]
    return out


def part(presentations, name, kind):
    """Return the part of a kind in a presentation; None where there is none."""
    found = [p for shown in presentations if shown.name == name for p in shown.parts if p.kind == kind]
    return found[0] if found else None


def problems(document, presentations):
    """Yield what the first screen and the list of remedies lack, or hold too much."""
    if document["risk"] is None:
        return
    now, noise = document["risk"]["mean"], 2 * (document["risk"]["mcse"] or 0.0)
    expected, tornado = rows(document), part(presentations, "risk_drivers", "tornado")
    shown = {} if tornado is None else {row["key"]: row for row in tornado.entries}
    if shown.keys() != expected.keys():
        yield f"rows {sorted(shown)} instead of {sorted(expected)}"
        return
    for key, (low, high) in expected.items():
        row = shown[key]
        if abs(row["lower"] - low) > 1e-12 or abs(row["upper"] - high) > 1e-12 or row["now"] != now:
            yield f"row {key}: {row['lower']} to {row['upper']} instead of {low} to {high}"
        if max(now - low, high - now) > 0.002 + 10 * noise and row["range"] == "no change":
            yield f"row {key} has changed: {low} to {high}, from {now}"
        if max(now - low, high - now) < 0.0005 and row["range"] != "no change":
            yield f"row {key} has not changed: {row['range']}"
    order_shown = [max(now - row["lower"], row["upper"] - now) for row in shown.values() if row["range"] != "no change"]
    if any(b > a + 1e-8 for a, b in zip(order_shown, order_shown[1:], strict=False)):
        yield f"rows out of order: {order_shown}"
    still = [k for k in expected if shown[k]["range"] in ("no change", "within Monte Carlo error")]
    if list(shown)[len(shown) - len(still) :] != still:
        yield f"rows without change are not last, in the order {still}: {list(shown)}"
    yield from _remedies(document, presentations, now, noise)
    yield from _facts(document, presentations)
    yield from _answer(document, presentations, now)


def _answer(document, presentations, now):
    """Yield which labelled sentences of the answer are missing or too many."""
    terms = part(presentations, "answer", "terms")
    said = {} if terms is None else dict(terms.entries)
    listed = part(presentations, "remedies", "changes")
    also, unmodelled = document["also"], document["unmodelled"]
    limit = document["risk"]["limit"]
    wanted = {
        "Why": now >= 0.0005,
        "What would lower the risk": listed is not None,
        "More data": not document["bounded_pairs"] and limit is not None and max(limit, now) >= 1e-9,
    }
    for term, should in wanted.items():
        if should != (term in said):
            yield f"{term!r} stands in the answer: {term in said}; it should: {should}"
    texts = [p.text for shown in presentations if shown.name == "answer" for p in shown.parts if p.kind == "text"]
    sentences = " ".join([*texts, *said.values()])
    if len(re.findall(r"\.(?= |$)", sentences)) > 4:
        yield f"more than four sentences on the first screen: {sentences}"
    facts = [p.text for shown in presentations if shown.name == "facts" for p in shown.parts]
    if any("none of the listed" in fact for fact in facts) != (
        unmodelled is not None and unmodelled["weight"] >= 0.0005
    ):
        yield f"a hypothesis that is none of the listed, {unmodelled}, and the facts {facts}"
    others = [fact for fact in facts if fact.startswith("The risk on other tests")]
    if bool(others) != bool(also) or (also and ("more in the report" in others[0]) != (len(also) > 3)):
        yield f"{len(also)} other tests: {others}"
    findings = [p.text for shown in presentations if shown.name == "risk_drivers" for p in shown.parts]
    if findings and ("cannot separate" in findings[0]) != bool(document["silent_pairs"]):
        yield f"silent pairs {document['silent_pairs']}, and the finding is {findings[0]!r}"
    curve, jump = document["risk_by_line"], part(presentations, "line_jump", "text")
    if curve is not None and curve["at"] is not None:
        risks = {t: x for t, x in zip(curve["at"], curve["risk"], strict=True) if x is not None}
        above = [t for t in risks if t > 0]
        jumps = (
            bool(above) and 0 in risks and risks[min(above)] - risks[0] > 0.06 and (curve.get("on_line") or 0) > 0.05
        )
        if jumps and jump is None:
            yield "the risk jumps with the failure line, and nothing says why"


def _remedies(document, presentations, now, noise):
    listed = part(presentations, "remedies", "changes")
    entries = [] if listed is None else [(risk, str(change)) for risk, change, _ in listed.entries]
    if len(entries) < 6 and now >= 0.0005:
        for words, risk in candidates(document).items():
            lower = risk < now - 0.002 - 10 * noise
            if lower and not any(words in change for _, change in entries):
                yield f"no remedy {words!r}, which lowers the risk from {now} to {risk}"
    for words, risk in candidates(document).items():
        if risk >= now and any(words in change for _, change in entries):
            yield f"remedy {words!r} does not lower the risk of {now}: {risk}"
    shares = [float(risk.split("%")[0].strip("<>")) for risk, _ in entries]
    if shares != sorted(shares):
        yield f"remedies out of order: {shares}"


def _facts(document, presentations):
    facts = [p.text for shown in presentations if shown.name == "facts" for p in shown.parts]
    if not any(fact.startswith(f"{document['risk']['n_scenes']:,} test scene") for fact in facts):
        yield "no number of scenes among the facts"
    if document["shifted"] is not None:
        words = "Distribution shift detected" if document["shifted"] else "No distribution shift detected"
        if not any(fact.startswith(words) for fact in facts):
            yield f"the facts do not say {words!r}"
    bad = document["misfit"] or (document["evidence_by_feedback"] or {}).get("contradictions")
    said = [fact for fact in facts if "isfit" in fact]
    if bad and said != ["Misfit: see above"]:
        yield f"a misfit, and the facts say {said}"
    reading = document.get("agent_reading") or {}
    if not bad and not reading.get("contradiction") and document["predictive_check"]:
        if not any(fact.startswith("No misfit found") for fact in said):
            yield f"no misfit, and the facts say {said}"
