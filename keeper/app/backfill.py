"""Adds price history from exchanges, files and older rounds to the journal. Nothing stored is ever changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from keeper.app.composition import chain_reader, strategy
from keeper.app.keys import acting_account
from keeper.chain.rpc.blocks import latest_block
from keeper.chain.rpc.connect import connected
from keeper.domain.errors import (
    AlreadyRunning,
    BadInput,
    FeedUnavailable,
    InvalidSetting,
    NodeUnavailable,
)
from keeper.domain.prices import Candle
from keeper.feeds.opinions import CANDLE_VENUES
from keeper.journal.bars import Added, StoredBars
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from keeper.settings.endpoints import endpoints, venue_url

if TYPE_CHECKING:
    from keeper.settings.schema import Settings

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
    venue: Venue, stored: StoredBars, request: BarRequest, progress: Progress = lambda _, __: None
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
    venue: Venue, stored: StoredBars, request: BarRequest, progress: Progress
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


def from_file(
    stored: StoredBars,
    source: str,
    candles: Mapping[str, Sequence[Candle]],
    symbols: Sequence[str],
    since: int,
) -> tuple[Filled, ...]:
    """Stores a file's candles of ``symbols`` after ``since``. A file of one asset has the symbol "", which stands for
    the only one of ``symbols``. Raises BadInput."""
    if "" in candles and len(symbols) != 1:
        raise BadInput(
            f"{source} has no column symbol, but {', '.join(symbols)} are meant",
            remedy="Name the asset of the file with one --symbol.",
        )
    named = {symbol or symbols[0]: rows for symbol, rows in candles.items()}
    if not set(named) & set(symbols):
        raise BadInput(
            f"{source} holds {', '.join(named) or 'nothing'}, but not {' or '.join(symbols)}",
            remedy="Spell the symbols as the tokens do.",
        )
    recent = {
        symbol: [candle for candle in named.get(symbol, ()) if candle.closed_at > since] for symbol in symbols
    }
    return tuple(
        Filled(symbol, source, stored.add(symbol, source[:64], rows), span=stored.span(symbol))
        for symbol, rows in recent.items()
        if rows
    )


def further_rounds(
    settings: Settings, symbols: Sequence[str], history_s: int, progress: Callable[[str], None]
) -> tuple[Filled, ...]:
    """Stores the feeds' rounds of the last ``history_s`` seconds, also those before the oldest stored one, when all
    are read. The keeper must not run meanwhile. Raises as ``ChainReader.read``, AlreadyRunning, JournalCorrupt."""
    where, policy, account = endpoints(settings), strategy(settings, progress), acting_account(settings)
    with (
        connected(where.rpc_urls, where.quorum, where.chain_id) as reads,
        Journal.open(where.journal_url) as journal,
    ):
        reader = chain_reader(reads, where, policy, account=account, progress=progress)
        rounds = reader.read({}, history_s).new_rounds
        stored = StoredRounds(journal)
        new = {symbol: len(stored.unknown(symbol, rounds[symbol])) for symbol in symbols if symbol in rounds}
        stored.extend({symbol: rounds[symbol] for symbol in new})
        kept = stored.since(0)
    return tuple(
        Filled(
            symbol,
            "rounds",
            Added(count, len(rounds[symbol]) - count, 0),
            span=(kept[symbol][0].updated_at, kept[symbol][-1].updated_at) if symbol in kept else None,
        )
        for symbol, count in new.items()
    )


@contextmanager
def venue_of(settings: Settings, name: str) -> Iterator[Venue]:
    """The exchange, closed on leaving."""
    with closing(CANDLE_VENUES[name](venue_url(settings, name))) as venue:
        yield venue


@contextmanager
def open_for_bars(url: str) -> Iterator[Journal]:
    """The journal for writing bars. A running keeper writes none, so it may stay. Raises as ``Journal.open``."""
    try:
        journal = Journal.open(url)
    except AlreadyRunning:
        journal = Journal.open_to_append(url)
    with journal:
        yield journal


def now(settings: Settings, progress: Callable[[str], None]) -> int:
    """Unix second by the chain, which on a development chain is not this machine's. Without a node, or if none answers,
    it is this machine's."""
    try:
        where = endpoints(settings)
        with connected(where.rpc_urls, where.quorum, where.chain_id) as reads:
            return latest_block(reads, where.chain_id).timestamp
    except InvalidSetting:
        return int(time.time())
    except NodeUnavailable as error:
        progress(f"{error.message}: this machine's clock is used instead of the chain's")
        return int(time.time())


def is_file(source: str) -> bool:
    """Whether ``source`` is a file, not the name of a source. Raises BadInput for neither."""
    if source in ("rounds", *CANDLE_VENUES):
        return False
    if Path(source).suffix:
        return True
    raise BadInput(
        f"--source {source} is not known",
        remedy=f"Choose rounds, {', '.join(CANDLE_VENUES)}, or a .csv or .parquet file.",
    )
