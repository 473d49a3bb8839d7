"""Recorded hourly closes through the rules of slow feeds: the estimate against that of the closes themselves.

``make tables TESTS=tests/risk/test_slow_feeds.py`` prints the errors of every day; docs/estimators.md has them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from keeper.domain.evidence import Evidence, PriceBars
from keeper.domain.market import Round
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.domain.units import USD
from keeper.recorded.path import recorded_path
from keeper.recorded.prices import PRICE_FILE
from keeper.risk.bars import sampled_bars
from keeper.risk.budgets import risk_parity
from keeper.risk.estimate import estimate
from keeper.settings.load import load_strategy
from keeper.settings.policy import policy
from tests.factories import DAY, HOUR
from tests.risk.definitions import same_bar_covariance

DATA = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data")
SYMBOLS = ("WBTC", "WETH", "LINK", "UNI")
FEW = 7
"""Days between two looks. ``--tables`` looks every day."""

Rule = tuple[float, int]
"""Deviation threshold and heartbeat."""
RULES: dict[str, tuple[Rule, ...]] = {
    "2 %, 24 h": ((0.02, DAY),) * 4,
    "1 %, 24 h": ((0.01, DAY),) * 4,
    "BTC, ETH 0.5 %, 1 h; LINK, UNI 2 %, 24 h": ((0.005, HOUR),) * 2 + ((0.02, DAY),) * 2,
}

pytestmark = pytest.mark.skipif(not (DATA / PRICE_FILE).is_file(), reason=f"no recorded history in {DATA}")


@dataclass(frozen=True)
class Recorded:
    path: MarketPath
    policy: Policy

    def bars(self, closes: NDArray[np.float64], t: int) -> PriceBars:
        rows = slice(t + 1 - self.policy.estimate.history_s // HOUR, t + 1)
        return PriceBars(SYMBOLS, HOUR, self.path.times[rows], closes[rows])

    def covariance(self, bars: PriceBars) -> NDArray[np.float64]:
        return np.array(estimate(Evidence(int(bars.times[-1]), bars, ()), self.policy).covariance)

    def published(self, rules: tuple[Rule, ...]) -> NDArray[np.float64]:
        """The bars (T, n) of feeds that publish hourly closes by their rules."""
        times = self.path.times
        rounds = {
            symbol: list(answers(times.tolist(), self.path.closes[:, column].tolist(), rule))
            for column, (symbol, rule) in enumerate(zip(SYMBOLS, rules, strict=True))
        }
        span = int(times[-1] - times[0]) + HOUR
        found = sampled_bars(
            rounds,
            SYMBOLS,
            int(times[-1]),
            bar_seconds=HOUR,
            history_s=span,
            max_gap_s=self.policy.estimate.max_gap_s,
        )
        np.testing.assert_array_equal(times, found.times)
        return found.closes


def answers(times: list[int], closes: list[float], rule: Rule) -> list[Round]:
    deviation, heartbeat_s = rule
    found: list[Round] = []
    last, at = np.inf, -heartbeat_s
    for time, close in zip(times, closes, strict=True):
        if abs(close / last - 1.0) >= deviation or (time - at >= heartbeat_s and np.isfinite(close)):
            last, at = close, time
            found.append(Round(len(found) + 1, round(close * USD), time))
    return found


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    strategy = policy(load_strategy(Path(__file__).parents[2] / "keeper.toml"))
    since, until = datetime(2019, 1, 1, tzinfo=UTC), datetime(2023, 12, 31, tzinfo=UTC)
    return Recorded(recorded_path(DATA, SYMBOLS, since, until, strategy.estimate.max_gap_s), strategy)


def errors(
    recorded: Recorded, name: str, every_days: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Relative errors of the volatility of the risk parity portfolio: the estimate's, and that of products of the same
    bar. Last the volatility itself."""
    closes, published = recorded.path.closes, recorded.published(RULES[name])
    first = (
        int(np.flatnonzero(np.isfinite(closes).all(axis=1))[0]) + recorded.policy.estimate.history_s // HOUR
    )
    found, naive, volatility = [], [], []
    for t in range(first, len(closes), every_days * 24):
        true = recorded.covariance(recorded.bars(closes, t))
        weights = risk_parity(true, np.ones(4))
        of_true = weights @ true @ weights
        bars = recorded.bars(published, t)
        found.append(np.sqrt(weights @ recorded.covariance(bars) @ weights / of_true) - 1.0)
        same_bar = same_bar_covariance(bars.closes, recorded.policy.estimate.mix_half_lives_days)
        naive.append(np.sqrt(weights @ same_bar @ weights / of_true) - 1.0)
        volatility.append(np.sqrt(of_true))
    return np.array(found), np.array(naive), np.array(volatility)


@pytest.mark.parametrize("name", RULES)
def test_a_slow_feed_shows_the_volatility_of_the_portfolio(
    recorded: Recorded, name: str, request: pytest.FixtureRequest, show: Callable[[str], None]
) -> None:
    every_days = 1 if request.config.getoption("--tables") else FEW
    found, naive, volatility = errors(recorded, name, every_days)
    wild = volatility >= 0.5
    show(
        f"{name}, {len(found)} days: same bar mean {naive.mean():+.1%}, worst {naive.min():+.1%}; "
        f"estimate mean {found.mean():+.1%}, lowest {found.min():+.1%}, highest {found.max():+.1%}, "
        f"below -8 % on {(found < -0.08).mean():.1%} of days; "
        f"at a volatility of 50 % or more ({wild.sum()} days) lowest {found[wild].min():+.1%}"
    )
    assert naive.mean() < -0.07
    assert abs(found.mean()) <= 0.02
    assert (found < -0.08).mean() <= 0.025
    assert found.min() >= -0.17
