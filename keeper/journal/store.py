"""Opens the journal: one writer at a time, every commit on disk, and readers that change nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.exc import DatabaseError, IntegrityError, SQLAlchemyError

from keeper.domain.errors import JournalCorrupt, JournalUnreadable, JournalUnwritable
from keeper.journal import databases, hash_chain, versions
from keeper.journal.hash_chain import Entry
from keeper.journal.leadership import begin_term, this_keeper
from keeper.journal.lease import Lease
from keeper.journal.leased import Candidate, LeasedPostgres
from keeper.journal.reasons import may_pass, reason

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from keeper.journal.databases import Database


class Journal:
    """An open journal, from ``open``, ``open_to_append`` or ``open_for_reading``. Close it, or use it as a context
    manager."""

    def __init__(self, database: Database, locks: ExitStack) -> None:
        self._database = database
        self._locks = locks

    @classmethod
    def open(cls, url: str) -> Self:
        """Opens as the one writer. Creates the journal where there is none, and migrates that of an older release.

        A commit that returned has survived a power loss. Raises InvalidSetting, AlreadyRunning (another process
        holds it), JournalUnwritable, JournalCorrupt, JournalTooNew, JournalTooOld.
        """
        return cls._opened_to_write(databases.at(url))

    @classmethod
    def open_to_lead(cls, url: str, lease: Lease, candidate: Candidate) -> Self:
        """As ``open`` in PostgreSQL, but it waits until this keeper leads, and writes only for as long as it does.
        Raises InvalidSetting where the server is too old."""
        journal = cls._opened_to_write(LeasedPostgres(url, lease, candidate))
        with ExitStack() as opening:
            opening.enter_context(journal)
            with journal.appending("term") as entry:
                term = begin_term(entry, this_keeper())
            lease.begin(term)
            opening.pop_all()
        return journal

    @classmethod
    def _opened_to_write(cls, database: Database) -> Self:
        with ExitStack() as opening:
            opening.callback(database.dispose)
            opening.enter_context(database.locked())
            journal = cls(database, opening)
            with journal._write("schema") as connection:
                versions.create_or_migrate(connection, database.name)
            journal._locks = opening.pop_all()
            return journal

    @classmethod
    def open_to_append(cls, url: str) -> Self:
        """Adds rows while the one writer is running, as `keeper pause` does; transactions queue. Raises as ``open``
        except AlreadyRunning, and JournalMissing if there is no journal yet."""
        database = databases.at(url)
        database.require_there()
        with ExitStack() as opening:
            opening.callback(database.dispose)
            journal = cls(database, opening)
            with journal.reading() as connection:
                versions.require_current(connection, database.name)
            journal._locks = opening.pop_all()
            return journal

    @classmethod
    def open_for_reading(cls, url: str, *, longest_query_s: float | None = None) -> Self:
        """Changes nothing, and may run while a writer does. A server ends a query that takes longer than
        ``longest_query_s``. Raises InvalidSetting, JournalMissing, JournalUnreadable, JournalCorrupt, JournalTooNew,
        JournalTooOld."""
        database = databases.for_reading(url, longest_query_s)
        database.require_there()
        return cls._opened_for_reading(database)

    @classmethod
    def open_if_there(cls, url: str) -> Self:
        """As ``open_for_reading``; a journal that does not exist yet reads as an empty one."""
        return cls._opened_for_reading(databases.for_reading(url))

    @classmethod
    def open_if_usable(cls, url: str) -> Self:
        """As ``open_if_there``, also one of an older release, which ``open`` would migrate."""
        return cls._opened_for_reading(databases.for_reading(url), versions.require_usable)

    @classmethod
    def _opened_for_reading(
        cls, database: Database, require: Callable[[Connection, str], None] = versions.require_current
    ) -> Self:
        with ExitStack() as opening:
            opening.callback(database.dispose)
            journal = cls(database, opening)
            with journal.reading() as connection:
                require(connection, database.name)
            journal._locks = opening.pop_all()
            return journal

    @property
    def name(self) -> str:
        """For operators: a path, or a database without its password."""
        return self._database.name

    @property
    def exists(self) -> bool:
        """False for an empty journal in place of one that is not there."""
        return not isinstance(self._database, databases.EmptyMemory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._locks.close()

    @contextmanager
    def appending(self, kind: str) -> Iterator[Entry]:
        """One transaction: what is added to the entry is committed and synced when the block is left. Raises
        JournalUnwritable, also where a constraint of the database refuses a row."""
        with self._write(kind) as connection:
            entry = Entry(connection)
            yield entry
            entry.write(kind)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Raises JournalCorrupt if it cannot be read as a journal, JournalUnreadable if the database fails now."""
        try:
            with self._database.reader.connect() as connection:
                yield connection
        except DatabaseError as error:
            if may_pass(error):
                raise JournalUnreadable(
                    f"the journal cannot be read: {reason(error)}",
                    remedy="Look at the disk or the database server. A daemon tries again in its next cycle.",
                ) from error
            raise JournalCorrupt(
                f"the journal cannot be read: {reason(error)}",
                remedy="Keep this one, and restore a backup.",
            ) from error

    def rows(self, query: Select[Any]) -> Sequence[Any]:
        """Every row of a query. Raises as ``reading``."""
        with self.reading() as connection:
            return connection.execute(query).all()

    def copy_to(self, path: Path) -> None:
        """A consistent copy in a SQLite file that is not there yet. Raises JournalUnreadable, also where the database
        is no file."""
        try:
            self._database.copy_to(path)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            path.unlink(missing_ok=True)
            raise JournalUnreadable(
                f"{self.name} cannot be copied to {path}: {error}", remedy="A journal there begins empty."
            ) from error

    def verify(self) -> int:
        """Number of entries of the hash chain. Raises JournalCorrupt naming the first that does not hold."""
        with self.reading() as connection:
            return hash_chain.verify(connection)

    @contextmanager
    def _write(self, kind: str) -> Iterator[Connection]:
        try:
            with self._database.writing() as connection:
                yield connection
        except IntegrityError as error:
            raise JournalUnwritable(
                f"the journal refuses the new {kind} rows: they contradict rows that it already holds",
                remedy="Nothing was written or sent. Run `keeper journal verify`. If it passes, this is a defect: "
                "report it with the log.",
            ) from error
        except SQLAlchemyError as error:
            raise JournalUnwritable(
                f"the journal cannot be written: {reason(error)}",
                remedy="Nothing is sent without its row. Check disk space and permissions.",
            ) from error
