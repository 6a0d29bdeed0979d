// Arithmetic of the explorer: the catastrophe risk of a study at other values, agents and failure lines.
// Every rule of ties is the one of models/policies, on the same numbers, so that the same options tie.

const EQUAL = 1e-9; // two weights are equal within this of the largest
const DRAWS = 4000; // of the values, for an interval
const LARGEST_REWARD = 1e150;
const KEPT = 200; // results that are remembered

// A number that cannot be recomputed from what the page holds; the message says why.
class Unavailable extends Error {}

function numbersOf(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out.buffer;
}

function integers(packed) {
  if ("u8" in packed) return new Uint8Array(numbersOf(packed.u8));
  return "u16" in packed ? new Uint16Array(numbersOf(packed.u16)) : new Uint32Array(numbersOf(packed.u32));
}

function doubles(packed) {
  if ("all" in packed) return new Float64Array(packed.n).fill(packed.all);
  if (!("table" in packed)) return new Float64Array(numbersOf(packed.f64));
  const table = new Float64Array(numbersOf(packed.table));
  return Float64Array.from(integers(packed), (place) => table[place]);
}

function logarithms(values) {
  return values.map((x) => (x === null || x <= -1e300 ? -Infinity : x));
}

// The cells of the test, scene by scene: rewards, rounding errors, and how far above the failure line each is.
function readCells(data) {
  const cells = data.cells, starts = integers(cells.starts), vector = integers(cells.vector);
  const scenes = starts.length - 1, total = vector.length, scene = new Uint32Array(total);
  for (let m = 0; m < scenes; m++) scene.fill(m, starts[m], starts[m + 1]);
  const share = doubles(cells.share);
  const spread = (packed) => {
    const values = doubles(packed);
    return Float64Array.from(vector, (v) => values[v]);
  };
  const lines = (of) => of.map((line) => ({ value: doubles(line.value), error: doubles(line.error) }));
  const reward = cells.reward.map(spread), error = cells.error.map(spread), line = lines(cells.line);
  const edge = reward.map((r, h) =>
    r.map((x, c) => x - line[h].value[scene[c]] + 2 * (error[h][c] + line[h].error[scene[c]])),
  );
  const told = cells.told === null ? line : lines(cells.told);
  const mass = Float64Array.from(scene, (m) => share[m]);
  return { starts, scenes, total, count: integers(cells.count), mass, reward, error, told, edge };
}

// Write how an agent divides one scene among its best cells, ties split uniformly (models/policies/view.py, greatest).
function takeBest(cells, m, value, error, failing, ofFailing, acts) {
  const from = cells.starts[m], to = cells.starts[m + 1];
  let top = failing, widest = 0, ties = 0;
  for (let c = from; c < to; c++) if (value[c] > top) top = value[c];
  for (let c = from; c < to; c++) if (value[c] === top && error[c] > widest) widest = error[c];
  if (failing === top && ofFailing > widest) widest = ofFailing;
  for (let c = from; c < to; c++) {
    acts[c] = value[c] >= top - 2 * (error[c] + widest) ? cells.count[c] : 0;
    ties += acts[c];
  }
  if (failing > -Infinity && failing >= top - 2 * (ofFailing + widest)) ties += 1;
  for (let c = from; c < to; c++) if (acts[c]) acts[c] /= ties;
}

function softmaxActs(cells, m, worth, failing, [rates, shares], acts) {
  const from = cells.starts[m], to = cells.starts[m + 1];
  let top = failing;
  for (let c = from; c < to; c++) if (worth[c] > top) top = worth[c];
  top = Math.max(top, -LARGEST_REWARD);
  for (let k = 0; k < rates.length; k++) {
    const odds = (x) => Math.exp(rates[k] * (Math.max(x, -LARGEST_REWARD) - top));
    let total = failing > -Infinity ? odds(failing) : 0;
    for (let c = from; c < to; c++) total += cells.count[c] * odds(worth[c]);
    for (let c = from; c < to; c++) acts[c] += (shares[k] * cells.count[c] * odds(worth[c])) / Math.max(total, 1e-300);
  }
}

