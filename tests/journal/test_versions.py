"""A new journal has the program's schema, an older release's is migrated, and any other is left as it is."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from keeper.domain.errors import JournalCorrupt, JournalTooNew, JournalTooOld, KeeperError
from keeper.domain.market import Round
from keeper.journal import schema, versions
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal

OPENINGS = (Journal.open, Journal.open_to_append, Journal.open_for_reading)
NEXT_REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "0103"
down_revision = "0102"


def upgrade() -> None:
    op.create_table("notes", sa.Column("note", sa.Text))
"""


def database(url: str) -> Engine:
    parsed = make_url(url)
    address = parsed.set(drivername="postgresql+psycopg") if "postgresql" in url else parsed
    return create_engine(address, poolclass=NullPool)


def journal_of(url: str, version: str) -> None:
    """A journal as a development version left it: some of its tables, one row, its version."""
    with database(url).begin() as connection:
        for statement in (
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
            f"INSERT INTO alembic_version VALUES ('{version}')",
            "CREATE TABLE rounds (symbol VARCHAR(32), round_id VARCHAR(32), answer VARCHAR(80), updated_at BIGINT)",
            "INSERT INTO rounds VALUES ('WETH', '1', '2', 3)",
        ):
            connection.execute(text(statement))


def content(url: str) -> list[tuple[object, ...]]:
    with database(url).connect() as connection:
        tables = sorted(inspect(connection).get_table_names())
        return [(name, *row) for name in tables for row in connection.execute(text(f"SELECT * FROM {name}"))]


@pytest.mark.parametrize("version", ["0001", "0004", "0100"])
@pytest.mark.parametrize("opening", OPENINGS)
def test_a_journal_from_before_the_first_release_is_refused_and_not_touched(
    journal_url: str, version: str, opening: Callable[[str], Journal]
) -> None:
    journal_of(journal_url, version)
    before = content(journal_url)
    with pytest.raises(JournalTooOld) as refused:
        opening(journal_url)
    assert f"has schema {version}, from before the first release" in refused.value.message
    if journal_url.startswith("sqlite"):
        assert str(make_url(journal_url).database) in refused.value.message
    assert "move the journal away" in refused.value.remedy
    assert "next nonce from the chain" in refused.value.remedy
    assert refused.value.exit_code == 7
    assert content(journal_url) == before


def test_when_the_old_file_is_moved_away_a_new_journal_begins(sqlite_url: str, tmp_path: Path) -> None:
    journal_of(sqlite_url, "0004")
    with suppress(KeeperError):
        Journal.open(sqlite_url)
    for path in tmp_path.glob("keeper.db*"):
        path.rename(path.with_name("old-" + path.name))
    with Journal.open(sqlite_url) as journal:
        assert journal.verify() == 0


@pytest.mark.parametrize(("version", "error"), [("9999", JournalTooNew), ("abc", JournalCorrupt)])
@pytest.mark.parametrize("opening", OPENINGS)
def test_a_journal_of_a_newer_or_unknown_version_is_refused(
    journal_url: str, version: str, error: type[KeeperError], opening: Callable[[str], Journal]
) -> None:
    journal_of(journal_url, version)
    with pytest.raises(error, match=version):
        opening(journal_url)


def test_a_database_of_another_program_is_not_touched(journal_url: str) -> None:
    with database(journal_url).begin() as connection:
        connection.execute(text("CREATE TABLE customers (name TEXT)"))
    with pytest.raises(JournalCorrupt, match="other tables"):
        Journal.open(journal_url)
    assert inspect(database(journal_url)).get_table_names() == ["customers"]


def test_a_later_release_migrates_the_journal_and_keeps_its_rows(
    journal_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.open(journal_url) as journal:
        StoredRounds(journal).extend({"WETH": (Round(1, 2, 3),)})
    shutil.copytree(versions.MIGRATIONS, tmp_path / "migrations")
    (tmp_path / "migrations" / "versions" / "0103_notes.py").write_text(NEXT_REVISION, encoding="utf-8")
    monkeypatch.setattr(versions, "MIGRATIONS", tmp_path / "migrations")
    monkeypatch.setattr(versions, "NEWEST", "0103")
    with pytest.raises(JournalTooOld, match="0102"):
        Journal.open_for_reading(journal_url)
    with Journal.open(journal_url) as journal:
        assert StoredRounds(journal).since(0) == {"WETH": (Round(1, 2, 3),)}
        assert journal.verify() == 1
    assert inspect(database(journal_url)).has_table("notes")
    Journal.open_for_reading(journal_url).close()


def test_a_journal_of_the_first_release_gets_its_terms(journal_url: str) -> None:
    with Journal.open(journal_url) as journal:
        StoredRounds(journal).extend({"WETH": (Round(1, 2, 3),)})
    with database(journal_url).begin() as connection:
        connection.execute(text("DROP TABLE terms"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0101'"))
    with Journal.open(journal_url) as journal, journal.reading() as connection:
        assert journal.verify() == 1
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    assert [difference for difference in differences if "alembic_version" not in str(difference)] == []


def test_a_new_journal_has_the_tables_of_the_program(journal_url: str) -> None:
    with Journal.open(journal_url) as journal, journal.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    assert [difference for difference in differences if "alembic_version" not in str(difference)] == []


def test_the_newest_migration_is_the_version_of_the_program() -> None:
    assert ScriptDirectory(str(versions.MIGRATIONS)).get_current_head() == versions.NEWEST


def test_a_changed_schema_has_a_new_revision() -> None:
    """A journal with other tables and the same revision would open, and fail later."""
    tables = [
        str(CreateTable(table).compile(dialect=sqlite.dialect())) for table in schema.metadata.sorted_tables
    ]
    indexes = sorted(
        str(CreateIndex(index).compile(dialect=sqlite.dialect()))
        for table in schema.metadata.sorted_tables
        for index in table.indexes
    )
    digest = hashlib.sha256("\n".join((*tables, *indexes)).encode()).hexdigest()[:16]
    assert (versions.NEWEST, digest) == ("0102", "cb9817cc7d33a836")
