"""``ports.Rounds``: in the journal, or in memory on top of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter, itemgetter

from sqlalchemy import select

from keeper.domain.errors import JournalCorrupt
from keeper.domain.market import Round
from keeper.journal import schema
from keeper.journal.store import Journal

_CHUNK = 400
"""Rows looked up at once; SQLite allows 999 parameters in old versions."""


class StoredRounds:
    """Rounds in the journal, by symbol."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def last_known(self) -> Mapping[str, int]:
        table = schema.rounds
        with self._journal.reading() as connection:
            symbols = [row[0] for row in connection.execute(select(table.c.symbol).distinct())]
            return {
                symbol: int(
                    connection.execute(
                        select(table.c.round_id)
                        .where(table.c.symbol == symbol)
                        .order_by(table.c.updated_at.desc(), table.c.round_id.desc())
                        .limit(1)
                    ).scalar_one()
                )
                for symbol in symbols
            }

    def extend(self, new: Mapping[str, tuple[Round, ...]]) -> None:
        rows = [
            {
                "symbol": symbol,
                "round_id": str(r.round_id),
                "answer": str(r.answer),
                "updated_at": r.updated_at,
            }
            for symbol, rounds in new.items()
            for r in self.unknown(symbol, rounds)
        ]
        if rows:
            with self._journal.appending("rounds") as entry:
                for row in rows:
                    entry.add(schema.rounds, row)

    def since(self, timestamp: int) -> Mapping[str, tuple[Round, ...]]:
        table = schema.rounds
        query = (
            select(table.c.symbol, table.c.round_id, table.c.answer, table.c.updated_at)
            .where(table.c.updated_at >= timestamp)
            .order_by(table.c.symbol, table.c.updated_at)
        )
        rounds: dict[str, list[Round]] = {}
        for symbol, rows in groupby(self._journal.rows(query), key=itemgetter(0)):
            rounds[symbol] = [
                Round(int(round_id), int(answer), updated_at) for _, round_id, answer, updated_at in rows
            ]
        return {symbol: _in_order(listed) for symbol, listed in rounds.items()}

    def price_at(self, symbol: str, at: int) -> int | None:
        """The newest answer at ``at`` (Unix seconds), USD with 8 decimals. None before the first one."""
        table = schema.rounds
        query = (
            select(table.c.answer)
            .where(table.c.symbol == symbol, table.c.updated_at <= at)
            .order_by(table.c.updated_at.desc(), table.c.round_id.desc())
            .limit(1)
        )
        rows = self._journal.rows(query)
        return int(rows[0][0]) if rows else None

    def unknown(self, symbol: str, rounds: Sequence[Round]) -> list[Round]:
        """Rounds that are not stored yet. Raises JournalCorrupt if a stored round has other values."""
        table = schema.rounds
        stored: dict[int, tuple[int, int]] = {}
        with self._journal.reading() as connection:
            for start in range(0, len(rounds), _CHUNK):
                round_ids = [str(r.round_id) for r in rounds[start : start + _CHUNK]]
                query = select(table.c.round_id, table.c.answer, table.c.updated_at).where(
                    table.c.symbol == symbol, table.c.round_id.in_(round_ids)
                )
                stored |= {int(row[0]): (int(row[1]), row[2]) for row in connection.execute(query)}
        return _checked(symbol, rounds, stored)


class MemoryRounds:
    """For --simulate. Reads stored rounds and keeps new ones in memory."""

    def __init__(self, stored: StoredRounds | None = None) -> None:
        self._stored = stored
        self._new: dict[str, dict[int, Round]] = {}

    def last_known(self) -> Mapping[str, int]:
        known = dict(self._stored.last_known()) if self._stored is not None else {}
        for symbol, rounds in self._new.items():
            known[symbol] = max(rounds.values(), key=lambda r: (r.updated_at, r.round_id)).round_id
        return known

    def extend(self, new: Mapping[str, tuple[Round, ...]]) -> None:
        for symbol, given in new.items():
            rounds = given if self._stored is None else self._stored.unknown(symbol, given)
            kept = self._new.get(symbol, {})
            stored = {round_id: (r.answer, r.updated_at) for round_id, r in kept.items()}
            added = {r.round_id: r for r in _checked(symbol, rounds, stored)}
            if added:
                self._new[symbol] = kept | added

    def since(self, timestamp: int) -> Mapping[str, tuple[Round, ...]]:
        stored = self._stored.since(timestamp) if self._stored is not None else {}
        merged = {symbol: list(rounds) for symbol, rounds in stored.items()}
        for symbol, rounds in self._new.items():
            recent = [r for r in rounds.values() if r.updated_at >= timestamp]
            if recent:
                merged.setdefault(symbol, []).extend(recent)
        return {symbol: _in_order(rounds) for symbol, rounds in merged.items()}


def _in_order(rounds: Sequence[Round]) -> tuple[Round, ...]:
    return tuple(sorted(rounds, key=attrgetter("updated_at", "round_id")))


def _checked(symbol: str, rounds: Sequence[Round], stored: Mapping[int, tuple[int, int]]) -> list[Round]:
    new = []
    for r in rounds:
        if r.round_id not in stored:
            new.append(r)
        elif stored[r.round_id] != (r.answer, r.updated_at):
            raise JournalCorrupt(
                f"round {r.round_id} of {symbol} is {r.answer} at {r.updated_at} on chain, "
                f"{stored[r.round_id][0]} at {stored[r.round_id][1]} in the journal",
                remedy="The journal was altered, this is another chain, or the vault's feed was replaced by one with "
                "the same round numbers: start a new journal and keep this.",
            )
    return new
