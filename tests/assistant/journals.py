"""A journal with a cycle that held and one that traded, for questions about both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from keeper.domain.market import Round
from keeper.domain.record import CycleOutcome, DecisionRecord, Mode
from keeper.domain.tx import Attempt, AttemptKind, Intent, IntentStatus, Receipt
from keeper.journal.attempts import StoredAttempts
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from tests.cycle.decided_records import a_decided_record
from tests.factories import NOW, an_executed_swap
from tests.journal.rows import PAYLOAD
from tests.views.records import RECEIPT, a_record

GWEI = 10**9
HELD_ID, TRADED_ID = "5" * 32, "0123456789abcdef" * 2
ETH_USD = 1_650
TRADE_NONCE = 7
CALL_GAS, REVERT_GAS = 1_888_000, 120_000


def traded() -> DecisionRecord:
    return a_record(
        mode=Mode.LIVE,
        outcome=CycleOutcome.SENT,
        record_id=TRADED_ID,
        receipt=replace(RECEIPT, tx_hash=f"0x{TRADE_NONCE:064x}"),
        executed_swaps=(an_executed_swap(),),
    )


def a_journal(folder: Path) -> str:
    """Writes it into a folder and returns its URL. The trade is the older one."""
    url = f"sqlite:///{folder / 'keeper.db'}"
    with Journal.open(url) as journal:
        StoredRounds(journal).extend({"WETH": (Round(1, ETH_USD * 10**8, NOW - 60),)})
        StoredRecords(journal).append(traded())
        log = StoredAttempts(journal, lambda: float(NOW + 5))
        mined(log, "trade", nonce=TRADE_NONCE, gas=CALL_GAS)
        mined(log, "reverted", nonce=8, gas=REVERT_GAS, succeeded=False)
        StoredRecords(journal).append(a_decided_record(1).record)
    return url


def mined(log: StoredAttempts, name: str, *, nonce: int, gas: int, succeeded: bool = True) -> None:
    """An intent of now that was signed, sent and mined at 1 gwei."""
    log.create(Intent(name, nonce, replace(PAYLOAD, as_of=NOW)))
    log.move(name, IntentStatus.SIGNING)
    tx_hash = f"0x{nonce:064x}"
    log.add_attempt(Attempt(name, tx_hash, "0x02", 2 * GWEI, GWEI, kind=AttemptKind.CALL))
    log.mark_broadcast(tx_hash)
    log.add_receipt(
        Receipt(
            name,
            tx_hash,
            1_235,
            "0x" + "ef" * 32,
            succeeded,
            gas,
            GWEI,
            rollup_fee_wei=0,
            nav_before=None,
            nav_after=None,
        )
    )
    log.move(name, IntentStatus.FINAL if succeeded else IntentStatus.REVERTED)


def with_summary(record: DecisionRecord, summary: str) -> DecisionRecord:
    return replace(record, summary=summary)
