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
from keeper.risk import ewma
from keeper.risk.budgets import risk_parity
from keeper.risk.contributions import volatility
from keeper.risk.coverage import slow_feeds
from keeper.risk.estimate import estimate
from keeper.risk.exchanges import estimate_with_exchanges
from keeper.risk.few_moves import STANDARD_ERROR, few_moves_factors
from keeper.risk.volatility import volatilities
from keeper.settings.load import load_strategy
from keeper.settings.policy import policy
from tests.factories import HOUR
from tests.risk.definitions import same_bar_covariance
from tests.risk.slow_rules import RULES, Rule, another_exchange, published_bars

DATA = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data")
SYMBOLS = ("WBTC", "WETH", "LINK", "UNI")
FEW = 13
"""Days between two looks, so that each day of the week is looked at. ``--tables`` looks every day."""

STEP_H = 6
"""Hours between two looks of ``--tables`` where also the other times of the day count."""
SLOWEST = tuple(RULES)[:2]
"""Rules under which every feed is slow."""
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


def looks(recorded: Recorded, every_hours: int) -> range:
    """Rows of the closes, each with a whole history before it."""
    closes = recorded.path.closes
    first = (
        int(np.flatnonzero(np.isfinite(closes).all(axis=1))[0]) + recorded.policy.estimate.history_s // HOUR
    )
    return range(first, len(closes), every_hours)


@dataclass(frozen=True)
class Errors:
    """Of each look the relative errors of the volatility of the risk parity portfolio: of products of the same bar, of
    the estimate without the factor for few moves, and of the estimate. ``of_closes`` is the volatility itself."""

    same_bar: NDArray[np.float64]
    without: NDArray[np.float64]
    estimate: NDArray[np.float64]
    of_closes: NDArray[np.float64]

    @classmethod
    def of(cls, recorded: Recorded, name: str, every_hours: int) -> Errors:
        closes, published = recorded.path.closes, recorded.published(RULES[name])
        half_lives = recorded.policy.estimate.mix_half_lives_days
        rows = []
        for t in looks(recorded, every_hours):
            true = recorded.covariance(recorded.bars(closes, t))
            weights = risk_parity(true, np.ones(4))
            bars = recorded.bars(published, t)
            factors, found = (
                few_moves_factors(bars.closes, recorded.policy.estimate),
                recorded.covariance(bars),
            )
            covariances = (
                same_bar_covariance(bars.closes, half_lives),
                found / np.outer(factors, factors),
                found,
            )
            of_closes = volatility(weights, true)
            rows.append([*(volatility(weights, each) / of_closes - 1.0 for each in covariances), of_closes])
        return cls(*np.array(rows).T)

    def of_every(self, number: int) -> Errors:
        each = (self.same_bar, self.without, self.estimate, self.of_closes)
        return Errors(*(values[::number] for values in each))


