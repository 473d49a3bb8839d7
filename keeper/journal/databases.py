"""The journal in SQLite and in PostgreSQL: durable commits, the lock of the one writer, and queued writers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError
from sqlalchemy.pool import NullPool

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

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

BUSY_TIMEOUT_S = 10
CONNECT_TIMEOUT_S = 10
JOURNAL_LOCK = 0x6B65_6570_6572
"""Key of the advisory lock in a PostgreSQL database; "keeper" in ASCII."""

_REASONS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": f"another process has kept it locked for {BUSY_TIMEOUT_S} s",
    "SQLITE_READONLY": "the file or its folder is read-only",
    "SQLITE_CANTOPEN": "the file cannot be opened",
    "SQLITE_IOERR": "the disk reports an input/output error",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "the file is not a database",
    "53100": "the disk of the database server is full",
    "25006": "the database server is read-only",
    "57P0": "the database server is shutting down or restarting",
}
"""What an operator reads, by the beginning of SQLite's error name or PostgreSQL's SQLSTATE."""


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

    @abstractmethod
    def dispose(self) -> None: ...


class SqliteFile(Database):
    """WAL, synchronous=FULL: a commit that returned is on disk."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

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
        with self.reader.execution_options(begin="IMMEDIATE").begin() as connection:
            yield connection

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
        return _sqlite(f"sqlite:///file:{self._path}?mode=ro&uri=true", configured=False)


class Postgres(Database):
    """The connection that writes also holds the journal's lock, so a keeper that lost the lock cannot write."""

    def __init__(self, url: URL) -> None:
        self.name = _shown(url)
        self._url = url
        self.reader = self._engine()
        self._writer: Connection | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        engine = self._engine()
        try:
            connection = engine.connect()
        except SQLAlchemyError as error:
            raise _unreachable(self.name, error) from error
        try:
            if not connection.execute(text(f"SELECT pg_try_advisory_lock({JOURNAL_LOCK})")).scalar():
                raise AlreadyRunning(
                    f"{self.name} is in use by another keeper",
                    remedy="One keeper per journal and key: stop the other one, or use its commands.",
                )
            connection.commit()
            self._writer = connection
            yield
        finally:
            self._writer = None
            connection.close()
            engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if self._writer is None:
            with self.reader.begin() as connection:
                connection.execute(text("SET LOCAL synchronous_commit = on"))
                _queue(connection)
                yield connection
            return
        if self._writer.invalidated:
            raise JournalUnwritable(
                f"{self.name}: the connection that held the journal's lock is lost",
                remedy="Nothing is sent without its row. Start the keeper again when the database server answers.",
            )
        with self._writer.begin():
            _queue(self._writer)
            yield self._writer

    def require_there(self) -> None:
        with self.reader.connect() as connection:
            if versions.stored_version(connection) is None:
                raise _no_journal(self.name)

    def dispose(self) -> None:
        self.reader.dispose()

    def _engine(self) -> Engine:
        options = "-c synchronous_commit=on"
        return create_engine(
            self._url,
            poolclass=NullPool,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": options},
        )


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


def for_reading(url: str) -> Database:
    """Raises InvalidSetting, JournalUnwritable where the server cannot be reached."""
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        path = _path(parsed)
        return EmptyMemory(str(path)) if not path.exists() or _has_no_tables(path) else SqliteReadOnly(path)
    database = Postgres(parsed)
    try:
        with database.reader.connect() as connection:
            there = bool(inspect(connection).get_table_names())
    except SQLAlchemyError as error:
        raise _unreachable(database.name, error) from error
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


def reason(error: SQLAlchemyError) -> str:
    """Why the database failed, for an operator, without statement and parameters. Quotes the database where the cause
    is not a known one."""
    original = error.orig if isinstance(error, DatabaseError) else None
    code = _code(error) if isinstance(error, DatabaseError) else ""
    for prefix, meaning in _REASONS.items():
        if code.startswith(prefix):
            return meaning
    lines = str(original or "").strip().splitlines()
    return (
        f'the database reports "{lines[0]}"'
        if lines
        else f"the database driver reports {type(error).__name__}"
    )


def may_pass(error: DatabaseError) -> bool:
    """Whether the database fails for a reason outside the journal's content: the disk, the lock, the connection."""
    code = _code(error)
    if getattr(error.orig, "sqlite_errorname", None) is not None:
        return code.startswith(
            ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM")
        )
    return error.connection_invalidated or not code or code.startswith(("08", "53", "57", "58"))


def _code(error: DatabaseError) -> str:
    """SQLite's error name or PostgreSQL's SQLSTATE; empty where the connection itself failed."""
    return getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""


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


def _queue(connection: Connection) -> None:
    """Lets writers run one after another, because each entry's hash needs the one before."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({JOURNAL_LOCK + 1})"))


def _no_journal(name: str) -> JournalMissing:
    return JournalMissing(
        f"there is no journal at {name}",
        remedy='If a keeper runs, KEEPER_JOURNAL_URL must name its journal (docs/sending.md, "Commands and the '
        'daemon"). If none has run yet, `keeper run` creates it.',
    )


def _unreachable(name: str, error: SQLAlchemyError) -> JournalUnwritable:
    return JournalUnwritable(
        f"{name} cannot be reached: {reason(error)}",
        remedy="Nothing is sent without its row. Look at the database server and KEEPER_JOURNAL_URL.",
    )
