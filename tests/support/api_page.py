"""Write docs/api.md from the docstrings of what the package gives: ``python tests/support/api_page.py``."""

import inspect
import re
from itertools import pairwise

from pages import ROOT

import reward_hypotheses as rh

PAGE = ROOT / "docs" / "api.md"
GROUPS = {
    "Tables": ("read_comparisons", "read_table", "combinations", "landing_sites", "landing_frame"),
    "Shifts": ("repaint", "decorrelate", "intervene", "reweight", "resample", "add_options", "fade"),
    "Priors over the hypotheses": (
        "Elicited",
        "elicit",
        "Judgements",
        "LinearPool",
        "log_pool",
        "Uniform",
        "Simplicity",
        "Prior",
    ),
    "Hypotheses": ("Linear", "Rules", "InSd", "Unmodelled"),
    "Spaces of rules": ("top_rules", "equivalent_rules", "feature_dependence", "dangerous_rules", "telling_labels"),
    "MDPs": ("MDP", "gridworld", "plan", "occupancy", "demonstrate", "cvar_policy"),
    "Feedback": ("Choices", "Demonstrations", "Labels", "Proxy", "Rankings", "Ratings", "Rewards", "Stops", "Feedback"),
    "Policies": ("Commit", "MostProbable", "Expected", "Boltzmann", "Cvar", "Maximin", "Quantilize", "Policy"),
    "Fitting": (
        "fit",
        "pymc_model",
        "posterior_from",
        "index_draws",
        "given",
        "evidence_by_feedback",
        "silent_pairs",
        "silent_directions",
        "cues_by_degree",
        "conforms",
    ),
    "Risk and values": (
        "catastrophe_risk",
        "value_bits",
        "risk_bounds",
        "risk_by_judge",
        "predict",
        "predict_choices",
        "register_prediction",
        "predict_rate",
        "compare_with_outcomes",
        "predict_held_out",
        "probe_overlap",
        "estimate_discrepancy",
        "EpisodeSteps",
    ),
    "The failure line": ("FailureJudgements", "failure_line", "risk_under_failure_judgements"),
    "Agents read off their choices": (
        "choose_probes",
        "probe",
        "agents_read",
        "population_risk",
    ),
    "People who differ": ("people_risk", "with_judge"),
    "What to ask next": ("rank_queries", "asked_in_turn"),
    "Worst case and impact": ("worst_case", "search_worst", "impact"),
    "Figures": (
        "plot_weights",
        "plot_evidence",
        "plot_reward_weights",
        "plot_risk",
        "plot_risk_matrix",
        "plot_sensitivity",
        "plot_prior_sweep",
        "plot_value_bits",
        "plot_frontier",
        "plot_shift",
        "plot_calibration",
    ),
    "Studies and reports": ("run", "check", "report", "compare", "Ledger"),
    "Predicted against measured": ("lander_study", "minigrid_study", "minesweeper_study"),
    "Errors": ("InputError", "NotTrustedError"),
}
BASES = ("Prior", "Feedback", "Policy")
"""What users write subclasses of; their methods are listed."""
HEAD = """\
# The API

Everything is imported from `reward_hypotheses`, here `rh`. A Dataset, a DataFrame or a dict of arrays is taken wherever
a table is. The page is made from the docstrings: `help(rh.fit)` says the same.

Some names stand in namespaces too, so that completion is short: `rh.policies`, `rh.priors`, `rh.feedback`, `rh.shifts`,
`rh.environments`.
"""
SECTIONS = {"Parameters", "Returns", "Raises", "Attributes"}
WIDTH = 100


def is_exported(name):
    """Whether a public name is a class or function: neither a version nor a namespace."""
    return not name.startswith("__") and not inspect.ismodule(getattr(rh, name))


def one_line(annotation_text):
    """A signature as it would be written, without the modules of its types."""
    text = re.sub(r"<function .*? at 0x\w+>", "...", annotation_text)
    text = re.sub(r"'((?:\w+\.)*[A-Z]\w*)'", r"\1", text)  # types given as text
    text = re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])", "", text)
    return text.removesuffix(" -> None").replace("ndarray", "np.ndarray")


def signature(name, of, prefix="rh."):
    """A call of a function or a class, broken at its parameters where it is long."""
    found = inspect.signature(of)
    whole = one_line(f"{name}{found}")
    if len(prefix + whole) <= WIDTH:
        return prefix + whole
    keyword_only = False
    lines = []
    for parameter in found.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            lines.append("    *,")
        lines.append(f"    {one_line(str(parameter))},")
    end = "" if found.return_annotation in (None, found.empty) else f" -> {one_line(_type(found.return_annotation))}"
    return "\n".join([f"{prefix}{name}(", *lines, f"){end}"])


def _type(annotation):
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def markdown(text):
    """A paragraph of a docstring: its code in single backticks."""
    return re.sub(r"``(.+?)``", lambda m: f"`` {m[1]} ``" if "`" in m[1] else f"`{m[1]}`", text, flags=re.S)


def parts(doc):
    """The prose of a docstring, and its sections: name -> lines."""
    lines = doc.split("\n")
    heads = [i for i in range(len(lines) - 1) if lines[i] in SECTIONS and re.fullmatch(r"-+", lines[i + 1] or " ")]
    prose = "\n".join(lines[: heads[0]] if heads else lines).strip()
    return prose, {lines[a]: lines[a + 2 : b] for a, b in pairwise([*heads, len(lines)])}


def entries(lines):
    """A section as a list: what is named, and what is said of it."""
    out = []
    for line in lines:
        if not line.strip():
            continue
        if line.startswith(" "):
            out[-1][1].append(line[4:])
        else:
            out.append((line.strip(), []))
    return out


def entry(named, said, is_type):
    name, _, kind = named.partition(" : ")
    head = f"`{name}`" if is_type else ", ".join(f"**{n.strip()}**" for n in name.split(","))
    if kind:
        head += f" (`{kind}`)"
    text = markdown("\n  ".join(said))
    if not text:
        return f"- {head}"
    return f"- {head}:\n\n  {text}" if text.startswith("- ") else f"- {head}: {text}"


def described(doc):
    """A docstring in markdown."""
    prose, sections = parts(doc)
    out = [markdown(prose)]
    for name, lines in sections.items():
        is_type = name in ("Returns", "Raises")
        out.append(f"{name}:\n\n" + "\n".join(entry(*each, is_type) for each in entries(lines)))
    return "\n\n".join(out)


def methods(cls):
    """What a subclass inherits or writes, a line each."""
    out = []
    for name, member in vars(cls).items():
        function = member.fget if isinstance(member, property) else getattr(member, "func", member)
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        abstract = getattr(member, "__isabstractmethod__", False)
        arguments = ", ".join(list(inspect.signature(function).parameters)[1:])
        call = name if not inspect.isfunction(member) else f"{name}({arguments})"
        summary = markdown(inspect.cleandoc(function.__doc__).split("\n\n")[0].replace("\n", " "))
        out.append(f"- `{call}`{' (a subclass writes it)' if abstract else ''}: {summary}")
    return "\n".join(out)


def page():
    """The whole page."""
    out = [HEAD]
    for title, names in GROUPS.items():
        out.append(f"## {title}\n")
        for name in names:
            thing = getattr(rh, name)
            out.append(f"### {name}\n\n```py\n{signature(name, thing)}\n```\n\n{described(inspect.getdoc(thing))}\n")
            if name in BASES:
                out.append(f"Methods and properties:\n\n{methods(thing)}\n")
    return "\n".join(out)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
