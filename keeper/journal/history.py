"""The price history in the journal, sampled as the estimate uses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keeper.domain.evidence import PriceBars
from keeper.domain.policy import EstimatePolicy
from keeper.domain.prices import Candle
from keeper.journal.bars import StoredBars
from keeper.journal.exported_closes import ExportedClose
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from keeper.risk.bars import candles_on_grid, sampled_bars, with_earlier_candles

ROUNDS = "rounds"


@dataclass(frozen=True, slots=True)
class History:
    """Bars on the policy's grid, from rounds alone and merged by ``with_earlier_candles``. By symbol and closing
    second: the ``candles`` that fit the grid, and the source of each."""

    from_rounds: PriceBars
    merged: PriceBars
    candles: Mapping[str, Mapping[int, Candle]]
    sources: Mapping[str, Mapping[int, str]]


def stored_history(
    journal: Journal, symbols: Sequence[str], as_of: int, history_s: int, policy: EstimatePolicy
) -> History:
    """The last ``history_s`` seconds before ``as_of``, sampled as the policy says. Raises JournalCorrupt."""
    since, bars = as_of - history_s, StoredBars(journal)
    rounds = StoredRounds(journal).since(since)
    from_rounds = sampled_bars(
        rounds,
        symbols,
        as_of,
        bar_seconds=policy.bar_seconds,
        history_s=history_s,
        max_gap_s=policy.max_gap_s,
    )
    closes = bars.closes(symbols, since)
    candles = {symbol: candles_on_grid(closes.get(symbol, ()), policy.bar_seconds) for symbol in symbols}
    named = {symbol: bars.sources(symbol, since) for symbol in symbols}
    sources = {
        symbol: {at: named[symbol][(candle.seconds, at)] for at, candle in kept.items()}
        for symbol, kept in candles.items()
    }
    return History(
        from_rounds=from_rounds,
        merged=with_earlier_candles(from_rounds, closes),
        candles=candles,
        sources=sources,
    )


def closes_with_sources(history: History, symbols: Sequence[str]) -> list[ExportedClose]:
    """Every bar of ``symbols`` that has a close, oldest first within a symbol; of an asset whose feed has no rounds yet
    its candles."""
    return [row for symbol in symbols for row in _closes(history, symbol)]


def _closes(history: History, symbol: str) -> Iterator[ExportedClose]:
    bars, candles = history.merged, history.candles[symbol]
    column = bars.symbols.index(symbol)
    from_rounds = np.isfinite(history.from_rounds.closes[:, column])
    for at, close, ours in zip(
        bars.times.tolist(), bars.closes[:, column].tolist(), from_rounds.tolist(), strict=True
    ):
        if ours:
            yield ExportedClose(symbol, at, close=close, source=ROUNDS)
        elif at in candles and (np.isfinite(close) or not from_rounds.any()):
            yield ExportedClose(symbol, at, close=candles[at].close, source=history.sources[symbol][at])
