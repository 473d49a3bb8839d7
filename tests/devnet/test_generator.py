"""The generated market has the properties it claims."""

from __future__ import annotations

import numpy as np
import pytest

from keeper.devnet.generator import (
    LAST_PRICES,
    RISK_SYMBOLS,
    VOLATILITY,
    GeneratedMarket,
    expected_volatility,
    generate,
    transition_matrix,
)

LONG = 100_000  # hours: enough for moments
HOURS_PER_YEAR = 8_760


@pytest.fixture(scope="module")
def market() -> GeneratedMarket:
    return generate(LONG)


def log_returns(market_prices: np.ndarray) -> np.ndarray:
    return np.diff(np.log(market_prices))


def test_the_seed_fixes_every_bit_and_another_seed_is_another_market() -> None:
    one, same, other = generate(500, seed=1), generate(500, seed=1), generate(500, seed=2)
    for symbol in RISK_SYMBOLS:
        assert one.prices[symbol].tobytes() == same.prices[symbol].tobytes()
        assert one.prices[symbol].tobytes() != other.prices[symbol].tobytes()


def test_paths_end_at_the_stated_prices() -> None:
    market = generate(1_000)
    for symbol, price in LAST_PRICES.items():
        assert abs(market.prices[symbol][-1] / price - 1) < 1e-12


def test_volatility_in_each_regime_is_the_stated_one(market: GeneratedMarket) -> None:
    regimes = market.regimes[1:]
    for symbol in RISK_SYMBOLS:
        returns = log_returns(market.prices[symbol])
        for regime in range(3):
            realised = returns[regimes == regime].std() * np.sqrt(HOURS_PER_YEAR)
            assert abs(realised / VOLATILITY[symbol][regime] - 1) < 0.1


def test_tails_are_fat_and_extremes_come_together(market: GeneratedMarket) -> None:
    calm = market.regimes[1:] == 0
    one, other = (log_returns(market.prices[symbol])[calm] for symbol in ("WBTC", "LINK"))
    kurtosis = float(np.mean((one - one.mean()) ** 4) / one.var() ** 2)
    assert kurtosis > 5
    extreme = one < np.quantile(one, 0.001)
    assert (other[extreme] < np.quantile(other, 0.05)).mean() > 0.6


def test_correlation_rises_with_stress(market: GeneratedMarket) -> None:
    one, other = (log_returns(market.prices[symbol]) for symbol in ("WETH", "UNI"))
    measured = [
        np.corrcoef(one[market.regimes[1:] == r], other[market.regimes[1:] == r])[0, 1] for r in range(3)
    ]
    assert measured[0] < measured[1] < measured[2]


def test_implied_volatility_expects_the_regime_and_asks_a_premium(market: GeneratedMarket) -> None:
    expected = expected_volatility(VOLATILITY["WBTC"])
    assert expected[0] < expected[1] < expected[2]
    for regime in range(3):
        ratio = market.implied["BTC"][market.regimes == regime].mean() / expected[regime]
        assert abs(ratio - 1.10) < 0.02


def test_the_stable_stays_near_a_dollar(market: GeneratedMarket) -> None:
    stable = market.prices["USDC"]
    assert abs(stable.mean() - 1) < 1e-3
    assert 0.97 < stable.min() < stable.max() < 1.03


def test_regimes_are_a_proper_chain() -> None:
    matrix = transition_matrix()
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)
    assert (matrix >= 0).all()
