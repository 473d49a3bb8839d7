"""Sharpe ratios and how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

EULER = 0.5772156649015329
ROUNDING = 1e-12
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Sharpe:
    """``ratio`` per period of the returns it was measured on, over no interest; ``error`` its standard error.

    ``skewness`` and ``kurtosis`` (3 for a Gaussian) of the ``periods`` returns.
    """

    ratio: float
    error: float
    periods: int
    skewness: float
    kurtosis: float

    def annualised(self, periods_a_year: float) -> tuple[float, float]:
        """Ratio and error for a year of independent periods (Lo 2002, equation 9)."""
        scale = math.sqrt(periods_a_year)
        return self.ratio * scale, self.error * scale


def sharpe(returns: NDArray[np.float64]) -> Sharpe:
    """Of simple returns (T,). NaN where they do not vary or are fewer than three.

    The error is ``sqrt((1 - g3 S + (g4 - 1) S² / 4) / (T - 1))``: Mertens (2002), which is Lo's (2002) for independent
    returns when they are Gaussian.
    """
    count = returns.size
    deviation = float(returns.std(ddof=1)) if count > 2 else 0.0
    # Returns that are all the same differ by rounding, which is not risk.
    if not np.isfinite(returns).all() or deviation <= ROUNDING * float(np.abs(returns).max(initial=0.0)):
        return Sharpe(math.nan, math.nan, count, skewness=math.nan, kurtosis=math.nan)
    standard = (returns - returns.mean()) / returns.std()
    skewness, kurtosis = float((standard**3).mean()), float((standard**4).mean())
    ratio = float(returns.mean()) / deviation
    return Sharpe(
        ratio, error(ratio, count, skewness, kurtosis=kurtosis), count, skewness=skewness, kurtosis=kurtosis
    )


def error(ratio: float, periods: int, skewness: float, kurtosis: float) -> float:
    """Standard error of a Sharpe ratio per period; NaN where the moments contradict each other."""
    variance = 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio**2
    return math.sqrt(variance / (periods - 1)) if variance >= 0.0 and periods > 1 else math.nan


def probabilistic_sharpe(measured: Sharpe, benchmark: float) -> float:
    """Probability that the true ratio is above ``benchmark`` (Bailey and López de Prado 2012, equation 9)."""
    if not measured.error > 0.0:
        return math.nan
    return _NORMAL.cdf((measured.ratio - benchmark) / measured.error)


def luckiest(ratios: Sequence[float], trials: float) -> float:
    """Largest ratio that luck alone is expected to give among ``trials`` of the spread of ``ratios``.

    Bailey and López de Prado (2014), "The Deflated Sharpe Ratio", equation 1. 0 for one trial or no spread.
    """
    known = np.array([ratio for ratio in ratios if math.isfinite(ratio)])
    if trials <= 1.0 or known.size < 2:
        return 0.0
    spread = float(known.std(ddof=1))
    high, higher = _NORMAL.inv_cdf(1.0 - 1.0 / trials), _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    # Between one trial and two the formula falls below what one gives.
    return max(0.0, spread * ((1.0 - EULER) * high + EULER * higher))


def deflated_sharpe(best: Sharpe, ratios: Sequence[float], trials: float) -> float:
    """Probability that the best of ``trials`` has a true ratio above 0, once luck is taken out.

    ``ratios`` are those of all trials, per period like ``best``. Bailey and López de Prado (2014), equation 2.
    """
    return probabilistic_sharpe(best, luckiest(ratios, trials))
