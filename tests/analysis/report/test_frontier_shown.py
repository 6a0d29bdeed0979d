"""The frontier in the report: its figure and its sentences, by entries made up."""

import itertools

import numpy as np
import pytest

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk import frontier as module
from reward_hypotheses.analysis.risk.expected_reward import Outcome
from reward_hypotheses.analysis.risk.frontier import candidates, efficient


def made_up(points, own=0):
    """A document's frontier of the built-in policies, with such risks and rewards."""
    outcomes = [Outcome(risk, reward, 0.0, 0.1) for risk, reward in points]
    entries = [
        module.Entry(policy, outcome, k == own, None, best)
        for k, (policy, outcome, best) in enumerate(
            zip(candidates(rh.Commit()), outcomes, efficient(outcomes), strict=True)
        )
    ]
    return module.frontier_document(entries)


@pytest.mark.parametrize("seed", range(4))
def test_labels_of_the_figure_do_not_overlap(seed):
    """Crowded in one place, spread over the axis, and all at one point."""
    import matplotlib as mpl

    from reward_hypotheses.analysis.plots import style as figures
    from reward_hypotheses.analysis.report.sections.frontier import FRONTIER

    rng = np.random.default_rng(seed)
    spread = [(0.5, 0.0), (0.02, 1.0), (0.3, 40.0), (0.0, 0.0)][seed]
    points = [(float(np.clip(0.5 + spread[0] * rng.normal(), 0, 1)), spread[1] * rng.normal()) for _ in range(18)]
    document = {"frontier": made_up(points)}
    with mpl.rc_context(figures.STYLE):
        figure = FRONTIER.draw(document, None)
        figure.draw_without_rendering()
        ax, below = figure.axes
        texts = [*ax.texts, *below.texts]
        boxes = [mpl.text.Text.get_window_extent(mark) for mark in texts]  # without the line to the mark
        assert boxes and sum(len(mark.get_text()) for mark in texts) > 150
        for one, other in itertools.combinations(boxes, 2):
            assert not one.overlaps(other)
        page = figure.bbox
        assert all(page.x0 <= b.x0 and b.x1 <= page.x1 and page.y0 <= b.y0 and b.y1 <= page.y1 for b in boxes)
        whole = figure.get_tightbbox()
    numbers = [mark.get_text() for mark in ax.texts]
    assert numbers == [str(k + 1) for k in range(len(numbers))] == [mark.get_text() for mark in below.texts[::2]]
    assert whole.x0 >= 0 and whole.y0 >= 0
    assert whole.x1 <= figure.get_figwidth() <= figures.PAGE and whole.y1 <= figure.get_figheight() <= 9
    drawn = {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in ax.lines if len(line.get_xdata()) == 1
    }
    assert points[0] in drawn  # the study's own is drawn where it is
    said = " ".join(" ".join(mark.get_text() for mark in texts).split())
    assert said.count("(this study's)") == 1
    for policy in candidates(rh.Commit()):
        assert policy.words.removesuffix(", may abstain") in said


def test_what_the_page_says():
    from reports import point

    from reward_hypotheses.analysis.report.sections.frontier import safer_policy, safest

    def document(points, errors=0.0):
        entries = made_up(points)
        mcse = {"frontier": [{"risk": errors, "reward": errors} for _ in entries]} if errors else None
        return {"frontier": entries, "risk": {"upper_of_zero": 0.1}, "mcse": mcse}

    middling = [(0.5, 0.0)] * 18
    beaten = document([(0.4, 1.0), *middling[1:10], (0.1, 0.5), (0.2, 3.0), *middling[12:]])
    said = safest(beaten)
    assert said[0] == "The study's policy 'commit': risk 40.0%, expected reward 1 a scene."
    assert said[1] == "Of the 9 policies that must act, 'cvar (worst 20%)' is the safest: risk 10.0%, reward 0.5."
    assert said[2].startswith(
        "Of the 9 policies that may abstain, 'cvar (worst 20%)' is the safest: risk 20.0%, reward 3,"
    )
    assert safer_policy(beaten) == "'cvar (worst 20%)' is safer than the study's policy 'commit': 10.0% against 40.0%."
    assert point("frontier", beaten)[0] == (
        "At a lower risk, 'cvar (worst 20%), may abstain' has a higher reward: 3 instead of 1."
    )
    first = document([(0.0, 5.0), *middling[1:]])
    assert safer_policy(first) == "No other policy that must act is safer than 'commit' (0%)."
    assert "no other policy is both safer and better rewarded" in point("frontier", first)[0]
    last = document([*middling[:17], (0.0, 5.0)])
    assert safer_policy(last) == "No other policy that must act is safer than 'commit' (50.0%)."
    assert point("frontier", last)[0].startswith(
        "At a lower risk, 'quantilize (best 25%), may abstain' has a higher reward"
    )
    richer = document([*middling[:17], (0.5, 5.0)])
    assert point("frontier", richer)[0].startswith("At about the same risk, 'quantilize (best 25%), may abstain' has a")
    assert safest(document(middling))[1].startswith("All 9 policies that may abstain have about the lowest risk")
    near = [(0.3174, 0.0), (0.5, 0.0), (0.3166, 0.0), *[(0.5, 0.0)] * 15]
    assert safer_policy(document(near)).startswith("No other policy")  # 31.7% against 31.7%
    near[2] = (0.30, 0.0)
    assert "safer than the study's" in safer_policy(document(near)) and "No other" in safer_policy(document(near, 0.01))
    assert safest({"frontier": None}) == [] and safer_policy({"frontier": None}) == "No policies were compared."
