"""Namespaces by topic, so that completion is short: ``rh.policies``, ``rh.priors``, ``rh.feedback``, ``rh.shifts``, ``rh.environments``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["environments", "feedback", "policies", "priors", "shifts"]
)
