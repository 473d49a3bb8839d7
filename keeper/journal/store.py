"""Opening the journal: one writer at a time, every commit on disk, readers that change nothing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from sqlalchemy import create_engine, event, func, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError, SQLAlchemyError

from keeper.domain.errors import (
    AlreadyRunning,
    InvalidSetting,
    JournalCorrupt,
    JournalTooNew,
    JournalUnwritable,
)
from keeper.journal import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

BUSY_TIMEOUT_S = 10


class Journal:
    """A journal that is open. Use ``open`` or ``open_for_reading``; close it, or use it as a context
    manager."""

    def __init__(self, engine: Engine, lock: IO[str] | None) -> None:
        self._engine = engine
        self._lock = lock

    @classmethod
    def open(cls, url: str) -> Self:
        """The one writer. Creates the journal where there is none.

        SQLite in WAL mode with synchronous=FULL: a commit that returned has survived a power loss. Raises
        InvalidSetting, AlreadyRunning (another process holds it), JournalUnwritable, JournalCorrupt.
        """
        path = _sqlite_path(url)
        lock = _locked(path)
        journal = cls(_engine(f"sqlite:///{path}", writing=True), lock)
        try:
            journal._prepare(path)
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def open_for_reading(cls, url: str) -> Self:
        """Beside a writer, writing nothing at all. A file that does not exist yet reads as an empty
        journal."""
        path = _sqlite_path(url)
        if not path.exists():
            journal = cls(create_engine("sqlite://"), None)
            schema.metadata.create_all(journal._engine)
            return journal
        journal = cls(_engine(f"sqlite:///file:{path}?mode=ro&uri=true", writing=False), None)
        journal._require_version(path)
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed and synced when the block is left. Raises JournalUnwritable."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise JournalUnwritable(
                f"the journal cannot be written: {_reason(error)}",
                remedy="Nothing is sent without its row. Look at disk space, permissions, and the journal's own state.",
            ) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Raises JournalCorrupt when the file cannot be read as a journal."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except DatabaseError as error:
            raise JournalCorrupt(
                f"the journal cannot be read: {_reason(error)}",
                remedy="Restore it from a backup; keep this file.",
            ) from error

    def _prepare(self, path: Path) -> None:
        with self.writing() as connection:
            if not inspect(connection).has_table(schema.schema.name):
                schema.metadata.create_all(connection)
                connection.execute(insert(schema.schema).values(version=schema.VERSION))
        self._require_version(path)

    def _require_version(self, path: Path) -> None:
        with self.reading() as connection:
            found = connection.execute(select(func.max(schema.schema.c.version))).scalar()
        if found is not None and found > schema.VERSION:
            raise JournalTooNew(
                f"{path} has schema {found}, this program works with {schema.VERSION}",
                remedy="Use the version of keeper that wrote it, or start a new journal and keep this one.",
            )
        if found != schema.VERSION:
            raise JournalCorrupt(
                f"{path} has schema {found}, this program works with {schema.VERSION}",
                remedy="Use the version of keeper that wrote it, or start a new journal and keep this one.",
            )


def _engine(url: str, *, writing: bool) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        if writing:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine


def _sqlite_path(url: str) -> Path:
    try:
        parsed: URL = make_url(url)
    except ArgumentError:
        parsed = URL.create("unknown")
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise InvalidSetting(
            f"KEEPER_JOURNAL_URL = {parsed.render_as_string(hide_password=True)} is not the address of a SQLite file",
            remedy="Use sqlite:///keeper.db (relative) or sqlite:////var/lib/keeper/keeper.db (absolute).",
        )
    return Path(parsed.database).absolute()


def _locked(path: Path) -> IO[str]:
    """Held until closed or until the process dies, however it dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock").open("a+")
    except OSError as error:
        raise JournalUnwritable(
            f"{path}: {error.strerror}",
            remedy="Point KEEPER_JOURNAL_URL to a directory that the keeper may write to.",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise AlreadyRunning(
            f"{path} is in use by process {holder}",
            remedy="One keeper per journal and key: stop the other one, or use its commands.",
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _reason(error: SQLAlchemyError) -> str:
    """SQLite's own words, without statement and parameters."""
    return (
        str(getattr(error, "orig", None) or type(error).__name__)
        if isinstance(error, OperationalError | DatabaseError)
        else type(error).__name__
    )
