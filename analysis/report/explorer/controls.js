// Controls of the explorer: what a reader moves, what the page then shows, and the setting in its address.

const SHOWN = 12; // hypotheses with a control of their own
const WAIT = 200; // milliseconds between two changes of the address

const data = JSON.parse(document.getElementById("explorer-data").textContent);
const study = makeStudy(data);
const labels = data.labels, at = (id) => document.getElementById(id);
const START = Object.freeze({ weights: null, strength: null, failure_shift: 0, contamination: 0, agent_prior: "study",
  policy: data.policies[data.study.policy].words });
let state = { ...START };

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// As the report writes a share: only an exact 0 reads as 0, only an exact 1 as 100.
function percent(x) {
  if (x === 0) return "0%";
  if (x < 0.0005) return "<0.1%";
  return x >= 0.9995 && x < 1 - 1e-12 ? ">99.9%" : `${(100 * x).toFixed(1)}%`;
}

function between(low, high) {
  const ends = [percent(low), percent(high)];
  return ends[0] === ends[1] ? ends[0] : `${ends[0]} to ${ends[1]}`;
}

// The setting as window.study takes it: what is not moved is left out.
function setting() {
  const given = {};
  for (const key of Object.keys(START)) if (state[key] !== START[key]) given[key] = state[key];
  return given;
}

function weights() {
  if (state.weights === null) return data.prior;
  return study.settle({ weights: state.weights }).prior;
}

function setWeights(values) {
  state.weights = Object.fromEntries(study.names.map((name, h) => [name, values[h]]));
}

// Give some hypotheses together a share of the prior; they and the others keep their proportions.
function setShare(members, share) {
  const now = weights(), inside = members.reduce((sum, h) => sum + now[h], 0), others = now.length - members.length;
  setWeights(now.map((w, h) => {
    const [own, total, count] = members.includes(h) ? [share, inside, members.length] : [1 - share, 1 - inside, others];
    return total > 1e-12 ? (w / total) * own : own / count;
  }));
}

// A slider and a number that show one value; each writes it.
function slider(parent, words, { low, high, step, unit, read, write, toSlider = (x) => x, fromSlider = (x) => x, why, remark }) {
  const id = `argue-input-${slider.count = (slider.count || 0) + 1}`;
  const range = make("input", { type: "range", id, min: low, max: high, step });
  const number = make("input", { type: "number", step: "any", ariaLabel: `${words}, in numbers` });
  const label = make("label", { htmlFor: id, textContent: words }, make("small", { textContent: ` (${unit})` }));
  const row = make("div", { className: "argue-row" }, label, range, number);
  parent.append(row);
  if (why) {
    for (const input of [range, number]) Object.assign(input, { disabled: true, title: why });
    row.classList.add("argue-grey");
    parent.append(make("p", { className: "small argue-grey", textContent: why }));
  }
  if (remark) parent.append(make("p", { className: "small", textContent: remark }));
  const change = (x) => {
    try {
      if (!Number.isFinite(x)) throw new Error(`${words}: give a number`);
      write(x);
      show();
    } catch (error) {
      show(error.message);
    }
  };
  range.addEventListener("input", () => change(fromSlider(Number(range.value))));
  number.addEventListener("change", () => change(number.value === "" ? NaN : Number(number.value)));
  return () => {
    const x = read();
    range.value = x === null ? range.value : toSlider(x);
    range.ariaValueText = x === null ? "not stated" : `${Number(x.toPrecision(4))} ${unit}`;
    if (document.activeElement !== number || Number(number.value) !== x) number.value = x === null ? "" : Number(x.toPrecision(4));
    number.placeholder = "none";
  };
}

const refreshers = [];

function kept(write) {
  return (x) => {
    const before = state;
    state = { ...state };
    try {
      write(x);
      study.settle(setting());
    } catch (error) {
      state = before;
      throw error;
    }
  };
}

function makeWeights() {
  const order = Array.from(study.names.keys()).sort((a, b) => data.prior[b] - data.prior[a]);
  const own = order.slice(0, order.length > SHOWN ? SHOWN : SHOWN + 1).sort((a, b) => a - b);
  const groups = own.map((h) => [labels[h], [h]]), rest = order.filter((h) => !own.includes(h));
  if (rest.length) groups.push([`the other ${rest.length}, in proportion`, rest]);
  const why = study.names.length === 1 ? "There is one hypothesis, so there is nothing to weigh." : "";
  for (const [words, members] of groups) {
    refreshers.push(slider(at("argue-weights"), words, {
      low: 0, high: 100, step: 1, unit: "%", why, read: () => 100 * members.reduce((sum, h) => sum + weights()[h], 0),
      write: kept((x) => {
        if (!(x >= 0 && x <= 100)) throw new Error(`${words}: give a weight from 0 to 100%`);
        setShare(members, x / 100);
      }),
    }));
  }
}

