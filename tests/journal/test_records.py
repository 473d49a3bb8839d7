from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.domain.errors import JournalCorrupt, JournalTooOld, RecordNotFound
from keeper.domain.record import DecisionRecord
from keeper.journal.codec import encode
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.journal.rows import a_record


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keeper.db"


@pytest.fixture
def journal(file: Path) -> Iterator[Journal]:
    with Journal.open(f"sqlite:///{file}") as opened:
        yield opened


@pytest.fixture
def records(journal: Journal) -> StoredRecords:
    return StoredRecords(journal)


def test_a_record_comes_back_equal(records: StoredRecords) -> None:
    records.append(a_record("abc"))
    assert records.record("abc") == a_record("abc")


def test_the_newest_record_comes_first(records: StoredRecords) -> None:
    for name in ("one", "two", "three"):
        records.append(a_record(name))
    assert [record.record_id for record in records.latest(2)] == ["three", "two"]


def test_ids_are_read_without_their_records_and_records_by_their_ids(records: StoredRecords) -> None:
    for name in ("one", "two", "three"):
        records.append(a_record(name))
    assert records.newest_ids(2) == ("three", "two")
    assert {record.record_id for record in records.with_ids(["one", "three", "gone"])} == {"one", "three"}
    assert records.with_ids([]) == ()


def test_the_beginning_of_an_id_is_enough_when_it_is_one_records_only(records: StoredRecords) -> None:
    records.append(a_record("abc1"))
    records.append(a_record("abd2"))
    assert records.record("abd").record_id == "abd2"
    for ambiguous_or_unknown in ("ab", "x", "%"):
        with pytest.raises(RecordNotFound):
            records.record(ambiguous_or_unknown)


def test_a_changed_body_is_no_record_any_more(records: StoredRecords, file: Path) -> None:
    records.append(a_record("one"))
    raw = sqlite3.connect(file)
    with raw:
        raw.execute("UPDATE records SET body = X'00'")
    raw.close()
    with pytest.raises(JournalCorrupt):
        records.record("one")


def test_a_record_of_an_earlier_development_version_is_refused_by_name(
    records: StoredRecords, file: Path
) -> None:
    records.append(a_record("one"))
    body = json.loads(encode(a_record("one"), DecisionRecord))
    del body["record_id"]
    raw = sqlite3.connect(file)
    with raw:
        raw.execute("UPDATE records SET body = ?", (zlib.compress(json.dumps(body).encode()),))
    raw.close()
    with pytest.raises(JournalTooOld, match="record_id") as caught:
        records.record("one")
    assert "move the journal away" in (caught.value.remedy or "")


def test_what_the_keeper_remembers_survives_any_number_of_failed_cycles(records: StoredRecords) -> None:
    assert records.last_informed() is None
    records.append(a_record("informed"))
    for number in range(60):
        records.append(replace(a_record(f"failed {number}"), inputs=None))
    last = records.last_informed()
    assert last is not None
    assert last.record_id == "informed"
