"""MDPs: states with features, transitions, and a discount."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite, share
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.mdp.read import _states, _trap, read
from reward_hypotheses.models.mdp.state_action_names import Named, by_label, within
from reward_hypotheses.models.mdp.transitions import Transitions

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False, init=False)
class MDP:
    """A Markov decision process without a reward; hypotheses supply the rewards.

    The reward of a state is collected on each step spent in it:
    ``Q(s, a) = r(s) + discount * sum_s' P(s' | s, a) V(s')``. Where an action's probabilities add up to 0, the episode
    ends with it, and ``Q(s, a) = r(s)``. A state in which every action ends the episode is terminal: nothing is chosen
    there. Where one action ends the episode and others do not, ending the episode is one of the choices.

    Parameters
    ----------
    states : Dataset over ``state``, DataFrame or dict of arrays
        One variable for each feature. A coordinate or column ``state`` names the states; else they are numbered from 0.
    transitions : ndarray (action, state, next_state), sequence of sparse matrices (state, next_state), or table
        One matrix for each action (anything with ``tocoo``, as SciPy's have); a DataArray is read by its labels; or a
        DataFrame or dict of columns ``action``, ``state``, ``next_state``, ``probability``, unlisted transitions having
        probability 0. Probabilities of an action in a state add up to 1, or to 0 where the episode ends, within 1e-9.
    discount : float
        From 0 to 1; 1 requires that every policy ends the episode: no set of states can be stayed in for ever.
    actions : sequence of str, optional
        Names of the actions. Default: as in the table, or numbers from 0.

    Attributes
    ----------
    table : Table
        The states, each an item.
    transitions : Transitions
    state, action : Named

    Raises
    ------
    InputError
        Invalid states; probabilities that are not from 0 to 1, or do not add up, naming action and state; a discount
        outside 0 to 1; a discount of 1 where some policy never ends, naming a state around which that policy can stay.
    """

    table: Table
    transitions: Transitions
    discount: float
    state: Named
    action: Named

    def __init__(
        self, states: Any, transitions: Any, discount: float, actions: Sequence[Any] | None = None, name: str = "states"
    ) -> None:
        table, names = _states(states, name)
        known = Named("state", table.n_items, names)
        matrix, action_names = read(transitions, known, actions)
        action = Named("action", matrix.n_actions, action_names)
        number = share(discount, "discount", "give a number from 0 to 1, such as 0.95", include_zero=True)
        if number == 1 and (trap := _trap(matrix)) is not None:
            raise InputError(
                f"discount: 1, but a policy need never end the episode: it can stay for ever around state "
                f"{known.name(trap)!r}, where returns have no bound; give a discount below 1, such as 0.99"
            )
        self.__dict__.update(table=table, transitions=matrix, discount=number, state=known, action=action)

    @property
    def states(self) -> "xr.Dataset":
        """The states and their features, a Dataset over ``state``."""
        return self.table.to_dataset()

    @property
    def n_states(self) -> int:
        """Number of states."""
        return self.transitions.n_states

    @property
    def n_actions(self) -> int:
        """Number of actions."""
        return self.transitions.n_actions

    @property
    def ends(self) -> bool:
        """Whether some action in some state ends the episode."""
        return bool(self.transitions.ends.any())

    @cached_property
    def ended(self) -> np.ndarray:
        """States in which every action ends the episode: (state,) of bool."""
        return self.transitions.ends.all(axis=0)

    def with_table(self, table: Table) -> "MDP":
        """Return this MDP with another representation of its states' features."""
        other = copy(self)
        other.__dict__["table"] = table
        return other

    def by_label(self, what: str, given: Any, dims: Sequence[str]) -> Any:
        """Put a DataArray into the order of these dims and of the MDP's labels.

        Anything but a DataArray over some of these dims is returned unchanged.
        """
        return by_label(what, given, dims, {"state": self.state, "action": self.action})

    def start(self, given: Any = None) -> np.ndarray:
        """Return the start distribution: (state,), adding up to 1.

        Parameters
        ----------
        given : str, int, mapping, array-like (state,) or None
            A state, weights by state name, a weight for each state, or None for a uniform distribution.

        Raises
        ------
        InputError
            An unknown state, or weights that are negative, not finite or all 0.
        """
        n = self.n_states
        if given is None:
            return np.full(n, 1.0 / n)
        out = np.zeros(n)
        if isinstance(given, (str, int, np.integer)):
            out[within("start", self.state.place, given)] = 1.0
            return out
        if isinstance(given, Mapping):
            for key, value in given.items():
                out[within("start", self.state.place, key)] = np.nan if (w := finite(value)) is None else w
        else:
            given = self.by_label("start", given, ("state",))
            try:
                out = np.asarray(given, float)
            except (TypeError, ValueError):
                raise InputError(f"start: {shown(given)}; give a state, or a probability for each") from None
        if out.shape != (n,) or not np.isfinite(out).all() or (out < 0).any() or not out.sum() > 0:
            raise InputError(
                f"start: give a state, or a probability for each of the {n} states: finite, 0 or more, not all 0; the array has "
                f"shape {out.shape}"
            )
        return out / out.sum()
