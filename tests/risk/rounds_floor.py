"""How well the estimate from closes can be known at best from the rounds of slow feeds.

The best estimate is the mean over all paths that the rounds allow. No other has a smaller mean square error. Here it is
even told more than rounds say, which can only make it better: the true covariance of a Gaussian market, all closes but
those of the last 20 days, and the closes of all slow feeds whenever one of them publishes. What remains are the paths
between, on which no feed published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.risk.ewma import mixed_weights
from tests.factories import DAY, HOUR
from tests.risk.slow_rules import Rule

Floats = NDArray[np.float64]
HISTORY, RECENT = 120 * 24, 20 * 24
HALF_LIVES = (24.0, 120.0, 1_008.0)
RELATIVE_VOLATILITIES = np.array([0.75, 0.93, 1.16, 1.16])
CORRELATION = 0.75
PATHS, DRAWS, MOST_DRAWS, FEWEST = 300, 2_000, 60, 20


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Four assets whose mean volatility a day is ``daily``; each feed publishes by its rule."""

    daily: float
    rules: Sequence[Rule]

    @property
    def covariance(self) -> Floats:
        """Per hour (n, n)."""
        deviations = self.daily / np.sqrt(DAY / HOUR) * RELATIVE_VOLATILITIES
        correlation = np.full((4, 4), CORRELATION)
        np.fill_diagonal(correlation, 1.0)
        return np.asarray(correlation * np.outer(deviations, deviations))

    @property
    def weights(self) -> Floats:
        """Of the portfolio of equal risks (n,)."""
        return np.asarray(1.0 / RELATIVE_VOLATILITIES / (1.0 / RELATIVE_VOLATILITIES).sum())

    @property
    def slow(self) -> NDArray[np.intp]:
        """The feeds that do not publish in every bar."""
        return np.flatnonzero([heartbeat_s > HOUR for _, heartbeat_s in self.rules])


def errors_of_the_best_estimate(market: Market, looks: int, seed: int = 1) -> Floats:
    """Relative errors (at most ``looks``,) of the volatility of the portfolio, against that of the closes."""
    generator = np.random.default_rng(seed)
    found = [_error(market, generator) for _ in range(looks)]
    return np.array([error for error in found if error is not None])


def _error(market: Market, generator: np.random.Generator) -> float | None:
    """None where too few of the drawn paths fit the rounds."""
    w = mixed_weights(HISTORY, HALF_LIVES)
    returns = generator.multivariate_normal(np.zeros(4), market.covariance, HISTORY)
    squares = w * np.square(returns @ market.weights)
    answers, published = _published(np.cumsum(returns, axis=0), market)
    told = np.flatnonzero(published[:, market.slow].any(axis=1))
    begin, variances = HISTORY - RECENT, np.full(PATHS, squares[: HISTORY - RECENT].sum())
    for end in [*told[told >= begin].tolist(), HISTORY]:
        stop = min(end + 1, HISTORY)
        if stop > begin:
            rows = slice(begin, stop)
            drawn = _between(market, returns[rows], answers[rows], generator, is_told=end < HISTORY)
            possible = np.square(drawn @ market.weights) @ w[rows]
            if possible.size < FEWEST:
                return None
            variances += generator.choice(possible, PATHS)
        begin = stop
    return float(np.sqrt(variances).mean() / np.sqrt(squares.sum()) - 1.0)


def _published(path: Floats, market: Market) -> tuple[Floats, NDArray[np.bool_]]:
    """Of log prices (T, n): the last answers before each bar's end, relative to the path's beginning, and in which bars a
    feed publishes."""
    thresholds = np.array([deviation for deviation, _ in market.rules])
    heartbeats = np.array([heartbeat_s // HOUR for _, heartbeat_s in market.rules])
    last, at = np.zeros(4), np.full(4, -1)
    answers, published = np.empty_like(path), np.empty(path.shape, dtype=bool)
    for t, prices in enumerate(path):
        answers[t] = last
        published[t] = (np.abs(np.expm1(prices - last)) >= thresholds) | (t - at >= heartbeats)
        last, at = np.where(published[t], prices, last), np.where(published[t], t, at)
    return answers - path, published


def _between(
    market: Market, returns: Floats, distances: Floats, generator: np.random.Generator, *, is_told: bool
) -> Floats:
    """Returns (m, k, n) of paths on which no slow feed publishes before the last of ``returns`` (k, n).

    They end where the true path does if ``is_told``. ``distances`` (k, n) are the last answers less the true path.
    """
    slow, bars = market.slow, len(returns)
    fast = np.setdiff1d(np.arange(4), slow)
    covariance = market.covariance
    load = np.linalg.solve(covariance[np.ix_(fast, fast)], covariance[np.ix_(fast, slow)])
    residual = covariance[np.ix_(slow, slow)] - covariance[np.ix_(slow, fast)] @ load
    known = returns[:, fast] @ load
    quiet = bars - 1 if is_told else bars
    answers = (distances + np.cumsum(returns, axis=0))[:quiet, slow]
    thresholds = np.array([market.rules[column][0] for column in slow])
    fitting: list[Floats] = []
    for _ in range(MOST_DRAWS):
        noise = generator.multivariate_normal(np.zeros(slow.size), residual, (DRAWS, bars))
        if is_told:
            noise += ((returns[:, slow] - known).sum(axis=0) - noise.sum(axis=1))[:, None] / bars
        moves = known + noise
        away = np.cumsum(moves, axis=1)[:, :quiet] - answers
        fits = (np.abs(np.expm1(away)) < thresholds).all(axis=(1, 2))
        fitting.append(moves[fits])
        if sum(map(len, fitting)) >= PATHS:
            break
    drawn = np.concatenate(fitting)
    whole = np.broadcast_to(returns, (len(drawn), *returns.shape)).copy()
    whole[:, :, slow] = drawn
    return whole
