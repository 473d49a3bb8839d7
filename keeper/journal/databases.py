"""The journal in SQLite and in PostgreSQL: durable commits, the lock of the one writer, and queued writers."""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from keeper.domain.addresses import masked
from keeper.domain.errors import (
    AlreadyRunning,
    InvalidSetting,
    JournalMissing,
    JournalUnwritable,
    install_extra,
)
from keeper.journal import versions
from keeper.journal.files import locked_file
from keeper.journal.postgres_sessions import JOURNAL_LOCK, STALLED_MS, queue, sessions
from keeper.journal.reasons import BUSY_TIMEOUT_S, reason

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class Database(ABC):
    """``name`` is shown to operators and has no password. ``reader`` is for reading."""

    name: str
    reader: Engine

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """Holds the lock of the one writer until the block is left or the process dies. Raises AlreadyRunning."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction; no other one runs at the same time. It is durable when the block is left."""

    @abstractmethod
    def require_there(self) -> None:
        """Raises JournalMissing if there is no journal yet."""

    def copy_to(self, path: Path) -> None:
        """Into a SQLite file. Raises OSError where this database cannot do that."""
        raise OSError(f"{self.name} is no SQLite file, so {path} begins empty")

    @abstractmethod
    def dispose(self) -> None: ...


class SqliteFile(Database):
    """WAL, synchronous=FULL: a commit that returned is on disk.

    A file that was removed or replaced lives on for a process that has it open, and nobody would ever read what is
    written there. So each write looks whether the path still leads to the same file.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._identity: tuple[int, int] | None = None

    @cached_property
    def reader(self) -> Engine:  # type: ignore[override]
        return _sqlite(f"sqlite:///{self._path}")

    def locked(self) -> AbstractContextManager[None]:
        return locked_file(
            self._path.with_name(self._path.name + ".lock"),
            f"{self._path} is in use",
            "Point KEEPER_JOURNAL_URL to a directory that the keeper may write to.",
        )

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        self._require_same_file()
        with self.reader.execution_options(begin="IMMEDIATE").begin() as connection:
            yield connection
        if self._identity is None:
            self._identity = self._identity_now()
        self._require_same_file()

    def copy_to(self, path: Path) -> None:
        source = self.reader.raw_connection()
        try:
            with closing(sqlite3.connect(path)) as target:
                assert source.driver_connection is not None, "a fresh connection has a driver's"
                source.driver_connection.backup(target)
        finally:
            source.close()

    def _identity_now(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _require_same_file(self) -> None:
        if self._identity is None:
            return
        now = self._identity_now()
        if now != self._identity:
            happened = "replaced by another file" if now is not None else "removed"
            raise JournalUnwritable(
                f"{self.name} was {happened} while the keeper used it",
                remedy="Put the file back, with its -wal and -shm files. To use the one that is there now, restart the "
                "keeper. Nothing is sent without a row.",
            )

    def require_there(self) -> None:
        if not self._path.exists():
            raise _no_journal(self.name)

    def dispose(self) -> None:
        self.reader.dispose()


class EmptyMemory(Database):
    """An empty journal in memory, in place of one that does not exist yet."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reader = create_engine("sqlite://")
        with self.reader.begin() as connection:
            versions.create(connection)

    def locked(self) -> AbstractContextManager[None]:
        raise _no_journal(self.name)

    def writing(self) -> AbstractContextManager[Connection]:
        raise _no_journal(self.name)

    def require_there(self) -> None:
        raise _no_journal(self.name)

    def dispose(self) -> None:
        self.reader.dispose()


class SqliteReadOnly(SqliteFile):
    """Reads the file and changes nothing."""

    @cached_property
    def reader(self) -> Engine:  # type: ignore[override]
        asked = "mode=ro&immutable=1" if self._is_put_away() else "mode=ro"
        return _sqlite(f"sqlite:///file:{self._path}?{asked}&uri=true", configured=False)

    def _is_put_away(self) -> bool:
        """Whether it is a copy in a folder that may not be written. SQLite cannot make a -shm file there, and reads no
        WAL without one. While anybody writes a journal it has a -wal file, and its content counts."""
        return not os.access(self._path.parent, os.W_OK) and not Path(f"{self._path}-wal").exists()


