"""A backtest remembers the last informed look: LUNA's week with prices frozen and the option markets silent."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from keeper.backtest.engine import backtest
from keeper.backtest.venue import VaultSize
from keeper.cli.venue import recorded_venue
from keeper.domain.path import ImpliedPath, MarketPath
from keeper.recorded.path import recorded_path
from tests.cycle.market_states import shipped_policy

DATA: Final = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data")
SILENT_FROM: Final = int(datetime(2022, 5, 9, tzinfo=UTC).timestamp())
SILENT_UNTIL: Final = int(datetime(2022, 5, 13, tzinfo=UTC).timestamp())

pytestmark = pytest.mark.skipif(
    not (DATA / "hourly_close.csv").is_file(), reason="no recorded history in KEEPER_DATA_DIR"
)


def without_data(path: MarketPath) -> MarketPath:
    """Every price stays where it was at ``SILENT_FROM``, and no option market gives a reading until
    ``SILENT_UNTIL``."""
    silent = (path.times > SILENT_FROM) & (path.times <= SILENT_UNTIL)
    closes, lows = path.closes.copy(), path.lows.copy()
    closes[silent] = lows[silent] = path.closes[np.flatnonzero(silent)[0] - 1]
    return replace(
        path, closes=closes, lows=lows, implied=tuple(_silenced(series) for series in path.implied)
    )


def _silenced(series: ImpliedPath) -> ImpliedPath:
    known = (series.times <= SILENT_FROM) | (series.times > SILENT_UNTIL)
    return replace(series, times=series.times[known], volatility=series.volatility[known])


def test_in_lunas_week_without_data_leverage_only_falls() -> None:
    policy = shipped_policy()
    path = recorded_path(
        DATA,
        [asset.symbol for asset in policy.assets],
        datetime(2022, 1, 1, tzinfo=UTC),
        datetime(2022, 5, 15, tzinfo=UTC),
        policy.estimate.max_gap_s,
    )
    result = backtest(without_data(path), policy, recorded_venue(250_000.0, VaultSize.CONSTANT), "LUNA")
    silent = (result.times > SILENT_FROM) & (result.times <= SILENT_UNTIL)
    targets = result.target_leverage[np.flatnonzero(silent)[0] - 1 : np.flatnonzero(silent)[-1] + 1]
    assert targets.size == 4 * 24 + 1
    assert np.diff(targets).max() <= 1e-9
    back = result.target_leverage[np.flatnonzero(silent)[-1] + 1]
    assert back < targets[-1]  # with the crash in the history, less is allowed
