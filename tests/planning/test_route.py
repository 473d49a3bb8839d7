"""Plans carried out in exact integers: they never come up short, and they end where the decision wants to be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keeper.domain.decision import Action
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, RebalancePlan, StepKind, VaultCall
from keeper.domain.units import UINT256_MAX, WAD
from keeper.domain.urgency import Urgency
from keeper.lending.venues import vault_book
from keeper.oracle.vault_rules import in_emergency
from keeper.planning.fills import best_fills, minimum_price
from keeper.planning.netting import Trade, netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.planning.split import by_route
from tests.factories import (
    a_block,
    a_plan_policy,
    a_policy,
    a_size_policy,
    a_snapshot,
    with_holding,
    with_market_move,
    with_reserve,
    with_vault_policy,
)
from tests.planning.ledger import Fill, Ledger, a_decision, a_quote, as_quoted, at_its_limit
from tests.planning.plans import (
    DEAR_WEI,
    leverages,
    lowest_health_factor,
    planned,
    shares,
    some_terms,
    weights_of,
    worth_trading,
)
from tests.properties import examples


def assert_limits_are_the_oracles(plan: RebalancePlan, snapshot: MarketSnapshot) -> None:
    """With what an OUT_OF_BAND trade may slip; where a part has its share of the whole's, rounded up; where all that is
    there is sold, of what is there for certain."""
    allowed = a_policy().decision.at(Urgency.OUT_OF_BAND).max_slippage_bps
    swaps = [step for step in plan.steps if step.route is not None]
    for place, step in enumerate(swaps):
        assert step.route is not None
        sold = step.expected_in
        if step.amount == UINT256_MAX:
            came = (one for one in swaps[:place] if one.route and one.route.symbols[-1] == step.symbol)
            sold -= sum(one.expected_out - one.limit for one in came)
        fair = minimum_price(step.route, snapshot, allowed).out(sold)
        assert 0 <= step.limit - fair <= 1


@pytest.mark.parametrize("fill", [at_its_limit, as_quoted])
@examples(150)
@given(shares, leverages, shares, leverages)
def test_no_step_comes_up_short_whatever_the_fills(
    fill: Fill, held: list[float], now: float, wanted: list[float], then: float
) -> None:
    snapshot = a_snapshot(weights=weights_of(held, now))
    goal = weights_of(wanted, then)
    assume(worth_trading(snapshot, goal))
    plan = planned(a_decision(snapshot, goal), snapshot, a_policy())
    ledger = Ledger(snapshot)
    ledger.run(plan, fill)
    assert ledger.debt >= 0


@examples(150)
@given(shares, leverages, shares, leverages)
def test_filled_as_quoted_the_vault_ends_at_the_goal_and_as_expected(
    held: list[float], now: float, wanted: list[float], then: float
) -> None:
    snapshot = a_snapshot(weights=weights_of(held, now))
    goal = weights_of(wanted, then)
    assume(worth_trading(snapshot, goal))
    plan = planned(a_decision(snapshot, goal), snapshot, a_policy())
    ledger = Ledger(snapshot)
    ledger.run(plan, as_quoted)
    assert ledger.weights() == pytest.approx(goal, abs=0.02)
    assert sum(ledger.weights()) == pytest.approx(then, rel=0.02, abs=0.002)
    assert plan.expected.weights == pytest.approx(ledger.weights(), abs=1e-8)
    assert plan.expected.nav_usd == pytest.approx(ledger.nav_usd(), rel=1e-8)
    assert plan.expected.health_factor == pytest.approx(ledger.health_factor(), rel=1e-9)


@examples(100)
@given(shares, st.floats(1.8, 2.3), st.floats(0.05, 0.25), st.floats(0.3, 0.9))
@example(held=[0.0, 0.0, 1.0, 0.0], leverage=2.0, fall=0.25, kept=0.3125)
def test_a_ripcord_only_lowers_and_always_pays_its_flash_loan(
    held: list[float], leverage: float, fall: float, kept: float
) -> None:
    snapshot = with_market_move(a_snapshot(weights=weights_of(held, leverage)), 1.0 - fall)
    # The goal may lie above the health factor that a vault lets a call of an emergency reach.
    snapshot = with_vault_policy(snapshot, target_health=100 * WAD)
    before = Ledger(snapshot)
    assume(before.health_factor() > 1.0 and before.nav_usd() > 50_000)
    goal = tuple(kept * weight for weight in before.weights())
    decision = a_decision(snapshot, goal, Action.RIPCORD, Urgency.EMERGENCY)
    plan = planned(decision, snapshot, a_policy())
    assert plan.call is VaultCall.DELEVERAGE
    for step in plan.steps:
        into_cash = step.route is not None and step.route.symbols[-1] == "USDC"
        assert step.kind in (StepKind.WITHDRAW, StepKind.REPAY) or into_cash
    for fill in (at_its_limit, as_quoted):
        after = Ledger(snapshot)
        after.run(plan, fill)
        assert after.debt < before.debt
        assert after.health_factor() > before.health_factor()
        assert after.health_factor() <= 100.0 or not in_emergency(snapshot)


@examples(60)
@given(shares, leverages, shares, leverages)
def test_value_never_passes_through_the_debt_asset_twice(
    held: list[float], now: float, wanted: list[float], then: float
) -> None:
    snapshot = a_snapshot(weights=weights_of(held, now))
    found = netting(a_decision(snapshot, weights_of(wanted, then)), snapshot, a_policy()).trades
    assert not ({trade.buy for trade in found} & {"USDC"} and {trade.sell for trade in found} & {"USDC"})


def test_where_gas_is_cheap_rounds_are_cheaper_than_a_flash_loan_and_where_it_is_dear_they_are_not() -> None:
    cheap, dear = (a_snapshot(block=a_block(base_fee_wei=fee)) for fee in (10**9, DEAR_WEI))
    goal = (0.6, 0.5, 0.4, 0.3)
    rounds = planned(a_decision(cheap, goal), cheap, a_policy())
    loan = planned(a_decision(dear, goal), dear, a_policy())
    assert (rounds.flash_amount, rounds.cost.flash) == (0, 0.0)
    assert loan.flash_amount > 0
    assert loan.cost.flash > rounds.cost.gas - loan.cost.gas * 1e9 / DEAR_WEI
    assert len(rounds.steps) > len(loan.steps)
    assert rounds.expected.leverage == pytest.approx(loan.expected.leverage, abs=0.01)
    assert rounds.postponed_usd == 0.0


def test_no_step_of_a_plan_leaves_a_health_factor_below_the_floor() -> None:
    policy = a_policy(size=a_size_policy(min_health_factor=1.2))
    for fee in (10**9, 400 * 10**9, DEAR_WEI):
        snapshot = a_snapshot(weights=(1.0, 0.5, 0.3, 0.2), block=a_block(base_fee_wei=fee))
        for goal in ((0.3, 0.9, 0.5, 0.3), (0.4, 0.2, 0.1, 0.1), (0.8, 0.8, 0.8, 0.0)):
            plan = planned(a_decision(snapshot, goal), snapshot, policy)
            floor = snapshot.vault.policy.min_health / WAD
            assert lowest_health_factor(plan.steps, plan.flash_amount, snapshot) >= floor * (1 - 1e-9)


def test_from_cash_to_leverage_one_flash_loan_buys_supplies_and_borrows() -> None:
    snapshot = a_snapshot(block=a_block(base_fee_wei=DEAR_WEI))
    plan = planned(a_decision(snapshot, (0.6, 0.5, 0.4, 0.3)), snapshot, a_policy())
    kinds = [step.kind for step in plan.steps]
    assert kinds == [StepKind.SWAP_EXACT_IN] * 4 + [StepKind.SUPPLY] * 4 + [StepKind.BORROW]
    assert all(step.amount == UINT256_MAX for step in plan.steps if step.kind is StepKind.SUPPLY)
    assert plan.flash_amount > 0
    assert plan.epoch == snapshot.vault.epoch
    assert plan.deadline == snapshot.block.timestamp + a_policy().plan.deadline_s


def test_below_leverage_one_nothing_is_borrowed() -> None:
    snapshot = a_snapshot()
    plan = planned(a_decision(snapshot, (0.2, 0.2, 0.1, 0.1)), snapshot, a_policy())
    assert plan.flash_amount == 0
    assert not [step for step in plan.steps if step.kind is StepKind.BORROW]


def test_an_asset_that_leaves_the_goal_is_sold_whole() -> None:
    snapshot = a_snapshot(weights=(0.4, 0.3, 0.2, 0.1))
    plan = planned(a_decision(snapshot, (0.4, 0.3, 0.3, 0.0)), snapshot, a_policy())
    ledger = Ledger(snapshot)
    ledger.run(plan, as_quoted)
    assert ledger.value_usd("UNI") < 0.01


def test_what_lies_idle_is_supplied_with_what_is_bought() -> None:
    snapshot = with_holding(a_snapshot(weights=(0.2, 0.2, 0.1, 0.1)), "WETH", idle=10**18)
    _, *others = Ledger(snapshot).weights()
    plan = planned(a_decision(snapshot, (0.4, *others)), snapshot, a_policy())
    assert "WETH" in {step.symbol for step in plan.steps if step.kind is StepKind.SUPPLY}


def test_a_swaps_limit_comes_from_the_oracle_not_from_the_quoter() -> None:
    snapshot = a_snapshot()
    decision = a_decision(snapshot, (0.2, 0.2, 0.1, 0.1))
    for impact in (5, -200):
        assert_limits_are_the_oracles(planned(decision, snapshot, a_policy(), impact), snapshot)


def test_the_best_quote_after_its_gas_is_taken() -> None:
    snapshot = a_snapshot()
    trade = Trade("USDC", "WETH", 100_000 * 10**6, 100_000.0)
    requests = quote_requests((trade,), snapshot)
    quotes = [a_quote(request, snapshot) for request in requests]
    best = max(quotes, key=lambda quote: quote.amount_out or 0)
    costly = [replace(quote, gas=10**9) if quote == best else quote for quote in quotes]
    terms = some_terms(snapshot, 100)
    assert [fill.route for fill in best_fills(trade, by_route(quotes), terms)] == [best.route]
    assert best.route not in [fill.route for fill in best_fills(trade, by_route(costly), terms)]


@pytest.mark.parametrize("out", [None, 1])
def test_a_trade_that_no_pool_fills_well_enough_is_named(out: int | None) -> None:
    snapshot = a_snapshot()
    decision = a_decision(snapshot, (0.2, 0.0, 0.0, 0.0))
    requests = quote_requests(netting(decision, snapshot, a_policy()).trades, snapshot)
    quotes = tuple(Quote(request.route, request.amount_in, out, 0) for request in requests)
    with pytest.raises(NothingFeasible, match="USDC for WBTC") as refused:
        route(decision, snapshot, quotes, a_policy())
    assert "max_trade" in refused.value.remedy


def test_the_least_output_is_rounded_against_the_pool() -> None:
    snapshot = a_snapshot()
    trade = Trade("USDC", "WETH", 1_000_001, 1.0)
    candidate = quote_requests((trade,), snapshot)[0].route
    exact = 1_000_001 * 10**12 * snapshot.price("USDC") / snapshot.price("WETH")
    kept = (1 - candidate.fees[0] / 1e6) * (1 - 50 / 1e4)
    assert 0 <= minimum_price(candidate, snapshot, 50).out(trade.amount_in) - exact * kept < 1e4


def test_row_62_a_lying_quoter_does_not_lower_the_least_output() -> None:
    snapshot = a_snapshot()
    decision = a_decision(snapshot, (0.4, 0.4, 0.1, 0.1))
    requests = quote_requests(netting(decision, snapshot, a_policy()).trades, snapshot)
    honest = tuple(a_quote(request, snapshot) for request in requests)
    lying = tuple(replace(quote, amount_out=3 * (quote.amount_out or 0)) for quote in honest)
    first, second = (route(decision, snapshot, quotes, a_policy()) for quotes in (honest, lying))
    for plan in (first, second):
        assert_limits_are_the_oracles(plan, snapshot)
    assert second.expected.nav_usd > 1.5 * first.expected.nav_usd  # which no simulation will confirm


def test_an_emergency_in_public_asks_for_nearly_what_was_quoted() -> None:
    snapshot = a_snapshot(weights=(0.5, 0.5, 0.2, 0.2))
    decision = a_decision(snapshot, (0.4, 0.4, 0.15, 0.15), Action.RIPCORD, Urgency.EMERGENCY)
    requests = quote_requests(netting(decision, snapshot, a_policy()).trades, snapshot)
    quotes = tuple(a_quote(request, snapshot) for request in requests)
    loose, tight = (
        route(decision, snapshot, quotes, a_policy(plan=a_plan_policy(public_tolerance_bps=bps)))
        for bps in (10_000, 20)
    )
    sales = [step for step in tight.steps if step.route is not None]
    assert sales
    assert all(step.limit * 10_000 >= step.expected_out * 9_980 for step in sales)
    assert any(before.limit < after.limit for before, after in zip(loose.steps, tight.steps, strict=False))


@pytest.mark.parametrize(
    ("state", "word"),
    [({"frozen": True}, "frozen"), ({"paused": True}, "paused"), ({"active": False}, "not active")],
)
def test_a_closed_reserve_is_named(state: dict[str, bool], word: str) -> None:
    snapshot = with_reserve(a_snapshot(), "LINK", **state)
    with pytest.raises(NothingFeasible, match=f"LINK: its reserve is {word}"):
        planned(a_decision(snapshot, (0.2, 0.2, 0.1, 0.1)), snapshot, a_policy())


def test_a_frozen_reserve_can_still_be_left() -> None:
    snapshot = with_reserve(a_snapshot(weights=(0.2, 0.2, 0.2, 0.2)), "LINK", frozen=True)
    plan = planned(a_decision(snapshot, (0.2, 0.2, 0.0, 0.2)), snapshot, a_policy())
    assert StepKind.WITHDRAW in {step.kind for step in plan.steps if step.symbol == "LINK"}


def test_a_goal_within_dust_of_the_vault_has_no_plan() -> None:
    snapshot = a_snapshot(weights=(0.2, 0.2, 0.1, 0.1))
    with pytest.raises(NothingFeasible, match="dust"):
        planned(a_decision(snapshot, (0.2, 0.2, 0.1, 0.1)), snapshot, a_policy())


@given(
    st.lists(st.floats(0.05, 0.6), min_size=4, max_size=4),
    st.floats(1.1, 1.6),
    st.floats(0.3, 0.9),
    st.sampled_from(["WBTC", "WETH", "LINK", "UNI"]),
    st.sampled_from([Action.REBALANCE, Action.RIPCORD]),
)
@examples(60)
@example(held=[0.5, 0.5, 0.125, 0.0625], leverage=1.4375, kept=0.375, symbol="WBTC", action=Action.REBALANCE)
def test_collateral_with_loan_to_value_0_leaves_before_anything_else(
    held: list[float], leverage: float, kept: float, symbol: str, action: Action
) -> None:
    """Or once all debt is repaid. The ledger refuses every other withdrawal while there is debt and any of it is there,
    as Aave does: SupplyLogic.executeWithdraw calls ValidationLogic.validateHFAndLtvzero only for a borrower."""
    snapshot = with_reserve(a_snapshot(weights=held, leverage=leverage), symbol, ltv_bps=0)
    assert vault_book(snapshot).must_leave_first() == (symbol,)
    goal = tuple(kept * weight for weight in weights_of(held, leverage))
    urgency = Urgency.EMERGENCY if action is Action.RIPCORD else Urgency.OUT_OF_BAND
    try:
        plan = planned(a_decision(snapshot, goal, action, urgency), snapshot, a_policy())
    except NothingFeasible:
        assume(False)
    withdrawn = [step.symbol for step in plan.steps if step.kind is StepKind.WITHDRAW]
    repays_first = (plan.steps[0].kind, plan.steps[0].amount) == (StepKind.REPAY, UINT256_MAX)
    assert withdrawn[0] == symbol or repays_first
    for fill in (as_quoted, at_its_limit):
        ledger = Ledger(snapshot)
        ledger.run(plan, fill)
        assert ledger.supplied[symbol] == 0 or set(withdrawn) == {symbol} or ledger.debt == 0
    ledger = Ledger(snapshot)
    ledger.run(plan, as_quoted)
    if plan.expected.health_factor < 1e6:
        assert ledger.health_factor() == pytest.approx(plan.expected.health_factor, rel=1e-6)


def test_alone_it_can_be_left_in_part() -> None:
    snapshot = with_reserve(a_snapshot(weights=(0.0, 1.3, 0.0, 0.0)), "WETH", ltv_bps=0)
    plan = planned(a_decision(snapshot, (0.0, 0.9, 0.0, 0.0)), snapshot, a_policy())
    (step,) = [step for step in plan.steps if step.kind is StepKind.WITHDRAW]
    assert step.amount < snapshot.holding("WETH").supplied


def test_without_debt_nothing_must_leave_first() -> None:
    snapshot = with_reserve(a_snapshot(weights=(0.2, 0.2, 0.2, 0.2)), "WETH", ltv_bps=0)
    assert vault_book(snapshot).must_leave_first() == ()


def test_a_ripcord_that_can_sell_nothing_repays_with_what_lies_idle() -> None:
    snapshot = a_snapshot(weights=(0.6, 0.5, 0.4, 0.3), idle=0.05)
    for symbol in snapshot.risk_symbols:
        snapshot = with_reserve(snapshot, symbol, available=0)
    decision = a_decision(snapshot, (0.3, 0.2, 0.2, 0.1), Action.RIPCORD, Urgency.EMERGENCY)
    plan = planned(decision, snapshot, a_policy())
    assert [(step.kind, step.amount) for step in plan.steps] == [(StepKind.REPAY, snapshot.holdings[0].idle)]
    assert plan.expected.health_factor > snapshot.account.health_factor / 10**18
    without = with_holding(snapshot, "USDC", idle=0)
    with pytest.raises(NothingFeasible, match="not lent out"):
        planned(decision, without, a_policy())
