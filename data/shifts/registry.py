"""Every shift by its name: a new shift is one file and one line here."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from reward_hypotheses.data.shifts.features import decorrelate, fade, intervene, repaint
from reward_hypotheses.data.shifts.scenes import add_options, resample, reweight

if TYPE_CHECKING:
    import xarray as xr


SHIFTS: Mapping[str, Callable[..., "xr.Dataset"]] = {
    shift.__name__: shift for shift in (repaint, decorrelate, intervene, reweight, resample, add_options, fade)
}
"""Every shift by its name."""
