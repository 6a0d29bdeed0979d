// A setting of the explorer, and what follows from it: weights, risk, interval and the dependence on each setting.

const AGENTS = ["study", "uniform", "simplicity", "values"];
const KEYS = ["weights", "strength", "failure_shift", "contamination", "agent_prior", "policy"];
const NEAR = [-0.5, -0.25, 0, 0.25, 0.5]; // shifts of the failure line that the dependence compares
const SHARE = 0.1; // of the prior, for the dependence

function remembered() {
  const known = new Map();
  return (key, compute) => {
    if (!known.has(key)) {
      if (known.size >= KEPT) known.delete(known.keys().next().value);
      known.set(key, compute());
    }
    return known.get(key);
  };
}

function quoted(name) {
  return JSON.stringify(String(name));
}

function makeStudy(data) {
  const names = data.hypotheses.slice(0, data.judges), baseEvidence = logarithms(data.log_evidence);
  const cells = data.cells && readCells(data), actsOnce = remembered(), truthOnce = remembered(), certainOnce = remembered();
  const intervalOnce = remembered();
  const steps = data.line.kind === "steps" && data.line.steps.map((of) => ({
    breaks: doubles(of.breaks), logEvidence: logarithms(Array.from(doubles(of.log_evidence))),
  }));

  // Bring a setting into one form, or throw an Error that says what is wrong.
  function settle(given) {
    if (given === null || typeof given !== "object") throw new Error("give a setting, such as {strength: 20}");
    for (const key of Object.keys(given)) {
      if (!KEYS.includes(key)) throw new Error(`${quoted(key)} is no setting; there are ${KEYS.join(", ")}`);
    }
    const lacks = (key) => given[key] === undefined || given[key] === null;
    const number = (key, otherwise, low, high, words) => {
      if (lacks(key)) return otherwise;
      const x = given[key];
      if (typeof x !== "number" || !(x >= low && x <= high)) throw new Error(`${key}: ${quoted(x)}; give ${words}`);
      return x;
    };
    const setting = {
      prior: lacks("weights") ? data.prior : normalised(given.weights),
      strength: number("strength", data.strength, Number.MIN_VALUE, 1e15, "a positive number of judgements, at most 1e15"),
      stated: !lacks("strength"),
      failure_shift: number("failure_shift", 0, -1e6, 1e6, "a number of standard deviations from -1e6 to 1e6"),
      contamination: number("contamination", 0, 0, 1, "a share of the prior, from 0 to 1"),
      agent_prior: lacks("agent_prior") ? "study" : given.agent_prior,
      policy: lacks("policy") ? data.study.policy : data.policies.findIndex((p) => p.words === given.policy),
    };
    if (!AGENTS.includes(setting.agent_prior)) {
      throw new Error(`agent_prior: ${quoted(given.agent_prior)}; there are ${AGENTS.map(quoted).join(", ")}`);
    }
    if (setting.policy < 0) {
      throw new Error(`policy: ${quoted(given.policy)}; there are ${data.policies.map((p) => quoted(p.words)).join(", ")}`);
    }
    return setting;
  }

  function normalised(weights) {
    if (typeof weights !== "object" || Array.isArray(weights)) throw new Error("weights: give {name: number}");
    for (const [name, w] of Object.entries(weights)) {
      if (!names.includes(name)) throw new Error(`weights: ${quoted(name)} is no hypothesis; there are ${names.map(quoted).join(", ")}`);
      if (typeof w !== "number" || !(w >= 0 && w < Infinity)) {
        throw new Error(`weights: ${quoted(name)}: ${quoted(w)}; give a finite number, 0 or more`);
      }
    }
    const missing = names.find((name) => !Object.hasOwn(weights, name));
    if (missing !== undefined) throw new Error(`weights: ${quoted(missing)} has none; give every hypothesis a weight (0 rules it out)`);
    const most = Math.max(...names.map((name) => weights[name]));
    if (!(most > 0)) throw new Error("weights: all are 0; give at least one hypothesis a positive weight");
    const relative = most < 1e250 && most > 1e-250 ? names.map((name) => weights[name]) : names.map((name) => weights[name] / most);
    const total = relative.reduce((a, b) => a + b, 0);
    return relative.map((w) => w / total);
  }

  // The judge's log evidence with every failure line moved by t units.
  function evidenceAt(t) {
    if (t === 0) return baseEvidence;
    if (data.line.why_not) throw new Unavailable(`The failure line cannot be moved: ${data.line.why_not}.`);
    if (!cells) throw new Unavailable(`The failure line cannot be moved on this page: ${data.cells_why_not}.`);
    if (data.line.kind === "constant") return baseEvidence;
    const near = 1e-12 * Math.max(1, Math.abs(t));
    if (data.line.kind === "steps") {
      return steps.map(({ breaks, logEvidence }) => {
        let low = 0, high = breaks.length;
        while (low < high) {
          const middle = (low + high) >> 1;
          if (breaks[middle] <= t + near) low = middle + 1;
          else high = middle;
        }
        return logEvidence[low];
      });
    }
    const k = data.line.at.findIndex((at) => Math.abs(at - t) <= near);
    if (k < 0) {
      const { 0: first, length, [length - 1]: last } = data.line.at;
      const step = data.line.at[1] - first;
      throw new Unavailable(`The evidence at other failure lines is known at shifts from ${first} to ${last} in steps of ${step} alone.`);
    }
    return logarithms(data.line.log_evidence[k]);
  }

  // The agent's weights over all hypotheses of the test. They follow the moved prior where its prior is the values.
  function agentWeights(setting) {
    const agent = data.agents[setting.agent_prior];
    if (agent.why_not) throw new Unavailable(`There is no agent of this prior: ${agent.why_not}.`);
    if (!agent.follows || setting.prior === data.prior) return agent.weights;
    const some = posterior(setting.prior, logarithms(agent.follows.log_evidence)), weights = data.hypotheses.map(() => 0);
    if (some === null) throw new Unavailable("The data are impossible under every hypothesis to which the agent's prior gives weight.");
    agent.follows.places.forEach((place, h) => { weights[place] = some[h]; });
    return weights;
  }

  // The hypothesis that an agent draws, as chances; null for policies that act on all hypotheses at once.
  function mixing(policy, weights) {
    if (policy.name === "most_probable") {
      const least = Math.max(...weights) * (1 - EQUAL), lead = weights.map((w) => (w >= least ? 1 : 0));
      return lead.map((x) => x / lead.reduce((a, b) => a + b, 0));
    }
    return ["commit", "boltzmann", "quantilize"].includes(policy.name) ? weights : null;
  }

  // How often the agent's choices are worse than failing under each hypothesis of the judge.
  function byTruth(setting, weights) {
    const policy = data.policies[setting.policy], mixed = mixing(policy, weights), t = setting.failure_shift;
    if (policy.why_not) throw new Unavailable(`${policy.words}: ${policy.why_not}.`);
    const key = `${setting.policy}|${weights.join()}`;
    if (cells && (mixed || policy.name in VALUED)) {
      const acts = actsOnce(key, () => (mixed ? mixedActs(setting.policy, mixed) : blendedActs(cells, policy, weights)));
      return truthOnce(`${key}|${t}`, () => names.map((_, j) => {
        const edge = cells.edge[j], limit = t * (t === 0 ? 0 : data.line.unit[j]);
        let worse = 0;
        for (let c = 0; c < cells.total; c++) if (limit > edge[c]) worse += cells.mass[c] * acts[c];
        return Math.min(worse, 1);
      }));
    }
    const matrix = data.matrices[setting.policy], n = data.hypotheses.length;
    if (mixed && matrix) {
      const rows = truthOnce(`matrix ${setting.policy}`, () => doubles(matrix));
      return names.map((_, j) => mixed.reduce((sum, w, i) => sum + w * rows[i * n + j], 0));
    }
    const same = data.agents.study.weights.every((w, h) => Math.abs(w - weights[h]) <= 1e-15);
    if (same && setting.policy === data.study.policy) return data.by_truth.slice(0, names.length);
    throw new Unavailable(`This policy cannot be recomputed on this page: ${data.cells_why_not || "it is not built in"}.`);
  }

  function mixedActs(k, mixed) {
    const acts = new Float64Array(cells.total), policy = data.policies[k];
    mixed.forEach((w, h) => {
      if (w === 0) return;
      const certain = certainOnce(policy.name === "most_probable" ? `commit ${policy.abstain} ${h}` :
        `${policy.name} ${policy.name === "commit" ? policy.abstain : k} ${h}`, () => certainActs(cells, policy, h));
      for (let c = 0; c < cells.total; c++) acts[c] += w * certain[c];
    });
    return acts;
  }

  // Mean, and what an interval or a range needs.
  function solve(setting) {
    const logEvidence = evidenceAt(setting.failure_shift), weights = posterior(setting.prior, logEvidence);
    if (weights === null) throw new Unavailable("The data are impossible under every hypothesis to which these weights give a weight.");
    const d = byTruth(setting, agentWeights(setting));
    return { logEvidence, weights, d, mean: Math.min(1, weights.reduce((sum, w, j) => sum + w * d[j], 0)) };
  }

  const STUDY = [data.strength, 0, "study", data.study.policy].join();

  function ends(setting, { logEvidence, weights, d }) {
    if (setting.contamination > 0) return contaminationRange(setting.prior, logEvidence, d, setting.contamination);
    if (data.interval_why_not && !setting.stated) {
      throw new Unavailable(`The interval cannot be recomputed: ${data.interval_why_not}. Give a strength to have one.`);
    }
    const moved = [setting.strength, setting.failure_shift, setting.agent_prior, setting.policy].join() !== STUDY;
    if (setting.prior === data.prior && !moved && data.study.lower !== null) return [data.study.lower, data.study.upper];
    if (setting.strength === null) throw new Unavailable("The values have no stated strength, so there is no interval.");
    return intervalOnce([setting.strength, ...setting.prior, ...logEvidence, ...d].join(), () =>
      intervalOf(setting.prior, logEvidence, weights, d, setting.strength, data.study.prob, data.seed));
  }

  // Call compute(); where what it needs is not on the page, return what otherwise(reason) gives.
  function unless(compute, otherwise) {
    try {
      return compute();
    } catch (error) {
      if (error instanceof Unavailable) return otherwise(error.message);
      throw error;
    }
  }

  function risk(given = {}) {
    const setting = settle(given);
    return unless(() => {
      const solved = solve(setting), { mean } = solved;
      return unless(() => {
        const [lower, upper] = ends(setting, solved);
        return { mean, lower, upper };
      }, (reason) => ({ mean, lower: null, upper: null, reason }));
    }, (reason) => ({ mean: null, lower: null, upper: null, reason }));
  }

  // What the risk depends on, largest range first: each setting moved alone, the others as set.
  function dependence(given = {}) {
    const setting = settle(given);
    const over = (name, options) => {
      const known = [];
      let why = "";
      for (const [words, change] of options) {
        unless(() => known.push({ words, risk: solve({ ...setting, ...change }).mean }), (reason) => { why = reason; });
      }
      if (known.length < 2) return { name, reason: why || "There is no other to compare." };
      known.sort((a, b) => a.risk - b.risk);
      return { name, low: known[0], high: known[known.length - 1] };
    };
    const between = (name, change, words) => unless(() => {
      const moved = { ...setting, ...change }, [low, high] = ends(moved, solve(moved));
      return { name, low: { words, risk: low }, high: { words: "", risk: high } };
    }, (reason) => ({ name, reason }));
    const { abstain } = data.policies[setting.policy];
    const policies = data.policies.map((p, k) => [p.words, { policy: k }]).filter(([, { policy }]) => data.policies[policy].abstain === abstain);
    const lines = [...new Set([...NEAR, ...(Math.abs(setting.failure_shift) < 0.5 ? [setting.failure_shift] : [])])];
    const rows = [
      over("Agent's prior", AGENTS.map((agent_prior) => [agent_prior === "study" ? "as in the study" : agent_prior, { agent_prior }])),
      over("Policy", policies),
      between("Values", { contamination: 0 }, ""),
      between(`Prior misspecification, ${100 * SHARE}%`, { contamination: SHARE }, ""),
      over("Failure line, 0.5 sd", lines.map((t) => [`${t < 0 ? "\u2212" : "+"}${Math.abs(t)} sd`, { failure_shift: t }])),
    ];
    const size = (row) => (row.reason ? -1 : row.high.risk - row.low.risk);
    return rows.sort((a, b) => size(b) - size(a));
  }

  return { data, names, settle, risk, dependence };
}
