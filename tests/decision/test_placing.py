"""Debt and collateral change account where that pays for itself, and only then."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import scipy.optimize

from keeper.decision.decide import decide
from keeper.decision.gates import CHEAPER_ACCOUNTS, holds_back, judged_limits
from keeper.decision.placing import TRADE_MARGIN, change_of_accounts, with_placing
from keeper.decision.trade_context import TradeContext, consider
from keeper.domain.accounts import accounts
from keeper.domain.decision import Action, Decision, Gate
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.placement import Placing
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import SECONDS_PER_DAY, SECONDS_PER_YEAR
from keeper.domain.urgency import Urgency
from keeper.journal.codec import decode, encode
from keeper.sizing.account_floors import FLOOR_MARGIN
from keeper.sizing.size import size
from tests.decision.positions import a_move, a_position
from tests.factories import (
    RISK_SYMBOLS,
    a_decision_policy,
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    with_aave_account,
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
    found = change_of_accounts(a_position(snapshot, rules()))
    assert isinstance(found, Placing)
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


def beyond_every_floor(snapshot: MarketSnapshot) -> MarketSnapshot:
    """No collateral can leave any account, so none can be put right."""
    reserves = tuple(replace(reserve, available=0) for reserve in snapshot.reserves)
    others = tuple(
        replace(other, reserves=tuple(replace(reserve, available=0) for reserve in other.reserves))
        for other in snapshot.others
    )
    return replace(snapshot, reserves=reserves, others=others)


def at(snapshot: MarketSnapshot, weights: tuple[float, ...], *, sells_only: bool = False) -> TradeContext:
    move = replace(a_move(weights), sells_only=sells_only)
    return consider(with_placing(a_position(snapshot, rules())), move, Urgency.OUT_OF_BAND)


def test_a_trade_that_levers_without_a_placement_is_refused_by_name() -> None:
    low = beyond_every_floor(a_vault(0.05, 300_000.0, 210_000.0))
    now = portfolio(low).weights
    levering = at(low, tuple(weight + 0.05 for weight in now))
    refused = next(gate for gate in judged_limits(levering) if gate.name == "accounts_placed")
    assert not refused.passed
    assert holds_back(refused, levering)
    assert "the accounts cannot hold it within their floors" in refused.detail
    lowering = at(low, now, sells_only=True)
    assert not holds_back(next(g for g in judged_limits(lowering) if g.name == "accounts_placed"), lowering)


def test_a_solver_that_fails_stops_levering_and_not_the_way_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(*_args: object, **_named: object) -> SimpleNamespace:
        raise ValueError("c must not contain values inf, nan, or None")

    monkeypatch.setattr(scipy.optimize, "linprog", gives_up)
    levering = at(a_vault(0.05), (0.4, 0.4, 0.4, 0.4))
    refused = next(gate for gate in judged_limits(levering) if gate.name == "accounts_placed")
    assert holds_back(refused, levering)
    assert "was not solved: c must not contain values" in refused.detail
    needy = decided(a_vault(0.05, 300_000.0, 225_000.0))
    assert needy.action is Action.RIPCORD, needy.reason


def test_an_account_below_its_floor_is_no_reason_to_lower_another_one() -> None:
    """It cannot be put right, and the trade that lowers leverage leaves it no lower."""
    low = beyond_every_floor(a_vault(0.05, 300_000.0, 198_000.0))
    open_ = replace(low, reserves=a_vault(0.05).reserves)
    now = portfolio(open_).weights
    trade = at(open_, tuple(0.97 * weight for weight in now), sells_only=True)
    assert isinstance(trade.placing, Placing)
    there = trade.placing.placement.accounts[1]
    assert there.collateral_usd[1] / there.debt_usd >= 300.0 / 198.0 * (1.0 - 1e-9)


def test_sales_alone_give_no_account_more_debt_or_collateral() -> None:
    """However cheap the other account is."""
    snapshot = a_vault(0.001, 300_000.0, 100_000.0)
    now = portfolio(snapshot).weights
    for part in (0.99, 0.9, 0.5):
        trade = at(snapshot, tuple(part * weight for weight in now), sells_only=True)
        assert isinstance(trade.placing, Placing)
        for account, before in zip(trade.placing.placement.accounts, accounts(snapshot), strict=True):
            assert account.debt_usd <= snapshot.value_usd("USDC", before.owed[0]) * (1.0 + 1e-9)
            for symbol, value in zip(RISK_SYMBOLS, account.collateral_usd, strict=True):
                held = snapshot.value_usd(symbol, before.supplied[snapshot.index(symbol)])
                assert value <= held * (1.0 + 1e-9)


def test_a_change_of_accounts_aims_above_the_floors_and_counts_the_premium() -> None:
    """Two accounts on Aave: the flash loan that moves the debt costs a premium, which becomes debt."""
    snapshot = with_aave_account(
        a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.3, nav_usd=NAV),
        {"WETH": 300_000.0},
        198_000.0,
        threshold_bps=8_600,
    )
    choice = change_of_accounts(a_position(snapshot, rules()))
    assert isinstance(choice, Placing)
    assert choice.must_move
    there = choice.placement.accounts[1]
    assert there.collateral_usd[1] * 0.86 / there.debt_usd >= 1.4 * FLOOR_MARGIN * TRADE_MARGIN * (1.0 - 1e-6)
    owed = portfolio(snapshot).debt_usd
    debt = sum(account.debt_usd for account in choice.placement.accounts)
    assert owed * 1.0004 <= debt <= owed * 1.0006
