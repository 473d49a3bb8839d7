from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest

from keeper.cycle.history_references import references
from keeper.cycle.pipeline import assess, conclude, price_bars, required_quotes
from keeper.cycle.replay import replay
from keeper.domain.errors import NothingToReplay
from keeper.domain.market import Round
from keeper.domain.observation import Observation
from keeper.domain.plan import Quote
from keeper.domain.record import CycleInputs, CycleOutcome, DecisionRecord, Failure, Mode
from keeper.journal.codec import decode, encode
from tests.cycle.rounds import HOUR, some_rounds
from tests.factories import NOW, a_policy, a_reading, a_snapshot

Rounds = Mapping[str, tuple[Round, ...]]


def a_record(rounds: Rounds) -> DecisionRecord:
    """A cycle that decided to trade, as the keeper records it."""
    snapshot, policy = a_snapshot(weights=(0.0, 0.0, 0.0, 0.0)), a_policy()
    implied = (a_reading("BTC", 0.48), a_reading("ETH", 0.55))
    bars = price_bars(rounds, snapshot, policy)
    assessment = assess(Observation(snapshot, implied=implied), bars, policy)
    quotes = tuple(
        Quote(
            asked.route,
            asked.amount_in,
            asked.amount_in
            * snapshot.price(asked.route.symbols[0])
            * 10 ** snapshot.token(asked.route.symbols[-1]).decimals
            * 9_990
            // (
                snapshot.price(asked.route.symbols[-1])
                * 10 ** snapshot.token(asked.route.symbols[0]).decimals
                * 10_000
            ),
            150_000,
        )
        for asked in required_quotes(assessment, snapshot)
    )
    inputs = CycleInputs(
        snapshot,
        implied,
        history=references(rounds),
        policy=policy,
        quotes=quotes,
        opinions=(),
        memory=(),
        candles=(),
    )
    return DecisionRecord(
        record_id="abc",
        mode=Mode.DRY_RUN,
        outcome=CycleOutcome.WOULD_SEND,
        summary="",
        exit_code=0,
        started_at=float(NOW),
        code_version="0.1.0",
        settings_hash="",
        inputs=inputs,
        conclusions=conclude(inputs, bars),
        simulation=None,
        verdict=None,
        receipt=None,
        realised=None,
        failure=None,
        read_round_trips=0,
        rpc_round_trips=0,
        compute_ms=0.0,
        nodes=(),
        quorum=1,
        executed_swaps=(),
        post_trade=(),
    )


@pytest.fixture(scope="module")
def rounds() -> Rounds:
    return some_rounds()


@pytest.fixture(scope="module")
def record(rounds: Rounds) -> DecisionRecord:
    recorded = a_record(rounds)
    assert recorded.conclusions is not None
    assert recorded.conclusions.plan is not None
    return recorded


def test_a_record_from_the_journal_concludes_the_same_bits_again(
    record: DecisionRecord, rounds: Rounds
) -> None:
    stored = decode(encode(record, DecisionRecord), DecisionRecord)
    assert replay(stored, rounds).differences == ()


def test_rounds_that_came_later_change_nothing(record: DecisionRecord, rounds: Rounds) -> None:
    later = {symbol: (*known, Round(2**70, 1, NOW + HOUR)) for symbol, known in rounds.items()}
    assert replay(record, later).same


def test_an_altered_round_is_named_instead_of_replayed(record: DecisionRecord, rounds: Rounds) -> None:
    altered = dict(rounds)
    first, *rest = rounds["LINK"]
    altered["LINK"] = (replace(first, answer=first.answer + 1), *rest)
    (difference,) = replay(record, altered).differences
    assert "LINK" in difference


def test_missing_rounds_are_named(record: DecisionRecord, rounds: Rounds) -> None:
    fewer = {symbol: known for symbol, known in rounds.items() if symbol != "UNI"}
    (difference,) = replay(record, fewer).differences
    assert "UNI" in difference


def test_one_bit_of_a_conclusion_shows_with_its_path_and_both_values(
    record: DecisionRecord, rounds: Rounds
) -> None:
    assert record.conclusions is not None
    target = record.conclusions.target
    nudged = replace(target, leverage=math.nextafter(target.leverage, math.inf))
    other = replace(record, conclusions=replace(record.conclusions, target=nudged))
    (difference,) = replay(other, rounds).differences
    assert difference.startswith("target.leverage: ")
    assert repr(target.leverage) in difference
    assert repr(nudged.leverage) in difference


def test_a_cycle_that_lost_the_node_before_planning_replays_up_to_its_decision(
    record: DecisionRecord, rounds: Rounds
) -> None:
    assert record.inputs is not None
    assert record.conclusions is not None
    lost = replace(
        record,
        outcome=CycleOutcome.FAILED,
        inputs=replace(record.inputs, quotes=()),
        conclusions=replace(record.conclusions, plan=None),
        failure=Failure("NodeUnavailable", 3, "gone", "Look."),
    )
    assert replay(lost, rounds).differences == ()


def test_a_cycle_that_ended_before_its_decision_has_nothing_to_replay(
    record: DecisionRecord, rounds: Rounds
) -> None:
    with pytest.raises(NothingToReplay):
        replay(replace(record, inputs=None, conclusions=None), rounds)
