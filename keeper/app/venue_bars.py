"""Fetches the bars of an exchange that are missing, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.errors import FeedUnavailable
from keeper.domain.prices import Candle
from keeper.journal.bars import Added

WINDOW = 1_000
"""Bars per request. A venue without any bar in a whole window before the known ones has no older bars."""
SETTLED_S = 60
"""Exchanges still correct a bar that closed less than this ago."""
NOTHING = Added(0, 0, 0)

Progress = Callable[[int, int], None]
"""Receives the number of missing bars that were requested, and the number of all missing bars."""


class Venue(Protocol):
    """An exchange with candles."""

    @property
    def name(self) -> str: ...

    def candles(self, reference: str, seconds: int, since: int, until: int) -> Iterator[tuple[Candle, ...]]:
        """Pages of the bars closed in (since, until], in any order. Raises FeedUnavailable."""
        ...


class BarStore(Protocol):
    """Where bars are kept, by symbol: ``journal.bars.StoredBars``, or memory."""

    def add(self, symbol: str, source: str, candles: Sequence[Candle]) -> Added: ...

    def closes(self, symbols: Sequence[str], since: int) -> Mapping[str, tuple[Candle, ...]]: ...

    def span(self, symbol: str) -> tuple[int, int] | None: ...


@dataclass(frozen=True, slots=True)
class BarRequest:
    """The bars of ``symbol`` that last ``seconds`` and close in (since, until]. ``reference`` is its name on the
    exchange."""

    symbol: str
    reference: str
    seconds: int
    since: int
    until: int

    def closes(self) -> range:
        """The closing times on the grid, newest first."""
        newest = self.until - self.until % self.seconds
        oldest = self.since - self.since % self.seconds + self.seconds
        return range(newest, oldest - 1, -self.seconds)


@dataclass(frozen=True, slots=True)
class Filled:
    """The bars (or rounds) that a source gave for a symbol. ``span`` is when the first and the last stored one closed.
    ``failure`` is why the source stopped, empty where it gave all it has."""

    symbol: str
    source: str
    added: Added
    span: tuple[int, int] | None
    failure: str = ""


def backfill(
    venue: Venue, stored: BarStore, request: BarRequest, progress: Progress = lambda _, __: None
) -> Filled:
    """Stores the requested bars that are missing, newest first. If none is missing, it asks for nothing.

    Each page is stored when it arrives, and each run looks for missing bars anew. An interruption at any place, or a
    venue that fails (``failure``), thus loses nothing and leaves no gap. Raises JournalUnwritable.
    """
    added, failure = NOTHING, ""
    try:
        for page in _missing_pages(venue, stored, request, progress=progress):
            added += stored.add(request.symbol, venue.name, page)
    except FeedUnavailable as error:
        failure = error.message
    return Filled(request.symbol, venue.name, added, span=stored.span(request.symbol), failure=failure)


def _missing_pages(
    venue: Venue, stored: BarStore, request: BarRequest, progress: Progress
) -> Iterator[tuple[Candle, ...]]:
    seconds = request.seconds
    candles = stored.closes([request.symbol], request.since).get(request.symbol, ())
    known = {candle.closed_at for candle in candles if candle.seconds == seconds}
    missing = [closes_at for closes_at in request.closes() if closes_at not in known]
    requested, oldest = 0, min(known, default=None)
    while requested < len(missing):
        newest = missing[requested]
        window = [
            closes_at
            for closes_at in missing[requested : requested + WINDOW]
            if closes_at > newest - WINDOW * seconds
        ]
        count = 0
        for page in venue.candles(request.reference, seconds, since=window[-1] - seconds, until=newest):
            count += len(page)
            yield page
        requested += len(window)
        progress(requested, len(missing))
        if count == 0 and oldest is not None and newest < oldest:
            return
        if count and (oldest is None or newest < oldest):
            oldest = window[-1]
