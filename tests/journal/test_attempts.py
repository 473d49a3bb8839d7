from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from keeper.domain.errors import JournalUnwritable
from keeper.domain.tx import TRANSITIONS, Attempt, AttemptKind, Intent, IntentStatus
from keeper.journal.attempts import StoredAttempts
from keeper.journal.store import Journal
from tests.journal.rows import PAYLOAD, SENDER, a_receipt, an_attempt


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    with Journal.open(journal_url) as opened:
        yield opened


@pytest.fixture
def log(journal: Journal) -> StoredAttempts:
    return StoredAttempts(journal, lambda: 1_234.5)


def an_intent(name: str, nonce: int) -> Intent:
    return Intent(name, nonce, PAYLOAD)


def signed(log: StoredAttempts, intent: Intent, number: int = 1) -> Attempt:
    """Created and signed for."""
    log.create(intent)
    log.move(intent.intent_id, IntentStatus.SIGNING)
    attempt = an_attempt(intent.intent_id, number)
    log.add_attempt(attempt)
    return attempt


def mined(log: StoredAttempts, intent: Intent, number: int = 1) -> Attempt:
    attempt = signed(log, intent, number)
    log.mark_broadcast(attempt.tx_hash)
    log.add_receipt(a_receipt(attempt))
    return attempt


