"""Shifts: a test made from a table on purpose."""

from reward_hypotheses.data.shifts.features import decorrelate, fade, intervene, repaint
from reward_hypotheses.data.shifts.scenes import add_options, resample, reweight

__all__ = ["add_options", "decorrelate", "fade", "intervene", "repaint", "resample", "reweight"]
