from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from keeper.domain.errors import (
    AlreadyRunning,
    InvalidSetting,
    JournalCorrupt,
    JournalMissing,
    JournalTooNew,
    JournalUnreadable,
    JournalUnwritable,
)
from keeper.domain.market import Round
from keeper.journal import schema
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from tests.databases import fresh_database

A_ROUND = Round(round_id=(7 << 64) | 1, answer=123, updated_at=1_000)


def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'keeper.db'}"


def test_a_commit_survives_a_power_loss_because_every_one_is_synced(tmp_path: Path) -> None:
    with Journal.open(url(tmp_path)) as journal, journal.reading() as connection:
        settings = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    with Journal.open(url(tmp_path)) as journal:
        StoredRounds(journal).extend({"WETH": (A_ROUND,)})
    with Journal.open(url(tmp_path)) as journal:
        assert StoredRounds(journal).since(0) == {"WETH": (A_ROUND,)}


def test_a_second_process_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom keeper.journal.store import Journal\nfrom keeper.domain.errors import AlreadyRunning\n"
        "try:\n    Journal.open(sys.argv[1])\nexcept AlreadyRunning as refused:\n    print(refused.message)\n"
    )
    with Journal.open(url(tmp_path)):
        told = subprocess.run(
            [sys.executable, "-c", program, url(tmp_path)], capture_output=True, text=True, check=True
        ).stdout
    assert str(os.getpid()) in told


def test_a_journal_that_was_closed_can_be_opened_again(tmp_path: Path) -> None:
    Journal.open(url(tmp_path)).close()
    Journal.open(url(tmp_path)).close()


def test_the_lock_is_kept_within_one_process_as_well(tmp_path: Path) -> None:
    with Journal.open(url(tmp_path)), pytest.raises(AlreadyRunning):
        Journal.open(url(tmp_path))


