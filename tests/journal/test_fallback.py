"""The second journal: it goes on where the first ended, and returns into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.domain.errors import JournalUnwritable
from keeper.domain.market import Round
from keeper.domain.tx import Attempt, AttemptKind, Intent, IntentStatus
from keeper.journal.attempts import StoredAttempts
from keeper.journal.fallback import FallbackJournal
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from tests.journal.rows import PAYLOAD, SENDER, a_receipt, a_record, an_attempt


def clock() -> float:
    return 6.0


def begin(journal: Journal) -> None:
    """An intent that is sent, and what a cycle knew."""
    StoredRounds(journal).extend({"WETH": (Round(1, 10, 1_000),)})
    log = StoredAttempts(journal, clock)
    log.create(Intent("one", 7, PAYLOAD))
    log.move("one", IntentStatus.SIGNING)
    log.add_attempt(Attempt("one", "0x01", "0xaa", 1, 1, AttemptKind.CALL))


def go_on(fallback: Journal) -> None:
    """An emergency takes over its nonce."""
    log = StoredAttempts(fallback, clock)
    log.create(Intent("two", 7, PAYLOAD, supersedes="one"))
    log.move("two", IntentStatus.SIGNING)
    log.add_attempt(Attempt("two", "0x02", "0xbb", 2, 2, AttemptKind.CALL))
    StoredRounds(fallback).extend({"WETH": (Round(2, 11, 2_000),)})
    StoredRecords(fallback).append(a_record("fa"))


def came_back(journal: Journal) -> None:
    log = StoredAttempts(journal, clock)
    assert log.status("one") is IntentStatus.SUPERSEDED
    assert log.status("two") is IntentStatus.SIGNED
    assert [one.intent_id for one in log.unfinished(PAYLOAD.chain_id, SENDER)] == ["two"]
    assert StoredRecords(journal).record("fa").record_id.startswith("fa")
    assert StoredRounds(journal).last_known() == {"WETH": 2}
    assert journal.verify() > 0


def test_what_is_written_there_goes_on_where_the_journal_ended_and_comes_back(
    sqlite_url: str, tmp_path: Path
) -> None:
    fallback = FallbackJournal(tmp_path)
    with Journal.open(sqlite_url) as journal:
        begin(journal)
        with fallback.open(journal) as other:
            go_on(other)
        with fallback.open(journal) as other:  # a later cycle finds what the first one wrote
            assert StoredAttempts(other, clock).status("two") is IntentStatus.SIGNED
        assert fallback.exists
        assert fallback.merge_into(journal) > 0
        assert not FallbackJournal(tmp_path).exists
        assert list(tmp_path.glob("fallback-merged-*.db"))
        came_back(journal)


@pytest.mark.parametrize("winner", ["an", "to"], ids=["the lower id wins", "the higher id wins"])
def test_a_nonce_that_changed_hands_there_comes_back(sqlite_url: str, tmp_path: Path, winner: str) -> None:
    """What was superseded is mined, and its rival loses the nonce in the same entry."""
    fallback = FallbackJournal(tmp_path)
    with Journal.open(sqlite_url) as journal:
        log = StoredAttempts(journal, clock)
        for number, intent in enumerate((Intent(winner, 7, PAYLOAD), Intent("or", 7, PAYLOAD, winner))):
            log.create(intent)
            log.move(intent.intent_id, IntentStatus.SIGNING)
            log.add_attempt(an_attempt(intent.intent_id, number))
        with fallback.open(journal) as other:
            StoredAttempts(other, clock).add_receipt(a_receipt(an_attempt(winner, 0)))
        fallback.merge_into(journal)
        assert log.status(winner) is IntentStatus.MINED
        assert log.status("or") is IntentStatus.DISPLACED
        assert journal.verify() > 0


def test_what_the_journal_got_meanwhile_stays(sqlite_url: str, tmp_path: Path) -> None:
    fallback = FallbackJournal(tmp_path)
    with Journal.open(sqlite_url) as journal:
        begin(journal)
        with fallback.open(journal) as other:
            go_on(other)
            Switches(other, clock).pause("day_loss", "written there")
        Switches(journal, clock).pause("operator", "written here")
        StoredRounds(journal).extend({"WETH": (Round(2, 11, 2_000),)})
        fallback.merge_into(journal)
        came_back(journal)
        assert [pause.cause for pause in Switches(journal, clock).pauses()] == ["operator", "day_loss"]


def test_a_database_that_cannot_be_copied_leaves_an_empty_fallback_that_comes_back_too(
    journal_url: str, tmp_path: Path
) -> None:
    fallback = FallbackJournal(tmp_path)
    with Journal.open(journal_url) as journal:
        with fallback.open(journal) as other:
            begin(other)
            go_on(other)
        fallback.merge_into(journal)
        came_back(journal)


def test_a_removed_journal_is_copied_from_what_is_still_open(sqlite_url: str, tmp_path: Path) -> None:
    fallback = FallbackJournal(tmp_path)
    with Journal.open(sqlite_url) as journal:
        begin(journal)
        (tmp_path / "keeper.db").rename(tmp_path / "away.db")
        with pytest.raises(JournalUnwritable):
            begin(journal)
        with fallback.open(journal) as other:
            go_on(other)
        for ending in ("", "-wal", "-shm"):
            file = tmp_path / f"away.db{ending}"
            if file.exists():
                file.rename(tmp_path / f"keeper.db{ending}")
        fallback.merge_into(journal)
        came_back(journal)


def spoil(file: Path, how: str) -> None:
    """As a disk does."""
    if how == "gone with its directory":
        file.parent.rename(file.parent.with_name("away"))
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "overwritten":
        file.write_bytes(b"\0" * file.stat().st_size)
    else:
        content = bytearray(file.read_bytes())
        place = content.rindex(b"0xbb")
        content[place : place + 4] = b"0xbc"
        file.write_bytes(content)


@pytest.mark.parametrize("how", ["gone with its directory", "empty", "overwritten", "one row changed"])
def test_a_second_journal_that_is_damaged_is_unwritable_and_does_not_count_as_none(
    sqlite_url: str, tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    fallback = FallbackJournal(folder)
    with Journal.open(sqlite_url) as journal:
        begin(journal)
        with fallback.open(journal) as other:
            go_on(other)
        for file in folder.glob("*.db-*"):
            file.unlink()
        spoil(folder / "fallback.db", how)
        with pytest.raises(JournalUnwritable, match="the fallback journal .* cannot be used"):
            fallback.exists and fallback.merge_into(journal)
        assert StoredAttempts(journal, clock).status("one") is not IntentStatus.SUPERSEDED