function makeSliders() {
  const parent = at("argue-sliders"), { line } = data;
  const noLine = line.why_not ? `The failure line cannot be moved: ${line.why_not}.` :
    data.cells ? "" : `The failure line cannot be moved on this page: ${data.cells_why_not}.`;
  const noStrength = data.interval_why_not ? `In the study ${data.interval_why_not}. Move this to see one opinion of this strength in their place.` :
    data.strength === null ? "The study states none, and so has no interval. Move this to state one." : "";
  refreshers.push(slider(parent, "Strength of the values", {
    low: 0, high: 300, step: 5, unit: "judgements", remark: noStrength, read: () => state.strength ?? data.strength,
    write: kept((x) => { state.strength = x; }), toSlider: (x) => 100 * Math.log10(x), fromSlider: (x) => Number((10 ** (x / 100)).toPrecision(2)),
  }), slider(parent, "Failure line moved by", {
    low: -2, high: 2, step: line.kind === "grid" ? 0.25 : 0.05, unit: "sd of the rewards", why: noLine,
    read: () => state.failure_shift, write: kept((x) => { state.failure_shift = x; }),
  }), slider(parent, "Prior misspecification", {
    low: 0, high: 50, step: 1, unit: "%", read: () => 100 * state.contamination, write: kept((x) => { state.contamination = x / 100; }),
  }));
}

function makeSelects() {
  const agent = data.study.inferred ? "inferred from its choices" : data.study.agent_prior;
  const words = { study: `as in the study: ${agent}`, uniform: "uniform", values: "the human values, as weighed here",
    simplicity: data.agents.simplicity.language ? `simplicity, ${data.agents.simplicity.language}` : "simplicity" };
  for (const name of AGENTS) {
    const why = data.agents[name].why_not;
    at("argue-agent").append(make("option", { value: name, textContent: why ? `${words[name]} (${why})` : words[name], disabled: Boolean(why), title: why || "" }));
  }
  for (const policy of data.policies) {
    const { mean, reason } = study.risk({ policy: policy.words, contamination: 0.5 });
    const option = make("option", { value: policy.words, textContent: (policy.own ? "as in the study: " : "") + policy.words, disabled: mean === null });
    if (mean === null) Object.assign(option, { title: reason, textContent: `${policy.words} (not on this page)` });
    at("argue-policy").append(option);
  }
  for (const [id, key] of [["argue-agent", "agent_prior"], ["argue-policy", "policy"]]) {
    at(id).addEventListener("change", () => {
      state = { ...state, [key]: at(id).value };
      show();
    });
    refreshers.push(() => { at(id).value = state[key]; });
  }
  at("argue-back").addEventListener("click", () => set(null));
}

function makeTriangle() {
  if (study.names.length !== 3) return;
  const figure = document.querySelector(".argue-triangle"), pad = figure.querySelector("svg");
  const corners = [[50, 0], [100, 86.6], [0, 86.6]], [top, left, right] = figure.querySelectorAll("span");
  [top.textContent, right.textContent, left.textContent] = labels;
  const place = (circle, values) => {
    for (const [k, name] of ["cx", "cy"].entries()) circle.setAttribute(name, values.reduce((sum, w, h) => sum + w * corners[h][k], 0));
  };
  const move = (event) => {
    const to = new DOMPoint(event.clientX, event.clientY).matrixTransform(pad.getScreenCTM().inverse());
    const first = 1 - to.y / 86.6, second = (to.x - 50 * first) / 100, values = [first, second, 1 - first - second].map((w) => Math.max(w, 0));
    const total = values.reduce((a, b) => a + b, 0);
    setWeights(values.map((w) => Number((w / total).toFixed(4))));
    show();
  };
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    move(event);
  });
  pad.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });
  place(pad.querySelector(".was"), data.prior);
  figure.hidden = false;
  refreshers.push(() => place(pad.querySelector(".is"), weights()));
}

function show(problem = "") {
  const given = setting(), moved = Object.keys(given).length > 0, result = study.risk(given), { prob } = data.study;
  at("argue-risk").textContent = result.mean === null ? "not known here" : percent(result.mean);
  at("argue-beside").textContent = moved ? `study: ${percent(data.study.mean)}` : "as in the study";
  let words = "", grey = false;
  const [lower, upper] = moved ? [result.lower, result.upper] : [data.study.lower, data.study.upper];
  if (state.contamination > 0 && lower !== null) {
    words = `If ${Number((100 * state.contamination).toPrecision(4))}% of the prior may be anything: ${between(lower, upper)}. The agent stays as it is.`;
  } else if (lower !== null) {
    words = `${Number((100 * prob).toPrecision(6))}% credible interval ${between(lower, upper)}, from uncertainty about the values alone.`;
  } else {
    grey = true;
    words = result.reason || "The values have no stated strength, so there is no interval.";
    if (data.study.lower !== null) words += ` The study's interval: ${between(data.study.lower, data.study.upper)}.`;
  }
  at("argue-interval").textContent = words;
  at("argue-interval").classList.toggle("argue-grey", grey);
  const all = at("argue-all");
  all.hidden = !data.study.all;
  if (data.study.all) {
    all.textContent = `With every uncertain quantity (policy and failure line fixed): ${between(...data.study.all)}${moved ? " in the study; this page does not compute it again" : ""}.`;
    all.title = moved ? "It rests on draws that are not on this page." : "";
    all.classList.toggle("argue-grey", moved);
  }
  at("argue-note").textContent = problem;
  at("argue-back").disabled = !moved;
  refreshers.forEach((refresh) => refresh());
  showDependence(given, result.mean);
  writeAddress();
}

