"""A backtest of days in which prices stand still and the option markets are silent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.engine import backtest
from keeper.backtest.venue import VaultSize
from keeper.cli.venue import recorded_venue
from keeper.domain.path import ImpliedPath, MarketPath
from keeper.recorded.path import recorded_path
from tests.cycle.market_states import shipped_policy
from tests.cycle.recorded_looks import DATA, NAV_USD

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Silence:
    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M}"

    def covers(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((times > self.since.timestamp()) & (times <= self.until.timestamp()))


LUNA_WEEK: Final = Silence(datetime(2022, 5, 9, tzinfo=UTC), datetime(2022, 5, 13, tzinfo=UTC))


@dataclass(frozen=True, slots=True, eq=False)
class SilentWeek:
    """Target leverage (T,) at ``times`` (T,): of the last look before the silence, and of every one within it.
    ``after`` is that of the first look with data again."""

    silence: Silence
    times: NDArray[np.int64]
    targets: NDArray[np.float64]
    after: float

    @property
    def rises(self) -> int:
        return int((np.diff(self.targets) > ROUNDING).sum())


def a_silent_week(silence: Silence) -> SilentWeek:
    policy = shipped_policy()
    path = recorded_path(
        DATA,
        [asset.symbol for asset in policy.assets],
        silence.since - timedelta(days=128),
        silence.until + timedelta(days=2),
        policy.estimate.max_gap_s,
    )
    venue = recorded_venue(NAV_USD, VaultSize.CONSTANT)
    result = backtest(_silenced(path, silence), policy, venue, "silence")
    rows = np.flatnonzero(silence.covers(result.times))
    within = slice(rows[0] - 1, rows[-1] + 1)
    return SilentWeek(
        silence,
        result.times[within],
        result.target_leverage[within],
        float(result.target_leverage[rows[-1] + 1]),
    )


def _silenced(path: MarketPath, silence: Silence) -> MarketPath:
    silent = silence.covers(path.times)
    closes, lows = path.closes.copy(), path.lows.copy()
    closes[silent] = lows[silent] = path.closes[np.flatnonzero(silent)[0] - 1]
    implied = tuple(_without(series, silence) for series in path.implied)
    return replace(path, closes=closes, lows=lows, implied=implied)


def _without(series: ImpliedPath, silence: Silence) -> ImpliedPath:
    known = ~silence.covers(series.times)
    return replace(series, times=series.times[known], volatility=series.volatility[known])