// The best share q of the options, the boundary in part (models/policies/quantilize.py).
function quantileActs(cells, m, worth, error, failing, ofFailing, q, acts) {
  const from = cells.starts[m], to = cells.starts[m + 1], order = [];
  let n = 0;
  for (let c = from; c < to; c++) {
    order.push(c);
    n += cells.count[c];
  }
  if (!n) return;
  order.sort((a, b) => worth[b] - worth[a]);
  const taken = q * n, last = Math.min(Math.max(Math.ceil(taken), 1), n);
  let below = 0, edge = 0, widest = 0, above = 0, tied = 0;
  for (const c of order) {
    edge = worth[c];
    below += cells.count[c];
    if (below >= last) break;
  }
  for (const c of order) if (worth[c] === edge && error[c] > widest) widest = error[c];
  const near = (c) => 2 * (error[c] + widest);
  const isAbove = (c) => worth[c] > edge + near(c);
  const isTied = (c) => !isAbove(c) && worth[c] >= edge - near(c);
  for (const c of order) {
    if (isAbove(c)) above += cells.count[c];
    else if (isTied(c)) tied += cells.count[c];
  }
  const part = (taken - above) / Math.max(tied, 1);
  for (const c of order) {
    acts[c] = (cells.count[c] * (isAbove(c) ? 1 : isTied(c) ? part : 0)) / Math.max(taken, 1e-300);
    if (failing === -Infinity) continue;
    const gap = worth[c] - failing, equal = 2 * (error[c] + ofFailing);
    acts[c] *= ((gap > equal ? 1 : 0) + (gap >= -equal ? 1 : 0)) / 2;
  }
}

// The choices of an agent that is certain of hypothesis h, as a mass by cell.
function certainActs(cells, policy, h) {
  const acts = new Float64Array(cells.total), worth = cells.reward[h], error = cells.error[h], told = cells.told[h];
  const rates = policy.rates && policy.rates[h].map(doubles);
  for (let m = 0; m < cells.scenes; m++) {
    const failing = policy.abstain ? told.value[m] : -Infinity, ofFailing = policy.abstain ? told.error[m] : 0;
    if (policy.name === "boltzmann") softmaxActs(cells, m, worth, failing, rates, acts);
    else if (policy.name === "quantilize") quantileActs(cells, m, worth, error, failing, ofFailing, policy.settings.q, acts);
    else takeBest(cells, m, worth, error, failing, ofFailing, acts);
  }
  return acts;
}

// Policies that act on all hypotheses at once: the value of every cell, and how far rounding may move it.
const VALUED = {
  expected(worths, weights) {
    return (c) => {
      let mean = 0, size = 0;
      for (let k = 0; k < weights.length; k++) {
        const part = weights[k] * worths[k](c);
        mean += part;
        size += Math.abs(part);
      }
      return [mean, EQUAL * size];
    };
  },
  cvar(worths, weights, { tail }) {
    const total = weights.reduce((a, b) => a + b, 0), masses = weights.map((w) => w / total);
    const order = Array.from(weights.keys()), value = new Float64Array(weights.length);
    return (c) => {
      for (let k = 0; k < order.length; k++) value[k] = worths[k](c);
      for (let i = 1; i < order.length; i++) { // nearly in order already, cell after cell
        const k = order[i];
        let j = i;
        for (; j > 0 && value[order[j - 1]] > value[k]; j--) order[j] = order[j - 1];
        order[j] = k;
      }
      let below = 0, mean = 0, size = 0;
      for (const k of order) {
        const taken = Math.min(Math.max(tail - below, 0), masses[k]) / tail;
        mean += taken * value[k];
        size += taken * Math.abs(value[k]);
        below += masses[k];
        if (below >= tail * (1 + EQUAL)) break;
      }
      return [mean, EQUAL * size];
    };
  },
  maximin(worths, weights, settings, errors) {
    return (c) => {
      let value = Infinity, error = 0;
      for (let k = 0; k < worths.length; k++) {
        const worth = worths[k](c);
        if (worth < value) [value, error] = [worth, errors[k](c)];
      }
      return [value, error];
    };
  },
};

// The smallest set of most probable hypotheses with the credible mass, tied ones included.
function credible(weights, mass) {
  const order = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a]), most = weights[order[0]];
  let total = 0, below = 0, last = most;
  for (const h of order) total += weights[h];
  for (const h of order) {
    below += weights[h];
    last = weights[h];
    if (below >= mass * total - EQUAL * most) break;
  }
  return weights.map((w) => w >= last - EQUAL * most && w > 0);
}

function blendedActs(cells, policy, weights) {
  const some = policy.name === "maximin" ? credible(weights, policy.settings.credible) : weights.map((w) => w !== 0);
  const which = Array.from(weights.keys()).filter((h) => some[h]), value = new Float64Array(cells.total);
  const error = new Float64Array(cells.total), acts = new Float64Array(cells.total), own = which.map((h) => weights[h]);
  const pair = VALUED[policy.name](
    which.map((h) => (c) => (c < 0 ? cells.told[h].value[-1 - c] : cells.reward[h][c])), own, policy.settings,
    which.map((h) => (c) => (c < 0 ? cells.told[h].error[-1 - c] : cells.error[h][c])),
  );
  for (let c = 0; c < cells.total; c++) [value[c], error[c]] = pair(c);
  for (let m = 0; m < cells.scenes; m++) {
    const [failing, ofFailing] = policy.abstain ? pair(-1 - m) : [-Infinity, 0]; // cell -1 - m is abstaining in scene m
    takeBest(cells, m, value, error, failing, ofFailing, acts);
  }
  return acts;
}

