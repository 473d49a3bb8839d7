"""Debt and collateral change account where that pays for itself, and only then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.decision.decide import decide
from keeper.decision.gates import CHEAPER_ACCOUNTS
from keeper.decision.placing import placing
from keeper.domain.decision import Action, Decision, Gate
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import SECONDS_PER_DAY, SECONDS_PER_YEAR
from keeper.domain.urgency import Urgency
from keeper.journal.codec import decode, encode
from keeper.sizing.size import size
from tests.decision.positions import a_position
from tests.factories import (
    a_decision_policy,
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    with_morpho_account,
    with_reserve,
)

NAV = 2_000_000.0


def rules(**changes: Any) -> Policy:
    """No other trigger than that of the accounts fires, unless they are named."""
    decision = a_decision_policy(**{"triggers": ()} | changes)
    return a_policy(decision=decision, size=a_size_policy(scenarios=(), stress_sigmas=2.0))


def a_vault(rate: float, supplied: float = 0.0, owed: float = 0.0) -> MarketSnapshot:
    """At 1.3, with an account on a Morpho market of WETH at this rate."""
    first = a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.3, nav_usd=NAV)
    return with_morpho_account(
        with_reserve(first, "WETH", supply_rate=0.0), "WETH", supplied, owed, rate=rate
    )


def decided(snapshot: MarketSnapshot, policy: Policy | None = None) -> Decision:
    chosen, model = policy or rules(), a_model()
    observation = Observation(snapshot)
    return decide(observation, model, size(model, observation, chosen), policy=chosen, tightened=())


def gate(decision: Decision, name: str = CHEAPER_ACCOUNTS) -> Gate:
    return next(gate for gate in decision.gates if gate.name == name)


def test_dearer_debt_elsewhere_is_left_alone() -> None:
    decision = decided(a_vault(0.12))
    assert decision.action is Action.HOLD
    assert not gate(decision).passed


def test_debt_moves_to_the_cheaper_account_and_the_weights_stay() -> None:
    snapshot = a_vault(0.01)
    decision = decided(snapshot)
    assert decision.action is Action.REBALANCE, decision.reason
    assert decision.goal is not None
    assert decision.goal.weights == portfolio(snapshot).weights
    assert decision.placement is not None
    assert decision.placement.debt_shares()[1] > 0.3
    assert "change account" in decision.reason
    # What it saves in 30 days: the debt that moves times the difference of the rates.
    moved = decision.placement.accounts[1].debt_usd
    saved = moved * 0.037 * 30 * SECONDS_PER_DAY / SECONDS_PER_YEAR
    assert decision.benefit_usd == pytest.approx(saved, rel=0.1)
    assert decision.benefit_usd > 3.0 * decision.expected_cost_usd
    assert decode(encode(decision, Decision), Decision) == decision


def test_a_saving_that_is_not_many_times_the_cost_moves_nothing() -> None:
    snapshot = a_vault(0.01)
    found = placing(a_position(snapshot, rules()), portfolio(snapshot).weights)
    assert found is not None
    times = found.saved_usd / found.cost_usd
    assert decided(snapshot, rules(min_saving=0.9 * times)).action is Action.REBALANCE
    assert decided(snapshot, rules(min_saving=1.1 * times)).action is Action.HOLD
    shorter = rules(carry_horizon_s=int(30 * SECONDS_PER_DAY * 2.9 / times))
    assert decided(snapshot, shorter).action is Action.HOLD


def test_after_the_change_nothing_more_is_saved() -> None:
    decision = decided(a_vault(0.01))
    assert decision.placement is not None
    there = decision.placement.accounts[1]
    weth = there.collateral_usd[1]
    moved = a_vault(0.01, weth, there.debt_usd)
    first = moved.holdings
    left = tuple(
        replace(
            held,
            supplied=held.supplied - moved.others[0].supplied[i],
            owed=held.owed - moved.others[0].owed[i],
        )
        for i, held in enumerate(first)
    )
    after = decided(replace(moved, holdings=left))
    assert after.action is Action.HOLD, after.reason
    assert gate(after).value < gate(after).limit


def test_doubtful_prices_stop_it() -> None:
    snapshot = a_vault(0.01)
    stopped = decided(replace(snapshot, sequencer=None, keeper_has_role=False))
    assert stopped.action is Action.HOLD
    assert not gate(stopped, "keeper_role").passed


def test_an_account_beyond_its_floors_is_relieved_at_any_saving() -> None:
    """The Morpho account owes 70 % of what it holds: its health factor is 1.23, and the floor 1.4."""
    snapshot = a_vault(0.05, 300_000.0, 210_000.0)
    decision = decided(snapshot, rules(min_saving=100.0))
    assert gate(decision).passed
    assert decision.action is Action.REBALANCE, decision.reason
    assert decision.placement is not None
    there = decision.placement.accounts[1]
    assert there.collateral_usd[1] * 0.86 / there.debt_usd >= 1.4 * (1.0 - 1e-6)


def test_a_vault_with_one_account_has_no_such_gate() -> None:
    single = replace(a_vault(0.01), others=())
    decision = decided(single)
    assert CHEAPER_ACCOUNTS not in {gate.name for gate in decision.gates}
    assert decision.placement is None


def test_a_change_of_accounts_makes_no_trade_of_weights_more_pressing() -> None:
    """The Morpho account must be relieved at once. The rebalance that is due by its age is still asked for its
    benefit."""
    snapshot = a_vault(0.05, 300_000.0, 198_000.0)
    decision = decided(snapshot, rules(triggers=("age",), max_age_s=60))
    fired = {gate.name: gate.urgency for gate in decision.gates if gate.kind == "trigger" and gate.passed}
    assert fired == {"age": Urgency.ROUTINE, CHEAPER_ACCOUNTS: Urgency.OUT_OF_BAND}
    assert decision.goal is not None, decision.reason
    if decision.goal.weights != portfolio(snapshot).weights:
        assert decision.urgency is Urgency.ROUTINE
        assert "benefit_exceeds_cost" in {gate.name for gate in decision.gates}
    calm = decided(snapshot, rules(triggers=("age",), max_age_s=60, risk_aversion=1e-9))
    assert calm.goal is not None, calm.reason
    assert calm.goal.weights == portfolio(snapshot).weights
    assert calm.urgency is Urgency.OUT_OF_BAND
