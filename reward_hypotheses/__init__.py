"""Posterior weights for reward hypotheses under explicit human values, and the risk of catastrophe on a shifted test.

The flow: state reward hypotheses, a human-value prior over them with its source, and a line below which an outcome is
worse than failing completely; bring training data (labels, rewards); get posterior weights, and how much of each is
evidence and how much is prior; bring a shifted test, and get the risk that an agent trained on such data does there
what is worse than failing, with its uncertainty and what it hinges on. A study file holds all of it:

    import reward_hypotheses as rh
    results = rh.run("study.toml")
    results["risk"]["mean"]

Names are loaded when they are first used, so that ``import reward_hypotheses`` costs next to nothing.
"""

from typing import Any

import lazy_loader

__version__ = "0.1.0"

_load, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'reward_hypotheses' has no attribute {name!r}; there is {', '.join(__all__)}")
    return _load(name)


def __dir__() -> list[str]:
    return sorted(__all__)
