"""The markets and histories that every competitor is given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, QuoteRequest

F = NDArray[np.float64]


def market(n: int, seed: int = 0) -> F:
    """Correlations (n, n) of assets that all rise and fall together, like tokens: 0.2 to 0.7 and a little noise."""
    generator = np.random.default_rng(seed + n)
    common, own = generator.uniform(0.5, 0.85, n), np.clip(generator.normal(0, 0.2, n), -0.4, 0.4)
    return with_unit_diagonal(np.outer(common, common) + np.outer(own, own))


def twins(n: int) -> F:
    """The same market with every asset listed twice, all but identical: condition number about 1e13."""
    doubled = np.repeat(np.repeat(market(n // 2), 2, axis=0), 2, axis=1)
    near = 1.0 - n * 1e-13 / 2
    doubled[np.arange(0, n, 2), np.arange(1, n, 2)] = near
    doubled[np.arange(1, n, 2), np.arange(0, n, 2)] = near
    return with_unit_diagonal(doubled)


def hedged(n: int) -> F:
    """The same market in pairs of an asset and its hedge, at -0.5 to -0.95: half of all correlations are negative."""
    hedges = np.ones(n)
    hedges[1::2] = -np.random.default_rng(n).uniform(0.5, 0.95, n // 2)
    doubled = np.repeat(np.repeat(market(n // 2), 2, axis=0), 2, axis=1)
    return with_unit_diagonal(doubled * np.outer(hedges, hedges))


def mixed(n: int) -> F:
    """Correlations of no common direction: a sample of 3 n random returns."""
    factors = np.random.default_rng(n).normal(size=(n, 3 * n))
    sample = factors @ factors.T
    deviations = np.sqrt(np.diag(sample))
    return with_unit_diagonal(sample / np.outer(deviations, deviations))


def with_unit_diagonal(matrix: F) -> F:
    symmetric = np.ascontiguousarray((matrix + matrix.T) / 2)
    np.fill_diagonal(symmetric, 1.0)
    return symmetric


CONDITIONS: dict[str, Callable[[int], F]] = {
    "one market": market,
    "twins, condition 1e13": twins,
    "hedged pairs down to -0.95": hedged,
    "mixed signs": mixed,
}


def covariance(n: int) -> F:
    """That market with yearly volatilities between 30 % and 100 %."""
    volatilities = np.random.default_rng(n).uniform(0.3, 1.0, n)
    return with_symmetry(market(n) * np.outer(volatilities, volatilities))


def with_symmetry(matrix: F) -> F:
    return np.ascontiguousarray((matrix + matrix.T) / 2)


def returns(bars: int, n: int) -> F:
    """Hourly returns (bars, n) of that market, with fat tails."""
    generator = np.random.default_rng(bars + n)
    values, vectors = np.linalg.eigh(market(n))
    shocks = generator.standard_t(4, (bars, n)) / np.sqrt(2.0)
    return np.ascontiguousarray(0.006 * shocks @ (vectors * np.sqrt(np.maximum(values, 0))).T)


def gap(weights: F, sigma: F) -> float:
    """``max_i |n RC_i / s_p - 1|`` of weights meant to carry equal risk, in extended precision."""
    w = np.asarray(weights, dtype=np.longdouble).ravel()
    contributions = w * (np.asarray(sigma, dtype=np.longdouble) @ w)
    return float(np.abs(w.size * contributions / contributions.sum() - 1).max())


def filled(request: QuoteRequest, snapshot: MarketSnapshot) -> Quote:
    """What a deep pool answers: the oracle's price less the fees."""
    sold, bought = request.route.symbols[0], request.route.symbols[-1]
    value = request.amount_in * snapshot.price(sold) / 10 ** snapshot.token(sold).decimals
    out = value / snapshot.price(bought) * 10 ** snapshot.token(bought).decimals
    for fee in request.route.fees:
        out *= 1 - fee / 1_000_000
    return Quote(request.route, request.amount_in, int(out), 150_000)
