"""The prior of weights of which signs, means or ratios are stated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.inference.slice_sampling import slice_sampled

LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
TAIL = 0.5  # standard deviations from which the tail of a normal is drawn by an exponential


@dataclass(frozen=True, eq=False)
class StatedPrior:
    """Prior of a vector v of weights, with coordinates y on the whole space.

    Under a normal prior v is the weights, in their units (standard deviations of the features, unless other units were
    stated). On the sphere the weights are ``v / |v|``, with sd 1 and no means. Feature by feature:

    - without a sign, ``v = mean + sd y`` and ``y ~ Normal(0, 1)``;
    - with a sign s, ``v = s sd log(1 + e^y)``. The density of v is that of ``Normal(mean, sd)`` on the side of s,
      divided by ``Phi(s mean / sd)``. The density of y is this times ``|dv/dy| = sd / (1 + e^-y)``;
    - the numerator n of a ratio, given the weight of the denominator d: ``|v_n| = |v_d| e^(m + g y)`` and
      ``y ~ Normal(0, 1)``, so that ``p(v_n | v_d) = exp(-(log |v_n / v_d| - m)^2 / (2 g^2)) / (|v_n| g sqrt(2 pi))``
      on the side of its sign. m and g are mean and standard deviation of the log ratio of the weights, m that of the
      features' own units plus ``log(unit_n / unit_d)``. In y the Jacobian ``g |v_n|`` cancels.

    On the sphere, v is normal without stated signs, and half-normal with them: its direction is uniform over the
    directions that have the stated signs.

    Attributes
    ----------
    sd : float
    mean, sign : ndarray (feature,)
        Signs 1, -1, or 0 where none is stated.
    ratios : tuple of (int, int, float, float)
        Numerator, denominator, m and g; a denominator's own ratio comes before.
    sphere : bool
    """

    sd: float
    mean: np.ndarray
    sign: np.ndarray
    ratios: tuple[tuple[int, int, float, float], ...] = ()
    sphere: bool = False

    @property
    def affine(self) -> bool:
        """Whether weights are affine in their coordinates: normal, without signs."""
        return not self.sphere and not self.sign.any()

    @property
    def _numerators(self) -> list[int]:
        return [n for n, *_ in self.ratios]

    @property
    def _halved(self) -> np.ndarray:
        """Features whose weight is normal, truncated at 0: (feature,), bool."""
        out = self.sign != 0
        out[self._numerators] = False
        return out

    def vectors(self, at: np.ndarray) -> np.ndarray:
        """Return v at coordinates: (point, feature) both."""
        halved = self._halved
        out = self.mean + self.sd * at
        out[:, halved] = self.sign[halved] * self.sd * np.logaddexp(0.0, np.maximum(at[:, halved], -700.0))
        for n, d, m, g in self.ratios:
            log_size = np.log(np.abs(out[:, d])) + m + g * at[:, n]
            out[:, n] = self.sign[n] * np.exp(np.clip(log_size, -700.0, 700.0))
        return out

    def weights(self, at: np.ndarray) -> np.ndarray:
        """Return the weights at coordinates: (point, feature) both."""
        v = self.vectors(at)
        return v / _length(v) if self.sphere else v

    def log_density(self, at: np.ndarray) -> np.ndarray:
        """Return the log density of the coordinates: (point,), normalised."""
        halved = self._halved
        v = (self.vectors(at)[:, halved] - self.mean[halved]) / self.sd
        share = sum(
            log_normal_below(s * m / self.sd) for s, m in zip(self.sign[halved], self.mean[halved], strict=True)
        )
        of_halved = -0.5 * v**2 - np.logaddexp(0.0, -at[:, halved])
        total = -0.5 * (at[:, ~halved] ** 2).sum(axis=1) + of_halved.sum(axis=1)
        return np.asarray(total - share - at.shape[1] * LOG_ROOT_2PI)

    def slopes(self, at: np.ndarray, of_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradients of the log prior and of the log likelihood by y.

        Parameters
        ----------
        at : ndarray (point, feature)
        of_weights : ndarray (point, feature)
            Gradient of the log likelihood by weight.
        """
        v, halved = self.vectors(at), self._halved
        of_v = np.array(of_weights, float)
        if self.sphere:
            length = _length(v)
            direction = v / length
            of_v = (of_v - (of_v * direction).sum(axis=1, keepdims=True) * direction) / length
        of_likelihood = np.empty_like(of_v)
        for n, d, _, g in reversed(self.ratios):
            along = of_v[:, n] * v[:, n]
            of_likelihood[:, n] = g * along
            of_v[:, d] = of_v[:, d] + along / v[:, d]
        rise = 1.0 / (1.0 + np.exp(-np.maximum(at, -700.0)))
        step = np.where(halved, self.sign * rise, 1.0) * self.sd
        others = np.ones(len(halved), bool)
        others[self._numerators] = False
        of_likelihood[:, others] = (of_v * step)[:, others]
        of_halved = -(v - self.mean) / self.sd * self.sign * rise + 1.0 - rise
        return np.where(halved, of_halved, -at), of_likelihood

    def coordinate_draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw coordinates from the prior: (n, feature)."""
        out = rng.standard_normal((n, len(self.sign)))
        for k in np.flatnonzero(self._halved):
            toward = self.sign[k] * self.mean[k] / self.sd
            size = toward + _above(-toward, out[:, k], rng)
            out[:, k] = size + np.log(-np.expm1(-size))
        return out

    def draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw weights from the prior: (n, feature)."""
        return self.weights(self.coordinate_draws(n, rng))

    def log_density_of(self, v: np.ndarray) -> np.ndarray:
        """Return the log density of vectors v up to a constant: (point,)."""
        halved = self._halved
        kept = np.ones(len(halved), bool)
        kept[self._numerators] = False
        total = -0.5 * (((v - self.mean) / self.sd)[:, kept] ** 2).sum(axis=1)
        inside = ((v * self.sign > 0) | (self.sign == 0)).all(axis=1)
        with np.errstate(all="ignore"):
            for n, d, m, g in self.ratios:
                size = np.log(np.abs(v[:, n]))
                total = total - size - 0.5 * ((size - np.log(np.abs(v[:, d])) - m) / g) ** 2
        return np.where(inside, total, -np.inf)

    def second_moments(self) -> np.ndarray:
        """Return ``E[w w']`` under the prior: (feature, feature), exact."""
        halved = self._halved
        mean, square = self.mean.copy(), self.sd**2 + self.mean**2
        for k in np.flatnonzero(halved):
            toward = self.sign[k] * self.mean[k] / self.sd
            hazard = math.exp(-0.5 * toward**2 - LOG_ROOT_2PI - log_normal_below(toward))
            mean[k] = self.sign[k] * self.sd * (toward + hazard)
            square[k] = self.sd**2 * (1.0 + toward**2 + toward * hazard)
        out = np.outer(mean, mean)
        np.fill_diagonal(out, square)
        for n, d, m, g in self.ratios:
            times = self.sign[n] * self.sign[d] * math.exp(m + 0.5 * g**2)
            out[n], out[:, n] = times * out[d], times * out[:, d]
            out[n, n] = math.exp(2 * m + 2 * g**2) * out[d, d]
        return out / len(mean) if self.sphere else out


