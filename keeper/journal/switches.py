"""Pauses and seals. They apply to every later cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from keeper.domain.pause_state import Pause, PausedBy
from keeper.journal import schema
from keeper.journal.store import Journal

if TYPE_CHECKING:
    from sqlalchemy import Connection

PAUSE, RESUME = "pause", "resume"


class Switches:
    """``now`` gives Unix seconds. Every method that writes returns after the row is on disk, and raises
    JournalUnwritable."""

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now

    def pauses(self) -> tuple[Pause, ...]:
        """Pauses in force, oldest first."""
        with self._journal.reading() as connection:
            return _in_force(connection)

    def pause(self, cause: str, reason: str) -> bool:
        """Adds a pause. Returns False if one for this cause is in force, or if a person has already lifted one with the
        same cause and reason. The operator may pause again with the same reason."""
        table = schema.switches
        with self._journal.appending("switch") as entry:
            same_pauses = select(func.count()).where(
                table.c.action == PAUSE, table.c.cause == cause, table.c.reason == reason
            )
            in_force = any(pause.cause == cause for pause in _in_force(entry.connection))
            known = cause != "operator" and entry.connection.execute(same_pauses).scalar_one() > 0
            if in_force or known:
                return False
            entry.add(table, self._row(entry.connection, PAUSE, cause=cause, reason=reason))
        return True

    def resume(self, reason: str) -> tuple[Pause, ...]:
        """Lifts every pause in force, and returns them."""
        with self._journal.appending("switch") as entry:
            lifted = _in_force(entry.connection)
            if lifted:
                causes = ", ".join(pause.cause for pause in lifted)
                entry.add(schema.switches, self._row(entry.connection, RESUME, cause=causes, reason=reason))
        return lifted

    def seal(self, kind: str, sha256: str) -> None:
        """From now on ``kind`` must have this digest."""
        table = schema.seals
        with self._journal.appending("seal") as entry:
            newest = select(func.max(table.c.number)).where(table.c.kind == kind)
            number = (entry.connection.execute(newest).scalar() or 0) + 1
            entry.add(table, {"kind": kind, "number": number, "sha256": sha256, "at": int(self._now())})

    def sealed(self) -> Mapping[str, str]:
        """Kind to digest, the newest of each."""
        table = schema.seals
        rows = self._journal.rows(select(table.c.kind, table.c.sha256).order_by(table.c.number))
        return {kind: sha256 for kind, sha256 in rows}  # noqa: C416 -- a Row is not a pair to the type checker

    def _row(self, connection: Connection, action: str, *, cause: str, reason: str) -> dict[str, object]:
        number = connection.execute(select(func.max(schema.switches.c.number))).scalar() or 0
        return {
            "number": number + 1,
            "action": action,
            "cause": cause,
            "reason": reason,
            "at": int(self._now()),
        }


def _in_force(connection: Connection) -> tuple[Pause, ...]:
    table = schema.switches
    pauses: list[Pause] = []
    for action, cause, reason, at in connection.execute(
        select(table.c.action, table.c.cause, table.c.reason, table.c.at).order_by(table.c.number)
    ):
        if action == RESUME:
            pauses.clear()
        else:
            pauses.append(Pause(PausedBy.JOURNAL, cause, reason=reason, since=at))
    return tuple(pauses)
