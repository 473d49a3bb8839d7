"""Price history from exchanges, files and further back on chain, into the journal. Nothing stored is ever changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from keeper.app.composition import acting_account, node_at, strategy
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
from keeper.feeds.binance import Binance
from keeper.feeds.candle_venue import CandleVenue
from keeper.feeds.coinbase import Coinbase
from keeper.feeds.kraken import Kraken
from keeper.journal.bars import Added, StoredBars
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from keeper.settings.endpoints import endpoints

if TYPE_CHECKING:
    from keeper.settings.schema import Settings

VENUES: Mapping[str, Callable[[str], CandleVenue]] = {
    "coinbase": Coinbase,
    "kraken": Kraken,
    "binance": Binance,
}
WINDOW = 1_000
"""Bars asked for at once. Where a venue has none in a whole window before all that is known, it has no older ones."""
SETTLED_S = 60
"""Exchanges still correct a bar that closed just now."""
NOTHING = Added(0, 0, 0)

Progress = Callable[[int, int], None]
"""Is told how many of the missing bars were asked for, and how many there are."""


class Venue(Protocol):
    """An exchange with candles."""

    @property
    def name(self) -> str: ...

    def candles(self, reference: str, seconds: int, since: int, until: int) -> Iterator[tuple[Candle, ...]]:
        """Pages of the bars closed in (since, until], in any order. Raises FeedUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    """What a source gave for a symbol. ``span``: when the first and last stored bar (round) closed; ``failure``: why
    the source gave no more, empty where it gave all it has."""

    symbol: str
    source: str
    added: Added
    span: tuple[int, int] | None
    failure: str = ""


def backfill(
    venue: Venue,
    stored: StoredBars,
    symbol: str,
    reference: str,
    seconds: int,
    since: int,
    until: int,
    progress: Progress = lambda _, __: None,
) -> Filled:
    """The bars of ``seconds`` closed in (since, until] that are not stored yet, the newest first; asks for nothing
    where nothing is missing.

    Each page is stored as it arrives, and what is missing is seen anew each time: an interruption at any place, or a
    venue that fails (``failure``), loses nothing and leaves no hole behind. Raises JournalUnwritable.
    """
    added, failure = NOTHING, ""
    try:
        for page in _missing_pages(venue, stored, symbol, reference, seconds, since, until, progress):
            added += stored.add(symbol, venue.name, page)
    except FeedUnavailable as error:
        failure = error.message
    return Filled(symbol, venue.name, added, stored.span(symbol), failure)


def _missing_pages(
    venue: Venue,
    stored: StoredBars,
    symbol: str,
    reference: str,
    seconds: int,
    since: int,
    until: int,
    progress: Progress,
) -> Iterator[tuple[Candle, ...]]:
    there = stored.closes([symbol], since).get(symbol, ())
    known = {candle.closed_at for candle in there if candle.seconds == seconds}
    first = since - since % seconds + seconds
    missing = [at for at in range(until - until % seconds, first - 1, -seconds) if at not in known]
    asked, oldest = 0, min(known, default=None)
    while asked < len(missing):
        newest = missing[asked]
        window = [at for at in missing[asked : asked + WINDOW] if at > newest - WINDOW * seconds]
        came = 0
        for page in venue.candles(reference, seconds, window[-1] - seconds, newest):
            came += len(page)
            yield page
        asked += len(window)
        progress(asked, len(missing))
        if came == 0 and oldest is not None and newest < oldest:
            return
        if came and (oldest is None or newest < oldest):
            oldest = window[-1]


def from_file(
    stored: StoredBars,
    source: str,
    candles: Mapping[str, Sequence[Candle]],
    symbols: Sequence[str],
    since: int,
) -> tuple[Filled, ...]:
    """What a file holds of ``symbols`` after ``since``; "", in a file of one asset, is the one symbol. Raises
    BadInput."""
    if "" in candles and len(symbols) != 1:
        raise BadInput(
            f"{source} has no column symbol, and {', '.join(symbols)} are meant",
            remedy="Say whose prices they are with one --symbol.",
        )
    named = {symbol or symbols[0]: found for symbol, found in candles.items()}
    if not set(named) & set(symbols):
        raise BadInput(
            f"{source} holds {', '.join(named) or 'nothing'}, none of it {' or '.join(symbols)}",
            remedy="Spell the symbols as the tokens do.",
        )
    taken = {symbol: [one for one in named.get(symbol, ()) if one.closed_at > since] for symbol in symbols}
    return tuple(
        Filled(symbol, source, stored.add(symbol, source[:64], found), stored.span(symbol))
        for symbol, found in taken.items()
        if found
    )


def further_rounds(
    settings: Settings, symbols: Sequence[str], history_s: int, progress: Callable[[str], None]
) -> tuple[Filled, ...]:
    """The feeds' own rounds of the last ``history_s`` seconds, those before the oldest stored too, kept when all are
    read. The keeper must not run meanwhile. Raises what ``Node.read`` raises, AlreadyRunning, JournalCorrupt."""
    where, wanted, account = endpoints(settings), strategy(settings, progress), acting_account(settings)
    with (
        connected(where.rpc_urls, where.quorum, where.chain_id) as reads,
        Journal.open(where.journal_url) as journal,
    ):
        found = node_at(reads, where, wanted, account, progress).read({}, history_s).new_rounds
        stored = StoredRounds(journal)
        new = {symbol: len(stored.unknown(symbol, rounds)) for symbol, rounds in found.items()}
        stored.extend({symbol: found[symbol] for symbol in symbols if symbol in found})
        kept = stored.since(0)
    return tuple(
        Filled(
            symbol,
            "rounds",
            Added(new[symbol], len(found[symbol]) - new[symbol], 0),
            (kept[symbol][0].updated_at, kept[symbol][-1].updated_at) if symbol in kept else None,
        )
        for symbol in symbols
        if symbol in found
    )


@contextmanager
def venue_of(settings: Settings, name: str) -> Iterator[Venue]:
    """The exchange, at the address in the settings or else at its public one."""
    told = {"coinbase": settings.coinbase_url, "kraken": settings.kraken_url, "binance": settings.binance_url}
    with closing(VENUES[name](told[name] or "")) as venue:
        yield venue


@contextmanager
def open_for_bars(url: str) -> Iterator[Journal]:
    """The journal for writing, beside a running keeper too: no keeper writes bars. Raises as ``Journal.open``."""
    try:
        journal = Journal.open(url)
    except AlreadyRunning:
        journal = Journal.open_to_append(url)
    with journal:
        yield journal


def now(settings: Settings, progress: Callable[[str], None]) -> int:
    """Unix second by the chain, which on a development chain is not this machine's; by its clock where no node is named
    or none answers."""
    try:
        where = endpoints(settings)
        with connected(where.rpc_urls, where.quorum, where.chain_id) as reads:
            return latest_block(reads, where.chain_id).timestamp
    except InvalidSetting:
        return int(time.time())
    except NodeUnavailable as error:
        progress(f"{error.message}: this machine's clock is taken for the chain's")
        return int(time.time())


def is_file(source: str) -> bool:
    """Raises BadInput for what is neither a file nor a source."""
    if source in ("rounds", *VENUES):
        return False
    if Path(source).suffix:
        return True
    raise BadInput(
        f"--source {source} is not known",
        remedy=f"Say rounds, {', '.join(VENUES)}, or name a .csv or .parquet file.",
    )
