"""Commands `predict` and `score`: registered predictions of choices."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward_hypotheses.data.errors import InputError, visible
from reward_hypotheses.data.progress import staged
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.study.load import load
from reward_hypotheses.study.pre_fit_checks import in_units_of_rewards
from reward_hypotheses.study.run import case_of_study
from reward_hypotheses.study.section_reader import errors_named
from reward_hypotheses.study.validated_study import Study

if TYPE_CHECKING:
    import xarray as xr

STEPS = 3
"""Steps of a prediction: tables, weights, and the prediction."""
SHARES_SHOWN = 12
WHO = {"population": "people", "rater": "the raters", "agent": "the agent"}


def register_of_study(path: Path, out: Path | None, progress: Callable[[str], None]) -> list[str]:
    """Fit a study and register its prediction of choices; return lines to print.

    Raises
    ------
    InputError
        The study is wrong, has no test or names no column of choices, or what `register_prediction` refuses.
    NotTrustedError
        The weights cannot be trusted.
    """
    from reward_hypotheses.analysis.agents.predicted.register_api import register_prediction
    from reward_hypotheses.models.tree.write import tree_of

    with staged(1, STEPS):
        study = in_units_of_rewards(load(path, progress))
    spec, fit = study.spec.prediction, study.spec.fit
    test = _test(study)
    target = out or path.parent / (spec.path or f"{path.stem}.prediction.json")
    with staged(2, STEPS):
        case = case_of_study(study, progress)
    if problems := case.posterior.untrusted():
        raise NotTrustedError(problems)
    with staged(3, STEPS), errors_named(path.name):
        progress("predicting the choices")
        tree = tree_of(case.posterior, study.line, fit.draws, fit.chains, study.spec.seed)
        written = dict(zip(study.names, study.agent_line.written(), strict=True))
        predicted = register_prediction(
            tree,
            study.sources.tables[test],
            target,
            spec.who if spec.who != "agent" else _agents_prior(study),
            chosen=spec.chosen or "",
            rater=spec.rater,
            policy=spec.made_policy(study.policy),
            feedback=spec.feedback,
            agent_fail_utility=None if study.agent_line is study.line else written,
            prob=study.spec.analysis.prob,
            draws=spec.draws,
        )
    return registered_text(predicted, test, target)


def _test(study: Study) -> str:
    """Return the name of the table that is predicted; refuse an incomplete section."""
    spec, name = study.spec.prediction, study.path.name
    test = spec.test or next(iter(study.tests), None)
    problems = []
    if test is None:
        problems.append('[prediction] test: missing; name the table of the scenes to predict, such as test = "test"')
    if spec.chosen is None:
        problems.append(
            '[prediction] chosen: missing; name the column that will hold the choices, such as chosen = "chosen"'
        )
    if spec.who == "agent" and study.infers_agent:
        problems.append(
            "[prediction] who: 'agent': this agent is read off its own choices; in Python give rh.register_prediction the agent's tree"
        )
    if problems or test is None:
        raise InputError(problems, name)
    return test


def _agents_prior(study: Study) -> Any:
    return study.prior if study.agent_prior is None else study.agent_prior


def registered_text(predicted: "xr.Dataset", test: str, target: Path) -> list[str]:
    """Return lines about a prediction that was registered."""
    n, about = len(predicted["scene"]), predicted.attrs
    lines = [
        f"Registered {target}: what {WHO[about['who']]} will choose in the {n:,} scenes of {test!r}.",
        f"sha256 {about['sha256']}, registered {about['registered']}",
        f"Predicted share of each option, with the {about['prob']:.0%} interval of the share that will be observed:",
    ]
    names = predicted["option_name"].to_numpy().tolist() if "option_name" in predicted.coords else None
    for o in range(min(len(predicted["option"]), SHARES_SHOWN)):
        share, lower, upper = (float(predicted[f"share{end}"][o]) for end in ("", "_lower", "_upper"))
        name = f"option {o}" if names is None else visible(names[o])
        lines.append(f"  {name}: {share:.1%} ({lower:.1%} to {upper:.1%})")
    if "as_agent" in predicted:
        share, lower, upper = (float(predicted[f"as_agent{end}"]) for end in ("", "_lower", "_upper"))
        policy = about["policy"].replace("_", " ")
        lines.append(f"People choose as an agent with policy {policy} would: {share:.1%} ({lower:.1%} to {upper:.1%})")
    return [*lines, f"When the choices are known: reward-hypotheses score {target} OUTCOMES"]


def score(prediction: Path, outcomes: Path, rater: str | None) -> "xr.Dataset":
    """Score a registered prediction on the choices in a table."""
    from reward_hypotheses.analysis.agents.predicted.scores import score_choices

    return score_choices(prediction, outcomes, rater)


def score_text(scored: "xr.Dataset") -> list[str]:
    """Return lines about the scores of a prediction."""

    def value(key: str) -> str:
        number, error = float(scored[key]), float(scored[f"{key}_se"])
        return f"{number:.3f}" + (f" (standard error {error:.3f})" if math.isfinite(error) else "")

    n, about = len(scored["scene"]), scored.attrs
    expected, sd = float(scored["expected_log_score"]), float(scored["expected_log_score_sd"])
    lines = [
        f"The prediction registered {about['registered']} (sha256 {about['sha256'][:12]}) is as it was written.",
        f"{n:,} choices; standard errors by {about['clustered_by']}, {about['clusters']:,} clusters.",
        f"Log score: {value('log_score')} nats a choice",
        f"  expected if the probabilities are right: {expected:.3f} (standard deviation {sd:.3f})",
        f"  gain over chance: {value('gain_over_chance')}",
    ]
    if math.isfinite(float(scored["base_rates"])):
        lines.append(f"  gain over the base rates of training: {value('gain_over_base_rates')}")
    lines.append(f"The most probable option was chosen in {float(scored['accuracy']):.1%} of scenes.")
    lines.append("Calibration: predicted probability, observed frequency, number of options")
    for b in range(len(scored["bin"])):
        if count := int(scored["calibration_count"][b]):
            predicted, observed = (float(scored[f"calibration_{key}"][b]) for key in ("predicted", "observed"))
            lines.append(f"  {predicted:6.1%}  {observed:6.1%}  {count:,}")
    return lines


def score_document(scored: "xr.Dataset") -> dict[str, Any]:
    """Return the scores of a prediction as a document of JSON."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(entry) for entry in value]
        return value if not isinstance(value, float) or math.isfinite(value) else None

    variables = {str(name): plain(array.to_numpy().tolist()) for name, array in scored.data_vars.items()}
    return dict(scored.attrs) | {"scene": scored["scene"].to_numpy().tolist()} | variables
