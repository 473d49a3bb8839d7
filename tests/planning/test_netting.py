"""Which swaps lead to a goal, and which pools are asked for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.decision import Action
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.units import usd
from keeper.planning.fills import best_fills
from keeper.planning.gas import max_trades
from keeper.planning.netting import Trade, netting
from keeper.planning.quotes import quote_requests, routes
from keeper.planning.split import Answers, by_route
from tests.factories import a_plan_policy, a_policy, a_snapshot, some_pools, with_vault
from tests.planning.ledger import a_decision, a_quote
from tests.planning.plans import shares, some_terms, weights_of
from tests.properties import examples

POLICY = a_policy()
ONE_ETHER = a_policy(plan=a_plan_policy(max_fee_wei=10**18))
leverages = st.floats(0.0, 2.2)


def sold_of(found: tuple[Trade, ...], symbol: str) -> int:
    return sum(trade.amount_in for trade in found if trade.sell == symbol)


@examples(150)
@given(shares, leverages, shares, leverages)
def test_no_more_is_sold_than_held_and_no_asset_is_both_sold_and_bought(
    held: list[float], now: float, wanted: list[float], then: float
) -> None:
    snapshot = a_snapshot(weights=weights_of(held, now))
    found = netting(a_decision(snapshot, weights_of(wanted, then)), snapshot, POLICY).trades
    for symbol in snapshot.risk_symbols:
        holding = snapshot.holding(symbol)
        assert sold_of(found, symbol) <= holding.idle + holding.supplied
    assert not {trade.sell for trade in found} & {trade.buy for trade in found}
    assert all(trade.amount_in > 0 and trade.value_usd > POLICY.plan.dust_usd for trade in found)


@examples(100)
@given(shares, leverages, shares, leverages)
def test_what_passes_through_the_debt_asset_is_only_the_change_of_leverage(
    held: list[float], now: float, wanted: list[float], then: float
) -> None:
    snapshot = a_snapshot(weights=weights_of(held, now))
    found = netting(a_decision(snapshot, weights_of(wanted, then)), snapshot, POLICY).trades
    through = sum(trade.value_usd for trade in found if "USDC" in (trade.sell, trade.buy))
    assert through <= abs(then - now) * 1_000_000 + 8 * POLICY.plan.dust_usd


@pytest.mark.parametrize(("difference", "traded"), [(0.99, False), (1.01, True)])
def test_differences_below_dust_are_not_traded(difference: float, traded: bool) -> None:
    snapshot = a_snapshot(weights=(0.2, 0.2, 0.1, 0.1))
    policy = a_policy(plan=a_plan_policy(dust_usd=100.0))
    goal = (0.2 + difference * 100 / 1_000_000, 0.2, 0.1, 0.1)
    assert bool(netting(a_decision(snapshot, goal), snapshot, policy).trades) == traded


def test_a_whole_position_is_sold_to_its_last_cent() -> None:
    snapshot = a_snapshot(weights=(0.4, 0.4, 0.3, 0.2))
    found = netting(a_decision(snapshot, (0.4, 0.4, 0.0, 0.2)), snapshot, POLICY).trades
    left = snapshot.holding("LINK").supplied - sold_of(found, "LINK")
    assert 0 <= usd(left, 18, snapshot.price("LINK")) < 0.01


def test_direct_pools_are_asked_first_and_then_two_hops_in_every_fee_tier() -> None:
    snapshot = a_snapshot()
    found = [(route.symbols, route.fees) for route in routes(Trade("LINK", "UNI", 1, 1.0), snapshot)]
    direct = [(("LINK", "UNI"), (fee,)) for fee in (500, 3_000)]
    fees = [(500, 500), (500, 3_000), (3_000, 500), (3_000, 3_000)]
    hops = [(("LINK", middle, "UNI"), pair) for middle in ("WETH", "USDC") for pair in fees]
    assert found == direct + hops


def test_only_pools_that_the_vault_lists_are_asked() -> None:
    snapshot = with_vault(a_snapshot(), pools=some_pools(3_000))
    asked = quote_requests((Trade("USDC", "LINK", 10**9, 1_000.0),), snapshot)
    assert {fee for request in asked for fee in request.route.fees} == {3_000}


def quoted(snapshot: MarketSnapshot, trade: Trade, impact_bps: int) -> Answers:
    return by_route(a_quote(request, snapshot, impact_bps) for request in quote_requests((trade,), snapshot))


@examples(60)
@given(first=st.integers(-100, 40), second=st.integers(-100, 40))
def test_the_minimum_output_does_not_depend_on_the_quote(first: int, second: int) -> None:
    snapshot, trade = a_snapshot(), Trade("WETH", "USDC", 10**19, 16_500.0)
    (one,) = best_fills(trade, quoted(snapshot, trade, first), some_terms(snapshot, 50))
    (other,) = best_fills(trade, quoted(snapshot, trade, second), some_terms(snapshot, 50))
    assert one.route == other.route
    assert one.min_out == other.min_out


def test_a_quote_for_another_amount_is_ignored() -> None:
    snapshot, trade = a_snapshot(), Trade("WETH", "USDC", 10**19, 16_500.0)
    right = quoted(snapshot, trade, 10)
    generous = [
        replace(quote, amount_in=size + 1, amount_out=10 * (quote.amount_out or 0))
        for quotes in right.values()
        for size, quote in quotes.items()
    ]
    both = by_route([*generous, *(quote for quotes in right.values() for quote in quotes.values())])
    terms = some_terms(snapshot, 50)
    assert best_fills(trade, both, terms) == best_fills(trade, right, terms)


@pytest.mark.parametrize(("gas_limit", "count"), [(60_000_000, 4), (2_500_000, 2)])
def test_row_25_a_small_block_takes_the_sells_first_and_leaves_the_rest(gas_limit: int, count: int) -> None:
    full = a_snapshot(weights=(0.4, 0.4, 0.1, 0.1))
    snapshot = replace(full, block=replace(full.block, gas_limit=gas_limit))
    decision = a_decision(snapshot, (0.1, 0.1, 0.05, 0.05))
    found = netting(decision, snapshot, POLICY).trades
    assert len(found) == count
    assert found == netting(decision, full, POLICY).trades[:count]
    whole = sum(trade.value_usd for trade in netting(decision, full, POLICY).trades)
    kept = sum(trade.value_usd for trade in found)
    assert netting(decision, snapshot, POLICY).postponed_usd == pytest.approx(whole - kept)


def test_row_25_a_small_block_takes_the_large_purchase_before_the_crumbs() -> None:
    full = a_snapshot(weights=(0.301, 0.301, 0.3, 0.0))
    snapshot = replace(full, block=replace(full.block, gas_limit=2_500_000))
    decision = a_decision(snapshot, (0.3, 0.3, 0.301, 0.3))
    whole = netting(decision, full, POLICY).trades
    kept = netting(decision, snapshot, POLICY).trades
    assert len(kept) == 2 < len(whole)
    assert max(whole, key=lambda trade: trade.value_usd) in kept


def test_row_25_a_block_without_gas_for_one_trade_is_refused_by_name() -> None:
    full = a_snapshot(weights=(0.4, 0.4, 0.1, 0.1))
    snapshot = replace(full, block=replace(full.block, gas_limit=1_000_000))
    with pytest.raises(NothingFeasible, match="block gas limit is 1,000,000"):
        netting(a_decision(snapshot, (0.1, 0.1, 0.05, 0.05)), snapshot, POLICY)


WEIGHTS = (0.5, 0.6, 0.2, 0.3)
"""WBTC, WETH, LINK, UNI. The vault owes 0.6 NAVs, which the emergency repays."""
FEW = {1: {"WETH"}, 2: {"WETH", "WBTC"}, 3: {"WETH", "WBTC", "UNI"}}


def expensive(count: int, snapshot: MarketSnapshot) -> MarketSnapshot:
    """At the lowest base fee at which no more than ``count`` sales fit into one transaction of 1 ETH."""
    blocks = (replace(snapshot.block, base_fee_wei=gwei * 10**9) for gwei in range(1, 1_000))
    block = next(block for block in blocks if max_trades(block, ONE_ETHER.plan, only_sales=True) == count)
    return replace(snapshot, block=block)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_emergency_of_which_few_sales_fit_sells_more_of_the_largest_assets(count: int) -> None:
    full = a_snapshot(weights=WEIGHTS)
    decision = a_decision(full, (0.3125, 0.375, 0.125, 0.1875), action=Action.RIPCORD)
    snapshot = expensive(count, full)
    whole, few = (netting(decision, shown, ONE_ETHER).trades for shown in (full, snapshot))
    assert {trade.sell for trade in few} <= FEW[count]
    repaid = sum(trade.value_usd for trade in whole)
    assert sum(trade.value_usd for trade in few) == pytest.approx(repaid, rel=1e-6)


def test_what_cannot_leave_the_lending_market_is_not_among_the_few_that_are_sold() -> None:
    full = a_snapshot(weights=WEIGHTS)
    decision = a_decision(full, (0.3125, 0.375, 0.125, 0.1875), action=Action.RIPCORD)
    lent_out = tuple(
        replace(reserve, available=0) if reserve.symbol == "WETH" else reserve for reserve in full.reserves
    )
    (trade,) = netting(decision, expensive(1, replace(full, reserves=lent_out)), ONE_ETHER).trades
    assert trade.sell == "WBTC"
