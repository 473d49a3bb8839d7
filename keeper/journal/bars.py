"""Price history from other sources than the vault's feeds: ``ports.Bars`` in the journal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from keeper.domain.prices import Candle
from keeper.domain.record import HistoryReference
from keeper.journal import schema
from keeper.journal.store import Journal

PRICE_TOLERANCE = 1e-9
"""Relative difference up to which two prices count as the same."""


@dataclass(frozen=True, slots=True)
class Added:
    """Counts of offered candles: stored, known already, or known with other prices and left out."""

    new: int
    same: int
    different: int

    def __add__(self, other: Added) -> Added:
        return Added(self.new + other.new, self.same + other.same, self.different + other.different)


class StoredBars:
    """Bars in the journal, by symbol, length and the second at which they closed. A stored bar never changes."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(self, symbol: str, source: str, candles: Sequence[Candle]) -> Added:
        """Stores the new ones, all or none. A known bar with other prices, from another source, is counted and dropped.
        Raises JournalUnwritable, also for a candle off its grid or without a price."""
        known = self._known(symbol, candles)
        new: dict[tuple[int, int], Candle] = {}
        same = different = 0
        for candle in candles:
            key = (candle.seconds, candle.closed_at)
            earlier = known.get(key) or new.get(key)
            if earlier is None:
                new[key] = candle
            elif _agree(earlier, candle):
                same += 1
            else:
                different += 1
        if new:
            with self._journal.appending("bars") as entry:
                for candle in new.values():
                    entry.add(schema.bars, _row(symbol, source, candle))
        return Added(len(new), same, different)

    def closes(self, symbols: Sequence[str], since: int) -> Mapping[str, tuple[Candle, ...]]:
        """ports.Bars. Bars of every length; of those that closed together the shortest first."""
        candles: dict[str, list[Candle]] = {}
        table = schema.bars
        query = (
            select(table)
            .where(table.c.symbol.in_(symbols), table.c.closed_at >= since)
            .order_by(table.c.symbol, table.c.closed_at, table.c.seconds)
        )
        for row in self._journal.rows(query):
            candles.setdefault(row.symbol, []).append(_candle(row))
        return {symbol: tuple(listed) for symbol, listed in candles.items()}

    def span(self, symbol: str) -> tuple[int, int] | None:
        """When the first and the last stored bar closed; None without any."""
        table = schema.bars
        ends = select(func.min(table.c.closed_at), func.max(table.c.closed_at)).where(
            table.c.symbol == symbol
        )
        ((first, last),) = self._journal.rows(ends)
        return None if first is None else (first, last)

    def sources(self, symbol: str, since: int) -> Mapping[tuple[int, int], str]:
        """Source of each bar that closed at or after ``since``, by length and the second at which it closed."""
        table = schema.bars
        query = select(table.c.seconds, table.c.closed_at, table.c.source).where(
            table.c.symbol == symbol, table.c.closed_at >= since
        )
        return {(row[0], row[1]): row[2] for row in self._journal.rows(query)}

    def referred(self, reference: HistoryReference) -> tuple[Candle, ...]:
        """The bars that ``closes`` returned when the reference was made.

        Bars may have been added since. Entries are committed in the order of their numbers, so the bars of that time
        are the first ``count`` by entry.
        """
        table = schema.bars
        query = (
            select(table)
            .where(
                table.c.symbol == reference.symbol,
                table.c.closed_at.between(reference.since, reference.until),
            )
            .order_by(table.c.entry, table.c.closed_at, table.c.seconds)
            .limit(reference.count)
        )
        return tuple(
            sorted(
                map(_candle, self._journal.rows(query)), key=lambda candle: (candle.closed_at, candle.seconds)
            )
        )

    def _known(self, symbol: str, candles: Sequence[Candle]) -> Mapping[tuple[int, int], Candle]:
        if not candles:
            return {}
        times = [candle.closed_at for candle in candles]
        table = schema.bars
        query = select(table).where(
            table.c.symbol == symbol, table.c.closed_at.between(min(times), max(times))
        )
        stored = map(_candle, self._journal.rows(query))
        return {(candle.seconds, candle.closed_at): candle for candle in stored}


def _agree(candle: Candle, other: Candle) -> bool:
    """Whether all prices that both have are the same."""
    return all(
        math.isclose(price, again, rel_tol=PRICE_TOLERANCE, abs_tol=0.0)
        for price, again in zip(_prices(candle), _prices(other), strict=True)
        if not (math.isnan(price) or math.isnan(again))
    )


def _prices(candle: Candle) -> Iterator[float]:
    yield from (candle.open, candle.high, candle.low, candle.close)


def _row(symbol: str, source: str, candle: Candle) -> dict[str, Any]:
    prices = dict(zip(("open", "high", "low", "close"), map(float, _prices(candle)), strict=True))
    return {
        "symbol": symbol,
        "seconds": candle.seconds,
        "closed_at": candle.closed_at,
        "source": source,
        **{name: None if math.isnan(price) else price for name, price in prices.items()},
    }


def _candle(row: Any) -> Candle:
    prices = (math.nan if price is None else price for price in (row.open, row.high, row.low, row.close))
    return Candle(row.closed_at, row.seconds, *prices)