class Postgres(Database):
    """The connection that writes also holds the journal's lock, so a keeper that lost the lock cannot write."""

    def __init__(self, url: URL, longest_query_s: float | None = None) -> None:
        self.name = _shown(url)
        self.url = url
        self.reader = sessions(url, longest_query_s=longest_query_s)
        self._writer: Connection | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        self._writer = self._locked_connection()
        try:
            yield
        finally:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()

    def _locked_connection(self) -> Connection:
        """Raises AlreadyRunning, JournalUnwritable."""
        try:
            connection = self.reader.connect()
            locks = connection.execute(text(f"SELECT pg_try_advisory_lock({JOURNAL_LOCK})")).scalar()
        except SQLAlchemyError as error:
            raise unreachable(self.name, error) from error
        if not locks:
            connection.close()
            raise AlreadyRunning(
                f"{self.name} is in use by another keeper",
                remedy="One keeper per journal and key: stop the other one, or use its commands.",
            )
        connection.commit()
        return connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if self._writer is None:
            with self.reader.begin() as connection:
                connection.execute(text("SET LOCAL synchronous_commit = on"))
                connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = {STALLED_MS}"))
                queue(connection)
                yield connection
            return
        if self._writer.invalidated or self._writer.closed:
            self._writer = self._connected_again(self._writer)
        with self._writer.begin():
            queue(self._writer)
            yield self._writer

    def _connected_again(self, lost: Connection) -> Connection:
        """With the lock. Raises JournalUnwritable, also while the server still counts the lost connection, or another
        keeper, as its owner."""
        with suppress(SQLAlchemyError):
            lost.close()
        try:
            return self._locked_connection()
        except AlreadyRunning as error:
            raise JournalUnwritable(
                f"{self.name}: the connection that held the journal's lock is lost, and somebody still has the lock",
                remedy="Nothing is sent. If another keeper has taken over, stop this one.",
            ) from error

    def require_there(self) -> None:
        try:
            with self.reader.connect() as connection:
                version = versions.stored_version(connection)
        except SQLAlchemyError as error:
            raise unreachable(self.name, error) from error
        if version is None:
            raise _no_journal(self.name)

    def dispose(self) -> None:
        self.reader.dispose()


def at(url: str) -> Database:
    """For writing. Raises InvalidSetting."""
    parsed = _parsed(url)
    return SqliteFile(_path(parsed)) if parsed.get_backend_name() == "sqlite" else Postgres(parsed)


def shown(url: str) -> str:
    """For operators: an absolute path, or a database without its password. Raises InvalidSetting."""
    parsed = _parsed(url)
    return str(_path(parsed)) if parsed.get_backend_name() == "sqlite" else _shown(parsed)


def on_this_machine(url: str) -> bool:
    """Whether the journal is a file. Raises InvalidSetting."""
    return _parsed(url).get_backend_name() == "sqlite"


def for_reading(url: str, longest_query_s: float | None = None) -> Database:
    """``longest_query_s`` is for a server; a file has no queries that wait for others. Raises InvalidSetting,
    JournalUnwritable where the server cannot be reached."""
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        path = _path(parsed)
        return EmptyMemory(str(path)) if not path.exists() or _has_no_tables(path) else SqliteReadOnly(path)
    database = Postgres(parsed, longest_query_s)
    try:
        with database.reader.connect() as connection:
            there = bool(inspect(connection).get_table_names())
    except SQLAlchemyError as error:
        raise unreachable(database.name, error) from error
    return database if there else EmptyMemory(database.name)


def _has_no_tables(path: Path) -> bool:
    """Whether the file has no tables, because a keeper was stopped while it created its journal."""
    database = SqliteReadOnly(path)
    try:
        with database.reader.connect() as connection:
            return not inspect(connection).get_table_names()
    except SQLAlchemyError:
        return False  # opening the journal names the cause
    finally:
        database.dispose()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = URL.create("unknown")
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed
    if backend == "postgresql":
        return _with_driver(parsed)
    raise InvalidSetting(
        f"KEEPER_JOURNAL_URL = {_shown(parsed)} is neither a SQLite file nor PostgreSQL",
        remedy="Use sqlite:///keeper.db (relative), sqlite:////var/lib/keeper/keeper.db (absolute) or "
        "postgresql://user@host/database.",
    )


def _with_driver(url: URL) -> URL:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise InvalidSetting(
            f"KEEPER_JOURNAL_URL = {_shown(url)}: PostgreSQL's driver is missing",
            remedy=install_extra("postgres"),
        ) from None
    return url.set(drivername="postgresql+psycopg")


def _shown(url: URL) -> str:
    """User, password and options may be secrets."""
    if url.get_backend_name() == "sqlite":
        return str(url)
    return (
        masked(url.render_as_string(hide_password=True))
        if url.host
        else f"a {url.get_backend_name()} database"
    )


def _path(url: URL) -> Path:
    """Raises InvalidSetting where its directory does not exist: it is more likely misspelt than new."""
    path = Path(url.database or "").absolute()
    if not path.parent.is_dir():
        raise InvalidSetting(
            f"KEEPER_JOURNAL_URL = {_shown(url)}: there is no directory {path.parent}",
            remedy="Create it, or correct the path. sqlite:/// and a path is relative, sqlite://// absolute.",
        )
    return path


def _sqlite(url: str, *, configured: bool = True) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # _begin starts the transactions
        cursor = connection.cursor()
        if configured:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        kind = connection.get_execution_options().get("begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {kind}")

    return engine


def _no_journal(name: str) -> JournalMissing:
    return JournalMissing(
        f"there is no journal at {name}",
        remedy='If a keeper runs, KEEPER_JOURNAL_URL must name its journal (docs/sending.md, "Commands and the '
        'daemon"). If none has run yet, `keeper run` creates it.',
    )


def unreachable(name: str, error: SQLAlchemyError) -> JournalUnwritable:
    return JournalUnwritable(
        f"{name} cannot be reached: {reason(error)}",
        remedy="Nothing is sent without its row. Look at the database server and KEEPER_JOURNAL_URL.",
    )
