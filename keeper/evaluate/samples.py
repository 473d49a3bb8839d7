"""The samples of an evaluation: which assets are judged together, on which days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keeper.domain.errors import InvalidSetting
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.evaluate.history import DAY, of_assets

MIN_DAYS = 60
"""A sample with fewer days says nothing about a forecaster."""
LATE_S = 60 * DAY
"""An asset whose prices begin later than this is judged in a sample of its own."""


@dataclass(frozen=True, slots=True)
class Periods:
    """Unix seconds: [start, end) to choose on, [check_start, check_end) to check the choice once."""

    start: int
    end: int
    check_start: int
    check_end: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Days judged together, [start, end).

    With ``with_options`` all candidates are compared, on the days with implied volatility; otherwise those that do not
    read it.
    """

    name: str
    symbols: tuple[str, ...]
    start: int
    end: int
    with_options: bool


def samples_of(path: MarketPath, policy: Policy, periods: Periods) -> tuple[Sample, ...]:
    """Assets with a long history, then all assets; each to choose on, to choose with options, and to check.

    Raises InvalidSetting where no sample has enough days.
    """
    start = max(periods.start, int(path.times[0]))
    first_price = _first_prices(path, [asset.symbol for asset in policy.assets])
    early = tuple(symbol for symbol, first in first_price.items() if first <= start + LATE_S)
    options = min(
        (int(implied.times[0]) for implied in path.implied if implied.times.size), default=periods.check_end
    )
    samples = []
    for symbols in dict.fromkeys((early, tuple(first_price))):
        if not symbols:
            continue
        ready = max(start, max(first_price[symbol] for symbol in symbols) + policy.estimate.history_s)
        for title, begin, end, with_options in (
            ("choice", ready, periods.end, False),
            ("choice with options", max(ready, options), periods.end, True),
            ("check", max(ready, periods.check_start), periods.check_end, options < periods.check_end),
        ):
            if end - begin >= MIN_DAYS * DAY:
                name = f"{title}: {', '.join(symbols)}"
                samples.append(
                    Sample(name=name, symbols=symbols, start=begin, end=end, with_options=with_options)
                )
    if not samples:
        raise InvalidSetting(
            f"--from and --to leave fewer than {MIN_DAYS} days after {policy.estimate.history_s // DAY} days "
            "of history",
            remedy="Choose a longer period; the data begin at the first row of hourly_close.csv.",
        )
    return tuple(samples)


def _first_prices(path: MarketPath, symbols: Sequence[str]) -> dict[str, int]:
    """When each asset's prices begin; without the assets that have none."""
    known = np.isfinite(of_assets(path, symbols).closes)
    return {
        symbol: int(path.times[known[:, column].argmax()])
        for column, symbol in enumerate(symbols)
        if known[:, column].any()
    }
