"""Who leads and who stands by: the journal's terms, and the sessions that the database server shows."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from sqlalchemy import select, text

from keeper.domain.leadership import WITHOUT_LEASE, Leadership, Term
from keeper.journal import schema
from keeper.journal.hash_chain import Entry
from keeper.journal.postgres_sessions import JOURNAL_LOCK

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from keeper.journal.store import Journal

SESSION = "keeper "
"""How the name of the session of a leader or a standby begins, in pg_stat_activity."""
LONGEST_HOST = 40
"""PostgreSQL cuts a session's name at 63 bytes."""
_SESSIONS = text(
    """
    SELECT activity.application_name, lock.pid IS NOT NULL,
           extract(epoch FROM clock_timestamp() - coalesce(activity.state_change, activity.backend_start))
    FROM pg_stat_activity AS activity
    LEFT JOIN pg_locks AS lock
      ON lock.pid = activity.pid AND lock.locktype = 'advisory' AND lock.granted AND lock.database = activity.datid
     AND lock.classid::bigint = :high AND lock.objid::bigint = :low AND lock.objsubid = 1
    WHERE activity.datname = current_database()
      AND (lock.pid IS NOT NULL OR starts_with(activity.application_name, :session))
    ORDER BY activity.application_name
    """
)


def this_keeper() -> str:
    """Machine and process, as every keeper of the journal shows them."""
    return f"{socket.gethostname()[:LONGEST_HOST]} process {os.getpid()}"


def on_this_machine(holder: str) -> bool:
    """Whether the keeper of that name ran here."""
    return holder.rpartition(" process ")[0] == this_keeper().rpartition(" process ")[0]


def leadership(connection: Connection) -> Leadership:
    """By the database server, now. Another role's sessions may be hidden from this one's."""
    high, low = divmod(JOURNAL_LOCK, 2**32)
    sessions = connection.execute(_SESSIONS, {"high": high, "low": low, "session": SESSION}).all()
    leading = [(_holder(name), silent_s) for name, leads, silent_s in sessions if leads]
    leader, silent_s = leading[0] if leading else ("", 0.0)
    standbys = tuple(_holder(name) for name, leads, _ in sessions if not leads)
    heard = None if silent_s is None else max(0.0, float(silent_s))
    return Leadership(leader, heard, standbys, term=newest_term(connection))


def stored_leadership(journal: Journal) -> Leadership | None:
    """None where one file is the journal, so that nobody can stand by. Raises as ``Journal.reading``."""
    with journal.reading() as connection:
        return leadership(connection) if connection.dialect.name == "postgresql" else None


def newest_term(connection: Connection) -> Term | None:
    """None before the first, also where there is no journal yet."""
    if not connection.dialect.has_table(connection, schema.terms.name):
        return None
    table = schema.terms
    query = select(table.c.number, table.c.holder, table.c.at).order_by(table.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else Term(row[0], row[1], began_at=row[2])


def begin_term(entry: Entry, holder: str) -> Term:
    """Adds the next term. Every later entry of the hash chain belongs to it, up to the next term's."""
    newest = newest_term(entry.connection)
    at = entry.connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    term = Term(newest.number + 1 if newest is not None else 1, holder, began_at=int(at))
    entry.add(schema.terms, {"number": term.number, "holder": term.holder, "at": term.began_at})
    return term


def _holder(session: str) -> str:
    return session.removeprefix(SESSION) if session.startswith(SESSION) else WITHOUT_LEASE
