"""A cycle in a file: its record and the history that it used, so that anybody can replay it without the journal."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from keeper.cycle.ports import Bars, ExchangeCandles
from keeper.cycle.replay import Replay, replay
from keeper.cycle.run import Keeper
from keeper.domain.errors import BadInput
from keeper.domain.market import Round
from keeper.domain.prices import Candle
from keeper.domain.record import DecisionRecord, HistoryReference
from keeper.journal.codec import decode, encode


@dataclass(frozen=True, slots=True)
class SavedRounds:
    symbol: str
    rounds: tuple[Round, ...]


@dataclass(frozen=True, slots=True)
class SavedCandles:
    symbol: str
    candles: tuple[Candle, ...]


@dataclass(frozen=True, slots=True)
class SavedCycle:
    """``history`` and ``candles`` are those that the record refers to."""

    record: DecisionRecord
    history: tuple[SavedRounds, ...]
    candles: tuple[SavedCandles, ...]

    def referred(self, reference: HistoryReference) -> tuple[Candle, ...]:
        """cycle.replay.StoredCandles."""
        return next((kept.candles for kept in self.candles if kept.symbol == reference.symbol), ())


class SavingCandles:
    """cycle.ports.Bars and ExchangeCandles, which keeps what it passed on."""

    def __init__(self, source: Bars, exchanges: ExchangeCandles | None) -> None:
        self._source = source
        self._exchanges = exchanges
        self.passed_on: dict[str, tuple[Candle, ...]] = {}

    def closes(
        self, symbols: Sequence[str], since: int, as_of: int | None = None
    ) -> Mapping[str, tuple[Candle, ...]]:
        """With ``as_of`` those of the exchanges."""
        if as_of is None:
            given = self._source.closes(symbols, since)
        else:
            given = self._exchanges.closes(symbols, since, as_of) if self._exchanges is not None else {}
        self.passed_on |= given
        return given


def saving(keeper: Keeper) -> tuple[Keeper, SavingCandles]:
    """The keeper, and what it is going to read of candles."""
    ports = keeper.ports
    candles = SavingCandles(ports.bars, ports.exchange_candles)
    exchanges = candles if ports.exchange_candles is not None else None
    return replace(keeper, ports=replace(ports, bars=candles, exchange_candles=exchanges)), candles


def save(path: Path, record: DecisionRecord, keeper: Keeper, candles: SavingCandles) -> None:
    """Raises BadInput where the file cannot be written."""
    inputs = record.inputs
    since = min((reference.since for reference in inputs.history), default=0) if inputs is not None else 0
    used = {reference.symbol for reference in inputs.history} if inputs is not None else set()
    rounds = keeper.ports.rounds.since(since)
    cycle = SavedCycle(
        record,
        tuple(SavedRounds(symbol, listed) for symbol, listed in rounds.items() if symbol in used),
        tuple(SavedCandles(symbol, listed) for symbol, listed in candles.passed_on.items()),
    )
    try:
        path.write_bytes(gzip.compress(encode(cycle, SavedCycle), mtime=0))
    except OSError as error:
        raise BadInput(
            f"--save {path}: {error.strerror}", remedy="Name a file that can be written."
        ) from None


def replayed_file(path: Path) -> Replay:
    """Replays a saved cycle offline. Raises BadInput where the file is none, NothingToReplay."""
    try:
        cycle = decode(gzip.decompress(path.read_bytes()), SavedCycle)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} holds no cycle of this version: {error}",
            remedy="`keeper rebalance --simulate --save FILE` writes one.",
        ) from None
    return replay(cycle.record, {kept.symbol: kept.rounds for kept in cycle.history}, cycle)
