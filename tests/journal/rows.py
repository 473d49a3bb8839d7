"""Rows that the tests of the journal store."""

from __future__ import annotations

from keeper.domain.record import CycleInputs, CycleOutcome, DecisionRecord, Failure, Mode
from keeper.domain.tx import Attempt, AttemptKind, Payload, Receipt
from tests.factories import a_policy, a_reading, a_snapshot, an_in_flight

SENDER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
PAYLOAD = Payload(
    chain_id=31_337,
    sender=SENDER,
    to="0x" + "11" * 20,
    epoch=4,
    calldata="0xf1eabd8b",
    gas_limit=900_000,
    max_fee_cap_wei=10**11,
    deadline=2_000,
    as_of=0,
    turnover=0.0,
    private=False,
)


def an_attempt(intent_id: str, number: int) -> Attempt:
    return Attempt(
        intent_id, f"0x{number:064x}", f"0x02{number:02x}", 2**70 + number, number, kind=AttemptKind.CALL
    )


def a_receipt(attempt: Attempt) -> Receipt:
    return Receipt(
        attempt.intent_id,
        attempt.tx_hash,
        9,
        "0x" + "ab" * 32,
        True,
        500_000,
        2**65,
        rollup_fee_wei=0,
        nav_before=None,
        nav_after=None,
    )


def a_record(record_id: str) -> DecisionRecord:
    return DecisionRecord(
        record_id=record_id,
        mode=Mode.DRY_RUN,
        outcome=CycleOutcome.FAILED,
        summary="NodeUnavailable: the node is gone",
        exit_code=3,
        started_at=1_686_830_400.123_456_7,
        code_version="0.1.0",
        settings_hash="ab" * 32,
        inputs=CycleInputs(
            a_snapshot(),
            (a_reading("BTC", 0.61), a_reading("ETH", None)),
            an_in_flight(),
            history=(),
            policy=a_policy(),
            quotes=(),
            opinions=(),
            memory=(),
            candles=(),
        ),
        conclusions=None,
        simulation=None,
        verdict=None,
        receipt=None,
        realised=None,
        failure=Failure("NodeUnavailable", 3, "the node is gone", "Look."),
        read_round_trips=2,
        rpc_round_trips=3,
        compute_ms=1.5,
        nodes=(),
        quorum=1,
        executed_swaps=(),
        post_trade=(),
    )
