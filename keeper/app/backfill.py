"""Adds price history from files and older rounds to the journal. Nothing stored is ever changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.app.assembly import chain_reader, strategy
from keeper.app.keys import acting_account
from keeper.app.venue_bars import Filled, Venue
from keeper.chain.rpc.blocks import latest_block
from keeper.chain.rpc.connect import connected
from keeper.domain.errors import AlreadyRunning, BadInput, InvalidSetting, NodeUnavailable
from keeper.domain.prices import Candle
from keeper.feeds.opinions import CANDLE_VENUES
from keeper.journal.bars import Added, StoredBars
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from keeper.settings.endpoints import endpoints, venue_url

if TYPE_CHECKING:
    from keeper.settings.schema import Settings


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
