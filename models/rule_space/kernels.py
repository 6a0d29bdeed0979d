"""Access to the compiled kernels."""

import sys
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType

IMPORT_STEPS = 400_000_000  # what numpy does in the time in which numba is imported
COMPILED_STEPS = 1_000_000  # worth a compiled kernel where numba is imported already


@lru_cache(maxsize=1)
def kernels() -> ModuleType:
    """Import the kernels, which imports numba."""
    from reward_hypotheses.models.rule_space import compiled

    return compiled


_steps_by_numpy = 0.0


def worth_compiling(steps: float) -> bool:
    """Return whether numba saves time for so many elementary steps, and is installed.

    It is imported once numpy has taken, over all calls, as long as the import takes: no more than twice the time that
    either would have taken is lost.
    """
    global _steps_by_numpy
    if "numba" in sys.modules:
        return steps > COMPILED_STEPS
    if _steps_by_numpy + steps > IMPORT_STEPS and find_spec("numba") is not None:
        return True
    _steps_by_numpy += steps
    return False
