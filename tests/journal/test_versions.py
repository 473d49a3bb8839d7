"""A journal of the first shape is brought forward with everything it holds, or left as it is."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from keeper.domain.errors import JournalCorrupt, JournalTooOld
from keeper.domain.market import Round
from keeper.domain.record import DecisionRecord
from keeper.domain.tx import IntentStatus, Payload
from keeper.journal import schema, versions
from keeper.journal.attempts import StoredAttempts
from keeper.journal.codec import encode
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from tests.journal.test_attempts import PAYLOAD, SENDER
from tests.journal.test_records import a_record

MIGRATIONS = Path(versions.__file__).parent / "migrations"
STATUSES = {
    "FINAL": (IntentStatus.FINAL, True),
    "REVERTED": (IntentStatus.REVERTED, True),
    "EXPIRED": (IntentStatus.EXPIRED, False),
    "UNKNOWN": (IntentStatus.UNKNOWN, True),
}


def old_journal(url: str, *, damaged: bool = False) -> None:
    """As the first version left it, without Alembic's own table."""
    parsed = make_url(url)
    address = parsed.set(drivername="postgresql+psycopg") if "postgresql" in url else parsed
    engine = create_engine(address, poolclass=NullPool)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(text("INSERT INTO rounds VALUES ('WETH', '1', '2', 3)"))
        _old_records(connection, damaged=damaged)
        _old_intents(connection)


def _old_records(connection: Connection, *, damaged: bool) -> None:
    previous = "0" * 64
    for number, name in enumerate(("one", "two"), start=1):
        body = encode(a_record(name), DecisionRecord)
        digest = hashlib.sha256(previous.encode() + body).hexdigest()
        connection.execute(
            text("INSERT INTO records VALUES (:number, :name, 1.5, 'FAILED', :body, :previous, :hash)"),
            {
                "number": number,
                "name": name,
                "body": zlib.compress(body if not damaged else body + b" "),
                "previous": previous,
                "hash": digest,
            },
        )
        previous = digest


def _old_intents(connection: Connection) -> None:
    payload = encode(PAYLOAD, Payload).decode()
    for nonce, (status, (_, sent)) in enumerate(STATUSES.items()):
        connection.execute(
            text("INSERT INTO intents VALUES (:name, 31337, :sender, :nonce, :payload, :status, 9)"),
            {"name": status, "sender": SENDER.lower(), "nonce": nonce, "payload": payload, "status": status},
        )
        if sent:
            connection.execute(
                text("INSERT INTO attempts VALUES (:number, :hash, :name, '0x02', '5', '1', 9, 10)"),
                {"number": nonce + 1, "hash": f"0x{nonce}", "name": status},
            )
        if status in ("FINAL", "REVERTED"):
            connection.execute(
                text("INSERT INTO receipts VALUES (:number, :hash, 7, '0xbb', 1, 21000, '3')"),
                {"number": nonce + 1, "hash": f"0x{nonce}"},
            )


def test_a_journal_of_the_first_version_keeps_everything_and_is_chained(journal_url: str) -> None:
    old_journal(journal_url)
    with Journal.open(journal_url) as journal:
        log = StoredAttempts(journal, lambda: 0.0)
        assert StoredRounds(journal).since(0) == {"WETH": (Round(1, 2, 3),)}
        assert [record.record_id for record in StoredRecords(journal).latest(9)] == ["two", "one"]
        assert {name: log.status(name) for name in STATUSES} == {
            name: status for name, (status, _) in STATUSES.items()
        }
        assert [one.intent_id for one in log.unfinished(31_337, SENDER)] == ["UNKNOWN"]
        assert log.next_nonce(31_337, SENDER) == 4
        assert log.receipts("FINAL")[0].gas_used == 21_000
        assert journal.verify() == 7


def test_a_first_journal_that_was_tampered_with_is_left_as_it_is(journal_url: str) -> None:
    old_journal(journal_url, damaged=True)
    for _ in range(2):
        with pytest.raises(JournalCorrupt, match="left as it is"):
            Journal.open(journal_url)
    with pytest.raises(JournalTooOld):
        Journal.open_for_reading(journal_url)


def test_reading_does_not_bring_it_forward(journal_url: str) -> None:
    old_journal(journal_url)
    with pytest.raises(JournalTooOld, match="0001"):
        Journal.open_for_reading(journal_url)


def test_a_database_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE customers (name TEXT)"))
    with pytest.raises(JournalCorrupt, match="other tables"):
        Journal.open(f"sqlite:///{tmp_path / 'other.db'}")


def test_the_migrations_lead_to_the_tables_of_the_program(journal_url: str) -> None:
    with Journal.open(journal_url) as journal, journal.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    assert [one for one in differences if "alembic_version" not in str(one)] == []


def test_the_newest_revision_is_the_programs() -> None:
    names = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))
    assert tuple(names) == versions.REVISIONS
