"""Looks at recorded history, each of them with everything known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from keeper.backtest.ledger import COST_FIELDS, Ledger
from keeper.backtest.market_replay import MarketReplay, with_prices_at_feed_precision
from keeper.backtest.venue import VaultSize
from keeper.cli.venue import recorded_venue
from keeper.recorded.path import recorded_path
from keeper.recorded.prices import price_file
from tests.cycle.market_states import MarketState, shipped_policy

DATA: Final = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data")
IS_RECORDED: Final = price_file(DATA) is not None
needs_recorded_history: Final = pytest.mark.skipif(
    not IS_RECORDED, reason=f"no recorded history in {DATA}: set KEEPER_DATA_DIR"
)
SINCE, UNTIL = datetime(2019, 1, 1, tzinfo=UTC), datetime(2023, 12, 31, tzinfo=UTC)
NAV_USD = 250_000.0
OPINIONS = 2


class RecordedLooks:
    """The recorded market as a vault in cash sees it, at the shipped settings."""

    def __init__(self) -> None:
        policy = shipped_policy()
        symbols = tuple(asset.symbol for asset in policy.assets)
        path = recorded_path(DATA, symbols, SINCE, UNTIL, policy.estimate.max_gap_s)
        self._path = with_prices_at_feed_precision(path)
        venue = recorded_venue(NAV_USD, VaultSize.CONSTANT)
        self._scene = MarketReplay(self._path, venue, policy.estimate.history_s)
        self._columns = np.arange(len(symbols))
        self._ledger = Ledger(
            venue,
            symbols,
            np.zeros(len(symbols)),
            cash=NAV_USD,
            debt=0.0,
            spent=np.zeros(len(COST_FIELDS)),
        )

    def since(self, time: datetime) -> MarketState:
        """The first look from ``time`` on that misses nothing: an option market's reading may be old."""
        return self._informed(int(np.searchsorted(self._path.times, int(time.timestamp()))))

    def spread(self, count: int) -> Iterator[MarketState]:
        """``count`` of them at equal distances, from the first with a whole window of every asset and with both option
        markets."""
        rows = np.linspace(self._first(), len(self._path.times) - 25, count)
        return (self._informed(row) for row in rows.astype(int).tolist())

    def _informed(self, begin: int) -> MarketState:
        states = (self._state(row) for row in range(begin, len(self._path.times)))
        return next(state for state in states if not state.assessed().target.missing)

    def _first(self) -> int:
        known = np.flatnonzero(np.isfinite(self._path.closes).all(axis=1))[0]
        window = shipped_policy().estimate.history_s // self._path.bar_seconds
        quoted = max(int(series.times[0]) for series in self._path.implied)
        return max(int(known) + window, int(np.searchsorted(self._path.times, quoted)))

    def _state(self, row: int) -> MarketState:
        snapshot = self._scene.snapshot(row, self._columns, self._ledger)
        return MarketState(
            snapshot=snapshot,
            bars=self._scene.bars(row, self._columns),
            implied=self._scene.implied(row),
            opinions=dict.fromkeys(snapshot.symbols, OPINIONS),
        )
