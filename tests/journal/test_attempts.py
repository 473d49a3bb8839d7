from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.domain.errors import JournalUnwritable
from keeper.domain.tx import Attempt, Intent, IntentStatus, Payload, Receipt
from keeper.journal.attempts import StoredAttempts
from keeper.journal.store import Journal

SENDER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
PAYLOAD = Payload(31_337, SENDER, "0x" + "11" * 20, 4, "0x7df868c7", 900_000, 10**11, 2_000)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}") as opened:
        yield opened


@pytest.fixture
def log(journal: Journal) -> StoredAttempts:
    return StoredAttempts(journal, lambda: 1_234.5)


def an_intent(name: str, nonce: int) -> Intent:
    return Intent(name, nonce, PAYLOAD)


def an_attempt(intent_id: str, number: int) -> Attempt:
    return Attempt(intent_id, f"0x{number:064x}", f"0x02{number:02x}", 2**70 + number, number)


def a_receipt(attempt: Attempt) -> Receipt:
    return Receipt(attempt.intent_id, attempt.tx_hash, 9, "0x" + "ab" * 32, True, 500_000, 2**65)


def test_an_intent_comes_back_whole(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    assert log.open_intent(31_337, SENDER.lower()) == an_intent("one", 7)
    assert log.status("one") is IntentStatus.OPEN
    assert log.created_at("one") == 1_234


def test_attempts_come_back_byte_for_byte_oldest_first(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    log.add_attempt(an_attempt("one", 9))
    log.add_attempt(an_attempt("one", 3))
    assert log.attempts("one") == (an_attempt("one", 9), an_attempt("one", 3))


def test_n5_the_database_refuses_a_second_intent_for_a_nonce(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    log.move("one", IntentStatus.FINAL)
    with pytest.raises(JournalUnwritable):
        log.create(an_intent("two", 7))


@pytest.mark.parametrize("status", [IntentStatus.OPEN, IntentStatus.UNKNOWN, IntentStatus.MINED])
def test_n1_the_database_refuses_a_second_intent_while_one_is_not_final(
    log: StoredAttempts, status: IntentStatus
) -> None:
    log.create(an_intent("one", 7))
    log.move("one", status)
    with pytest.raises(JournalUnwritable):
        log.create(an_intent("two", 8))


def test_the_nonce_of_an_intent_that_expired_unsigned_is_free_again(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    log.move("one", IntentStatus.EXPIRED)
    assert log.highest_nonce(31_337, SENDER) is None
    log.create(an_intent("two", 7))
    assert log.highest_nonce(31_337, SENDER) == 7


def test_another_key_or_chain_has_its_own_intents(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    log.create(Intent("other chain", 7, replace(PAYLOAD, chain_id=1)))
    log.create(Intent("other key", 7, replace(PAYLOAD, sender="0x" + "22" * 20)))
    assert log.open_intent(1, SENDER) is not None


def test_one_hash_belongs_to_one_attempt(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    log.add_attempt(an_attempt("one", 1))
    with pytest.raises(JournalUnwritable):
        log.add_attempt(an_attempt("one", 1))


def test_an_attempt_without_its_intent_is_refused(log: StoredAttempts) -> None:
    with pytest.raises(JournalUnwritable):
        log.add_attempt(an_attempt("nobody", 1))


def test_a_receipt_may_be_found_twice(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    log.add_attempt(an_attempt("one", 1))
    log.mark_broadcast(an_attempt("one", 1).tx_hash)
    log.add_receipt(a_receipt(an_attempt("one", 1)))
    log.add_receipt(a_receipt(an_attempt("one", 1)))
    log.move("one", IntentStatus.FINAL)
    assert log.open_intent(31_337, SENDER) is None


def test_an_error_shows_no_signed_bytes(log: StoredAttempts) -> None:
    with pytest.raises(JournalUnwritable) as refused:
        log.add_attempt(Attempt("nobody", "0x" + "0" * 64, "0xc0ffee", 1, 1))
    assert "c0ffee" not in refused.value.message + refused.value.remedy