function showDependence(given, mean) {
  const rows = study.dependence(given), highest = Math.min(1, Math.max(mean || 0, ...rows.map((row) => (row.reason ? 0 : row.high.risk))));
  const full = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1].find((x) => x >= highest);
  at("argue-rows").replaceChildren(...rows.map((row) => {
    const item = make("li", {}, make("span", { className: "argue-name", textContent: row.name }));
    if (row.reason) {
      item.append(make("span", { className: "argue-why argue-grey", textContent: row.reason, title: row.reason }));
      return item;
    }
    const bar = make("i"), mark = make("b"), of = (x) => `${(100 * x) / full}%`;
    Object.assign(bar.style, { left: of(row.low.risk), width: of(row.high.risk - row.low.risk) });
    if (mean !== null) mark.style.left = of(mean);
    const named = (end) => percent(end.risk) + (end.words ? ` (${end.words})` : "");
    const same = percent(row.low.risk) === percent(row.high.risk);
    item.append(make("span", { className: "argue-bar", ariaHidden: "true" }, bar, mark),
      make("span", { className: "argue-range", textContent: same ? `${percent(row.low.risk)} throughout` : `${named(row.low)} to ${named(row.high)}` }));
    return item;
  }), make("li", { className: "argue-scale small", ariaHidden: "true" }, make("span"), make("span", {}, make("span", { textContent: "0%" }), make("span", { textContent: percent(full) }))));
}

const SHORT = { weights: "w", strength: "strength", failure_shift: "shift", contamination: "contamination", agent_prior: "agent", policy: "policy" };
let wrote = -Infinity, timer = 0;

function addressOf(given) {
  const parts = Object.entries(given).map(([key, value]) => {
    const text = key === "weights" ? Object.entries(value).map(([name, w]) => `${encodeURIComponent(name)}:${w}`).join(",") : encodeURIComponent(value);
    return `${SHORT[key]}=${text}`;
  });
  return parts.length ? `#${parts.join("&")}` : "";
}

// Replace the fragment of the address, at most once in a while: browsers refuse many changes in a row.
function writeAddress() {
  clearTimeout(timer);
  const left = wrote + WAIT - performance.now();
  if (left > 0) {
    timer = setTimeout(writeAddress, left);
    return;
  }
  const fragment = addressOf(setting());
  if (fragment === (location.hash.includes("=") ? location.hash : "")) return;
  wrote = performance.now();
  history.replaceState(null, "", location.href.split("#")[0] + fragment);
}

// Read the setting of the address; null where it holds none. Throws an Error for one that means nothing here.
function readAddress() {
  if (!location.hash.includes("=")) return null;
  const given = {}, keys = Object.fromEntries(Object.entries(SHORT).map(([key, short]) => [short, key]));
  for (const part of location.hash.slice(1).split("&")) {
    const [short, text] = [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)], key = keys[short];
    if (!Object.hasOwn(keys, short)) throw new Error(`${quoted(short)} is no setting`);
    const number = (x) => (x.trim() === "" ? NaN : Number(x));
    if (key === "weights") {
      const pairs = text.split(",").map((pair) => pair.split(":"));
      given.weights = Object.fromEntries(pairs.map(([name, w = ""]) => [decodeURIComponent(name), number(w)]));
    } else given[key] = ["agent_prior", "policy"].includes(key) ? decodeURIComponent(text) : number(text);
  }
  study.settle(given);
  return given;
}

// Take over the setting of the address; return whether it holds one.
function followAddress() {
  try {
    const given = readAddress();
    if (given === null) return false;
    state = { ...START, ...given };
    show();
  } catch (error) {
    show(`The address holds a setting that this page cannot read, so it is ignored: ${error.message}.`);
  }
  return true;
}

// Move some settings, the others as they are; with nothing, go back to the study. Returns the risk there.
function set(given) {
  const next = given ? { ...state, ...given } : { ...START };
  for (const key of Object.keys(START)) if (next[key] === undefined || next[key] === null) next[key] = START[key];
  const before = state;
  try {
    state = next;
    study.settle(given || {});
    study.settle(setting());
  } catch (error) {
    state = before;
    throw error;
  }
  show();
  return study.risk(setting());
}

makeWeights();
makeSliders();
makeSelects();
makeTriangle();
document.querySelector(".argue").hidden = false;
window.study = Object.freeze({ risk: study.risk, set, setting, dependence: study.dependence, hypotheses: [...study.names],
  policies: data.policies.map((policy) => policy.words) });
if (followAddress()) at("explorer").scrollIntoView();
else show();
window.addEventListener("hashchange", followAddress);
