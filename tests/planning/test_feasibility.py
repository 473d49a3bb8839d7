"""What stands in a plan's way is named before anything is simulated, and only stops what it must."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.decision import Action, Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot, Round, Trust
from keeper.domain.plan import RebalancePlan, StepKind
from keeper.domain.units import UINT256_MAX
from keeper.domain.urgency import Urgency
from keeper.planning.candidates import CandidatePlan
from keeper.planning.feasibility import require_feasible
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.planning.steps import repay, supply_all, withdraw
from tests.factories import (
    NOW,
    a_feed,
    a_policy,
    a_size_policy,
    a_snapshot,
    with_feed,
    with_holding,
    with_market_move,
    with_reserve,
    with_vault,
)
from tests.planning.ledger import Ledger, a_decision, a_quote, as_quoted, at_its_limit
from tests.planning.plans import a_context, planned

GOAL = (0.6, 0.5, 0.4, 0.3)
USDC = 10**6


def a_ripcord(snapshot: MarketSnapshot, weights: tuple[float, ...]) -> Decision:
    return a_decision(snapshot, weights, Action.RIPCORD, Urgency.EMERGENCY)


def unhealthy() -> MarketSnapshot:
    return with_market_move(a_snapshot(weights=GOAL), 0.9)


def lowered(snapshot: MarketSnapshot, kept: float = 0.6) -> tuple[float, ...]:
    return tuple(kept * weight for weight in Ledger(snapshot).weights())


def planned_without_quotes_for(symbol: str, decision: Decision, snapshot: MarketSnapshot) -> RebalancePlan:
    requests = quote_requests(netting(decision, snapshot, a_policy()).trades, snapshot)
    quotes = [a_quote(request, snapshot) for request in requests]
    dried_up = [
        replace(quote, amount_out=None) if symbol in quote.route.symbols else quote for quote in quotes
    ]
    return route(decision, snapshot, dried_up, a_policy())


# ------------------------------------------------------------------ reserves


@pytest.mark.parametrize(
    ("symbol", "changes", "message"),
    [
        ("LINK", {"supply_cap": 12_000_001}, "SUPPLY of LINK: .* supply cap"),
        ("USDC", {"borrow_cap": 800_000_001}, "BORROW of USDC: .* borrow cap"),
        ("USDC", {"borrowing_enabled": False}, "BORROW of USDC: .* cannot be borrowed"),
        ("USDC", {"available": 500_000 * USDC}, "flash loan of USDC: .* 500,000"),
    ],
)
def test_a_reserve_without_room_is_named(symbol: str, changes: dict[str, Any], message: str) -> None:
    snapshot = with_reserve(a_snapshot(), symbol, **changes)
    with pytest.raises(NothingFeasible, match=message) as refused:
        planned(a_decision(snapshot, GOAL), snapshot, a_policy())
    assert refused.value.remedy


@pytest.mark.parametrize(
    "changes",
    [
        {"flash_loan_enabled": False},
        # Aave takes the flash loan out of what it can lend for as long as it is out.
        {"available": 1_000_000 * USDC},
    ],
)
def test_where_no_flash_loan_is_to_be_had_leverage_is_raised_in_rounds(changes: dict[str, Any]) -> None:
    snapshot = with_reserve(a_snapshot(), "USDC", **changes)
    plan = planned(a_decision(snapshot, GOAL), snapshot, a_policy())
    assert plan.flash_amount == 0
    assert [step.kind for step in plan.steps].count(StepKind.BORROW) > 0
    Ledger(snapshot).run(plan, as_quoted)


def test_an_emergency_without_a_flash_loan_sells_in_rounds() -> None:
    snapshot = with_reserve(a_snapshot(weights=(1.2, 1.2, 0.3, 0.3)), "USDC", flash_loan_enabled=False)
    decision = a_decision(snapshot, lowered(snapshot), action=Action.RIPCORD, urgency=Urgency.EMERGENCY)
    plan = planned(decision, snapshot, a_policy())
    kinds = [step.kind for step in plan.steps]
    assert plan.flash_amount == 0
    assert set(kinds) == {StepKind.WITHDRAW, StepKind.SWAP_EXACT_IN, StepKind.REPAY}
    assert kinds.count(StepKind.REPAY) > 1
    Ledger(snapshot).run(plan, as_quoted)


@pytest.mark.parametrize(
    ("symbol", "changes"),
    [
        ("LINK", {"supply_cap": 12_000_000 + 76_191}),
        ("USDC", {"borrow_cap": 800_810_000}),
        ("USDC", {"available": 1_620_000 * USDC}),
    ],
)
def test_just_enough_room_is_enough(symbol: str, changes: dict[str, Any]) -> None:
    snapshot = with_reserve(a_snapshot(), symbol, **changes)
    Ledger(snapshot).run(planned(a_decision(snapshot, GOAL), snapshot, a_policy()), as_quoted)


def test_collateral_that_is_lent_out_cannot_be_withdrawn() -> None:
    snapshot = with_reserve(a_snapshot(weights=(0.3, 0.3, 0.2, 0.1)), "WETH", available=10**18)
    with pytest.raises(NothingFeasible, match="WITHDRAW of WETH: .* not lent out"):
        planned(a_decision(snapshot, (0.3, 0.1, 0.2, 0.1)), snapshot, a_policy())


def test_an_asset_that_the_vault_has_disabled_is_not_bought() -> None:
    snapshot = a_snapshot()
    assets = tuple(replace(asset, enabled=asset.symbol != "UNI") for asset in snapshot.vault.assets)
    snapshot = with_vault(snapshot, assets=assets)
    with pytest.raises(NothingFeasible, match="UNI: the vault has it disabled"):
        planned(a_decision(snapshot, GOAL), snapshot, a_policy())


@pytest.mark.parametrize("changes", [{"frozen": True}, {"paused": True}, {"supply_cap": 1}])
def test_idle_tokens_that_cannot_be_supplied_do_not_stop_a_plan(changes: dict[str, Any]) -> None:
    snapshot = with_holding(a_snapshot(weights=(0.2, 0.2, 0.0, 0.1)), "LINK", idle=2_000 * 10**18)
    snapshot = with_reserve(snapshot, "LINK", **changes)
    _, weth, link, uni = Ledger(snapshot).weights()
    plan = planned(a_decision(snapshot, (0.4, weth, link, uni)), snapshot, a_policy())
    assert "LINK" not in {step.symbol for step in plan.steps}


def test_what_is_left_idle_after_a_sale_is_supplied() -> None:
    snapshot = with_holding(a_snapshot(weights=(0.2, 0.2, 0.1, 0.1)), "WETH", idle=30 * 10**18)
    wbtc, weth, link, uni = Ledger(snapshot).weights()
    plan = planned(a_decision(snapshot, (wbtc, weth - 0.02, link, uni)), snapshot, a_policy())
    ledger = Ledger(snapshot)
    ledger.run(plan, as_quoted)
    assert ledger.idle["WETH"] == 0
    assert StepKind.WITHDRAW not in {step.kind for step in plan.steps}
    assert plan.expected.health_factor == pytest.approx(ledger.health_factor())


# ----------------------------------------------------------------- emergency


def test_one_dried_up_pool_does_not_stop_a_ripcord() -> None:
    snapshot = unhealthy()
    plan = planned_without_quotes_for("UNI", a_ripcord(snapshot, lowered(snapshot)), snapshot)
    assert {step.symbol for step in plan.steps if step.route} == {"WBTC", "WETH", "LINK"}
    for fill in (at_its_limit, as_quoted):
        ledger = Ledger(snapshot)
        ledger.run(plan, fill)
        assert ledger.health_factor() > Ledger(snapshot).health_factor()


@pytest.mark.parametrize("changes", [{"paused": True}, {"available": 1}])
def test_one_closed_reserve_does_not_stop_a_ripcord(changes: dict[str, Any]) -> None:
    snapshot = with_reserve(unhealthy(), "LINK", **changes)
    plan = planned(a_ripcord(snapshot, lowered(snapshot)), snapshot, a_policy())
    assert {step.symbol for step in plan.steps if step.route} == {"WBTC", "WETH", "UNI"}
    Ledger(snapshot).run(plan, at_its_limit)


def test_a_ripcord_that_nothing_fills_names_a_trade() -> None:
    snapshot = unhealthy()
    with pytest.raises(NothingFeasible, match="USD of WBTC for USDC"):
        planned_without_quotes_for("USDC", a_ripcord(snapshot, lowered(snapshot)), snapshot)


def test_a_ripcord_buys_nothing_whatever_its_goal() -> None:
    snapshot = unhealthy()
    wbtc, weth, link, uni = Ledger(snapshot).weights()
    plan = planned(a_ripcord(snapshot, (wbtc * 0.5, weth * 1.1, link * 0.5, uni)), snapshot, a_policy())
    assert {step.route.symbols[-1] for step in plan.steps if step.route} == {"USDC"}


@pytest.mark.parametrize("answer", [0, -1])
def test_a_debt_asset_without_a_price_is_named(answer: int) -> None:
    held = unhealthy()
    snapshot = with_feed(held, "USDC", round=replace(held.feeds[0].round, answer=answer))
    snapshot = with_reserve(snapshot, "USDC", market_price=0)
    with pytest.raises(NothingFeasible, match="USDC has no price"):
        planned(a_ripcord(snapshot, lowered(snapshot)), snapshot, a_policy())


# ---------------------------------------------------------------------- dust


def test_a_rounding_error_is_not_worth_a_flash_loan() -> None:
    snapshot = a_snapshot()
    policy = a_policy(size=a_size_policy(idle_buffer=0.01))
    plan = planned(a_decision(snapshot, (0.2475, 0.2475, 0.2475, 0.2475 + 1e-7)), snapshot, policy)
    assert plan.flash_amount == 0
    assert {step.kind for step in plan.steps} == {StepKind.SWAP_EXACT_IN, StepKind.SUPPLY}
    Ledger(snapshot).run(plan, at_its_limit)


def test_a_few_cents_of_cash_are_not_worth_a_repayment() -> None:
    snapshot = a_snapshot(weights=(0.6, 0.5, 0.3, 0.2), idle=3e-7)
    plan = planned(a_decision(snapshot, (0.5, 0.6, 0.3, 0.2)), snapshot, a_policy())
    assert StepKind.REPAY not in {step.kind for step in plan.steps}


def test_a_vault_that_needs_no_debt_is_left_with_none() -> None:
    """Interest runs on until the transaction is mined: an exact amount would leave crumbs of debt."""
    snapshot = a_snapshot(weights=GOAL)
    plan = planned(a_decision(snapshot, lowered(snapshot, 0.3)), snapshot, a_policy())
    last = [step for step in plan.steps if step.kind is StepKind.REPAY][-1]
    assert last.amount == UINT256_MAX
    for fill in (at_its_limit, as_quoted):
        ledger = Ledger(snapshot)
        ledger.debt += ledger.debt // 50_000
        ledger.run(plan, fill)
        assert ledger.debt == 0
    assert plan.expected.health_factor == float("inf")


# ----------------------------------------------------------------------- gas


def test_gas_is_valued_at_the_native_coins_own_feed() -> None:
    snapshot = a_snapshot()
    decision = a_decision(snapshot, GOAL)
    in_weth = planned(decision, snapshot, a_policy())
    twice = round(2 * snapshot.price("WETH"))
    coin = a_feed("WETH", round=Round(1, twice, NOW))
    with_coin = planned(decision, replace(snapshot, native_coin=coin), a_policy())
    assert with_coin.cost.gas == pytest.approx(2 * in_weth.cost.gas)


def test_a_plan_is_made_though_nobody_knows_what_gas_costs() -> None:
    unknown = a_feed("WETH", round=Round(0, 0, 0), trust=Trust.DEAD)
    snapshot = a_snapshot(native_coin=unknown)
    assert planned(a_decision(snapshot, GOAL), snapshot, a_policy()).cost.gas == 0.0


# ------------------------------------------------------------------ step by step


def test_a_reserve_must_give_all_withdrawals_of_a_plan_together() -> None:
    held = a_snapshot(weights=(0.5, 0.0, 0.0, 0.0), nav_usd=100_000.0)
    half = held.holding("WBTC").supplied // 2
    plan = CandidatePlan((withdraw("WBTC", half), withdraw("WBTC", half)), flash=0, premium=0, fills=())
    require_feasible(plan, a_context(with_reserve(held, "WBTC", available=2 * half), 1.0))
    with pytest.raises(NothingFeasible, match="WITHDRAW of WBTC: its reserve has .* not lent out"):
        require_feasible(plan, a_context(with_reserve(held, "WBTC", available=2 * half - 1), 1.0))


def test_a_reserve_must_take_all_supplies_of_a_plan_together() -> None:
    held = with_holding(a_snapshot(nav_usd=100_000.0), "LINK", idle=2 * 10**18)
    each = replace(supply_all("LINK", 10**18), amount=10**18)
    plan = CandidatePlan((each, each), flash=0, premium=0, fills=())
    require_feasible(plan, a_context(with_reserve(held, "LINK", supply_cap=12_000_002), 1.0))
    with pytest.raises(NothingFeasible, match="SUPPLY of LINK: .* supply cap"):
        require_feasible(plan, a_context(with_reserve(held, "LINK", supply_cap=12_000_001), 1.0))


def test_what_a_plan_withdrew_before_leaves_capacity_for_what_it_supplies() -> None:
    held = a_snapshot(weights=(0.0, 0.0, 0.5, 0.0), nav_usd=100_000.0)
    full = with_reserve(held, "LINK", supply_cap=12_000_000)
    plan = CandidatePlan((withdraw("LINK", 10**18), supply_all("LINK", 10**18)), flash=0, premium=0, fills=())
    require_feasible(plan, a_context(full, 1.0))


def test_a_plan_that_takes_more_than_there_is_names_its_step() -> None:
    snapshot = a_snapshot(weights=(1.0, 0.0, 0.0, 0.0), nav_usd=100_000.0)
    plan = CandidatePlan((withdraw("WETH", 10**18),), flash=0, premium=0, fills=())
    with pytest.raises(NothingFeasible, match="step 1, WITHDRAW of WETH: 1 more than there is"):
        require_feasible(plan, a_context(snapshot, 1.0))


def test_a_plan_that_falls_below_the_minimum_on_the_way_names_its_step() -> None:
    snapshot = a_snapshot(weights=(1.0, 1.0, 0.0, 0.0), nav_usd=100_000.0)
    half = withdraw("WBTC", snapshot.holding("WBTC").supplied // 2)
    plan = CandidatePlan((half,), flash=0, premium=0, fills=())
    with pytest.raises(NothingFeasible, match="step 1, WITHDRAW of WBTC would leave a health factor of"):
        require_feasible(plan, a_context(snapshot, 1.35))
    require_feasible(plan, a_context(snapshot, 1.0))


def test_a_flash_loan_that_cannot_be_repaid_is_named() -> None:
    snapshot = a_snapshot(weights=(1.0, 1.0, 0.0, 0.0), nav_usd=100_000.0)
    plan = CandidatePlan((repay("USDC", 10**9),), flash=10**9, premium=10**6, fills=())
    with pytest.raises(NothingFeasible, match="1,001 USDC are missing to repay the flash loan"):
        require_feasible(plan, a_context(snapshot, 1.0))
