"""Loops that count their steps: shares of nested loops, threads, estimates, and what counting costs."""

import contextvars
import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.data.numerics import each_in_threads, in_threads
from reward_hypotheses.data.progress import LEAST_SHARE, Meter, counted, listening, named, staged, tracked


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


def random_tree(rng, depth):
    """A loop as the list of its steps; a step is a loop of its own, or [] for plain work."""
    return [] if depth == 0 or rng.random() < 0.2 else [random_tree(rng, depth - 1) for _ in range(rng.integers(1, 6))]


@pytest.mark.parametrize("seed", range(40))
def test_a_loop_inside_a_loop_is_a_part_of_one_step(seed):
    clock = Clock()
    meter, rng = Meter(clock), np.random.default_rng(seed)
    tree = [random_tree(rng, 3) for _ in range(rng.integers(2, 6))]

    def walk(loop, low, width):
        for k, step in enumerate(tracked(loop)):
            at = low + width * Fraction(k, len(loop))
            share = meter.state().share
            assert share == (None if clock.time == 0 else pytest.approx(float(at), abs=1e-12))
            walk(step, at, width / len(loop))
            clock.time += not step

    with listening(meter):
        walk(tree, Fraction(0), Fraction(1))
    assert meter.state().share is None


def test_shares_never_fall_whatever_happens_inside_a_step():
    clock = Clock()
    meter, rng, shares = Meter(clock), np.random.default_rng(5), []

    def note():
        clock.time += 1.0
        shares.append(meter.state().share)

    with listening(meter):
        for _ in tracked(range(20), what="steps"):
            for length in rng.integers(2, 6, rng.integers(0, 4)):  # several loops in one step, some left early
                for k in tracked(range(length)):
                    note()
                    if k == 1 and rng.random() < 0.5:
                        break
            with pytest.raises(ZeroDivisionError):
                for _ in tracked([1, 2]):
                    1 / 0  # noqa: B018
            for _ in zip(tracked("abc"), tracked("abc"), strict=True):
                note()
        note()
    assert shares[-1] is None
    shares = [share for share in shares if share is not None]
    assert all(a <= b for a, b in zip(shares, shares[1:], strict=False)) and 0 <= shares[0] and 0.9 < shares[-1] <= 1


def test_a_loop_that_is_the_least_part_of_a_step_is_not_counted():
    clock = Clock()
    meter, states = Meter(clock), []
    with listening(meter):
        for _ in tracked(range(4)):
            for _ in tracked(range(10)):
                clock.time += 0.2
            clock.time += 4.0
            states.append(meter.state())
            clock.time += 4.0
    assert [state.share for state in states] == [0.25, 0.25, 0.5, 0.75]  # of the first step it is not known yet
    assert states[0].left is None
    for k, state in enumerate(states[2:], start=2):
        assert state.left == pytest.approx(40 - (10 * k + 6))


def test_threads_are_steps_of_the_loop_that_waits_for_them():
    clock = Clock()
    meter, shares = Meter(clock), []

    def work(part):
        return sum(tracked(range(part)))  # in another thread: not counted

    with listening(meter):
        assert in_threads(work, [10, 20, 30]) == [45, 190, 435]
        for _ in tracked(each_in_threads(work, [50] * 8), 8):
            clock.time += 1.0
            shares.append(meter.state().share)
        context = contextvars.copy_context()
        loops = [
            threading.Thread(target=context.copy().run, args=(list, map(list, [tracked([1, 2, 3])]))) for _ in range(8)
        ]
        for thread in loops:
            thread.start()
        for thread in loops:
            thread.join()
        with counted(800, "by callback") as reached:
            done = []

            def report():
                for _ in range(100):
                    done.append(None)
                    reached(len(done))

            reports = [threading.Thread(target=report) for _ in range(8)]
            for thread in reports:
                thread.start()
            for thread in reports:
                thread.join()
            clock.time += 1.0
            assert meter.state()[:2] == ("by callback", 1.0)
    assert shares == pytest.approx(np.arange(8) / 8)


def test_the_estimate_is_near_the_time_that_is_left():
    clock = Clock()
    meter, rng = Meter(clock), np.random.default_rng(3)
    seconds = rng.uniform(0.05, 0.15, 200)
    checked = 0
    with listening(meter):
        for k, second in enumerate(tracked(seconds)):
            state, left = meter.state(), float(seconds[k:].sum())
            assert (state.share is None) == (clock.time < 1)
            assert (state.left is None) == (clock.time < 1 or k / 200 < LEAST_SHARE), k
            if state.left is not None:
                assert left / 1.5 < state.left < left * 1.5
                checked += 1
            clock.time += float(second)
    assert checked > 180


def test_words():
    meter = Meter(Clock())
    with listening(meter), staged(2, 4):
        meter.begin("risk on 'test'")
        with named("risk"), named("shift check"):  # a name that the words hold already adds nothing
            assert meter.state() == ("risk on 'test', shift check", None, None, (2, 4))
            for _ in tracked("ab", what="permutations"):
                meter.begin("part of the loop")
                assert meter.state().doing == "risk on 'test', shift check, permutations"
    assert meter.state().doing == "part of the loop" and meter.state().stage is None


def test_counting_costs_next_to_nothing(tmp_path):
    """Without a listener a loop is what it was; with one, counting takes under 1 % of a small study."""
    parts = [1, 2, 3]
    assert tracked(parts) is parts
    path = write(tmp_path, small(), training=TRAINING, test=TEST)
    rh.run(path)
    meter, steps = Meter(), [0]
    opened, reached = meter.opened, meter.reached
    meter.opened = lambda *a: (steps.__setitem__(0, steps[0] + 1), opened(*a))[1]
    meter.reached = lambda *a: (steps.__setitem__(0, steps[0] + 1), reached(*a))[1]
    start = time.process_time()
    with listening(meter):
        rh.run(path)
    whole = time.process_time() - start
    start = time.process_time()
    with listening(Meter()):
        for _ in tracked(range(10_000)):
            pass
    each = (time.process_time() - start) / 10_000
    assert 10 < steps[0] and steps[0] * each < 0.01 * whole, (steps[0], each, whole)
