"""The journal's schema version: create, check, and migrate with Alembic. The revisions are in ``migrations``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from keeper.domain.errors import JournalCorrupt, JournalTooNew, JournalTooOld
from keeper.journal import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

OLDEST = "0101"
"""The oldest revision that can be migrated: that of the first release."""
NEWEST = "0102"
"""The revision of ``journal.schema``."""
MIGRATIONS = Path(__file__).parent / "migrations"
START_ANEW = (
    "Stop the keeper and move the journal away (a SQLite file with its -wal and -shm files), or name an empty "
    "database in KEEPER_JOURNAL_URL. The keeper then creates a new journal and reads the key's next nonce from the "
    "chain. Pauses, seals and the used part of the daily limits are not carried over."
)


def stored_version(connection: Connection) -> str | None:
    """The revision that a journal is stamped with; None where there is no journal."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def require_current(connection: Connection, name: str) -> None:
    """Raises JournalTooOld, JournalTooNew, JournalCorrupt."""
    version = stored_version(connection)
    _require_known(version, name)
    if version != NEWEST:
        raise JournalTooOld(
            f"{name} has schema {version}; this program works with {NEWEST}",
            remedy="Start the keeper once (`keeper run`): it migrates the journal.",
        )


def require_usable(connection: Connection, name: str) -> None:
    """That ``create_or_migrate`` would take it. Raises JournalTooOld, JournalTooNew, JournalCorrupt."""
    _require_known(stored_version(connection), name)


def create_or_migrate(connection: Connection, name: str) -> None:
    """Inside the given transaction. Raises JournalTooOld, JournalTooNew, JournalCorrupt."""
    if not inspect(connection).get_table_names():
        create(connection)
    version = stored_version(connection)
    _require_known(version, name)
    if version != NEWEST:
        _upgrade(connection)


def create(connection: Connection) -> None:
    """All tables in an empty database, stamped with the newest revision. Does not import Alembic, which is slow."""
    schema.metadata.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": NEWEST})


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, NEWEST)


def _require_known(version: str | None, name: str) -> None:
    if version is None:
        raise JournalCorrupt(f"{name} holds other tables and no journal of this program", remedy=START_ANEW)
    if not version.isdecimal():
        raise JournalCorrupt(f"{name} has the unknown schema version {version!r}", remedy=START_ANEW)
    if version < OLDEST:
        raise JournalTooOld(
            f"{name} has schema {version}, from before the first release; this program works with {NEWEST}",
            remedy=START_ANEW,
        )
    if version > NEWEST:
        raise JournalTooNew(
            f"{name} has schema {version}; this program works with {NEWEST}",
            remedy="Use the version of keeper that wrote it, or move it away and start with a new journal.",
        )
