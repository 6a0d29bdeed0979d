"""Choices by every rule in turn, in numpy, for small problems."""

import numpy as np

from reward_hypotheses.models.rule_space.outcomes.acting import Odds

AT_ONCE = 1 << 21


def add_enumerated(
    columns: np.ndarray, members: np.ndarray, weights: np.ndarray, odds: Odds, within: np.ndarray, sums: np.ndarray
) -> None:
    """Add the choices of some sets' rules to parts of the sums.

    Parameters
    ----------
    columns : ndarray of bool (K, option, scene)
    members : ndarray (set, s)
    weights : ndarray (set, 2^(2^s))
    within : ndarray (set, part)
        Parts that each set adds to; -1 for none.
    sums : ndarray (part, scene, 2 n + 3)
        Chosen and approved by option, none approved, and the chosen options that are approved and rejected.
    """
    n, scenes = columns.shape[1:]
    five = odds.by_table(weights.shape)
    cells = 1 << members.shape[1]
    for t, some in enumerate(members):
        rules = np.flatnonzero(weights[t])
        holds = ((rules[:, None] >> np.arange(cells)) & 1).astype(bool)
        w = weights[t, rules][:, None]
        of = [x[t, rules][:, None] for x in five]
        step = max(AT_ONCE // max(len(rules) * n, 1), 1)
        for lo in range(0, scenes, step):
            cell = np.zeros((n, min(step, scenes - lo)), int)
            for q, literal in enumerate(some):
                cell |= columns[literal, :, lo : lo + step].astype(int) << q
            approves = holds[:, cell]  # (rule, option, scene)
            p = approves.sum(axis=1)
            whole = np.where(p > 0, p * of[0] + (n - p) * of[1] + of[2], n * of[3] + of[4])
            inside = w * of[0] / whole
            outside = w * np.where(p > 0, of[1], of[3]) / whole
            rows = np.empty((2 * n + 3, cell.shape[1]))
            for o in range(n):
                at = approves[:, o]
                rows[o] = np.where(at, inside, outside).sum(axis=0)
                rows[n + o] = (w * at).sum(axis=0)
            rows[2 * n] = (w * (p == 0)).sum(axis=0)
            rows[2 * n + 1] = (p * inside).sum(axis=0)
            rows[2 * n + 2] = ((n - p) * outside).sum(axis=0)
            for g in within[t]:
                if g >= 0:
                    sums[g, lo : lo + step] += rows.T
