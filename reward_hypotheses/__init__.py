"""Posterior weights for reward hypotheses, and catastrophe risk on a shifted test.

State reward hypotheses, a human-value prior over them with its source, and a failure line, below which an outcome is
worse than failing completely. Add training data (labels, rewards) to get posterior weights, with the parts that evidence
and prior have in each. Add a shifted test to get the risk that an agent trained on such data causes a catastrophe
there, with its uncertainty and its drivers. A study file holds all of these:

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
