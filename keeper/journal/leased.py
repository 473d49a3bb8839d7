"""The journal's database for a keeper that leads or stands by: one session of PostgreSQL is the lease.

The session that writes holds the journal's lock, as with every keeper. Here the server also ends it after ``lease_s``
of silence. The rest follows:

- Killed, shut down: the kernel closes the connection, and the lock is free at once.
- Frozen, cut off, without power: the server ends the session, and the lock is free. The leader has stopped before.
- Awake again: the session is over, so no row can be written, and no bytes are sent without their row.

Each session that gets the lock begins a term. Each transaction of the leader requires, in the transaction itself, that
no newer term has begun. So a row of an old term is refused even where something between keeper and server, such as a
pooler, passes its statements on to another session.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from keeper.domain.errors import InvalidSetting
from keeper.domain.leadership import Leadership
from keeper.journal import databases
from keeper.journal.databases import Postgres, unreachable
from keeper.journal.leadership import SESSION, leadership, this_keeper
from keeper.journal.lease import Lease
from keeper.journal.postgres_sessions import JOURNAL_LOCK, queue, sessions
from keeper.journal.reasons import reason
from keeper.runtime.concurrency import run_in_background

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

OLDEST_SERVER = 14
"""The first version that can end an idle session."""
LONGEST_WRITE_S = 60.0
"""A transaction that lasts longer counts as cut off. Each of its statements is heard, so the lease lasts meanwhile."""
ENDS_WITHIN_S = 1.0
BACKEND = "pg_backend_pid()"
"""The server's process of a session. A pooler in transaction mode passes statements on to several."""


class Candidate(Protocol):
    """A keeper that would lead (keeper.app.standby)."""

    def may_lead(self, now: Leadership) -> bool:
        """Whether it is ready to lead. It does not wait for longer than a fraction of the lease."""
        ...

    def wait(self) -> None:
        """Until it asks again."""
        ...


