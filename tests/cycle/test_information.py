"""From cycle to cycle: what is remembered, what that does, and what a person accepts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from keeper.cycle.pipeline import assess
from keeper.cycle.replay import replay
from keeper.domain.information import Acceptance, Fact, InformationMemory
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.observation import Observation
from keeper.domain.record import DecisionRecord, Mode
from keeper.journal.codec import decode, encode
from tests.cycle.fakes import FREE, FakeAcceptances, FakeChain, FakePauses, FakeRecords, a_keeper
from tests.cycle.market_states import a_market_state
from tests.cycle.rounds import some_rounds
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    a_policy,
    a_reading,
    a_snapshot,
    an_estimate_policy,
    some_bars,
    with_block,
    with_depths,
    with_feed,
    with_market_move,
)

ROUNDS = some_rounds()
FULL = with_depths(a_snapshot())
WITHOUT_POOLS = replace(FULL, depths=())
IMPLIED = (a_reading("BTC", 0.48), a_reading("ETH", 0.55))


def a_cycle(
    snapshot: MarketSnapshot, records: FakeRecords, acceptances: FakeAcceptances | None = None
) -> DecisionRecord:
    keeper = a_keeper(FakeChain(snapshot, ROUNDS), FakePauses([FREE]), None)
    ports = replace(keeper.ports, records=records, acceptances=acceptances or FakeAcceptances())
    return replace(keeper, ports=ports).cycle(Mode.DRY_RUN)


def missing(record: DecisionRecord) -> tuple[str, ...]:
    assert record.conclusions is not None, record.summary
    return record.conclusions.target.missing


def assessed(memory: InformationMemory, **observed: Any) -> Any:
    bars = observed.pop("bars", some_bars())
    return assess(
        Observation(observed.pop("snapshot", FULL), implied=IMPLIED, information=memory), bars, a_policy()
    )


def test_the_next_cycle_is_given_what_this_one_concluded() -> None:
    records = FakeRecords()
    first, second = a_cycle(FULL, records), a_cycle(WITHOUT_POOLS, records)
    assert missing(first) == ()
    assert second.inputs is not None
    assert second.inputs.information == first.information
    assert missing(second) == ("depth:WBTC", "depth:WETH", "depth:LINK", "depth:UNI")
    assert second.information.look is not None
    assert second.information.look.as_of == NOW


def test_a_cycle_with_a_memory_replays_to_the_same_bits() -> None:
    records = FakeRecords()
    a_cycle(FULL, records)
    stored = decode(encode(a_cycle(WITHOUT_POOLS, records), DecisionRecord), DecisionRecord)
    assert replay(stored, ROUNDS).same
    assert stored.inputs is not None
    assert stored.inputs.information.look is not None
    look = replace(stored.inputs.information.look, unqueued_leverage=0.1)
    forgot = replace(
        stored, inputs=replace(stored.inputs, information=replace(stored.inputs.information, look=look))
    )
    assert not replay(forgot, ROUNDS).same


def test_what_a_person_accepts_no_longer_holds_risk_down() -> None:
    records = FakeRecords()
    a_cycle(FULL, records)
    lost = a_cycle(WITHOUT_POOLS, records).information.missing
    accepted = Acceptance(
        1, tuple(Fact(fact.name, fact.amount) for fact in lost), reason="no pools here", at=NOW
    )
    third = a_cycle(WITHOUT_POOLS, records, FakeAcceptances((accepted,)))
    assert missing(third) == ()
    assert third.information.acceptance == 1
    fourth = a_cycle(WITHOUT_POOLS, records, FakeAcceptances((accepted,)))
    assert fourth.information.missing == ()
    assert fourth.information.accepted == ()


def test_an_acceptance_does_not_cover_what_is_lost_later() -> None:
    records = FakeRecords()
    a_cycle(FULL, records)
    accepted = FakeAcceptances((Acceptance(1, (Fact("depth:UNI", 0.0),), "thin", NOW),))
    assert missing(a_cycle(WITHOUT_POOLS, records, accepted)) == ("depth:WBTC", "depth:WETH", "depth:LINK")


def test_a_first_start_with_missing_data_remembers_nothing_and_only_sells() -> None:
    stale = with_feed(FULL, "LINK", trust=Trust.STALE, reason="x")
    first = assessed(InformationMemory(), snapshot=stale)
    assert first.information.look is None
    assert first.target.missing == ("feed:LINK",)
    assert first.target.leverage == pytest.approx(0.0)


def test_a_first_start_with_half_a_history_is_careful() -> None:
    half = replace(some_bars(), closes=some_bars().closes.copy())
    half.closes[:1_440] = np.nan
    state = replace(a_market_state(1), bars=half)
    assert state.assessed().target.missing == tuple(f"bars:{symbol}" for symbol in half.symbols)
    assert state.assessed().information.look is None
    begun = dict.fromkeys(half.symbols, int(half.times[1_440]))
    assert replace(state, bars=replace(half, begun=begun)).assessed().target.missing == ()


def test_without_an_estimate_the_informed_one_takes_its_place() -> None:
    informed = assessed(InformationMemory())
    bars = some_bars()
    nothing = replace(bars, closes=np.full_like(bars.closes, np.nan))
    blind = assessed(informed.information, bars=nothing)
    assert blind.model.covariance == informed.model.covariance
    assert blind.target.leverage <= informed.target.leverage
    assert "newest_bar:WETH" in blind.target.missing


def test_a_fallback_model_is_not_remembered() -> None:
    levered = with_market_move(a_snapshot(weights=(0.6, 0.6, 0.4, 0.4)), 0.75)
    policy = a_policy(estimate=an_estimate_policy(min_bars=2_880))
    fallback = assess(Observation(levered, implied=IMPLIED), some_bars(), policy)
    assert fallback.target.missing == ("estimate",)
    assert fallback.information.look is None


def test_a_hole_in_the_history_is_accepted_after_a_week_and_not_before() -> None:
    memory = assessed(InformationMemory()).information
    for days, accepted in ((0, False), (6, False), (7, True)):
        snapshot = with_block(FULL, timestamp=NOW + days * DAY)
        bars = some_bars(as_of=NOW + days * DAY)
        closes = bars.closes.copy()
        middle = (bars.times > NOW - 20 * DAY) & (bars.times <= NOW - 19 * DAY)
        closes[middle] = np.nan
        readings = tuple(
            replace(reading, observed_at=reading.observed_at + days * DAY) for reading in IMPLIED
        )
        look = assess(
            Observation(snapshot, implied=readings, information=memory),
            replace(bars, closes=closes),
            a_policy(),
        )
        memory = look.information
        assert (look.target.missing == ()) == accepted, f"after {days} days"
    assert memory.look is not None
    assert {gap.symbol for gap in memory.look.gaps} == set(FULL.risk_symbols)


def test_what_is_back_is_remembered_anew() -> None:
    memory = assessed(InformationMemory()).information
    partial = assessed(memory, snapshot=WITHOUT_POOLS)
    again = assessed(partial.information, snapshot=with_block(FULL, timestamp=NOW + HOUR - 1))
    assert again.target.missing == ()
    assert again.information.missing == ()
    assert again.information.look.as_of == NOW + HOUR - 1
