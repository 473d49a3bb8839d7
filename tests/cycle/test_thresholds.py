from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.cycle.thresholds import PriceThreshold, what_if
from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.other_prices import at_prices
from keeper.domain.urgency import Urgency
from tests.cycle.decided_records import DecidedRecord, a_decided_record
from tests.properties import examples

NEAR = 2e-4
"""A tick of the fifth digit, as a fraction, with some reserve for rounding."""


def at(decided: DecidedRecord, threshold: PriceThreshold, change: float | None = None) -> MarketSnapshot:
    """The record's market at the threshold, or with its assets moved by ``change`` instead."""
    snapshot = decided.inputs.snapshot
    prices = dict(zip(threshold.symbols, threshold.prices, strict=True))
    if change is not None:
        prices = {symbol: round(snapshot.price(symbol) * (1 + change)) for symbol in threshold.symbols}
    return at_prices(snapshot, prices)


def asks(decision: Decision) -> bool:
    return any(gate.kind == "trigger" and gate.passed for gate in decision.gates)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000))
@examples(6)
def test_each_named_price_flips_the_decision_of_the_whole_pipeline(seed: int) -> None:
    """The pipeline runs from the price bars on, so the estimate is not the one that the search used."""
    decided = a_decided_record(seed)
    places = what_if(decided.record)
    held = decided.record.conclusions is not None and (
        decided.record.conclusions.decision.action is Action.HOLD
    )
    assert bool(places.trades) <= held
    for place in places.trades:
        beyond = decided.again(at(decided, place)).decision
        assert beyond.action is not Action.HOLD
        assert beyond == place.decision
        if place.held_change != 0.0:
            before = decided.again(at(decided, place, place.held_change)).decision
            assert before.action is Action.HOLD, (place.symbols, place.change)
    for place in places.stopped:
        beyond = decided.again(at(decided, place)).decision
        assert beyond.action is Action.HOLD
        assert asks(beyond)
        if place.held_change != 0.0:
            assert not asks(decided.again(at(decided, place, place.held_change)).decision)
    if places.ripcord is not None:
        assert decided.again(at(decided, places.ripcord)).decision.action is Action.RIPCORD
        before = decided.again(at(decided, places.ripcord, places.ripcord.held_change)).decision
        assert before.urgency is not Urgency.EMERGENCY


def test_thresholds_are_named_to_the_last_digit_and_the_nearest_is_first() -> None:
    places = what_if(a_decided_record(1).record)
    changes = [abs(place.change) for place in places.trades]
    assert changes == sorted(changes)
    assert len(changes) >= 3
    for place in places.trades:
        resolution = NEAR if len(place.symbols) == 1 else 1.1e-3
        assert abs(place.change - place.held_change) <= resolution
        assert place.change * (place.change - place.held_change) > 0


@pytest.mark.slow
def test_the_ripcord_of_a_levered_vault_is_a_joint_fall_of_all_assets() -> None:
    decided = a_decided_record(1)
    place = what_if(decided.record).ripcord
    assert place is not None
    assert place.symbols == decided.inputs.snapshot.risk_symbols
    assert place.change < 0
    assert place.decision.urgency is Urgency.EMERGENCY


@pytest.mark.slow
def test_after_a_rebalance_the_cool_down_stops_what_prices_ask_for() -> None:
    just_now = a_decided_record(1, since_s=20)
    places = what_if(just_now.record)
    routine = [place for place in places.stopped if place.decision.urgency is Urgency.ROUTINE]
    assert routine
    for place in routine:
        failed = [gate.name for gate in place.decision.gates if gate.kind == "limit" and not gate.passed]
        assert failed[0] == "cooldown"


def test_a_trade_holds_nothing_back_so_no_price_is_named() -> None:
    far = a_decided_record(1, jitter=0.8)
    assert far.record.conclusions is not None
    assert far.record.conclusions.decision.action is not Action.HOLD
    assert (what_if(far.record).trades, what_if(far.record).stopped) == ((), ())


def test_a_cycle_without_a_decision_has_no_thresholds() -> None:
    record = a_decided_record(1).record
    for undecided in (replace(record, conclusions=None), replace(record, inputs=None, conclusions=None)):
        places = what_if(undecided)
        assert (places.trades, places.stopped, places.ripcord) == ((), (), None)