def redrawn(
    prior: StatedPrior, weights: np.ndarray, seen: np.ndarray, directions_only: bool, rng: np.random.Generator
) -> np.ndarray:
    """Draw weights from their prior given their seen part: (draw, feature).

    By slice sampling in the unseen directions, from the given weights. On the sphere, with normal vectors whose
    length is arbitrary.

    Parameters
    ----------
    weights : ndarray (draw, feature)
        Draws whose unseen part given the seen part has its prior.
    seen : ndarray (feature, rank)
        Orthonormal basis of the directions that stay.
    directions_only : bool
        Whether only the direction of the seen part stays, and not its length.
    """
    (k, rank), n = seen.shape, len(weights)
    if not rank:
        return prior.draws(n, rng)
    unseen = np.linalg.qr(seen, mode="complete")[0][:, rank:]
    kept, rest = weights @ seen @ seen.T, weights @ unseen
    if not prior.sphere:
        moved = slice_sampled(lambda u: prior.log_density_of(kept + u @ unseen.T), rest, prior.sd, rng)
        out = kept + moved @ unseen.T
    elif directions_only:
        direction, length = kept / _length(kept), np.sqrt(rng.chisquare(k, n))[:, None]

        def vectors(x: np.ndarray) -> np.ndarray:
            return x[:, :1] * direction + x[:, 1:] @ unseen.T

        def log_density(x: np.ndarray) -> np.ndarray:
            of_length = (rank - 1) * np.log(np.maximum(x[:, 0], 1e-300))
            return np.where(x[:, 0] > 0, of_length + prior.log_density_of(vectors(x)), -np.inf)

        out = vectors(slice_sampled(log_density, length * np.hstack([_length(kept), rest]), 1.0, rng))
        out = out / _length(out)
    else:
        radius, length = _length(rest), np.sqrt(rng.chisquare(k - rank, n))[:, None]

        def on_sphere(u: np.ndarray) -> np.ndarray:
            return kept + radius * u / _length(u) @ unseen.T

        def log_density_of_rest(u: np.ndarray) -> np.ndarray:
            return np.where(np.isfinite(prior.log_density_of(on_sphere(u))), -0.5 * (u**2).sum(axis=1), -np.inf)

        out = on_sphere(slice_sampled(log_density_of_rest, length * rest / radius, 1.0, rng))
    return np.where(np.isfinite(prior.log_density_of(out))[:, None], out, weights)


