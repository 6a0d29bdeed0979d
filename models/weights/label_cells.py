"""Cells of items that the rules of a list predict alike."""

from collections.abc import Sequence

import numpy as np

from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.none_of_the_above import cell_codes
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.rule_space.family.fitted import FittedRules
from reward_hypotheses.models.rule_space.family.predictions import real_literals


def cells_of(
    table: Table,
    valuation: Valuation | None,
    listed: Sequence[tuple[int, int]],
    spaces: Sequence[tuple[int, FittedRules]],
) -> np.ndarray:
    """Return the cell of each item: (item,) of uint64.

    A cell is a code of what the rules predict for the item: each listed rule, and every rule of each space.

    Parameters
    ----------
    valuation : Valuation or None
        Of the listed rules, on the table; None where there are none.
    listed : sequence of (int, int)
        Number of each listed rule among all, and its place in the valuation.
    spaces : sequence of (int, FittedRules)
        Number of each space among all rules, and the space.
    """
    code = np.zeros(table.n_items, np.uint64)
    if valuation is not None:
        for items, cells in valuation.each(lambda block: (block.items, block.cells(listed))):
            code[items] = cells
    for number, fitted in spaces:
        literals = real_literals(fitted.literals.on(table), table.failing())
        code ^= cell_codes(((number, k), literal) for k, literal in enumerate(literals))
    return code