def test_row_45_a_journal_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    Journal.open(url(tmp_path)).close()
    with sqlite3.connect(tmp_path / "keeper.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    raw.close()
    with pytest.raises(JournalTooNew, match="0999"):
        Journal.open(url(tmp_path))
    with pytest.raises(JournalTooNew):
        Journal.open_for_reading(url(tmp_path))


def test_a_refused_opening_leaves_the_lock_free(tmp_path: Path) -> None:
    Journal.open(url(tmp_path)).close()
    with sqlite3.connect(tmp_path / "keeper.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    raw.close()
    with pytest.raises(JournalTooNew):
        Journal.open(url(tmp_path))
    with pytest.raises(JournalTooNew):
        Journal.open(url(tmp_path))


def test_a_file_that_is_not_a_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "keeper.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises((JournalCorrupt, JournalUnwritable), match="not a database"):
        Journal.open(url(tmp_path))


def test_a_journal_that_was_only_begun_reads_as_an_empty_one(tmp_path: Path) -> None:
    """As Ctrl-C leaves it while its tables are made; the next writer makes them."""
    with closing(sqlite3.connect(tmp_path / "keeper.db")) as begun:
        begun.execute("PRAGMA journal_mode = WAL")
        begun.execute("PRAGMA user_version = 0")
    with Journal.open_if_there(url(tmp_path)) as journal:
        assert not journal.exists
        assert journal.verify() == 0


def test_a_journal_that_does_not_exist_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    for opened in (Journal.open_for_reading, Journal.open_to_append):
        with pytest.raises(JournalMissing, match=r"there is no journal at .*keeper\.db"):
            opened(url(tmp_path))
    with Journal.open_if_there(url(tmp_path)) as journal:
        assert not journal.exists
        assert StoredRounds(journal).since(0) == {}
    assert list(tmp_path.iterdir()) == []


def test_reading_beside_a_writer_sees_what_it_committed(tmp_path: Path) -> None:
    with Journal.open(url(tmp_path)) as writer:
        StoredRounds(writer).extend({"WETH": (A_ROUND,)})
        with Journal.open_for_reading(url(tmp_path)) as reader:
            assert StoredRounds(reader).last_known() == {"WETH": A_ROUND.round_id}


def test_what_was_opened_for_reading_cannot_write_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    Journal.open(url(tmp_path)).close()
    before = (tmp_path / "keeper.db").read_bytes()
    with Journal.open_for_reading(url(tmp_path)) as reader, pytest.raises(JournalUnwritable):
        StoredRounds(reader).extend({"WETH": (A_ROUND,)})
    assert (tmp_path / "keeper.db").read_bytes() == before


def test_a_copy_in_a_folder_that_may_not_be_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.open(url(tmp_path)) as journal:
        StoredRounds(journal).extend({"WETH": (A_ROUND,)})
        monkeypatch.setattr("keeper.journal.databases.os.access", lambda *_: False)  # root may write anywhere
        with Journal.open_for_reading(url(tmp_path)) as reader:  # what is in the -wal file is not left out
            assert StoredRounds(reader).last_known() == {"WETH": A_ROUND.round_id}
    with Journal.open_for_reading(url(tmp_path)) as reader:
        assert StoredRounds(reader).last_known() == {"WETH": A_ROUND.round_id}
        assert not list(tmp_path.glob("keeper.db-*"))


def test_a_directory_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSetting, match="KEEPER_JOURNAL_URL = .*: there is no directory"):
        Journal.open(f"sqlite:///{tmp_path / 'file' / 'keeper.db'}")


@pytest.mark.parametrize(
    "address", ["", "keeper.db", "sqlite://", "sqlite:///:memory:", "mysql://u:secret@h/d"]
)
def test_an_address_that_is_no_journal_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        Journal.open(address)
    assert "secret" not in refused.value.message


def test_a_row_that_a_constraint_refuses_is_reported_without_the_words_of_the_database(
    journal_url: str,
) -> None:
    row = {"symbol": "WETH", "round_id": "1", "answer": "2", "updated_at": 3}
    with Journal.open(journal_url) as journal:
        with journal.appending("rounds") as entry:
            entry.add(schema.rounds, row)
        with pytest.raises(JournalUnwritable) as refused, journal.appending("rounds") as entry:
            entry.add(schema.rounds, row)
    assert "refuses the new rounds rows" in refused.value.message
    shown = (refused.value.message + refused.value.remedy).lower()
    assert not any(word in shown for word in ("constraint", "unique", "insert", "round_id", "sql"))


def test_a_full_disk_is_reported_in_plain_words(tmp_path: Path) -> None:
    def fill(journal: Journal) -> None:
        with journal.appending("rounds") as entry:
            pages = entry.connection.exec_driver_sql("PRAGMA page_count").scalar()
            entry.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            for number in range(2_000):
                row = {"symbol": "WETH", "round_id": str(number), "answer": "2", "updated_at": 3}
                entry.add(schema.rounds, row)

    with (
        Journal.open(url(tmp_path)) as journal,
        pytest.raises(JournalUnwritable, match="cannot be written: the disk is full"),
    ):
        fill(journal)


def test_a_journal_that_is_removed_or_replaced_is_noticed_and_used_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    path, away = tmp_path / "keeper.db", tmp_path / "away.db"
    with Journal.open(url(tmp_path)) as journal:
        path.rename(away)
        with pytest.raises(JournalUnwritable, match="was removed while the keeper used it"):
            StoredRounds(journal).extend({"WETH": (A_ROUND,)})
        path.write_bytes(away.read_bytes())
        with pytest.raises(JournalUnwritable, match="was replaced by another file"):
            StoredRounds(journal).extend({"WETH": (A_ROUND,)})
        away.replace(path)
        StoredRounds(journal).extend({"WETH": (A_ROUND,)})
    with Journal.open_for_reading(url(tmp_path)) as journal:
        assert StoredRounds(journal).last_known() == {"WETH": A_ROUND.round_id}


def test_a_lost_connection_is_made_again_with_its_lock(postgres_server: str) -> None:
    address = fresh_database(postgres_server)
    with Journal.open(address) as journal:
        _end_connections(address)
        with pytest.raises(JournalUnwritable):
            StoredRounds(journal).extend({"WETH": (A_ROUND,)})
        StoredRounds(journal).extend({"WETH": (A_ROUND,)})
        with pytest.raises(AlreadyRunning):
            Journal.open(address)


def test_a_lock_that_somebody_else_got_meanwhile_stops_every_write(postgres_server: str) -> None:
    address = fresh_database(postgres_server)
    with Journal.open(address) as journal:
        _end_connections(address)
        with Journal.open(address):
            for _ in range(2):
                with pytest.raises(JournalUnwritable):
                    StoredRounds(journal).extend({"WETH": (A_ROUND,)})
        StoredRounds(journal).extend({"WETH": (A_ROUND,)})


def test_a_database_that_does_not_answer_is_unreadable_and_not_corrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.open(url(tmp_path)) as journal:
        failure = sqlite3.OperationalError("disk I/O error")
        failure.sqlite_errorname = "SQLITE_IOERR_READ"

        def fails(*_: object) -> None:
            raise OperationalError("SELECT", {}, failure)

        monkeypatch.setattr("sqlalchemy.engine.Engine.connect", fails)
        with pytest.raises(JournalUnreadable, match="input/output error"):
            StoredRounds(journal).last_known()


def _end_connections(address: str) -> None:
    """As a restart of the server does."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