def _length(v: np.ndarray) -> np.ndarray:
    return np.maximum(np.sqrt((v**2).sum(axis=1, keepdims=True)), 1e-300)


def log_normal_below(x: float) -> float:
    """Return ``log Phi(x)``, in the far tail too."""
    if x > -30.0:
        return math.log(0.5 * math.erfc(-x / math.sqrt(2.0)))
    return -0.5 * x * x - LOG_ROOT_2PI - math.log(-x) - 1.0 / (x * x)


def _above(least: float, normal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw standard normal numbers above a bound: (draw,).

    ``|z|`` for a bound of 0; by rejection from the normal itself, or, in its tail, from an exponential (Robert 1995).

    Parameters
    ----------
    least : float
    normal : ndarray (draw,)
        Standard normal draws, used where the bound lets them.
    """
    if least == 0.0:
        return np.abs(normal)
    out, wrong = normal.copy(), np.flatnonzero(normal <= least)
    if least > TAIL:
        wrong = np.arange(len(out))
    rate = 0.5 * (least + math.sqrt(least**2 + 4.0))
    while len(wrong):
        if least > TAIL:
            tried = least + rng.standard_exponential(len(wrong)) / rate
            taken = np.log(rng.random(len(wrong))) < -0.5 * (tried - rate) ** 2
        else:
            tried = rng.standard_normal(len(wrong))
            taken = tried > least
        out[wrong[taken]] = tried[taken]
        wrong = wrong[~taken]
    return out


def lognormal_ratios(
    ratios: Sequence[tuple[int, int, float, float]], unit: np.ndarray
) -> tuple[tuple[int, int, float, float], ...]:
    """Return ratios of weights in their units, from ratios in the features' units.

    A weight is the weight of the feature in its own unit, times the unit: ``log |v_n / v_d|`` has the mean of the log
    ratio plus ``log(unit_n / unit_d)``.
    """
    return tuple((n, d, m + math.log(float(unit[n] / unit[d])), g) for n, d, m, g in ratios)
