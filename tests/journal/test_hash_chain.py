"""Every row of every table is covered: whoever changes, removes or adds one is found."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Table, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.pool import NullPool

from keeper.domain.errors import JournalCorrupt
from keeper.domain.information import Fact
from keeper.domain.market import Round
from keeper.domain.orders import AnswerState, Subject
from keeper.domain.prices import Candle
from keeper.domain.tx import Attempt, AttemptKind, Intent, IntentStatus, Receipt
from keeper.journal import schema
from keeper.journal.acceptances import StoredAcceptances
from keeper.journal.attempts import StoredAttempts
from keeper.journal.bars import StoredBars
from keeper.journal.orders import StoredOrders
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from tests.factories import an_executed_swap
from tests.journal.rows import PAYLOAD, SENDER, a_record


def fill(opened: Journal) -> None:
    """Rows in every table."""
    StoredRounds(opened).extend({"WETH": (Round(1, 2, 3), Round(2, 3, 4))})
    StoredRecords(opened).append(
        replace(a_record("one"), executed_swaps=(an_executed_swap(), an_executed_swap(simulated_out=None)))
    )
    log = StoredAttempts(opened, lambda: 5.0)
    log.adopt_nonce(31_337, SENDER, 7)
    log.create(Intent("old", 7, PAYLOAD))
    log.move("old", IntentStatus.SIGNING)
    log.add_attempt(Attempt("old", "0x01", "0x02", 1, 1, kind=AttemptKind.CALL))
    log.create(Intent("new", 7, PAYLOAD, "old"))
    log.move("new", IntentStatus.SIGNING)
    log.add_attempt(Attempt("new", "0x02", "0x03", 2, 2, kind=AttemptKind.CALL))
    log.mark_broadcast("0x02")
    log.add_receipt(Receipt("new", "0x02", 9, "0xbb", True, 1, 1, 0, 10, 9))
    Switches(opened, lambda: 6.0).pause("operator", "because")
    Switches(opened, lambda: 6.0).seal("code", "ab")
    StoredAcceptances(opened, lambda: 6.0).accept((Fact("depth:WETH", 0.0),), "the pool is gone")
    orders = StoredOrders(opened, lambda: 6.0)
    orders.place(2.0, "3am", valid_s=30)
    orders.answer(Subject.ORDER, 1, AnswerState.SEEN, text="process 7")
    with opened.appending("term") as entry:
        entry.add(schema.terms, {"number": 1, "holder": "a process 7", "at": 6})
    StoredBars(opened).add("WETH", "coinbase", (Candle(3_600, 3_600, 1.0, 2.0, 0.5, 1.5),))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite journal with rows in every table, which each test gets a copy of."""
    path = tmp_path_factory.mktemp("filled") / "keeper.db"
    with Journal.open(f"sqlite:///{path}") as opened:
        fill(opened)
    return path


@pytest.fixture
def journal(journal_url: str, filled: Path) -> Iterator[Journal]:
    """A journal with rows in every table."""
    database = make_url(journal_url)
    if database.drivername == "sqlite":
        shutil.copy(filled, str(database.database))
    with Journal.open(journal_url) as opened:
        if database.drivername != "sqlite":
            fill(opened)
        yield opened


def changed(url: str, statement: str) -> None:
    """As somebody with the database's password, or a failing disk, would."""
    address = make_url(url).set(drivername="postgresql+psycopg") if "postgresql" in url else make_url(url)
    engine = create_engine(address, poolclass=NullPool)
    with engine.begin() as connection:
        if "postgresql" in url:
            connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text(statement))


def changes() -> Iterator[tuple[str, str]]:
    for table in (*schema.CHAINED, schema.entries):
        for column in table.columns:
            if str(column.type) in ("BLOB", "TEXT") or str(column.type).startswith("VARCHAR"):
                value = _text_change(table, column.name)
            else:
                value = f"COALESCE({column.name}, 0) + 64"
            key = _one_row(table)
            yield (
                f"{table.name}.{column.name}",
                f"UPDATE {table.name} SET {column.name} = {value} WHERE {key}",
            )
        yield f"a removed row of {table.name}", f"DELETE FROM {table.name} WHERE {_one_row(table)}"
    yield (
        "a row slipped in",
        "INSERT INTO rounds (symbol, round_id, answer, updated_at, entry) VALUES ('X', '1', '1', 1, 1)",
    )
    yield (
        "a row of no entry",
        "INSERT INTO rounds (symbol, round_id, answer, updated_at, entry) VALUES ('X', '1', '1', 1, 99)",
    )


def _text_change(table: Table, column: str) -> str:
    if column == "body":
        return "X'00'"
    return f"'x' || substr(COALESCE({column}, 'yy'), 2)"


def _one_row(table: Table) -> str:
    first = {
        "entries": "number = 3",
        "moves": "step = 1 AND intent_id = 'new'",
        "intents": "intent_id = 'new'",
    }
    return first.get(table.name, f"entry = (SELECT min(entry) FROM {table.name})")


CHANGES = dict(changes())
EVERY = 7
"""Of the changes one in so many is tried in PostgreSQL too. What is hashed does not depend on the database."""
BYTES = {"sqlite": "X'00'", "postgresql": "'\\x00'"}


def test_a_chain_that_holds_says_how_long_it_is(journal: Journal) -> None:
    assert journal.verify() == 18


@pytest.mark.slow
@pytest.mark.parametrize(
    ("journal_url", "statement"),
    [
        *(pytest.param("sqlite", statement, id=f"sqlite-{name}") for name, statement in CHANGES.items()),
        *(
            pytest.param("postgresql", statement, id=f"postgresql-{name}")
            for name, statement in list(CHANGES.items())[::EVERY]
        ),
    ],
    indirect=["journal_url"],
)
def test_row_9_whatever_is_not_as_it_was_written_is_found(
    journal: Journal, journal_url: str, statement: str
) -> None:
    try:
        changed(journal_url, statement.replace("X'00'", BYTES[journal_url.partition(":")[0]]))
    except (IntegrityError, DataError):
        return  # a constraint refused it, which is as good
    with pytest.raises(JournalCorrupt):
        journal.verify()