def test_an_intent_comes_back_whole(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    assert log.unfinished(31_337, SENDER.lower()) == (an_intent("one", 7),)
    assert log.intent("one") == an_intent("one", 7)
    assert log.status("one") is IntentStatus.OPEN
    assert log.created_at("one") == 1_234


def test_attempts_come_back_byte_for_byte_oldest_first(log: StoredAttempts) -> None:
    signed(log, an_intent("one", 7), 9)
    cancelling = replace(an_attempt("one", 3), kind=AttemptKind.CANCEL)
    log.add_attempt(cancelling)
    assert log.attempts("one") == (an_attempt("one", 9), cancelling)


def test_the_states_follow_what_happens(log: StoredAttempts) -> None:
    attempt = signed(log, an_intent("one", 7))
    assert log.status("one") is IntentStatus.SIGNED
    log.mark_broadcast(attempt.tx_hash)
    log.mark_broadcast(attempt.tx_hash)
    assert log.status("one") is IntentStatus.SENT
    log.add_receipt(a_receipt(attempt))
    assert log.status("one") is IntentStatus.MINED
    log.move("one", IntentStatus.FINAL)
    assert log.unfinished(31_337, SENDER) == ()
    assert log.latest_final(31_337, SENDER) == (an_intent("one", 7), a_receipt(attempt))


@pytest.mark.parametrize(
    "to", [status for status in IntentStatus if (IntentStatus.MINED, status) not in TRANSITIONS]
)
def test_the_database_refuses_a_move_that_is_not_allowed(log: StoredAttempts, to: IntentStatus) -> None:
    mined(log, an_intent("one", 7))
    with pytest.raises(JournalUnwritable):
        log.move("one", to)
    assert log.status("one") is IntentStatus.MINED


@pytest.mark.parametrize(
    "values",
    [
        "('one', 2, 1, 'OPEN', 'FINAL', 0, 1)",
        "('one', 3, 2, 'SIGNING', 'SIGNED', 0, 1)",
        "('one', 2, 1, 'SENT', 'MINED', 0, 1)",
        "('one', 2, NULL, NULL, 'OPEN', 0, 1)",
        "('nobody', 1, NULL, NULL, 'OPEN', 0, 1)",
    ],
)
def test_the_database_itself_keeps_the_order_whoever_writes(
    journal: Journal, log: StoredAttempts, values: str
) -> None:
    log.create(an_intent("one", 7))
    with pytest.raises(JournalUnwritable), journal.appending("move") as entry:
        entry.connection.execute(
            text(f"INSERT INTO moves (intent_id, step, step_before, was, became, at, entry) VALUES {values}")
        )


def test_n5_the_database_refuses_a_second_intent_for_a_nonce(log: StoredAttempts) -> None:
    mined(log, an_intent("one", 7))
    with pytest.raises(JournalUnwritable):
        log.create(an_intent("two", 7))


def test_n1_the_database_refuses_a_second_intent_while_one_waits(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    for step in (IntentStatus.SIGNING, None):
        with pytest.raises(JournalUnwritable):
            log.create(an_intent("two", 8))
        if step is not None:
            log.move("one", step)


def test_an_emergency_may_follow_one_that_is_mined_and_not_final(log: StoredAttempts) -> None:
    mined(log, an_intent("one", 7))
    log.create(an_intent("two", 8))
    assert [intent.intent_id for intent in log.unfinished(31_337, SENDER)] == ["one", "two"]


def test_a_supersession_is_one_step(log: StoredAttempts) -> None:
    signed(log, an_intent("one", 7))
    log.create(replace(an_intent("two", 7), supersedes="one"))
    assert log.status("one") is IntentStatus.SUPERSEDED
    assert log.unfinished(31_337, SENDER) == (replace(an_intent("two", 7), supersedes="one"),)


@pytest.mark.parametrize("how", [IntentStatus.EXPIRED, IntentStatus.DISPLACED])
def test_what_was_given_up_and_is_mined_after_all_comes_back_and_has_its_nonce_alone(
    journal: Journal, log: StoredAttempts, how: IntentStatus
) -> None:
    """Here the other one at its nonce is no successor: it was mined first, and a reorganisation took it back."""
    first = mined(log, an_intent("one", 7), 1)
    log.move("one", IntentStatus.UNMINED)
    log.create(replace(an_intent("two", 7), supersedes="one"))
    log.move("two", IntentStatus.SIGNING)
    second = an_attempt("two", 2)
    log.add_attempt(second)
    if how is IntentStatus.DISPLACED:
        log.add_receipt(a_receipt(first))
        log.move("one", IntentStatus.UNMINED)
    else:
        log.move("two", how)
    assert log.status("two") is how
    for _ in range(2):
        log.add_receipt(a_receipt(second))
    assert log.status("two") is IntentStatus.MINED
    assert [intent.intent_id for intent in log.unfinished(31_337, SENDER)] == ["two"]
    assert log.receipts("two") == (a_receipt(second),)
    assert log.watermark(31_337, SENDER).next_nonce == 8
    journal.verify()


def test_what_lost_a_nonce_before_it_had_bytes_names_those_that_it_superseded(log: StoredAttempts) -> None:
    signed(log, an_intent("one", 7))
    log.create(replace(an_intent("two", 7), supersedes="one"))
    log.move("two", IntentStatus.SIGNING)
    log.move("two", IntentStatus.DISPLACED)
    assert [intent.supersedes for intent in log.given_up(31_337, SENDER)] == ["one"]


@pytest.mark.parametrize("signs", [True, False])
def test_what_was_superseded_and_is_mined_after_all_takes_its_nonce_back(
    log: StoredAttempts, signs: bool
) -> None:
    attempt = signed(log, an_intent("one", 7))
    log.create(replace(an_intent("two", 7), supersedes="one"))
    if signs:
        log.move("two", IntentStatus.SIGNING)
        log.add_attempt(an_attempt("two", 2))
    log.add_receipt(a_receipt(attempt))
    assert log.status("one") is IntentStatus.MINED
    assert log.status("two") is (IntentStatus.DISPLACED if signs else IntentStatus.EXPIRED)


def test_of_several_that_took_over_one_nonce_all_have_lost_it_when_the_first_is_mined(
    log: StoredAttempts,
) -> None:
    """The second ended before it had bytes, so the third took over the first one's nonce as well."""
    first = signed(log, an_intent("one", 7))
    log.create(replace(an_intent("two", 7), supersedes="one"))
    log.move("two", IntentStatus.EXPIRED)
    log.move("one", IntentStatus.EXPIRED)
    log.create(replace(an_intent("three", 7), supersedes="one"))
    log.move("three", IntentStatus.SIGNING)
    log.add_receipt(a_receipt(first))
    assert log.status("one") is IntentStatus.MINED
    assert log.status("three") is IntentStatus.DISPLACED


def test_the_nonce_of_an_intent_that_expired_unsigned_is_free_again(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    log.move("one", IntentStatus.EXPIRED)
    assert log.watermark(31_337, SENDER).next_nonce is None
    signed(log, an_intent("two", 7))
    assert log.watermark(31_337, SENDER).next_nonce == 8


def test_the_watermark_counts_from_the_announcement_of_a_signature_and_never_falls_below_it(
    log: StoredAttempts,
) -> None:
    log.adopt_nonce(31_337, SENDER, 7)
    assert log.watermark(31_337, SENDER).next_nonce == 7
    log.create(an_intent("one", 7))
    assert log.watermark(31_337, SENDER).next_nonce == 7
    log.move("one", IntentStatus.SIGNING)
    assert log.watermark(31_337, SENDER).next_nonce == 8
    log.adopt_nonce(31_337, SENDER, 3)
    assert log.watermark(31_337, SENDER).next_nonce == 8


def test_of_what_was_adopted_the_last_counts(log: StoredAttempts) -> None:
    log.adopt_nonce(31_337, SENDER, 7)
    log.adopt_nonce(1, SENDER, 50)
    log.adopt_nonce(31_337, SENDER, 9_000)
    log.adopt_nonce(31_337, SENDER, 7)
    mark = log.watermark(31_337, SENDER)
    assert (mark.next_nonce, mark.adopted_s) == (7, 0)
    assert mark.is_hearsay
    signed(log, an_intent("one", 7))
    mark = log.watermark(31_337, SENDER)
    assert mark.next_nonce == 8
    assert not mark.is_hearsay


def test_another_key_or_chain_has_its_own_intents(log: StoredAttempts) -> None:
    log.create(an_intent("one", 7))
    log.create(Intent("other chain", 7, replace(PAYLOAD, chain_id=1)))
    log.create(Intent("other key", 7, replace(PAYLOAD, sender="0x" + "22" * 20)))
    assert [intent.intent_id for intent in log.unfinished(1, SENDER)] == ["other chain"]


def test_one_hash_belongs_to_one_attempt(log: StoredAttempts) -> None:
    attempt = signed(log, an_intent("one", 7))
    with pytest.raises(JournalUnwritable):
        log.add_attempt(attempt)


def test_an_attempt_without_its_intent_is_refused(log: StoredAttempts) -> None:
    with pytest.raises(JournalUnwritable):
        log.add_attempt(an_attempt("nobody", 1))


def test_a_receipt_may_be_found_twice_and_after_a_reorganisation_anew(log: StoredAttempts) -> None:
    attempt = mined(log, an_intent("one", 7))
    log.add_receipt(a_receipt(attempt))
    log.move("one", IntentStatus.UNMINED)
    again = replace(a_receipt(attempt), block_number=10, block_hash="0x" + "cd" * 32)
    log.add_receipt(again)
    assert log.receipts("one") == (a_receipt(attempt), again)
    assert log.status("one") is IntentStatus.MINED


def test_what_a_day_used_up(log: StoredAttempts) -> None:
    for nonce, (as_of, ok) in enumerate([(100, True), (2_000, True), (3_000, False)]):
        name = str(nonce)
        payload = replace(PAYLOAD, as_of=as_of, turnover=0.5)
        attempt = signed(log, Intent(name, nonce, payload), nonce)
        log.mark_broadcast(attempt.tx_hash)
        navs: dict[str, Any] = {"nav_before": 1_000, "nav_after": 990} if ok else {}
        receipt = replace(a_receipt(attempt), succeeded=ok, gas_used=100, effective_gas_price_wei=7, **navs)
        receipt = replace(receipt, rollup_fee_wei=50)
        log.add_receipt(receipt)
        log.move(name, IntentStatus.UNMINED)
        log.add_receipt(replace(receipt, block_hash="0x" + "cd" * 32))
        log.move(name, IntentStatus.FINAL if ok else IntentStatus.REVERTED)
    log.create(Intent("waiting", 3, replace(PAYLOAD, as_of=4_000, turnover=0.25)))
    spent = log.spent(31_337, SENDER, 1_000)
    assert spent.loss == pytest.approx(0.01)
    assert (spent.turnover, spent.gas_wei, spent.failures) == (0.75, 2 * 750, 1)


def test_a_call_that_anybody_may_make_first_is_no_failure_when_it_reverts(log: StoredAttempts) -> None:
    attempt = signed(log, Intent("one", 1, replace(PAYLOAD, as_of=2_000, turnover=0.0, open_to_all=True)), 1)
    log.mark_broadcast(attempt.tx_hash)
    log.add_receipt(replace(a_receipt(attempt), succeeded=False, gas_used=100, effective_gas_price_wei=7))
    log.move("one", IntentStatus.REVERTED)
    spent = log.spent(31_337, SENDER, 1_000)
    assert (spent.failures, spent.gas_wei) == (0, 700)


def test_an_error_shows_no_signed_bytes(log: StoredAttempts) -> None:
    with pytest.raises(JournalUnwritable) as refused:
        log.add_attempt(Attempt("nobody", "0x" + "0" * 64, "0xc0ffee", 1, 1, kind=AttemptKind.CALL))
    assert "c0ffee" not in refused.value.message + refused.value.remedy
