"""Prices that follow from another asset's and a yield: a staked token, or a dollar that earns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import BadInput
from keeper.domain.path import MarketPath
from keeper.domain.units import SECONDS_PER_YEAR, USD
from keeper.recorded.series import SeriesForm
from keeper.recorded.table import DAY, last_known, read_columns

PER_CENT = 100.0
MAX_RATE_AGE_DAYS = 10
"""A yield that is not published on holidays is carried for so long."""


@dataclass(frozen=True, slots=True)
class RecordedYield:
    """A column of a daily file, in per cent a year. A day's value is known ``lag_days`` after the day has ended."""

    file: str
    column: str
    lag_days: int


@dataclass(frozen=True, slots=True)
class DerivedPrice:
    """The price of ``of``, one dollar where that is empty, times what a yield adds up to since the path began: a
    constant fraction a year, or a recorded one."""

    symbol: str
    of: str
    yearly_yield: float | RecordedYield


def bases(derived: Sequence[DerivedPrice], symbols: Sequence[str]) -> tuple[str, ...]:
    """What must be recorded for these assets: themselves, or what they derive from."""
    by_symbol = {each.symbol: each for each in derived}
    names = (by_symbol[symbol].of if symbol in by_symbol else symbol for symbol in symbols)
    return tuple(dict.fromkeys(name for name in names if name))


def with_derived(
    path: MarketPath, derived: Sequence[DerivedPrice], symbols: Sequence[str], data_dir: Path
) -> MarketPath:
    """The path of ``symbols``, from one that has their ``bases``. Raises BadInput for a yield that is not recorded."""
    by_symbol = {each.symbol: each for each in derived}
    closes, lows = np.empty((len(path.times), len(symbols))), np.empty((len(path.times), len(symbols)))
    notes, at_closes = list(path.notes), []
    for place, symbol in enumerate(symbols):
        own = by_symbol.get(symbol)
        base = symbol if own is None else own.of
        column = path.symbols.index(base) if base else None
        growth = np.ones(len(path.times)) if own is None else _growth(path, own, data_dir)
        closes[:, place] = growth if column is None else path.closes[:, column] * growth
        lows[:, place] = growth if column is None else path.lows[:, column] * growth
        if base in path.at_closes:
            at_closes.append(symbol)
        if own is not None:
            mean = (
                float(np.log(growth[-1] / growth[0]))
                * SECONDS_PER_YEAR
                / float(path.times[-1] - path.times[0])
            )
            notes.append(
                f"{symbol}: DERIVED, {own.of or 'one dollar'} times a yield of {mean:.1%} a year; no gap between its "
                "market and its rate"
            )
    derived_columns = [place for place, symbol in enumerate(symbols) if symbol in by_symbol]
    for prices in (closes, lows):
        prices[:, derived_columns] = np.rint(prices[:, derived_columns] * USD) / USD
    return replace(
        path, symbols=tuple(symbols), closes=closes, lows=lows, at_closes=tuple(at_closes), notes=tuple(notes)
    )


def _growth(path: MarketPath, own: DerivedPrice, data_dir: Path) -> NDArray[np.float64]:
    """What one unit has become at each bar (T,), 1 at the first."""
    rates = own.yearly_yield
    if isinstance(rates, RecordedYield):
        yearly = _recorded_rates(rates, path.times, data_dir)
    else:
        yearly = np.full(len(path.times), rates)
    earned: NDArray[np.float64] = yearly[:-1] * np.diff(path.times) / SECONDS_PER_YEAR
    return np.asarray(np.exp(np.concatenate([[0.0], np.cumsum(earned)])), dtype=np.float64)


def _recorded_rates(rates: RecordedYield, at: NDArray[np.int64], data_dir: Path) -> NDArray[np.float64]:
    form = SeriesForm(
        (rates.column.lower(),),
        required=(rates.column.lower(),),
        stamp="date_utc",
        zero_allowed=True,
    )
    recorded = read_columns(data_dir / rates.file, form, end=int(at[-1]))
    known = ~np.isnan(recorded.values[:, 0])
    yearly, _ = last_known(
        recorded.times[known] + (1 + rates.lag_days) * DAY,
        recorded.values[known, 0] / PER_CENT,
        at,
        max_age_s=MAX_RATE_AGE_DAYS * DAY,
    )
    if np.isnan(yearly).any():
        raise BadInput(
            f"{rates.file}: {rates.column} has no value for {int(np.isnan(yearly).sum())} bars of the range",
            remedy="Choose a range in which it is recorded, or a constant yield.",
        )
    return np.asarray(yearly, dtype=np.float64)
