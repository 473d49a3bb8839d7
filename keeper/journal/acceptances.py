"""``ports.Acceptances``: what a person accepted as missing."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import func, select

from keeper.domain.errors import JournalCorrupt
from keeper.domain.information import Acceptance, Fact
from keeper.journal import schema
from keeper.journal.codec import decode, encode
from keeper.journal.store import Journal


class StoredAcceptances:
    """``now`` gives Unix seconds."""

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now

    def after(self, number: int) -> tuple[Acceptance, ...]:
        """ports.Acceptances. Raises JournalCorrupt."""
        table = schema.acceptances
        query = select(table.c.body).where(table.c.number > number).order_by(table.c.number)
        with self._journal.reading() as connection:
            bodies = list(connection.execute(query).scalars())
        try:
            return tuple(decode(body.encode(), Acceptance) for body in bodies)
        except (ValueError, KeyError, TypeError) as error:
            raise JournalCorrupt(
                f"an acceptance cannot be read: {error}",
                remedy="`keeper journal verify` names the row that was changed.",
            ) from error

    def accept(self, facts: tuple[Fact, ...], reason: str) -> Acceptance:
        """Adds an acceptance of these facts. It is on disk when this returns. Raises JournalUnwritable."""
        table = schema.acceptances
        with self._journal.appending("acceptance") as entry:
            newest = entry.connection.execute(select(func.max(table.c.number))).scalar() or 0
            accepted = Acceptance(newest + 1, facts, reason=reason, at=int(self._now()))
            entry.add(table, {"number": accepted.number, "body": encode(accepted, Acceptance).decode()})
        return accepted
