"""The priors that study files may name.

A new prior is one line here, a new language one line in `languages`.
"""

from collections.abc import Callable, Mapping

from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.languages import LANGUAGES, StatedCosts
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.priors.uniform import Uniform

SIMPLICITY = "simplicity"
FOILS: Mapping[str, Callable[..., Prior]] = {"uniform": Uniform, SIMPLICITY: Simplicity}
"""Priors by their name in study files. They rest on the hypotheses alone, not on somebody's statement."""
SHIPPED: tuple[Prior, ...] = (Uniform(), *map(Simplicity, LANGUAGES))
"""Each of them, in every language that ships."""
VALUES = "values"
"""Name of an agent's prior that is the judge's."""


def prior_in_words(name: str) -> str:
    """Return which hypotheses a prior finds likelier, as a clause.

    Parameters
    ----------
    name : str
        Name of the prior in results. A simplicity prior that does not ship has a language of stated costs.

    Returns
    -------
    str
        Empty for a prior of another kind, which somebody stated.
    """
    if name == VALUES:
        return "the prior is the human values"
    stated = StatedCosts.sentence if name.startswith(f"{SIMPLICITY}, ") else ""
    return next((prior.sentence for prior in SHIPPED if prior.name == name), stated)