class LeasedPostgres(Postgres):
    """``locked`` waits until this keeper leads, and ``lease`` then says for how long. A session that is lost is not
    replaced: who leads again begins another term."""

    def __init__(self, url: str, lease: Lease, candidate: Candidate) -> None:
        shared = databases.at(url)
        assert isinstance(shared, Postgres), "the command has refused any other journal"
        super().__init__(shared.url)
        self._lease = lease
        self._backend = 0
        self._candidate = candidate
        self._guard = threading.Lock()  # a beat and a write never use the session at the same time
        self._closed = threading.Event()

    @contextmanager
    def locked(self) -> Iterator[None]:
        session = self._connected()
        try:
            self._wait_for_the_lock(session)
            with self._heard(session):
                self._writer = session
                yield
        finally:
            self._writer = None
            with suppress(SQLAlchemyError):
                session.close()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """From ``Lease.begin`` on each transaction requires that the lease's term is the newest."""
        with self._guard:
            writer = self._writer
            if writer is None or self._lease.lost or writer.invalidated:
                raise self._lease.lose("its session in the journal's database is over")
            try:
                with writer.begin():
                    queue(writer)
                    self._require_own(writer)
                    yield writer
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                raise self._lease.lose(reason(error)) from error

    # ------------------------------------------------------------------ inside

    def _connected(self) -> Connection:
        """Raises JournalUnwritable, InvalidSetting."""
        try:
            return self._session_engine().connect()
        except SQLAlchemyError as error:
            raise unreachable(self.name, error) from error

    def _wait_for_the_lock(self, session: Connection) -> None:
        """Raises JournalUnwritable, InvalidSetting."""
        try:
            self._backend = _backend(session)
            while not (self._candidate.may_lead(leadership(session)) and _locks(session)):
                session.commit()
                self._candidate.wait()
                self._require_same_backend(session)
            session.commit()
            self._require_same_backend(session)
            session.commit()
        except SQLAlchemyError as error:
            raise unreachable(self.name, error) from error

    def _require_same_backend(self, session: Connection) -> None:
        if _backend(session) != self._backend:
            raise InvalidSetting(
                f"--standby: something between this keeper and {self.name} changes its session",
                remedy="Name the server in KEEPER_JOURNAL_URL, or a pooler in session mode. The lease is one session.",
            )

    def _require_own(self, connection: Connection) -> None:
        """Raises LeaseLost where the session is another one, or a newer term has begun."""
        changed = self._changed(connection)
        if changed:
            raise self._lease.lose(changed)

    def _changed(self, connection: Connection) -> str:
        """Why the lease is over, by one question; empty where it is not."""
        term = self._lease.term
        newest = "(SELECT max(number) FROM terms)" if term is not None else "NULL"
        backend, number = connection.execute(text(f"SELECT {BACKEND}, {newest}")).one()
        if backend != self._backend:
            return "something between keeper and database has changed its session"
        if term is not None and number != term.number:
            return f"its term was {term.number}, and term {number} has begun"
        return ""

    def _session_engine(self) -> Engine:
        """Its sessions are ended by the server when they are silent. Each answer renews the lease."""
        lease, limit_ms = self._lease, f"{self._lease.times.lease_s * 1_000:.0f}"
        engine = sessions(self.url, f"{SESSION}{this_keeper()}")

        @event.listens_for(engine, "connect")
        def _limited(connection: Any, _: object) -> None:
            version = connection.info.server_version // 10_000
            if version < OLDEST_SERVER:
                raise InvalidSetting(
                    f"--standby: the journal's server is PostgreSQL {version}, which cannot end an idle session",
                    remedy=f"Use PostgreSQL {OLDEST_SERVER} or later, or run one keeper without --standby.",
                )
            with connection.cursor() as cursor:
                for name, value in (
                    ("idle_session_timeout", limit_ms),
                    ("idle_in_transaction_session_timeout", limit_ms),
                ):
                    cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
            connection.commit()

        @event.listens_for(engine, "before_cursor_execute")
        def _asked(*given: Any) -> None:
            given[4].asked_at = lease.now()

        @event.listens_for(engine, "after_cursor_execute")
        def _answered(*given: Any) -> None:
            lease.heard(given[4].asked_at)

        return engine

    @contextmanager
    def _heard(self, session: Connection) -> Iterator[None]:
        """Inside the block the server hears this keeper, and the lease ends where it does not answer in time."""
        connection = session.connection.driver_connection
        assert connection is not None, "an open session has a connection"
        descriptor = os.dup(connection.fileno())
        beats = threading.Thread(target=self._beats, args=(session, descriptor), name="lease", daemon=True)
        beats.start()
        try:
            yield
        finally:
            self._closed.set()
            beats.join(ENDS_WITHIN_S)

    def _beats(self, session: Connection, descriptor: int) -> None:
        """Closes the descriptor, which is the session's socket."""
        try:
            while not self._closed.wait(self._lease.times.beat_s):
                silence = self._beat(session, lambda: _shut(descriptor))
                if silence and not self._closed.is_set():
                    self._lease.lose(silence)
                    return
        finally:
            os.close(descriptor)

    def _beat(self, session: Connection, cut: Callable[[], None]) -> str:
        """Why the session counts as lost; empty where the server answered. ``cut`` ends every wait for it."""
        if not self._guard.acquire(timeout=LONGEST_WRITE_S):
            cut()
            return f"a transaction was not answered for {LONGEST_WRITE_S:.0f} s"
        try:
            answer: Future[str] = run_in_background(lambda: self._ask(session))
            if not wait([answer], self._lease.times.lease_s).done:
                why = f"the journal's database has not answered for {self._lease.times.lease_s:g} s"
                self._lease.lose(why)
                cut()
                wait([answer], ENDS_WITHIN_S)
                return why
            error = answer.exception()
            if error is None:
                return answer.result()
            return reason(error) if isinstance(error, SQLAlchemyError) else str(error)
        finally:
            self._guard.release()

    def _ask(self, session: Connection) -> str:
        """As ``_changed``, in a transaction of its own."""
        changed = self._changed(session)
        session.commit()
        return changed


def _backend(session: Connection) -> int:
    return int(session.execute(text(f"SELECT {BACKEND}")).scalar_one())


def _locks(connection: Connection) -> bool:
    return bool(connection.execute(text(f"SELECT pg_try_advisory_lock({JOURNAL_LOCK})")).scalar())


def _shut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)
