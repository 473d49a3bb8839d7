"""The same differences through WETH and the debt asset: no pool is used twice the same way, and nothing is left over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.plan import Quote, QuoteRequest
from keeper.domain.portfolio import portfolio
from keeper.domain.units import UINT256_MAX, WAD, usd
from keeper.domain.urgency import Urgency
from keeper.planning.context import planning_context
from keeper.planning.execution_order import fills_of
from keeper.planning.fills import Fill, minimum_price
from keeper.planning.generate import hub_candidates
from keeper.planning.hub_routing import hub_fills
from keeper.planning.netting import Trade, netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.planning.split import by_route, hops
from keeper.planning.turnover import counted_usd
from tests.factories import a_block, a_policy, with_feed, with_holding, with_limits, with_vault_policy
from tests.planning.ledger import Fill as Fills
from tests.planning.ledger import Ledger, a_decision, as_quoted, at_its_limit
from tests.planning.plans import a_context, a_fill, leverages, shares, weights_of, worth_trading
from tests.planning.pools import WIDE, answers, generous, market
from tests.properties import examples

SLIPPAGE_BPS = 500
LINK_AND_UNI_FOR_WBTC = (0.6, 0.2, 0.1, 0.1)
HELD = (0.2, 0.2, 0.4, 0.4)


def asked(
    snapshot: MarketSnapshot, weights: tuple[float, ...]
) -> tuple[tuple[Trade, ...], tuple[Quote, ...]]:
    decision = a_decision(snapshot, weights)
    return netting(decision, snapshot, WIDE).trades, answers(decision, snapshot, WIDE, market(snapshot))


def requests_of(snapshot: MarketSnapshot, weights: tuple[float, ...]) -> tuple[QuoteRequest, ...]:
    return quote_requests(netting(a_decision(snapshot, weights), snapshot, WIDE).trades, snapshot)


def found(snapshot: MarketSnapshot, weights: tuple[float, ...]) -> tuple[tuple[Fill, ...], ...]:
    wanted, quotes = asked(snapshot, weights)
    return hub_fills(wanted, by_route(quotes), a_context(snapshot, policy=WIDE))


def net_usd(fills: Sequence[Fill], symbol: str, snapshot: MarketSnapshot) -> float:
    came = sum(fill.amount_out for fill in fills if fill.trade.buy == symbol)
    went = sum(fill.trade.amount_in for fill in fills if fill.trade.sell == symbol)
    return usd(came - went, snapshot.token(symbol).decimals, snapshot.price(symbol))


@examples(60)
@given(shares, leverages, shares, leverages)
def test_every_way_trades_the_same_and_no_pool_twice_the_same_way(
    held: list[float], now: float, wanted: list[float], then: float
) -> None:
    snapshot = generous(weights=weights_of(held, now), nav_usd=300_000.0)
    goal = weights_of(wanted, then)
    assume(worth_trading(snapshot, goal))
    try:
        due, quotes = asked(snapshot, goal)
    except NothingFeasible:
        assume(False)
    for fills in hub_fills(due, by_route(quotes), a_context(snapshot, policy=WIDE)):
        passed = Counter(hop for fill in fills for hop in hops(fill.route))
        assert max(passed.values()) == 1
        assert all(fill.amount_out >= fill.min_out for fill in fills)
        lost = sum(fill.fees_usd + fill.impact_usd for fill in fills)
        through = sum(fill.trade.value_usd * len(fill.route.fees) for fill in fills)
        for symbol in snapshot.risk_symbols:
            change = sum(trade.value_usd * ((trade.buy == symbol) - (trade.sell == symbol)) for trade in due)
            of_it = net_usd(fills, symbol, snapshot)
            assert of_it == pytest.approx(change, abs=lost + through / 400 + 1.0), symbol


def test_what_comes_into_the_hub_is_sold_to_the_last_unit() -> None:
    ways = [
        fills for fills in found(generous(weights=HELD), LINK_AND_UNI_FOR_WBTC) if fills[-1].sells_balance
    ]
    assert ways
    for fills in ways:
        assert [fill.trade.sell for fill in fills if fill.sells_balance] == ["WETH"]
        assert sum(fill.amount_out for fill in fills if fill.trade.buy == "WETH") == sum(
            fill.trade.amount_in for fill in fills if fill.trade.sell == "WETH"
        )


def test_the_last_out_of_the_hub_goes_through_where_all_before_it_return_their_least() -> None:
    """And a pool pays it just what the oracle says is the least for what came."""
    snapshot = generous(weights=HELD)
    for fills in found(snapshot, LINK_AND_UNI_FOR_WBTC):
        for last in (fill for fill in fills if fill.sells_balance):
            into = [fill for fill in fills if fill.trade.buy == "WETH"]
            elsewhere = sum(fill.trade.amount_in for fill in fills if fill.trade.sell == "WETH")
            came = sum(fill.min_out for fill in into) - (elsewhere - last.trade.amount_in)
            assert 0 < came < last.trade.amount_in
            of_it = replace(last.trade, amount_in=came)
            assert last.min_out == minimum_price(last.route, snapshot, SLIPPAGE_BPS).out(of_it.amount_in)


def test_what_anybody_sent_is_not_swept_along() -> None:
    """All of what is there would be sold."""
    snapshot = with_holding(generous(weights=HELD), "WETH", idle=WAD)
    assert not [
        fill for fills in found(snapshot, LINK_AND_UNI_FOR_WBTC) for fill in fills if fill.sells_balance
    ]


def test_where_the_vault_refuses_the_price_of_weth_nothing_goes_through_it() -> None:
    """Its ``rebalance`` would revert, although the plan itself trades none."""
    snapshot = generous(weights=(0.2, 0.0, 0.4, 0.4))
    goal = (0.6, 0.0, 0.1, 0.1)
    assert found(snapshot, goal)
    feed = snapshot.feeds[snapshot.index("WETH")]
    old = replace(feed.round, updated_at=snapshot.block.timestamp - feed.max_age_s - 1)
    refused = with_feed(snapshot, "WETH", round=old)
    assert found(refused, goal) == ()
    assert not [request for request in requests_of(refused, goal) if "WETH" in request.route.symbols]


@pytest.mark.parametrize("symbol", ["WETH", "LINK", "USDC"])
def test_at_prices_that_are_not_trusted_nothing_goes_through_the_hub(symbol: str) -> None:
    """Their sales have a minimum output near the quote, which belongs to the trades as matched."""
    snapshot = with_feed(generous(weights=HELD), symbol, trust=Trust.SUSPECT)
    assert found(snapshot, LINK_AND_UNI_FOR_WBTC) == ()


def test_nothing_is_asked_or_planned_for_a_single_trade() -> None:
    snapshot = generous()
    assert found(snapshot, (0.5, 0.0, 0.0, 0.0)) == ()


def test_without_the_hubs_quotes_as_in_old_records_there_is_no_such_way() -> None:
    snapshot = generous(weights=HELD)
    wanted, quotes = asked(snapshot, LINK_AND_UNI_FOR_WBTC)
    pairs = {(trade.sell, trade.buy) for trade in wanted}
    old = [quote for quote in quotes if (quote.route.symbols[0], quote.route.symbols[-1]) in pairs]
    assert hub_fills(wanted, by_route(old), a_context(snapshot, policy=WIDE)) == ()


@pytest.mark.parametrize("fill", [at_its_limit, as_quoted])
def test_where_it_is_cheapest_a_plan_goes_through_the_hub_whatever_the_fills(fill: Fills) -> None:
    snapshot = generous(weights=HELD, nav_usd=100_000.0, block=a_block(base_fee_wei=20 * 10**9))
    wanted, quotes = asked(snapshot, LINK_AND_UNI_FOR_WBTC)
    plan = route(a_decision(snapshot, LINK_AND_UNI_FOR_WBTC), snapshot, quotes, WIDE)
    assert [step.symbol for step in plan.steps if step.route and step.amount == UINT256_MAX] == ["WETH"]
    assert len({trade.sell for trade in wanted}) < len([step for step in plan.steps if step.route])
    ledger = Ledger(snapshot)
    ledger.run(plan, fill)
    assert ledger.value_usd("WETH") == pytest.approx(HELD[1] * 100_000.0, rel=0.01)


@pytest.mark.parametrize("fill", [at_its_limit, as_quoted])
def test_what_a_pool_refuses_trade_by_trade_goes_through_it_in_one_swap(fill: Fills) -> None:
    """WETH, LINK and cash become UNI. The last of the three matched trades finds a pool that the others have moved."""
    policy = with_limits(a_policy(), Urgency.OUT_OF_BAND, max_slippage_bps=75)
    snapshot = generous(weights=(0.0, 0.43, 0.16, 0.12), nav_usd=250_000.0)
    decision = a_decision(snapshot, (0.0, 0.0, 0.0, 1.0))
    required, quotes = (
        netting(decision, snapshot, policy).trades,
        answers(decision, snapshot, policy, market(snapshot)),
    )
    with pytest.raises(NothingFeasible, match="USDC for UNI: the best pool returns"):
        fills_of(required, by_route(quotes), planning_context(decision, snapshot, policy))
    plan = route(decision, snapshot, quotes, policy)
    ledger = Ledger(snapshot)
    ledger.run(plan, fill)
    assert ledger.weights()[3] == pytest.approx(1.0, abs=0.01)
    assert plan.postponed_usd == 0.0


def test_what_no_pool_takes_in_one_swap_either_is_refused_for_the_trade() -> None:
    policy = with_limits(a_policy(), Urgency.OUT_OF_BAND, max_slippage_bps=75)
    snapshot = generous(weights=(0.0, 0.43, 0.16, 0.12), nav_usd=400_000.0)
    decision = a_decision(snapshot, (0.0, 0.0, 0.0, 1.0))
    with pytest.raises(NothingFeasible, match="LINK for UNI: the best pool returns"):
        route(decision, snapshot, answers(decision, snapshot, policy, market(snapshot)), policy)


@given(st.integers(0, 3))
def test_the_hub_is_asked_for_both_ways_at_once(swap: int) -> None:
    """One request, nothing twice."""
    snapshot = generous(weights=HELD)
    requests = requests_of(snapshot, LINK_AND_UNI_FOR_WBTC)
    assert len(set(requests)) == len(requests)
    pairs = (("LINK", "WETH"), ("UNI", "USDC"), ("WETH", "WBTC"), ("WETH", "USDC"))
    assert pairs[swap] in {request.route.symbols for request in requests}


@pytest.mark.parametrize(
    ("used_of_half", "of_matched", "allowed"),
    [
        (0.9, 0.0, True),
        (1.1, 0.0, False),
        (1.1, 1.01, True),
        (1.1, 0.9, False),
        (1.9, None, True),
        (2.1, None, False),
    ],
)
def test_the_hub_may_use_half_of_the_turnover_that_is_left_or_as_much_as_the_matched_trades(
    used_of_half: float, of_matched: float | None, allowed: bool
) -> None:
    """Its plans sell some value twice. Where a pool refuses the matched trades it may use all of it."""
    snapshot = generous(weights=HELD)
    required, quotes = asked(snapshot, LINK_AND_UNI_FOR_WBTC)
    routed = hub_fills(required, by_route(quotes), a_context(snapshot, policy=WIDE))
    smallest = min(counted_usd(fills) for fills in routed)
    left_bps = int(10_000 * 2.0 * smallest / used_of_half / portfolio(snapshot).nav_usd)
    limited = a_context(with_vault_policy(snapshot, daily_turnover_bps=left_bps), policy=WIDE)
    matched = None if of_matched is None else [a_fill("WETH", "USDC", of_matched * smallest, snapshot)]
    found = hub_candidates(required, by_route(quotes), limited, matched=matched)
    assert bool(found) is allowed


def test_candidates_are_ranked_by_what_they_cost_with_their_gas() -> None:
    """At 100 gwei the candidate with less impact costs more, because it passes through one pool more."""
    snapshot = replace(generous(weights=HELD, nav_usd=300_000.0), block=a_block(base_fee_wei=10**11))
    required, quotes = asked(snapshot, (0.4, 0.4, 0.3, 0.1))
    context = a_context(snapshot, policy=WIDE)
    ranked = hub_candidates(required, by_route(quotes), context, matched=())
    lost, pools = zip(
        *(
            (
                sum(fill.fees_usd + fill.impact_usd for fill in fills),
                sum(len(fill.route.fees) for fill in fills),
            )
            for fills in ranked
        ),
        strict=True,
    )
    assert lost[0] > lost[1]
    assert pools[0] < pools[1]
