"""Namespaces by topic, which keep completion short.

They are ``rh.policies``, ``rh.priors``, ``rh.feedback``, ``rh.shifts`` and ``rh.environments``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["environments", "feedback", "policies", "priors", "shifts"]
)
