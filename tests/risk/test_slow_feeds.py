"""Recorded hourly closes through the rules of slow feeds: the estimate against that of the closes themselves.

``make tables TESTS=tests/risk/test_slow_feeds.py`` prints the errors of every day; docs/estimators.md has them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from keeper.domain.evidence import Evidence, PriceBars
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.recorded.path import recorded_path
from keeper.recorded.prices import price_file
from keeper.risk.budgets import risk_parity
from keeper.risk.contributions import volatility
from keeper.risk.coverage import slow_feeds
from keeper.risk.estimate import estimate
from keeper.risk.exchanges import estimate_with_exchanges
from keeper.settings.load import load_strategy
from keeper.settings.policy import policy
from tests.factories import HOUR
from tests.risk.definitions import same_bar_covariance
from tests.risk.slow_rules import RULES, Rule, another_exchange, published_bars

DATA = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data")
SYMBOLS = ("WBTC", "WETH", "LINK", "UNI")
FEW = 7
"""Days between two looks. ``--tables`` looks every day."""

ONE, TWO, MONTH = "one exchange", "two exchanges", "two exchanges of 30 days"

pytestmark = pytest.mark.skipif(price_file(DATA) is None, reason=f"no recorded history in {DATA}")


@dataclass(frozen=True)
class Recorded:
    path: MarketPath
    policy: Policy

    def bars(self, closes: NDArray[np.float64], t: int) -> PriceBars:
        rows = slice(t + 1 - self.policy.estimate.history_s // HOUR, t + 1)
        return PriceBars(SYMBOLS, HOUR, self.path.times[rows], closes[rows])

    def covariance(self, bars: PriceBars) -> NDArray[np.float64]:
        return np.array(estimate(Evidence(int(bars.times[-1]), bars, ()), self.policy).covariance)

    def covariance_with_exchanges(self, bars: PriceBars) -> NDArray[np.float64]:
        """Also from candles of the assets with a slow feed."""
        evidence = Evidence(int(bars.times[-1]), bars, ())
        return np.array(estimate_with_exchanges(evidence, self.policy, tuple(slow_feeds(bars))).covariance)

    def published(self, rules: tuple[Rule, ...]) -> NDArray[np.float64]:
        """The bars (T, n) of feeds that publish hourly closes by their rules."""
        bars = PriceBars(SYMBOLS, HOUR, self.path.times, self.path.closes)
        return published_bars(bars, rules, self.policy.estimate.max_gap_s).closes


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    strategy = policy(load_strategy(Path(__file__).parents[2] / "keeper.toml"))
    since, until = datetime(2019, 1, 1, tzinfo=UTC), datetime(2023, 12, 31, tzinfo=UTC)
    return Recorded(recorded_path(DATA, SYMBOLS, since, until, strategy.estimate.max_gap_s), strategy)


def days(recorded: Recorded, every_days: int) -> range:
    """Rows of the closes, each with a whole history before it."""
    closes = recorded.path.closes
    first = (
        int(np.flatnonzero(np.isfinite(closes).all(axis=1))[0]) + recorded.policy.estimate.history_s // HOUR
    )
    return range(first, len(closes), every_days * 24)


def errors(
    recorded: Recorded, name: str, every_days: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Relative errors of the volatility of the risk parity portfolio: the estimate's, and that of products of the same
    bar. Last the volatility itself."""
    closes, published = recorded.path.closes, recorded.published(RULES[name])
    found, naive, of_closes = [], [], []
    for t in days(recorded, every_days):
        true = recorded.covariance(recorded.bars(closes, t))
        weights = risk_parity(true, np.ones(4))
        of_true = weights @ true @ weights
        bars = recorded.bars(published, t)
        found.append(np.sqrt(weights @ recorded.covariance(bars) @ weights / of_true) - 1.0)
        same_bar = same_bar_covariance(bars.closes, recorded.policy.estimate.mix_half_lives_days)
        naive.append(np.sqrt(weights @ same_bar @ weights / of_true) - 1.0)
        of_closes.append(np.sqrt(of_true))
    return np.array(found), np.array(naive), np.array(of_closes)


def errors_with_candles(recorded: Recorded, name: str, every_days: int) -> dict[str, NDArray[np.float64]]:
    """Relative errors of the same volatility with candles, by which exchanges have them."""
    closes, published = recorded.path.closes, recorded.published(RULES[name])
    elsewhere = another_exchange(closes, np.random.default_rng(5))
    found: dict[str, list[float]] = {ONE: [], TWO: [], MONTH: []}
    for t in days(recorded, every_days):
        true = recorded.covariance(recorded.bars(closes, t))
        weights = risk_parity(true, np.ones(4))
        bars = recorded.bars(published, t)
        here, there = (recorded.bars(each, t).closes for each in (closes, elsewhere))
        exchanges = {ONE: (here,), TWO: (here, there), MONTH: (last_month(here), last_month(there))}
        for which, given in exchanges.items():
            named = {str(number): each for number, each in enumerate(given)}
            covariance = recorded.covariance_with_exchanges(replace(bars, exchanges=named))
            found[which].append(volatility(weights, covariance) / volatility(weights, true) - 1.0)
    return {which: np.array(each) for which, each in found.items()}


def last_month(closes: NDArray[np.float64]) -> NDArray[np.float64]:
    recent = np.full_like(closes, np.nan)
    recent[-720:] = closes[-720:]
    return recent


@pytest.mark.parametrize("name", RULES)
def test_a_slow_feed_shows_the_volatility_of_the_portfolio(
    recorded: Recorded, name: str, request: pytest.FixtureRequest, show: Callable[[str], None]
) -> None:
    every_days = 1 if request.config.getoption("--tables") else FEW
    found, naive, of_closes = errors(recorded, name, every_days)
    wild = of_closes >= 0.5
    show(
        f"{name}, {len(found)} days: same bar mean {naive.mean():+.1%}, worst {naive.min():+.1%}; "
        f"estimate mean {found.mean():+.1%}, lowest {found.min():+.1%}, highest {found.max():+.1%}, "
        f"one standard deviation {found.std():.1%}, below -8 % on {(found < -0.08).mean():.1%} of days; "
        f"mean of the higher of it and that of the closes {np.maximum(found, 0.0).mean():+.1%}; "
        f"at a volatility of 50 % or more ({wild.sum()} days) lowest {found[wild].min():+.1%}"
    )
    assert naive.mean() < -0.07
    assert abs(found.mean()) <= 0.02
    assert (found < -0.08).mean() <= 0.025
    assert found.min() >= -0.17


@pytest.mark.parametrize("name", RULES)
def test_candles_of_exchanges_show_what_a_slow_feed_does_not(
    recorded: Recorded, name: str, request: pytest.FixtureRequest, show: Callable[[str], None]
) -> None:
    every_days = 1 if request.config.getoption("--tables") else 2 * FEW
    found = errors_with_candles(recorded, name, every_days)
    for which, each in found.items():
        show(
            f"{name}, {len(each)} days, candles of {which}: mean {each.mean():+.1%}, lowest {each.min():+.1%}, "
            f"highest {each.max():+.1%}"
        )
        assert each.min() >= -0.03
        assert abs(each.mean()) <= (0.05 if which == ONE else 0.02)
