"""The marginal likelihood of groups, with the population integrated out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reward_hypotheses.data.numerics import in_threads
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.models.inference.hierarchy.adapted import LEAST, adapted
from reward_hypotheses.models.inference.hierarchy.inner import NODES, Cloud, cloud, integrated
from reward_hypotheses.models.inference.hierarchy.latents import Expansion, Latents, climbed
from reward_hypotheses.models.inference.hierarchy.population import Population
from reward_hypotheses.models.inference.laplace import (
    LEAST_SHARE,
    NEGLIGIBLE,
    SAME,
    Base,
    Bell,
    Weighted,
    from_mixture,
)

ROUNDS, TINY, LONGEST = 40, 1e-4, 1.0  # steps of a climb; of differences; longest step
CLOSE, NEARLY = 0.3, 5.0  # nats that a step promises, below which a climb has ended; below which it is finer
HALVINGS, MOST_FAILURES = 0.5 ** np.arange(8), 4  # of steps; steps that lead nowhere, until a climb ends
OF_CLOUD, FINER, MATCHED = 128, 512, 1024  # draws of each latent vector in a climb, at its end, and for moments
CANDIDATES = 200  # draws from the prior, among which the places to climb from
MOST_STARTS, FLATTEST = 6, 0.3  # climbs; least curvature of a proposal
HELD = 2_000_000  # numbers that a batch holds
WORK = 700_000_000  # floats, about, that an integral works on
FINAL, MOST = 1500, 4000  # draws of the population, at least and at most
FEWEST, MANY = 16, 256  # draws of each latent vector
PILOT, PILOTS, NOISE = 32, 40, 0.4
"""Draws and populations of a pilot; the variance of a log likelihood that draws of latent vectors may leave."""
MANY_GROUPS = 300  # from which populations are so close together that they may share draws
BANKS, SHARED, MANY_SHARED = 8, 64, 8000
"""Sets of shared draws; draws of each latent vector in a set; draws of the population, at most."""
CLOUDED = 8_000_000  # floats that a cloud of a climb may take
LOW = 4  # parameters up to which a share of draws from the prior finds what a climb missed


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Groups of data in clusters, as a mixture of components with latent vectors.

    ``p(D | psi) = prod_g sum_c s_kc(psi) integral p(D_g | u, c) Normal(u; m_kc(psi), S_c(psi)) du``, k the cluster of g.

    The parameters psi are integrated by importance sampling around the mode of Laplace's approximation, with the
    integrals over u estimated without bias at every draw: the weights are random, the estimate of the evidence is
    unbiased, and draws of psi and u have the exact law as draws grow (Fearnhead et al. 2008; Andrieu and Roberts 2009).
    Of so many groups that this leaves too much noise, some sets of draws of u are shared by all psi, which lie close
    together then: the noise is nearly common, and what is left of it is part of the errors.

    Attributes
    ----------
    components : sequence of Latents
    population : Population
    cluster : ndarray (group,) of int
    """

    components: Sequence[Latents]
    population: Population
    cluster: np.ndarray

    @property
    def cells(self) -> int:
        """Cost of the likelihood of all components at one point, in floats."""
        return max(1, self._of_draws + sum(each.cells for each in self.components))

    @property
    def _of_draws(self) -> int:
        """Cost of one latent vector of each group, in floats."""
        return max(1, len(self.cluster) * sum(each.dimension * (each.dimension + 4) for each in self.components))

    @property
    def _wide(self) -> int:
        return 4 + max(1, max(each.dimension for each in self.components))

    def estimate(self, rng: np.random.Generator) -> "Sample":
        """Integrate, and draw populations with one latent vector of each group."""
        modes = self._modes(rng)
        sampled = any(each.dimension > 1 for each in self.components)
        needed = self._latent_draws(modes, rng) if sampled else FEWEST
        many = len(self.cluster) >= MANY_GROUPS
        most = max(FEWEST, min(MANY, WORK // (self.cells * LEAST))) if many else MANY
        cost = self.cells * (min(needed, most) if sampled else NODES)
        error = 0.0
        if many and needed > 2 * most:  # populations are close together, and may share draws
            modes = [self._shared(mode, rng) for mode in modes]
            error, cost = max(mode.error for mode in modes), SHARED * self._of_draws
        n = min(needed, most) // 2 * 2
        draws = int(np.clip(WORK // cost, FINAL, MOST if sampled else FINAL))
        if modes[0].banks is not None:
            draws = int(np.clip(4 * WORK // cost, FINAL, MANY_SHARED))
        last: list[_Drawn] = []

        def f(points: np.ndarray) -> np.ndarray:
            fit = len(points) < 0.9 * draws  # of a proposal, for which less will do
            last[:] = [self._drawn(points, modes, max(FEWEST, n // 2) if fit else n, rng)]
            return last[0].log_posterior

        low = self.population.dimension <= LOW
        base = Base(self.population.log_prior, self.population.prior_draws) if low else None
        if len(modes) > 1:
            weighted = from_mixture(f, [mode.bell for mode in modes], rng, draws, base, fits=4)
        else:
            weighted = adapted(f, modes[0].bell, rng, draws, base)
        effective = self._effective(weighted, last[0].bank)
        return Sample(
            replace(weighted, mcse=math.hypot(weighted.mcse, error)), effective, last[0].component, last[0].latents
        )

    def _latent_draws(self, modes: "Sequence[_Mode]", rng: np.random.Generator) -> int:
        """Return how many draws of each latent vector leave little noise."""
        some = modes[0].bell.draws(PILOTS, rng)
        pair = [self._drawn(some, modes, PILOT, rng).log_posterior for _ in range(2)]
        noise = float(np.square(pair[0] - pair[1]).mean()) / 2
        return max(FEWEST, int(min(PILOT * noise / NOISE, 1e6)))

    def _shared(self, mode: "_Mode", rng: np.random.Generator) -> "_Mode":
        """Return a mode with sets of draws, which populations nearby share."""
        psi = mode.bell.centre[None]
        log_shares = self.population.log_shares(psi)[0][self.cluster]
        banks, masses = [], []
        for _ in range(BANKS):
            bank, joint = [], log_shares.copy()
            for c, (each, expansion) in enumerate(zip(self.components, mode.expansions, strict=True)):
                location, covariance = self.population.law(psi, c)
                location = location[:, self.cluster]
                bank.append(cloud(each, expansion, location, covariance, SHARED, rng))
                joint[:, c] += np.logaddexp.reduce(bank[c].log_joint(location, covariance)[0], axis=-1)
            banks.append(bank)
            masses.append(np.logaddexp.reduce(joint, axis=-1))
        by_bank = np.array(masses)
        together = np.logaddexp.reduce(by_bank, axis=0) - math.log(BANKS)
        error = math.sqrt(float((np.exp(by_bank - together).var(axis=0, ddof=1) / BANKS).sum()))
        offsets = together.sum() - by_bank.sum(axis=1)
        return replace(mode, banks=tuple(banks), offsets=offsets, error=error)

    @staticmethod
    def _effective(weighted: Weighted, bank: np.ndarray) -> float:
        """Return the effective number of draws, as few as sets of shared draws differ.

        Sets that give means apart by more than their draws explain count for fewer.
        """
        sets = [bank == b for b in np.unique(bank)]
        if len(sets) < 2:
            return weighted.effective
        total = weighted.points - weighted.weights @ weighted.points
        variance = np.maximum(weighted.weights @ total**2, 1e-300)
        means = [weighted.weights[some] @ total[some] / max(weighted.weights[some].sum(), 1e-300) for some in sets]
        between = float((np.var(means, axis=0, ddof=1) / len(sets) / variance).mean())
        return min(weighted.effective, 1 / max(between, 1e-300))

    def _drawn(self, points: np.ndarray, modes: "Sequence[_Mode]", n: int, rng: np.random.Generator) -> "_Drawn":
        """Return log posterior densities of populations, and draws of what each group has."""
        groups = len(self.cluster)
        each_point = max(n, NODES) * self.cells if modes[0].banks is None else 2 * SHARED * self._of_draws // self._wide
        step = max(1, HELD // (each_point + 1))
        distance = np.array([(((points - m.bell.centre) @ m.bell.inverse.T) ** 2).sum(axis=1) for m in modes])
        nearest, bank = distance.argmin(axis=0), np.arange(len(points)) % len(modes[0].offsets)
        batches = []
        for k, mode in enumerate(modes):
            for b in range(len(mode.offsets)):
                rows = np.flatnonzero((nearest == k) & (bank == b))
                batches += [(rows[lo : lo + step], mode, b) for lo in range(0, len(rows), step)]
        streams = rng.spawn(len(batches))
        log_posterior, component = np.empty(len(points)), np.zeros((len(points), groups), np.int16)
        latents = [np.zeros((len(points), groups, each.dimension)) for each in self.components]

        def work(k: int) -> None:
            (rows, mode, b), stream = batches[k], streams[k]
            some = points[rows]
            joint = self.population.log_shares(some)[:, self.cluster].copy()
            for c, (of_component, expansion) in enumerate(zip(self.components, mode.expansions, strict=True)):
                location, covariance = self.population.law(some, c)
                location = location[:, self.cluster]
                if mode.banks is None:
                    made = cloud(of_component, expansion, location, covariance, n, stream)
                else:
                    made = mode.banks[b][c]
                mass, latents[c][rows] = integrated(made, location, covariance, stream)
                joint[..., c] += mass
            total = np.logaddexp.reduce(joint, axis=-1)
            component[rows] = (joint + stream.gumbel(size=joint.shape)).argmax(axis=-1)
            log_posterior[rows] = total.sum(axis=1) + self.population.log_prior(some) + mode.offsets[b]

        def quietly(k: int) -> None:
            with np.errstate(all="ignore"):
                work(k)

        for lo in tracked(range(0, len(batches), 16)):
            in_threads(quietly, range(lo, min(lo + 16, len(batches))), len(batches) > 1)
        return _Drawn(np.where(np.isnan(log_posterior), -np.inf, log_posterior), component, latents, bank)

    def _modes(self, rng: np.random.Generator) -> "list[_Mode]":
        """Return the modes to which climbs led, the highest first.

        From the best start, and, of a mixture, from starts that favour each component.
        """
        start = self._start(rng)
        starts = [start]
        if len(self.components) > 1:
            starts += [self.population.favouring(start, c) for c in range(len(self.components))][:MOST_STARTS]
        modes: list[tuple[float, _Mode]] = []
        with np.errstate(all="ignore"):
            for at in tracked(starts):
                height, mode = self._climbed(at, rng)
                apart = [(((mode.bell.centre - m.bell.centre) @ m.bell.inverse.T) ** 2).sum() for _, m in modes]
                if math.isfinite(height) and not any(distance < SAME for distance in apart):
                    modes.append((height, mode))
        modes.sort(key=lambda pair: -pair[0])
        top = modes[0][0]
        near = [(height, mode) for height, mode in modes if height > top - NEGLIGIBLE]
        return [replace(m, bell=replace(m.bell, share=max(math.exp(height - top), LEAST_SHARE))) for height, m in near]

    def _climbed(self, psi: np.ndarray, rng: np.random.Generator) -> "tuple[float, _Mode]":
        """Climb to a mode of the population; return the log of its mass, and the mode.

        Newton's steps on the marginal likelihood that a cloud of latent vectors gives; the cloud is drawn anew after every
        step.
        """
        ats = [self.population.law(psi[None], c)[0][0][self.cluster] for c in range(len(self.components))]
        n, fine = (int(np.clip(CLOUDED // self._of_draws, 24, most)) for most in (OF_CLOUD, FINER))
        failures = 0
        for _ in range(ROUNDS):
            clouds, expansions = [], []
            for c, each in enumerate(self.components):
                location, covariance = self.population.law(psi[None], c)
                location = location[:, self.cluster]
                if each.dimension:
                    ats[c] = climbed(each, ats[c], location[0], covariance[0])
                expansions.append(Expansion.around(each, ats[c]))
                clouds.append(cloud(each, expansions[c], location, covariance, n, rng))
            gradient, precision = self._derivatives(psi, clouds)
            values, vectors = np.linalg.eigh(precision)
            step = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), FLATTEST))
            decrement = abs(float(gradient @ step))
            step = step / max(1.0, float(np.abs(step).max()) / LONGEST)
            heights = [self._near(psi + step * short, clouds) for short in (0.0, *HALVINGS)]
            best = int(np.nanargmax(heights))
            if best == 0:  # by the noise of the cloud
                failures += 1
            else:
                step = step * HALVINGS[best - 1]
                psi = psi + step
            if failures > MOST_FAILURES or (decrement < CLOSE and n == fine):
                break
            n = fine if decrement < NEARLY else n
        covariance = (vectors / np.maximum(values, FLATTEST)) @ vectors.T
        root = np.linalg.cholesky(covariance)
        height = float(np.nanmax(heights)) + float(np.log(np.diag(root)).sum())
        return height, _Mode(Bell(psi, root, 1.0), self._matching(psi, expansions, rng))

    def _matching(self, psi: np.ndarray, expansions: Sequence[Expansion], rng: np.random.Generator) -> list[Expansion]:
        """Return likelihoods that give the posteriors at a mode their true moments."""
        out = []
        for c, (each, expansion) in enumerate(zip(self.components, expansions, strict=True)):
            location, covariance = self.population.law(psi[None], c)
            location = location[:, self.cluster]
            if each.dimension > 1:
                n = int(np.clip(MATCHED * CLOUDED // OF_CLOUD // self._of_draws, 4 * OF_CLOUD, MATCHED))
                made = cloud(each, expansion, location, covariance, n, rng)
                log_joint = made.log_joint(location, covariance)[0]
                weights = np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=-1, keepdims=True))
                expansion = Expansion.matching(made.points[0], weights, location[0], covariance[0])
            out.append(expansion)
        return out

    def _start(self, rng: np.random.Generator) -> np.ndarray:
        """Return the best of some populations without spread, by all answers together."""
        drawn = np.vstack([self.population.start, self.population.starts(CANDIDATES, rng)])
        step = max(1, HELD // self.cells)
        heights = []
        for lo in range(0, len(drawn), step):
            some = drawn[lo : lo + step]
            of_components = []
            for c, each in enumerate(self.components):
                at = self.population.law(some, c)[0][:, self.cluster]
                of_components.append(np.broadcast_to(each.log_likelihood(at), at.shape[:2]))
            joint = np.stack(of_components, axis=-1) + self.population.log_shares(some)[:, self.cluster]
            heights.append(np.logaddexp.reduce(joint, axis=-1).sum(axis=1) + self.population.log_prior(some))
        return drawn[int(np.argmax(np.nan_to_num(np.concatenate(heights), nan=-np.inf)))]

    def _near(self, psi: np.ndarray, clouds: Sequence[Cloud]) -> float:
        """Return the log posterior density of a population (dimension,), by clouds."""
        joint = self.population.log_shares(psi[None])[0][self.cluster].copy()
        for c, made in enumerate(clouds):
            location, covariance = self.population.law(psi[None], c)
            joint[:, c] += np.logaddexp.reduce(made.log_joint(location[:, self.cluster], covariance)[0], axis=-1)
        return float(np.logaddexp.reduce(joint, axis=-1).sum() + self.population.log_prior(psi[None])[0])

    def _derivatives(self, psi: np.ndarray, clouds: Sequence[Cloud]) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of `_near`, and minus its second derivatives."""
        d = len(psi)
        around = psi + TINY * np.vstack([np.zeros((1, d)), np.eye(d), -np.eye(d)])
        slopes = np.array(in_threads(lambda at: self._slope(at, clouds), list(around)))
        second = (slopes[d + 1 :] - slopes[1 : d + 1]) / (2 * TINY)
        return slopes[0], (second + second.T) / 2

    def _slope(self, psi: np.ndarray, clouds: Sequence[Cloud]) -> np.ndarray:
        """Return the gradient of `_near` at parameters (dimension,).

        By Fisher's identity: the mean slope of the law of the latent vectors under their posterior.
        """
        d, population = len(psi), self.population
        moves = psi + TINY * np.vstack([np.eye(d), -np.eye(d)])
        shares = population.log_shares(np.vstack([psi[None], moves]))
        joint = shares[0][self.cluster].copy()
        posteriors = []
        for c, made in enumerate(clouds):
            location, covariance = population.law(psi[None], c)
            log_joint = made.log_joint(location[:, self.cluster], covariance)[0]
            log_mass = np.logaddexp.reduce(log_joint, axis=-1)
            posteriors.append(np.exp(log_joint - np.where(np.isfinite(log_mass), log_mass, 0.0)[:, None]))
            joint[:, c] += log_mass
        belongs = np.exp(joint - np.logaddexp.reduce(joint, axis=-1, keepdims=True))
        of_shares = np.nan_to_num(shares[1 : d + 1] - shares[d + 1 :])
        total = (of_shares[:, self.cluster] * belongs).sum(axis=(1, 2))
        prior = population.log_prior(moves)
        total = total + prior[:d] - prior[d:]
        clusters = shares.shape[1]
        for c, weight in enumerate(posteriors):
            if not self.components[c].dimension:
                continue
            location, covariance = (part[0] for part in population.law(psi[None], c))
            precision = np.linalg.inv(covariance)
            apart = clouds[c].points[0] - location[self.cluster][:, None]
            weight = weight * belongs[:, c, None]
            weighted = weight[..., None] * apart
            of_location = np.zeros((clusters, apart.shape[-1]))
            np.add.at(of_location, self.cluster, weighted.sum(axis=1) @ precision)
            flat = weighted.reshape(-1, apart.shape[-1])
            excess = flat.T @ apart.reshape(flat.shape) - weight.sum() * covariance
            of_covariance = 0.5 * precision @ excess @ precision
            locations, covariances = population.law(moves, c)
            total = total + ((locations[:d] - locations[d:]) * of_location).sum(axis=(1, 2))
            total = total + ((covariances[:d] - covariances[d:]) * of_covariance).sum(axis=(1, 2))
        return np.asarray(total / (2 * TINY))


@dataclass(frozen=True, eq=False)
class _Mode:
    """A mode of the population, and the likelihoods of all groups there."""

    bell: Bell
    expansions: list[Expansion]
    banks: tuple[list[Cloud], ...] | None = None
    offsets: np.ndarray = field(default_factory=lambda: np.zeros(1))
    error: float = 0.0


@dataclass(frozen=True, eq=False)
class _Drawn:
    log_posterior: np.ndarray
    component: np.ndarray
    latents: list[np.ndarray]
    bank: np.ndarray


@dataclass(frozen=True, eq=False)
class Sample:
    """A weighted sample of populations with what each group has.

    Attributes
    ----------
    weighted : Weighted
        Of the population's parameters: evidence, error, Pareto k-hat, points and weights.
    effective : float
        Effective number of draws.
    component : ndarray (draw, group) of int
        The component of each group, drawn given the population.
    latents : list of ndarray (draw, group, dimension)
        For each component, the latent vector of each group if it belongs to it.
    """

    weighted: Weighted
    effective: float
    component: np.ndarray
    latents: list[np.ndarray]
