"""A staked asset whose market pays less than its rate: not sold by a plan, and last in an emergency."""

from __future__ import annotations

import pytest

from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.prices import MARKET_CLOSED
from keeper.domain.urgency import Urgency
from keeper.oracle import rules
from tests.decision.decided import LOST, decided, fallen, health_factor_after
from tests.decision.positions import a_position
from tests.factories import RISK_SYMBOLS, a_policy, a_snapshot, with_feed, with_limits, with_market_move

STAKED = 2
"""LINK plays staked ETH."""
TOO_MUCH = (0.5, 0.5, 0.9, 0.2)


def depegged(snapshot: MarketSnapshot, below: float = 0.066) -> MarketSnapshot:
    price = int(snapshot.price("LINK") * (1 - below))
    return with_feed(
        snapshot,
        "LINK",
        trust=Trust.SUSPECT,
        rule=rules.BELOW_RATE.name,
        reason="LINK: the market pays less",
        lowest_opinion=price,
        highest_opinion=price,
    )


def gates(decision: Decision) -> dict[str, bool]:
    return {gate.name: gate.passed for gate in decision.gates}


def test_a_sale_that_is_due_is_not_made_below_the_rate_and_the_gate_says_so() -> None:
    before = decided(a_snapshot(weights=TOO_MUCH))
    assert before.goal is not None
    assert before.goal.weights[STAKED] < 0.9 - 0.01, "without the rule it is sold"
    decision = decided(depegged(a_snapshot(weights=TOO_MUCH)))
    assert not gates(decision)["sold_at_rate"]
    gate = next(gate for gate in decision.gates if gate.name == "sold_at_rate")
    assert gate.detail == "LINK would be sold below the rate: LINK: the market pays less"
    if decision.goal is not None:
        assert decision.goal.weights[STAKED] == decision.current.weights[STAKED]
        assert decision.sells_only


def test_where_it_alone_is_too_much_the_keeper_holds_and_names_the_rule() -> None:
    decision = decided(depegged(a_snapshot(weights=(0.2, 0.2, 1.2, 0.05))))
    assert decision.action is Action.HOLD
    assert "LINK may not be sold, because its price is SUSPECT by the rule below_rate" in decision.reason
    assert decision.exit_code == 4


def test_an_asset_at_its_rate_is_sold_as_before() -> None:
    assert gates(decided(a_snapshot(weights=TOO_MUCH)))["sold_at_rate"]


def test_an_emergency_sells_the_others_first() -> None:
    snapshot = depegged(fallen())
    decision = decided(snapshot)
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.weights[STAKED] == decision.current.weights[STAKED]
    assert health_factor_after(snapshot, decision, LOST) == pytest.approx(1.45, rel=1e-6)


def test_an_emergency_sells_it_where_nothing_else_can_be_sold() -> None:
    snapshot = depegged(fallen())
    for symbol in RISK_SYMBOLS:
        if symbol != "LINK":
            snapshot = with_feed(snapshot, symbol, trust=Trust.DEAD)
    decision = decided(snapshot)
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    sold = [
        symbol
        for symbol, now, goal in zip(
            RISK_SYMBOLS, decision.current.weights, decision.goal.weights, strict=True
        )
        if goal < now
    ]
    assert sold == ["LINK"]


def test_an_emergency_sells_of_it_what_the_others_do_not_suffice_for() -> None:
    """Only UNI, of which there is little, can be sold beside it."""
    snapshot = depegged(with_market_move(a_snapshot(weights=(0.6, 0.5, 1.0, 0.05)), 0.74))
    for symbol in ("WBTC", "WETH"):
        snapshot = with_feed(snapshot, symbol, trust=Trust.DEAD)
    decision = decided(snapshot)
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.weights[3] == pytest.approx(0.0, abs=1e-12)
    assert 0.0 < decision.goal.weights[STAKED] < decision.current.weights[STAKED]
    assert health_factor_after(snapshot, decision, 0.0) == pytest.approx(1.14, abs=0.005)


def test_an_emergency_that_one_call_does_not_end_sells_none_of_it_yet() -> None:
    snapshot = depegged(with_market_move(a_snapshot(weights=(0.6, 0.5, 1.0, 0.5)), 0.78))
    for symbol in ("WBTC", "WETH"):
        snapshot = with_feed(snapshot, symbol, trust=Trust.DEAD)
    policy = with_limits(a_policy(), Urgency.EMERGENCY, max_trade=0.1)
    decision = decided(snapshot, policy)
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert "max_trade allows" in decision.reason
    assert decision.goal.weights[STAKED] == decision.current.weights[STAKED]
    assert decision.goal.weights[3] < decision.current.weights[3]


# ---------------------------------------------------------- a closed market


def closed(snapshot: MarketSnapshot) -> MarketSnapshot:
    return with_feed(
        snapshot, "LINK", trust=Trust.STALE, rule=MARKET_CLOSED, reason="LINK: its market is closed"
    )


def test_a_closed_market_holds_by_name_without_an_error() -> None:
    decision = decided(closed(a_snapshot(weights=a_position().target.weights)))
    assert decision.action is Action.HOLD
    assert decision.exit_code == 0
    assert decision.reason.endswith("; the market of LINK is closed, and no other source has a price.")
    assert gates(decision)["prices_fresh"]
    assert not gates(decision)["markets_open"]


def test_while_a_market_is_closed_nothing_is_bought_and_its_asset_is_not_sold() -> None:
    decision = decided(closed(a_snapshot(weights=(0.1, 0.1, 0.9, 0.1))))
    assert decision.action is Action.HOLD
    assert decision.exit_code == 0
    assert "the market of LINK is closed" in decision.reason


def test_another_price_that_is_doubted_on_a_weekend_is_an_error_as_ever() -> None:
    snapshot = with_feed(closed(a_snapshot()), "WBTC", trust=Trust.STALE, rule="too_old", reason="WBTC: why")
    decision = decided(snapshot)
    assert decision.exit_code == 4
    assert not gates(decision)["prices_fresh"]