def errors_with_candles(recorded: Recorded, name: str, every_hours: int) -> dict[str, NDArray[np.float64]]:
    """Relative errors of the same volatility with candles, by which exchanges have them."""
    closes, published = recorded.path.closes, recorded.published(RULES[name])
    elsewhere = another_exchange(closes, np.random.default_rng(5))
    found: dict[str, list[float]] = {ONE: [], TWO: [], MONTH: []}
    for t in looks(recorded, every_hours):
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


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_a_slow_feed_shows_the_volatility_of_the_portfolio(
    recorded: Recorded, name: str, request: pytest.FixtureRequest, show: Callable[[str], None]
) -> None:
    is_table = bool(request.config.getoption("--tables"))
    every = Errors.of(recorded, name, STEP_H if is_table else FEW * 24)
    daily = every.of_every(24 // STEP_H if is_table else 1)
    same_bar, without, found = daily.same_bar, daily.without, daily.estimate
    wild = daily.of_closes >= 0.5
    show(
        f"{name}, {len(found)} days: same bar mean {same_bar.mean():+.1%}, lowest {same_bar.min():+.1%}; "
        f"without the factor {described(without)}; estimate {described(found)}; "
        f"without the factor, mean of the higher of it and that of the closes {np.maximum(without, 0.0).mean():+.1%}; "
        f"at a volatility of 50 % or more ({wild.sum()} days) lowest {found[wild].min():+.1%}; "
        f"at every {STEP_H}th hour ({len(every.estimate)} looks) lowest {every.estimate.min():+.1%}"
    )
    assert same_bar.mean() < -0.07
    assert abs(without.mean()) <= 0.02
    assert (without < -0.08).mean() <= 0.025
    assert (found >= without).all()
    assert 0.01 <= found.mean() <= 0.085
    assert every.estimate.min() >= -0.08


@pytest.mark.slow
@pytest.mark.parametrize("half_life_days", [1.0, 5.0, 21.0])
def test_the_error_of_few_moves_has_the_declared_size(
    recorded: Recorded, half_life_days: float, request: pytest.FixtureRequest, show: Callable[[str], None]
) -> None:
    every_hours = 24 if request.config.getoption("--tables") else FEW * 24
    strategy = replace(recorded.policy.estimate, volatility="ewma", volatility_half_life_days=half_life_days)
    for name in SLOWEST:
        published, found = recorded.published(RULES[name]), []
        for t in looks(recorded, every_hours):
            closes, of_feeds = (recorded.bars(each, t).closes for each in (recorded.path.closes, published))
            error = volatilities(of_feeds, strategy) / volatilities(closes, strategy) - 1.0
            found.append(error / unit_of_error(of_feeds, half_life_days * 24))
        deviation = float(np.std(found))
        show(f"{name}, half-life {half_life_days:.0f} d: standard error {deviation:.2f} k / sqrt(n)")
        assert deviation == pytest.approx(1.25 * STANDARD_ERROR, rel=0.35)


def unit_of_error(closes: NDArray[np.float64], half_life_bars: float) -> NDArray[np.float64]:
    """``k / sqrt(n)`` of closes (T, n), those that are missing carried on."""
    w = ewma.weights(len(closes) - 1, half_life_bars)
    places = np.maximum.accumulate(np.where(np.isfinite(closes), np.arange(len(closes))[:, None], 0), axis=0)
    carried = np.take_along_axis(closes, places, axis=0)[-w.size - 1 :]
    moved = w @ (np.diff(carried, axis=0) != 0.0)
    return np.asarray((1.0 - moved) / moved / np.sqrt(ewma.effective_bars(w)))


def test_hourly_closes_of_an_exchange_are_not_few(recorded: Recorded, request: pytest.FixtureRequest) -> None:
    for t in looks(recorded, STEP_H if request.config.getoption("--tables") else FEW * 24):
        closes = recorded.bars(recorded.path.closes, t).closes
        np.testing.assert_array_equal(np.ones(4), few_moves_factors(closes, recorded.policy.estimate))


def described(found: NDArray[np.float64]) -> str:
    return (
        f"mean {found.mean():+.1%}, lowest {found.min():+.1%}, highest {found.max():+.1%}, one standard deviation "
        f"{found.std():.1%}, below -8 % on {(found < -0.08).mean():.1%} of days"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_candles_of_exchanges_show_what_a_slow_feed_does_not(
    recorded: Recorded, name: str, request: pytest.FixtureRequest, show: Callable[[str], None]
) -> None:
    every_hours = 24 if request.config.getoption("--tables") else 2 * FEW * 24
    found = errors_with_candles(recorded, name, every_hours)
    for which, each in found.items():
        show(
            f"{name}, {len(each)} days, candles of {which}: mean {each.mean():+.1%}, lowest {each.min():+.1%}, "
            f"highest {each.max():+.1%}"
        )
        assert each.min() >= -0.03
        assert abs(each.mean()) <= (0.1 if which == ONE else 0.02)
