"""Minimax bounds: a lower bound of the risk of every agent trained on the data.

The bound is over hypotheses that are observationally equivalent in training (a silent class).
"""

import math
from collections.abc import Sequence
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.models.hypotheses.valuation import Valuation

LARGEST = 200_000  # kinds of option times kinds of scene of which a linear program is made


def minimax_risk(valuation: Valuation, members: Sequence[int], abstaining: Sequence[float]) -> np.ndarray:
    """Return the minimax risk over a silent class of hypotheses.

    The risk is ``min_a max_{j in S} mean_m sum_o a[m, o] K_j[m, o]``, over all policies a that abstain in at most a share
    rho of the scenes. Training does not distinguish the hypotheses in S. An agent that sees training alone therefore acts
    alike whichever of S is true, and has at least this risk under one of them.

    Parameters
    ----------
    valuation : Valuation
        Of the test.
    members : sequence of int
        Places of the hypotheses in S.
    abstaining : sequence of float
        Values of rho, from 0 to 1.

    Returns
    -------
    ndarray (rho,)
        NaN where the class is too large.
    """
    kinds = _kinds(valuation, members)
    if len(members) == 2:
        return np.array([_of_two(kinds, rho) for rho in abstaining])
    if sum(len(options) for options in kinds) * len(members) > LARGEST:
        return np.full(len(abstaining), np.nan)
    return np.array([_by_program(kinds, len(members), rho) for rho in abstaining])


type Kinds = dict[tuple[tuple[bool, ...], ...], float]
"""What the options of a scene are, each worse than failing under some of the class, and the share of such scenes."""


def _kinds(valuation: Valuation, members: Sequence[int]) -> Kinds:
    weight, total = scene_weights(valuation)
    kinds: Kinds = {}
    for block in valuation.blocks():
        bad = np.array([block.worse(h) for h in members])  # (member, option, scene)
        there = np.ones(block.shape, bool) if block.options is None else block.options
        rows = np.concatenate([bad, there[None]]).transpose(2, 1, 0)  # (scene, option, member and whether it is there)
        bits = np.packbits(rows.reshape(len(rows), -1), axis=1).astype(np.uint64)
        factors = np.random.default_rng(37).integers(1, 2**63, size=bits.shape[1], dtype=np.uint64) | np.uint64(1)
        _, first, place, _ = distinct((bits * factors).sum(axis=1, dtype=np.uint64))  # modulo 2^64
        mass = np.bincount(place, weight[block.scenes], len(first))
        for row, share in zip(rows[first], mass.tolist(), strict=True):
            options = {tuple(map(bool, option[:-1])) for option in row if option[-1]}
            least = [
                o
                for o in options
                if not any(p != o and all(a <= b for a, b in zip(p, o, strict=True)) for p in options)
            ]
            key = tuple(sorted(least)) or ((False,) * len(members),)  # nothing but failing: no catastrophe
            kinds[key] = kinds.get(key, 0.0) + share
    return {key: share / total for key, share in kinds.items()}  # at the end, so that a half is a half


def _of_two(kinds: Kinds, rho: float) -> float:
    """Return the minimax risk of two hypotheses in closed form.

    The best policy abstains first where every option is bad under both hypotheses, then where every option is bad under
    one of the two.
    """
    both = kinds.get(((True, True),), 0.0)
    forced = [kinds.get((of_pair,), 0.0) for of_pair in ((True, False), (False, True))]
    either = kinds.get(((False, True), (True, False)), 0.0)
    left = max(both - rho, 0.0)
    rho = max(rho - both, 0.0)
    return left + max((either + sum(forced) - rho) / 2, max(forced) - rho, 0.0)


def _by_program(kinds: Kinds, n: int, rho: float) -> float:
    from scipy.optimize import linprog

    columns = [(k, option) for k, options in enumerate(kinds) for option in options]
    shares = np.array(list(kinds.values()))
    # variables: mass of each option in each kind of scene, mass abstained in each, the risk
    risk = np.hstack([np.array([o for _, o in columns], float).T, np.zeros((n, len(shares))), -np.ones((n, 1))])
    budget = np.concatenate([np.zeros(len(columns)), np.ones(len(shares)), [0.0]])[None]
    sums = np.zeros((len(shares), len(columns) + len(shares) + 1))
    sums[[k for k, _ in columns], np.arange(len(columns))] = 1.0
    sums[np.arange(len(shares)), len(columns) + np.arange(len(shares))] = 1.0
    cost = np.zeros(sums.shape[1])
    cost[-1] = 1.0
    solution = linprog(
        cost, np.vstack([risk, budget]), np.append(np.zeros(n), rho), sums, shares, bounds=(0, None), method="highs"
    )
    return float(solution.fun) if solution.success else float("nan")


ABSTAINING = (0.0, 0.1, 0.5)
"""Shares of scenes that an agent may refrain in."""


class Impossible(Section[Document]):
    """The silent class with the highest minimax risk.

    The result is None where training distinguishes all hypotheses.
    """

    keys = ("impossible",)
    of_test = True

    @override
    def compute(self, case: Case) -> Document | None:
        classes = [members.tolist() for members in case.posterior.members() if len(members) > 1]
        if not classes:
            return None
        least = [float(minimax_risk(case.valuation, members, ABSTAINING[:1])[0]) for members in classes]
        worst = max(range(len(classes)), key=lambda k: -1.0 if math.isnan(least[k]) else least[k])
        rest = minimax_risk(case.valuation, classes[worst], ABSTAINING[1:]).tolist()
        return {
            "hypotheses": [case.judge_names[h] for h in classes[worst]],
            "risk": {repr(rho): x for rho, x in zip(ABSTAINING, [least[worst], *rest], strict=True)},
        }
