"""A factor on volatilities that few moves show.

A feed that publishes after a move of 2 %, or once a day, shows too few moves to tell the volatility precisely. The
estimate is then right on average, and too low as often as it is too high.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keeper.domain.policy import EstimatePolicy
from keeper.risk.ewma import effective_bars
from keeper.risk.volatility import volatility_estimator

STANDARD_ERROR = 0.1
"""Of a volatility, relative to that from all closes, in units of ``k / sqrt(n)``: for each bar with a new price k bars
have none, and n is the effective number of bars. Measured on recorded closes, 0.09 to 0.15 for half-lives of 1 to 21
days. In a Gaussian market it would be ``sqrt(k / 2n)`` for a feed on a schedule and ``sqrt(k / 6n)`` for one with a
threshold (exit times of a Brownian motion). Recorded prices jump: where k is small, most of the volatility is in moves
that a feed shows."""
STANDARD_ERRORS = 2.0
"""How many of them the estimate is taken to be too low."""
TOLERATED_ERROR = 0.08
"""How much too low a volatility may be after that."""
LARGEST_ERROR = 0.5
"""More is never assumed. A price that moves once a day does not reach it with any half-life above 1.3 days."""


def few_moves_factors(closes: NDArray[np.float64], policy: EstimatePolicy) -> NDArray[np.float64]:
    """Factors (n,), none below 1, on volatilities estimated from closes (T, n) with at least two prices per asset.

    The factor f makes up for what few moves hide: ``f (1 - e) = 1 - TOLERATED_ERROR`` where ``e``, two standard errors,
    is more than what is tolerated. It is 1 where a price moves in most bars, and highest where it never moved. Raises
    InvalidSetting.
    """
    first = np.isfinite(closes).argmax(axis=0)
    if first.any():
        since = [closes[start:, column : column + 1] for column, start in enumerate(first)]
        return np.concatenate([few_moves_factors(each, policy) for each in since])
    w = volatility_estimator(policy.volatility).weights(len(closes) - 1, policy)
    new = w @ _is_new(closes)[-w.size :]
    still_per_new = np.divide(1.0 - new, new, out=np.full(new.size, np.inf), where=new > 0.0)
    errors = STANDARD_ERRORS * STANDARD_ERROR * still_per_new / np.sqrt(effective_bars(w))
    factors = (1.0 - TOLERATED_ERROR) / (1.0 - np.minimum(errors, LARGEST_ERROR))
    return np.asarray(np.maximum(factors, 1.0))


def _is_new(closes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each bar (T - 1, n) after the first has a new price. Of the first every asset has a close; elsewhere a
    missing close is no new price."""
    known = np.isfinite(closes)
    if not known.all():
        places = np.where(known, np.arange(len(closes))[:, None], 0)
        closes = np.take_along_axis(closes, np.maximum.accumulate(places, axis=0), axis=0)
    # Sums over an array in another memory order can differ in the last bit, and a replay compares bits.
    return np.ascontiguousarray(closes[1:] != closes[:-1])
