"""References that a record keeps in place of the rounds and candles that its estimate used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from keeper.domain.market import Round
from keeper.domain.prices import Candle
from keeper.domain.record import HistoryReference


def references(history: Mapping[str, Sequence[Round | Candle]]) -> tuple[HistoryReference, ...]:
    """One per symbol that has any, in alphabetical order. The rounds or candles are the oldest first."""
    return tuple(
        HistoryReference(
            symbol=symbol,
            since=_second(listed[0]),
            until=_second(listed[-1]),
            count=len(listed),
            sha256=digest(listed),
        )
        for symbol, listed in sorted(history.items())
        if listed
    )


def digest(listed: Iterable[Round | Candle]) -> str:
    """SHA-256 over a line for each: ``round_id answer updated_at`` of a round, ``seconds closed_at close`` of a candle.
    The close is in hexadecimal, so that every bit counts."""
    lines = (
        f"{entry.round_id} {entry.answer} {entry.updated_at}\n"
        if isinstance(entry, Round)
        else f"{entry.seconds} {entry.closed_at} {entry.close.hex()}\n"
        for entry in listed
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _second(entry: Round | Candle) -> int:
    return entry.updated_at if isinstance(entry, Round) else entry.closed_at
