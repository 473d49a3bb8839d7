"""Which shape a journal has, and how an older one is brought forward. Alembic's revisions are in ``migrations``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError

from keeper.domain.errors import JournalCorrupt, JournalTooNew, JournalTooOld

if TYPE_CHECKING:
    from sqlalchemy import Connection

REVISIONS = ("0001", "0002", "0003", "0004")
"""Oldest first; the last is what this program works with."""
HEAD = REVISIONS[-1]
_OTHER = "Use the version of keeper that wrote it, or start a new journal and keep this one."


def is_there(connection: Connection) -> bool:
    """Whether the database holds a journal of any version."""
    return found(connection) is not None


def found(connection: Connection) -> str | None:
    """The revision of a journal, "0001" for one from before revisions were written down, None for none."""
    there = inspect(connection)
    if there.has_table("alembic_version"):
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return REVISIONS[0] if there.has_table("schema") else None


def require_current(connection: Connection, name: str) -> None:
    """Raises JournalTooNew, JournalTooOld, JournalCorrupt."""
    version = found(connection)
    if version == HEAD:
        return
    if version in REVISIONS:
        raise JournalTooOld(
            f"{name} has schema {version}, this program works with {HEAD}",
            remedy="Start the keeper once (`keeper run`): it brings the journal forward.",
        )
    _refuse(version, name)


def bring_forward(connection: Connection, name: str) -> None:
    """Creates or migrates, inside the given transaction. Raises JournalTooNew, JournalCorrupt."""
    version = found(connection)
    if version == HEAD:
        return
    if version is not None and version not in REVISIONS:
        _refuse(version, name)
    _require_known_version_number(connection, name)
    if version is None and inspect(connection).get_table_names():
        raise JournalCorrupt(
            f"{name} holds other tables and no journal",
            remedy="Give the keeper a database of its own in KEEPER_JOURNAL_URL.",
        )
    _upgrade(connection, version)


def stamp(connection: Connection) -> None:
    """Says that the tables are of this version."""
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text(f"INSERT INTO alembic_version VALUES ('{HEAD}')"))  # noqa: S608 -- our own constant


def _upgrade(connection: Connection, version: str | None) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    if version is not None and not inspect(connection).has_table("alembic_version"):
        command.stamp(config, version)
    command.upgrade(config, HEAD)


def _require_known_version_number(connection: Connection, name: str) -> None:
    """Journals from before the revisions carry a number of their own."""
    if not inspect(connection).has_table("schema"):
        return
    try:
        number = connection.execute(text("SELECT max(version) FROM schema")).scalar()
    except DatabaseError:
        number = None
    if number != 1:
        _refuse(str(number), name)


def _refuse(version: str | None, name: str) -> None:
    if version is not None and version.isdecimal() and int(version) > int(HEAD):
        raise JournalTooNew(f"{name} has schema {version}, this program works with {HEAD}", remedy=_OTHER)
    raise JournalCorrupt(
        f"{name} has schema {version or 'none'}, this program works with {HEAD}",
        remedy=_OTHER,
    )
