"""RiskDataset.

The Dataset of a catastrophe risk, which a notebook shows on one screen.
"""

from typing import override

import xarray as xr

from reward_hypotheses.analysis.results.notebook_html import risk_html

OF_RISK = {"mean", "risk", "interval", "catastrophe_rate", "by_truth"}
"""Variables of every Dataset of a catastrophe risk."""


class RiskDataset(xr.Dataset):
    """A Dataset of a risk.

    ``xr.Dataset(risk.data_vars, risk.coords, risk.attrs)`` is the plain one.

    Its values, its files and `xr.testing.assert_equal` are those of a plain Dataset. `xr.testing.assert_identical` compares
    types, so it tells the two apart.
    """

    __slots__ = ()

    @override
    def _repr_html_(self) -> str:
        plain: str = super()._repr_html_()
        if not set(self.variables) >= OF_RISK or "prob" not in self.attrs:
            return plain  # a part of a risk
        return risk_html(self, plain)
