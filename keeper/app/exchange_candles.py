"""``cycle.ports.ExchangeCandles``: the exchanges' candles in the journal, and those that are missing there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field

from keeper.app.venue_bars import SETTLED_S, BarRequest, Venue, backfill
from keeper.domain.errors import FeedUnavailable
from keeper.domain.prices import Candle, exchange_series
from keeper.feeds.opinions import DEADLINE_S
from keeper.journal.bars import Added, StoredBars
from keeper.runtime.concurrency import run_in_background


@dataclass(frozen=True, slots=True)
class VenueCandles:
    """All exchanges are asked at once, for at most ``deadline_s``; what came until then counts.

    ``names`` are the exchanges' names of the assets, by token. An exchange is asked for an asset only while its newest
    settled bar of ``bar_seconds`` is missing: hours without a trade are not asked for in every cycle. ``keeps`` is
    False where the journal is only read; then the new candles are returned and not stored.
    """

    venues: Sequence[Venue]
    names: Mapping[str, str]
    stored: StoredBars
    bar_seconds: int
    keeps: bool
    deadline_s: float = DEADLINE_S

    def closes(self, symbols: Sequence[str], since: int, as_of: int) -> Mapping[str, tuple[Candle, ...]]:
        """As the port says."""
        traded = [symbol for symbol in symbols if symbol in self.names]
        series = [exchange_series(symbol, venue.name) for symbol in traded for venue in self.venues]
        known = self.stored.closes(series, since)
        requests = [
            BarRequest(symbol, self.names[symbol], self.bar_seconds, since=since, until=as_of - SETTLED_S)
            for symbol in traded
        ]
        fetched = self._fetched(requests, known)
        for (venue, name), candles in fetched.items():
            if self.keeps and candles:
                self.stored.add(name, venue, candles)
        new = {name: candles for (_, name), candles in fetched.items()}
        return {
            name: candles
            for name in series
            if (candles := _in_order([*known.get(name, ()), *new.get(name, ())]))
        }

    def _fetched(
        self, requests: Sequence[BarRequest], known: Mapping[str, tuple[Candle, ...]]
    ) -> Mapping[tuple[str, str], tuple[Candle, ...]]:
        """New candles by exchange and series."""
        buffers = {}
        futures = []
        for venue in self.venues:
            behind = [
                _of_exchange(request, venue.name)
                for request in requests
                if _is_behind(_of_exchange(request, venue.name), known)
            ]
            buffers[venue.name] = _Buffer(known, {request.symbol: [] for request in behind})
            if behind:
                futures.append(run_in_background(_filling(venue, buffers[venue.name], behind)))
        wait(futures, timeout=self.deadline_s)
        return {
            (name, series): candles
            for name, buffer in buffers.items()
            for series, candles in buffer.taken().items()
        }


@dataclass(slots=True)
class _Buffer:
    """A ``BarStore`` in memory on top of the ``known`` bars. A thread fills it until another takes what is there."""

    known: Mapping[str, tuple[Candle, ...]]
    new: Mapping[str, list[Candle]]
    is_open: bool = field(default=True, init=False)

    def add(self, symbol: str, source: str, candles: Sequence[Candle]) -> Added:
        """Raises FeedUnavailable after ``taken``, which ends the thread."""
        if not self.is_open:
            raise FeedUnavailable(f"{source}: too late", remedy="The next cycle asks again.")
        self.new[symbol].extend(candles)
        return Added(len(candles), 0, 0)

    def closes(self, symbols: Sequence[str], since: int) -> Mapping[str, tuple[Candle, ...]]:
        return {
            symbol: tuple(candle for candle in self.known[symbol] if candle.closed_at >= since)
            for symbol in symbols
            if symbol in self.known
        }

    def span(self, symbol: str) -> tuple[int, int] | None:
        candles = _in_order([*self.known.get(symbol, ()), *self.new.get(symbol, ())])
        return (candles[0].closed_at, candles[-1].closed_at) if candles else None

    def taken(self) -> Mapping[str, tuple[Candle, ...]]:
        self.is_open = False
        return {symbol: tuple(candles) for symbol, candles in self.new.items()}


def _filling(venue: Venue, buffer: _Buffer, requests: Sequence[BarRequest]) -> Callable[[], None]:
    def fill() -> None:
        for request in requests:
            if buffer.is_open:
                backfill(venue, buffer, request)

    return fill


def _of_exchange(request: BarRequest, exchange: str) -> BarRequest:
    """The same request, under the name of the exchange's series."""
    return BarRequest(
        exchange_series(request.symbol, exchange),
        request.reference,
        request.seconds,
        since=request.since,
        until=request.until,
    )


def _is_behind(request: BarRequest, known: Mapping[str, tuple[Candle, ...]]) -> bool:
    newest = request.closes()[0]
    return all(candle.closed_at != newest for candle in known.get(request.symbol, ()))


def _in_order(candles: Sequence[Candle]) -> tuple[Candle, ...]:
    """One per length and time, oldest first."""
    by_key = {(candle.closed_at, candle.seconds): candle for candle in candles}
    return tuple(by_key[key] for key in sorted(by_key))