// Posterior weights, proportional to prior times evidence; null where the data are impossible under every hypothesis.
function posterior(prior, logEvidence) {
  const top = Math.max(...logEvidence);
  let product = prior.map((p, h) => p * Math.exp(logEvidence[h] - top));
  if (!(Math.max(...product) > 1e-200)) {
    const logs = prior.map((p, h) => Math.log(p) + logEvidence[h]), most = Math.max(...logs);
    if (!(most > -Infinity)) return null;
    product = logs.map((x) => Math.exp(x - most));
  }
  const total = product.reduce((a, b) => a + b, 0);
  return product.map((x) => x / total);
}

// Uniform numbers between 0 and 1: sfc32, by C. Doty-Humphrey.
function generator(seed) {
  let a = 0x9e3779b9, b = 0x243f6a88, c = seed >>> 0, d = 1;
  const next = () => {
    const t = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 15; i++) next();
  return () => ((next() >>> 5) * 67108864 + (next() >>> 6) + 0.5) / 9007199254740992;
}

// Logarithms of gamma variables (Marsaglia and Tsang 2000); those of small shape underflow: G(a) = G(a + 1) U^(1/a).
function logGamma(uniform) {
  let spare = null;
  const normal = () => {
    if (spare !== null) {
      const kept = spare;
      spare = null;
      return kept;
    }
    for (;;) {
      const x = 2 * uniform() - 1, y = 2 * uniform() - 1, s = x * x + y * y;
      if (s >= 1 || s === 0) continue;
      const scale = Math.sqrt((-2 * Math.log(s)) / s);
      spare = y * scale;
      return x * scale;
    }
  };
  return (shape) => {
    const d = shape + 1 - 1 / 3, c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = normal(), root = 1 + c * x, v = root * root * root;
      if (v <= 0) continue;
      const u = uniform();
      if (u >= 1 - 0.0331 * x * x * x * x && Math.log(u) >= 0.5 * x * x + d - d * v + d * Math.log(v)) continue;
      return Math.log(d * v) + Math.log(uniform()) / shape;
    }
  };
}

// The ends of the equal-tailed interval of the risk over values drawn from p(pi | data): a truth from the posterior
// weights, then Dirichlet(strength * prior + e_truth). Hypotheses of equal evidence and risk are drawn as one.
function intervalOf(prior, logEvidence, weights, byTruth, strength, prob, seed) {
  const groups = new Map();
  prior.forEach((p, h) => {
    if (!(p > 0) || logEvidence[h] === -Infinity) return;
    const key = `${logEvidence[h]}|${byTruth[h]}`, group = groups.get(key) || { p: 0, w: 0, l: logEvidence[h], d: byTruth[h] };
    group.p += p;
    group.w += weights[h];
    groups.set(key, group);
  });
  const parts = [...groups.values()], uniform = generator(seed), gamma = logGamma(uniform), risks = new Float64Array(DRAWS);
  const logs = new Float64Array(parts.length), n = parts.length;
  for (let i = 0; i < DRAWS; i++) {
    let truth = 0, at = uniform() - parts[0].w, top = -Infinity, total = 0, sum = 0;
    while (at > 0 && truth < n - 1) at -= parts[++truth].w;
    for (let k = 0; k < n; k++) {
      logs[k] = gamma(strength * parts[k].p + (k === truth ? 1 : 0)) + parts[k].l;
      if (logs[k] > top) top = logs[k];
    }
    for (let k = 0; k < n; k++) {
      const odds = Math.exp(logs[k] - top);
      total += odds;
      sum += odds * parts[k].d;
    }
    risks[i] = sum / total;
  }
  risks.sort();
  return [(1 - prob) / 2, (1 + prob) / 2].map((p) => {
    const place = p * (DRAWS - 1), low = Math.floor(place), high = Math.min(low + 1, DRAWS - 1);
    return risks[low] + (place - low) * (risks[high] - risks[low]);
  });
}

// The least and the greatest risk where a share of the prior goes to any one hypothesis (analysis/sensitivity/prior.py).
function contaminationRange(prior, logEvidence, byTruth, share) {
  const logs = prior.map((p, h) => Math.log(p) + logEvidence[h]), top = Math.max(...logs);
  let mass = 0, risk = 0;
  logs.forEach((x, h) => {
    mass += Math.exp(x - top);
    risk += Math.exp(x - top) * byTruth[h];
  });
  const ends = [];
  logEvidence.forEach((fit, h) => {
    const keep = (1 - share) * Math.exp(Math.min(0, top - fit)), extra = share * Math.exp(Math.min(0, fit - top));
    if (keep * mass + extra > 0) ends.push((keep * risk + extra * byTruth[h]) / (keep * mass + extra));
  });
  return [Math.min(...ends), Math.max(...ends)];
}
