"""A market made up by rule, for machines without recorded history. Says so wherever it is shown.

The model, in hours:

- one hidden regime for the whole market (calm, normal, stress): a Markov chain with mean stays of 20, 12 and
  3 days;
- returns are multivariate Student t with 4.5 degrees of freedom, scaled to the regime's volatility, all
  assets sharing one mixing variable so that extremes come together; correlations rise with stress;
- the stable's deviation from one dollar reverts with a half-life of 6 hours;
- implied volatility is what the regime expects of the next 30 days, times a premium of 10 %, times noise that
  reverts with a half-life of two days. It knows the regime, never a later price.

The seed fixes every bit (NumPy's PCG64). Each path is scaled to end at ``LAST_PRICES``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.domain.units import HOURS_PER_YEAR

SEED = 20_220_610

RISK_SYMBOLS = ("WBTC", "WETH", "LINK", "UNI")
STABLE = "USDC"
LAST_PRICES = {"WBTC": 40_000.0, "WETH": 2_500.0, "LINK": 12.0, "UNI": 8.0}

MEAN_STAY_HOURS = (480.0, 288.0, 72.0)
NEXT_REGIME = ((0.0, 0.9, 0.1), (0.6, 0.0, 0.4), (0.15, 0.85, 0.0))
VOLATILITY = {  # annualised, per regime
    "WBTC": (0.40, 0.62, 1.25),
    "WETH": (0.50, 0.80, 1.60),
    "LINK": (0.65, 1.00, 1.95),
    "UNI": (0.70, 1.05, 2.00),
}
DRIFT = (0.30, 0.05, -1.00)  # annualised log drift, the same for every asset
CORRELATION = (0.60, 0.72, 0.88)  # between any two risk assets; WBTC and WETH are closer by PAIR_BONUS
PAIR_BONUS = 0.08
DEGREES_OF_FREEDOM = 4.5

STABLE_DEVIATION = (0.0003, 0.0005, 0.0025)  # standard deviation around one dollar, per regime
STABLE_HALF_LIFE_HOURS = 6.0

IMPLIED_HORIZON_HOURS = 720
IMPLIED_PREMIUM = 1.10
IMPLIED_NOISE = 0.05
IMPLIED_HALF_LIFE_HOURS = 48.0
OPTIONED = {"BTC": "WBTC", "ETH": "WETH"}


@dataclass(frozen=True, slots=True, eq=False)
class GeneratedMarket:
    """``hours + 1`` values each: closes per symbol in USD, implied volatility per underlying (fractions)."""

    prices: dict[str, NDArray[np.float64]]
    implied: dict[str, NDArray[np.float64]]
    regimes: NDArray[np.int64]


def generate(hours: int, seed: int = SEED) -> GeneratedMarket:
    """``hours`` hourly bars of the market above; equal arguments give equal bits."""
    regime_stream, return_stream, stable_stream, implied_stream = (
        np.random.Generator(np.random.PCG64(child)) for child in np.random.SeedSequence(seed).spawn(4)
    )
    regimes = _regimes(hours + 1, regime_stream)
    returns = _returns(regimes[1:], return_stream)
    prices: dict[str, NDArray[np.float64]] = {}
    for column, symbol in enumerate(RISK_SYMBOLS):
        path = np.concatenate(([0.0], np.cumsum(returns[:, column])))
        prices[symbol] = LAST_PRICES[symbol] * np.exp(path - path[-1])
    prices[STABLE] = _stable(regimes, stable_stream)
    implied = {
        underlying: _implied(regimes, VOLATILITY[symbol], implied_stream)
        for underlying, symbol in OPTIONED.items()
    }
    return GeneratedMarket(prices=prices, implied=implied, regimes=regimes)


def transition_matrix() -> NDArray[np.float64]:
    """Hourly regime transition probabilities, row-stochastic (3, 3)."""
    matrix = np.zeros((3, 3))
    for row, stay in enumerate(MEAN_STAY_HOURS):
        leave = 1.0 / stay
        matrix[row] = leave * np.asarray(NEXT_REGIME[row])
        matrix[row, row] = 1.0 - leave
    return matrix


def _regimes(count: int, random: np.random.Generator) -> NDArray[np.int64]:
    cumulative = np.cumsum(transition_matrix(), axis=1)
    draws = random.random(count)
    regimes = np.empty(count, dtype=np.int64)
    regime = 1
    for i, draw in enumerate(draws):
        regime = min(int(np.searchsorted(cumulative[regime], draw, side="right")), 2)
        regimes[i] = regime
    return regimes


def _returns(regimes: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float64]:
    hours, assets = len(regimes), len(RISK_SYMBOLS)
    normal = random.standard_normal((hours, assets))
    chi_square = random.chisquare(DEGREES_OF_FREEDOM, hours)
    # Scaled so that the variance is the regime's, not nu/(nu-2) times it.
    mixing = np.sqrt((DEGREES_OF_FREEDOM - 2.0) / chi_square)
    returns = np.empty((hours, assets))
    for regime in range(3):
        at = regimes == regime
        factor = np.linalg.cholesky(_correlation(regime))
        annual = np.array([VOLATILITY[symbol][regime] for symbol in RISK_SYMBOLS])
        hourly = annual / math.sqrt(HOURS_PER_YEAR)
        returns[at] = (normal[at] @ factor.T) * mixing[at, None] * hourly + DRIFT[regime] / HOURS_PER_YEAR
    return returns


def _correlation(regime: int) -> NDArray[np.float64]:
    assets = len(RISK_SYMBOLS)
    matrix = np.full((assets, assets), CORRELATION[regime])
    np.fill_diagonal(matrix, 1.0)
    matrix[0, 1] = matrix[1, 0] = CORRELATION[regime] + PAIR_BONUS
    return matrix


def _stable(regimes: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float64]:
    decay = 0.5 ** (1.0 / STABLE_HALF_LIFE_HOURS)
    noise = reverting(len(regimes), decay, random)
    return np.asarray(1.0 + np.asarray(STABLE_DEVIATION)[regimes] * noise, dtype=np.float64)


def _implied(
    regimes: NDArray[np.int64], volatility: tuple[float, float, float], random: np.random.Generator
) -> NDArray[np.float64]:
    decay = 0.5 ** (1.0 / IMPLIED_HALF_LIFE_HOURS)
    noise = np.exp(IMPLIED_NOISE * reverting(len(regimes), decay, random))
    return np.asarray(IMPLIED_PREMIUM * expected_volatility(volatility)[regimes] * noise, dtype=np.float64)


def expected_volatility(volatility: tuple[float, float, float]) -> NDArray[np.float64]:
    """Square root of the mean variance over the next 30 days, annualised, given the regime now; (3,)."""
    matrix = transition_matrix()
    variance = np.square(np.asarray(volatility))
    total = np.zeros(3)
    for _ in range(IMPLIED_HORIZON_HOURS):
        variance = matrix @ variance
        total += variance
    return np.asarray(np.sqrt(total / IMPLIED_HORIZON_HOURS), dtype=np.float64)


def reverting(count: int, decay: float, random: np.random.Generator) -> NDArray[np.float64]:
    """A first-order autoregression with unit stationary variance."""
    shocks = random.standard_normal(count) * math.sqrt(1.0 - decay * decay)
    values = np.empty(count)
    value = float(random.standard_normal())
    for i, shock in enumerate(shocks):
        value = decay * value + float(shock)
        values[i] = value
    return values
