"""Every signed transaction with its intent and its receipt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.app.queries import days
from keeper.domain.tx import AttemptKind, Intent, IntentStatus
from keeper.journal.attempts import StoredAttempts
from keeper.journal.fills import StoredFills
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.journal.transactions import StoredTransactions
from tests.assistant.journals import mined
from tests.factories import NOW, an_executed_swap
from tests.journal.rows import PAYLOAD, a_receipt, a_record, an_attempt


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}") as opened:
        yield opened


def test_a_mined_one_and_one_that_was_never_sent_come_back(journal: Journal) -> None:
    log = StoredAttempts(journal, lambda: 1_234.5)
    mined(log, "first", nonce=7, gas=21_000)
    log.create(Intent("second", 8, replace(PAYLOAD, as_of=NOW + 10)))
    log.move("second", IntentStatus.SIGNING)
    log.add_attempt(replace(an_attempt("second", 9), kind=AttemptKind.CANCEL))
    first, second = StoredTransactions(journal).between(0, NOW + 11)
    assert (first.intent.intent_id, first.status, first.place) == ("first", IntentStatus.FINAL, 1)
    assert (first.signed_at, first.broadcast_at) == (1_234, 1_234)
    assert first.receipt is not None
    assert first.receipt.gas_used == 21_000
    assert (second.attempt.kind, second.status) == (AttemptKind.CANCEL, IntentStatus.SIGNED)
    assert (second.broadcast_at, second.receipt) == (None, None)


def test_only_what_was_decided_on_in_the_time_comes_back(journal_url: str) -> None:
    with Journal.open(journal_url) as journal:
        mined(StoredAttempts(journal, lambda: 0.0), "only", nonce=7, gas=21_000)
        records = StoredRecords(journal)
        records.append(replace(a_record("traded"), executed_swaps=(an_executed_swap(at=NOW),)))
        records.append(a_record("held"))
        for between in (
            StoredTransactions(journal).between,
            StoredFills(journal).between,
            lambda since, until: tuple(records.traded(since, until)),
        ):
            assert len(between(*days(None, None))) == len(between(NOW, NOW + 1)) == 1
            assert between(0, NOW) == between(NOW + 1, NOW + 2) == ()


def test_a_reorganised_transaction_counts_with_its_last_receipt(journal: Journal) -> None:
    log = StoredAttempts(journal, lambda: 0.0)
    log.create(Intent("moved", 7, replace(PAYLOAD, as_of=NOW)))
    log.move("moved", IntentStatus.SIGNING)
    log.add_attempt(an_attempt("moved", 1))
    log.mark_broadcast(an_attempt("moved", 1).tx_hash)
    for block in (9, 12):
        receipt = replace(a_receipt(an_attempt("moved", 1)), block_number=block, block_hash=f"0x{block:064x}")
        log.add_receipt(receipt)
        if block == 9:
            log.move("moved", IntentStatus.UNMINED)
    (only,) = StoredTransactions(journal).between(NOW, NOW + 1)
    assert only.receipt is not None
    assert only.receipt.block_number == 12


def two_attempts(journal: Journal) -> StoredAttempts:
    """One nonce, two signed transactions; the first is mined and loses its receipt."""
    log = StoredAttempts(journal, lambda: 0.0)
    log.create(Intent("moved", 7, replace(PAYLOAD, as_of=NOW)))
    log.move("moved", IntentStatus.SIGNING)
    for number in (1, 2):
        log.add_attempt(an_attempt("moved", number))
        log.mark_broadcast(an_attempt("moved", number).tx_hash)
    log.add_receipt(a_receipt(an_attempt("moved", 1)))
    log.move("moved", IntentStatus.UNMINED)
    return log


def mined_numbers(journal: Journal) -> list[int]:
    """Which attempts count as mined."""
    signed = StoredTransactions(journal).between(NOW, NOW + 1)
    return [int(each.attempt.tx_hash, 16) for each in signed if each.receipt is not None]


def test_one_nonce_is_mined_once_although_a_reorganisation_chose_another_attempt(journal: Journal) -> None:
    log = two_attempts(journal)
    log.add_receipt(replace(a_receipt(an_attempt("moved", 2)), block_number=12, block_hash=f"0x{12:064x}"))
    assert mined_numbers(journal) == [2]


@pytest.mark.parametrize(
    "path", [(), (IntentStatus.DISPLACED,), (IntentStatus.EXPIRED,), (IntentStatus.SUPERSEDED,)]
)
def test_a_receipt_that_a_reorganisation_removed_is_none(
    path: tuple[IntentStatus, ...], journal: Journal
) -> None:
    log = two_attempts(journal)
    for status in path:
        log.move("moved", status)
    assert mined_numbers(journal) == []
