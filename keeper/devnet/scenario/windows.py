"""Windows of recorded history by name, and the path of any window from a folder of recorded history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.devnet import history
from keeper.devnet.history import MarketHistory
from keeper.devnet.scenario.path import RecordedRounds, ScenarioPath
from keeper.domain.errors import BadInput
from keeper.domain.path import ImpliedPath
from keeper.recorded.gas import gas_price_at
from keeper.recorded.implied import UNDERLYINGS, read_implied
from keeper.recorded.prices import price_file, read_prices
from keeper.recorded.rounds import read_rounds
from keeper.recorded.stable import STABLE, stable_at
from keeper.recorded.table import DAY, HOUR, last_known

ROUND_FILES = {
    "WETH": "chainlink_rounds_eth_usd.csv",
    "WBTC": "chainlink_rounds_btc_usd.csv",
    STABLE: "chainlink_rounds_usdc_usd.csv",
}
LATE_S = 4 * HOUR
"""A file of rounds counts for a window where its rounds begin before the window and end at most so long before its end,
or a heartbeat of a day."""


@dataclass(frozen=True, slots=True)
class NamedWindow:
    """Days in UTC. The last one is not part of the window."""

    name: str
    title: str
    first: datetime
    until: datetime


WINDOWS = (
    NamedWindow(
        "march-2020",
        "March 2020: half of every price within a day",
        first=datetime(2020, 3, 6, tzinfo=UTC),
        until=datetime(2020, 3, 20, tzinfo=UTC),
    ),
    NamedWindow(
        "may-2021",
        "May 2021: gas above 150 gwei, and a third of every price within a day",
        first=datetime(2021, 5, 10, tzinfo=UTC),
        until=datetime(2021, 5, 30, tzinfo=UTC),
    ),
    NamedWindow(
        "june-2022",
        "May and June 2022: Terra, Celsius, Three Arrows",
        first=datetime(2022, 5, 5, tzinfo=UTC),
        until=datetime(2022, 6, 25, tzinfo=UTC),
    ),
    NamedWindow(
        "november-2022",
        "November 2022: FTX",
        first=datetime(2022, 11, 4, tzinfo=UTC),
        until=datetime(2022, 11, 20, tzinfo=UTC),
    ),
    NamedWindow(
        "march-2023",
        "March 2023: USDC, the debt and the accounting asset, leaves its dollar",
        first=datetime(2023, 3, 8, tzinfo=UTC),
        until=datetime(2023, 3, 18, tzinfo=UTC),
    ),
    NamedWindow(
        "calm-2023",
        "July to September 2023: a calm quarter",
        first=datetime(2023, 7, 1, tzinfo=UTC),
        until=datetime(2023, 10, 1, tzinfo=UTC),
    ),
)


def named_window(name: str) -> NamedWindow | None:
    return next((window for window in WINDOWS if window.name == name), None)


def recorded_path(name: str, data_dir: Path, first: datetime, until: datetime) -> ScenarioPath:
    """The window [first, until) of the history in ``data_dir``. Raises BadInput where it is not recorded."""
    begins, ends = (int(moment.timestamp()) // HOUR * HOUR for moment in (first, until))
    if ends - begins < HOUR:
        raise BadInput(
            f"the window from {first:%Y-%m-%d} to {until:%Y-%m-%d} has no hour",
            remedy="Choose a later --to.",
        )
    if price_file(data_dir) is None:
        raise BadInput(
            f"{data_dir}: there is no recorded history in it",
            remedy="Point --data-dir or KEEPER_DATA_DIR to a folder as docs/data.md describes it, or play an incident.",
        )
    start = history.load(datetime.fromtimestamp(begins, UTC), data_dir)
    times = np.arange(begins, ends + 1, HOUR, dtype=np.int64)
    risky, carried = _closes(data_dir, start, times)
    stable, stable_note = stable_at(data_dir, times)
    base_fee, gas_notes = gas_price_at(data_dir, times + DAY)
    closes = np.column_stack([risky, stable])
    symbols = (*start.risk_symbols, STABLE)
    implied, implied_notes = _implied(data_dir, begins, ends)
    rounds = {}
    for symbol in symbols:
        recorded = _rounds(data_dir, symbol, begins, end=ends)
        if recorded is not None:
            rounds[symbol] = recorded
    notes = [
        *start.notes,
        stable_note,
        "base fee: the average price paid on the day itself, the same in all its hours; no hourly record is there",
        *(note for note in gas_notes if not note.startswith("gas price:")),
        *implied_notes,
    ]
    if carried:
        notes.append(f"{carried} hours without a recorded close: the price stands still there")
    notes += [
        f"{symbol}: {each.times.size} recorded rounds of its own feed" for symbol, each in rounds.items()
    ]
    return ScenarioPath(
        name=name,
        start=start,
        implied=implied,
        symbols=symbols,
        times=times,
        closes=closes,
        base_fee_wei=base_fee,
        recorded_rounds=rounds,
        notes=tuple(dict.fromkeys(notes)),
    )


def _closes(
    data_dir: Path, start: MarketHistory, times: NDArray[np.int64]
) -> tuple[NDArray[np.float64], int]:
    """(T, n), and how many of them are carried over from an earlier hour."""
    begins, ends = int(times[0]), int(times[-1])
    recorded = read_prices(data_dir, start.risk_symbols, begins - DAY, end=ends)
    columns, carried = [], 0
    for place, symbol in enumerate(start.risk_symbols):
        known = ~np.isnan(recorded.closes[:, place])
        if not known.any() or recorded.times[known][-1] < ends - DAY:
            raise BadInput(
                f"{symbol}: no price is recorded on the window's last day",
                remedy="Choose an earlier --to.",
            )
        values, late = last_known(recorded.times[known], recorded.closes[known, place], times)
        values[np.isnan(values)] = start.last_price(symbol)
        carried += int(late.sum())
        columns.append(values)
    return np.column_stack(columns), carried


def _implied(data_dir: Path, begins: int, ends: int) -> tuple[tuple[ImpliedPath, ...], tuple[str, ...]]:
    made: list[ImpliedPath] = []
    notes: list[str] = []
    for underlying in UNDERLYINGS:
        index, repaired = read_implied(data_dir, underlying, begins - history.WINDOW_DAYS * DAY, end=ends)
        notes += repaired
        if index is not None:
            made.append(index)
    return tuple(made), tuple(notes)


def _rounds(data_dir: Path, symbol: str, begins: int, *, end: int) -> RecordedRounds | None:
    """None where the file does not cover the window."""
    if symbol not in ROUND_FILES:
        return None
    times, prices = read_rounds(data_dir / ROUND_FILES[symbol])
    inside = (times > begins) & (times <= end)
    silent = LATE_S if symbol != STABLE else DAY + LATE_S
    if not inside.any() or times[0] > begins or times[inside][-1] < end - silent:
        return None
    return RecordedRounds(times[inside], prices[inside])
