"""The priors that study files may name.

A new prior is one line here, a new language one line in `languages`.
"""

from collections.abc import Callable, Mapping

from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.languages import LANGUAGES, StatedCosts
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.priors.uniform import Uniform

FOILS: Mapping[str, Callable[..., Prior]] = {"uniform": Uniform, "simplicity": Simplicity}
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
        Name of the prior in results. A name that does not ship belongs to a language of stated costs.
    """
    if name == VALUES:
        return "the human values themselves: it extrapolates as the judge does"
    return next((prior.sentence for prior in SHIPPED if prior.name == name), StatedCosts.sentence)
