"""A second journal for emergencies while the first cannot be written, and its return into the first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENODATA, ENODEV
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, and_, func, select, update

from keeper.domain.errors import (
    Halted,
    InvalidSetting,
    JournalUnreadable,
    JournalUnwritable,
    KeeperError,
)
from keeper.domain.tx import LET_GO
from keeper.journal import schema
from keeper.journal.store import Journal

if TYPE_CHECKING:
    from sqlalchemy import Connection

FILE = "fallback.db"
FAILS = (Halted, JournalUnreadable, JournalUnwritable)
"""What a damaged file may answer."""


class FallbackJournal:
    """In a directory, best on another disk than the journal. A disk that is not the one of the start counts as failed,
    because what it held may be missing in the journal."""

    def __init__(self, directory: Path) -> None:
        self._path = directory.absolute() / FILE
        self._device: int | None = None
        with suppress(OSError):
            self._device = self._path.parent.stat().st_dev

    @property
    def exists(self) -> bool:
        """Whether it holds what the journal does not have yet. Raises JournalUnwritable where its disk cannot tell."""
        with self._disk():
            device = self._path.parent.stat().st_dev
            self._device = device if self._device is None else self._device
            if device != self._device:
                raise OSError(ENODEV, "its directory is on another disk than at the start")
            if not self._path.exists():
                return False
            if self._path.stat().st_size == 0:
                raise OSError(ENODATA, "it is empty")
            return True

    def open(self, journal: Journal) -> Journal:
        """Goes on where ``journal`` ended, as far as that can be copied; else it begins empty. Raises
        JournalUnwritable."""
        with self._disk():
            if not self.exists:
                with suppress(KeeperError):
                    journal.copy_to(self._path)
            return self._journal()

    def merge_into(self, journal: Journal) -> int:
        """Adds what was written here to ``journal``, and puts this file aside. Returns the number of entries. It may be
        interrupted and repeated. Raises JournalUnwritable, JournalUnreadable, JournalCorrupt."""
        with self._disk():
            with self._journal() as fallback:
                self._verify(fallback)
                count = _merge(journal, fallback)
            self._path.rename(self._path.with_name(f"fallback-merged-{time.time():.0f}.db"))
            for ending in ("-wal", "-shm"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        return count

    def _journal(self) -> Journal:
        try:
            return Journal.open(f"sqlite:///{self._path}")
        except FAILS as error:
            raise self._unusable(error.message) from error

    def _verify(self, fallback: Journal) -> None:
        """A damaged second file does not end the keeper, unlike a damaged journal."""
        try:
            fallback.verify()
        except FAILS as error:
            raise self._unusable(error.message) from error

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Names the file and what to do where its disk fails, or its directory is gone."""
        try:
            yield
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        except InvalidSetting as error:
            raise self._unusable("its directory does not exist any more") from error

    def _unusable(self, happened: str) -> JournalUnwritable:
        return JournalUnwritable(
            f"the fallback journal {self._path} cannot be used: {happened}",
            remedy="Repair the disk of KEEPER_FALLBACK_JOURNAL or its permissions; put a damaged file aside only when "
            "you know what was sent from it. What it has may not be in the journal yet, so only emergencies are sent "
            "until then.",
        )


def _merge(journal: Journal, fallback: Journal) -> int:
    common = _common_entries(journal, fallback)
    table = schema.entries
    query = select(table.c.number, table.c.kind).where(table.c.number > common).order_by(table.c.number)
    later = fallback.rows(query)
    for number, kind in later:
        with journal.appending(kind) as entry:
            statuses: dict[str, str] = {}
            for owner in schema.CHAINED:
                columns = [column for column in owner.columns if column.name != "entry"]
                rows = select(*columns).where(owner.c.entry == number).order_by(*owner.primary_key.columns)
                for row in fallback.rows(rows):
                    values = {column.name: value for column, value in zip(columns, row, strict=True)}
                    if not _is_there(entry.connection, owner, values):
                        entry.add(owner, _numbered(entry.connection, owner, values))
                        if owner is schema.moves:
                            statuses[values["intent_id"]] = values["became"]
            _follow(entry.connection, statuses)
    return len(later)


def _common_entries(journal: Journal, fallback: Journal) -> int:
    """How many entries both begin with."""
    table = schema.entries
    query = select(table.c.number, table.c.hash).order_by(table.c.number)
    ours, theirs = journal.rows(query), fallback.rows(query)
    same = (ours_row == theirs_row for ours_row, theirs_row in zip(ours, theirs, strict=False))
    return next((place for place, equal in enumerate(same) if not equal), min(len(ours), len(theirs)))


def _is_there(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Whether the journal has the same row. Another row with the same number is another one."""
    columns = table.primary_key.columns if not _is_numbered(table) else [table.c[name] for name in values]
    same = and_(*(column == values[column.name] for column in columns))
    return bool(connection.execute(select(func.count()).select_from(table).where(same)).scalar_one())


def _is_numbered(table: Table) -> bool:
    return [column.name for column in table.primary_key.columns] == ["number"]


def _numbered(connection: Connection, table: Table, values: dict[str, Any]) -> dict[str, Any]:
    """With the next number, where the journal has given it away meanwhile."""
    if not _is_numbered(table):
        return values
    newest = connection.execute(select(func.max(table.c.number))).scalar() or 0
    return values | {"number": max(values["number"], newest + 1)}


def _follow(connection: Connection, statuses: dict[str, str]) -> None:
    """An intent's status is that of its last move. A nonce passes from one intent to another within an entry, and the
    database allows it one owner at every moment: so those that let go of theirs come first."""
    intents = schema.intents
    for intent_id, status in sorted(statuses.items(), key=lambda each: each[1] not in LET_GO):
        connection.execute(update(intents).where(intents.c.intent_id == intent_id).values(status=status))
