"""Plans through pools that answer like real ones: split where it pays, and never two trades through one pool as if
each were alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.decision import Action, Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, QuoteRequest, RebalancePlan, Route, Step, StepKind
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import WAD, usd
from keeper.domain.urgency import Urgency
from keeper.planning.gas import LARGEST_TRANSACTION, gas_of
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.planning.shared_pools import after_others
from keeper.planning.split import by_route, hops, ladder
from tests.factories import (
    GWEI,
    a_plan_policy,
    a_policy,
    a_snapshot,
    with_block,
    with_limits,
    with_market_move,
)
from tests.planning.ledger import Fill, Ledger, a_decision, as_quoted, at_its_limit
from tests.planning.plans import leverages, shares, weights_of, worth_trading
from tests.planning.pools import WIDE, Pool, Pools, answers, generous, market, pools_at_oracle_prices
from tests.properties import examples

WIDEST = with_limits(a_policy(), Urgency.OUT_OF_BAND, max_slippage_bps=1_500)


def of_whole_trades(
    quotes: Sequence[Quote], decision: Decision, snapshot: MarketSnapshot, policy: Policy
) -> tuple[Quote, ...]:
    """What was asked before trades were split."""
    asked = {(trade.sell, trade.buy, trade.amount_in) for trade in netting(decision, snapshot, policy).trades}
    return tuple(
        quote
        for quote in quotes
        if (quote.route.symbols[0], quote.route.symbols[-1], quote.amount_in) in asked
    )


def swaps(plan: RebalancePlan) -> list[Step]:
    return [step for step in plan.steps if step.kind is StepKind.SWAP_EXACT_IN]


def traded_usd(plan: RebalancePlan, symbol: str, snapshot: MarketSnapshot) -> float:
    """What the swaps are expected to bring of a token, less what they sell of it."""
    came = sum(step.expected_out for step in swaps(plan) if step.route and step.route.symbols[-1] == symbol)
    went = sum(step.expected_in for step in swaps(plan) if step.symbol == symbol)
    return usd(came - went, snapshot.token(symbol).decimals, snapshot.price(symbol))


def sold_and_bought(plan: RebalancePlan) -> dict[tuple[str, str], int]:
    """How many swaps each trade has."""
    found: dict[tuple[str, str], int] = {}
    for step in swaps(plan):
        assert step.route is not None
        ends = step.route.symbols[0], step.route.symbols[-1]
        found[ends] = found.get(ends, 0) + 1
    return found


# --------------------------------------------------------------------- splits


def test_a_large_trade_goes_through_several_pools_and_returns_more() -> None:
    snapshot = generous(nav_usd=4_000_000.0)
    decision = a_decision(snapshot, (0.9, 0.0, 0.0, 0.0))
    quotes = answers(decision, snapshot, WIDE, market(snapshot))
    split = route(decision, snapshot, quotes, WIDE)
    whole = route(decision, snapshot, of_whole_trades(quotes, decision, snapshot, WIDE), WIDE)
    assert sold_and_bought(split) == {("USDC", "WBTC"): 3}
    assert sold_and_bought(whole) == {("USDC", "WBTC"): 1}
    assert sum(step.amount for step in swaps(split)) == swaps(whole)[0].amount
    assert split.expected.nav_usd > whole.expected.nav_usd + (split.cost.gas - whole.cost.gas)
    assert split.turnover_usd == pytest.approx(whole.turnover_usd)
    assert split.cost.total < whole.cost.total
    assert split.gas_limit > whole.gas_limit


def test_a_trade_too_large_for_any_pool_is_split() -> None:
    snapshot = generous(nav_usd=4_000_000.0)
    decision = a_decision(snapshot, (0.9, 0.0, 0.0, 0.0))
    policy = with_limits(a_policy(), Urgency.OUT_OF_BAND, max_slippage_bps=100)
    quotes = answers(decision, snapshot, policy, market(snapshot))
    with pytest.raises(NothingFeasible, match="less than allowed"):
        route(decision, snapshot, of_whole_trades(quotes, decision, snapshot, policy), policy)
    for step in swaps(route(decision, snapshot, quotes, policy)):
        assert step.expected_out >= step.limit


@examples(80)
@given(st.sampled_from(["WBTC", "WETH", "LINK", "UNI"]), st.floats(0.02, 0.9), st.floats(1e4, 1e6))
def test_a_trade_that_is_cheaper_in_one_pool_is_not_split(symbol: str, weight: float, nav: float) -> None:
    snapshot = generous(nav_usd=nav)
    decision = a_decision(snapshot, tuple(weight * (symbol == each) for each in snapshot.risk_symbols))
    quotes = answers(decision, snapshot, WIDE, market(snapshot, factor=1e6))
    plan = route(decision, snapshot, quotes, WIDE)
    assert plan == route(decision, snapshot, of_whole_trades(quotes, decision, snapshot, WIDE), WIDE)


@pytest.mark.parametrize("fill", [at_its_limit, as_quoted])
@examples(60)
@given(shares, leverages, shares, leverages, st.floats(0.3, 3.0))
def test_every_step_of_a_split_plan_can_be_executed(
    fill: Fill, held: list[float], now: float, wanted: list[float], then: float, factor: float
) -> None:
    snapshot = generous(weights=weights_of(held, now), nav_usd=3_000_000.0)
    goal = weights_of(wanted, then)
    assume(worth_trading(snapshot, goal))
    decision = a_decision(snapshot, goal)
    try:
        plan = route(
            decision, snapshot, answers(decision, snapshot, WIDEST, market(snapshot, factor)), WIDEST
        )
    except NothingFeasible:
        assume(False)
    ledger = Ledger(snapshot)
    ledger.run(plan, fill)
    due = dict.fromkeys(snapshot.risk_symbols, 0.0)
    for trade in netting(decision, snapshot, WIDEST).trades:
        due |= {trade.sell: due.get(trade.sell, 0.0) - trade.value_usd}
        due |= {trade.buy: due.get(trade.buy, 0.0) + trade.value_usd}
    lost = plan.cost.fees + plan.cost.slippage
    for symbol in snapshot.risk_symbols:
        assert traded_usd(plan, symbol, snapshot) == pytest.approx(due[symbol], abs=lost + 1.0), symbol


def test_every_part_of_an_emergency_asks_for_nearly_what_was_quoted() -> None:
    held = generous(weights=(1.9, 0.0, 0.0, 0.0), nav_usd=5_000_000.0)
    snapshot = with_market_move(held, 1.19 / portfolio(held).health_factor)
    decision = a_decision(
        snapshot,
        tuple(0.5 * weight for weight in portfolio(snapshot).weights),
        Action.RIPCORD,
        Urgency.EMERGENCY,
    )
    policy = a_policy(plan=a_plan_policy(public_tolerance_bps=20))
    plan = route(decision, snapshot, answers(decision, snapshot, policy, market(snapshot)), policy)
    assert len(swaps(plan)) > 1
    assert all(step.limit * 10_000 >= step.expected_out * 9_980 for step in swaps(plan))
    before, after = Ledger(snapshot), Ledger(snapshot)
    after.run(plan, at_its_limit)
    assert after.debt < before.debt
    assert after.health_factor() > before.health_factor()


@pytest.mark.parametrize(("gas_limit", "parts"), [(60_000_000, 3), (2_050_000, 2), (1_850_000, 1)])
def test_a_block_with_little_gas_takes_fewer_parts(gas_limit: int, parts: int) -> None:
    snapshot = with_block(generous(nav_usd=4_000_000.0), gas_limit=gas_limit)
    decision = a_decision(snapshot, (0.9, 0.0, 0.0, 0.0))
    plan = route(decision, snapshot, answers(decision, snapshot, WIDE, market(snapshot)), WIDE)
    assert len(swaps(plan)) == parts
    room = (gas_limit or LARGEST_TRANSACTION) / WIDE.plan.gas_limit_margin
    assert gas_of(plan.steps, plan.flash_amount) <= room


def test_on_a_rollup_the_publishing_fee_of_a_further_swap_counts() -> None:
    cheap = a_snapshot(nav_usd=400_000.0)
    dear = replace(cheap, l1_fee_wei=2 * WAD)
    decision = a_decision(cheap, (0.9, 0.0, 0.0, 0.0))
    parts = [
        len(swaps(route(decision, one, answers(decision, one, WIDE, market(one)), WIDE)))
        for one in (cheap, dear)
    ]
    assert parts[0] > parts[1] == 1


# --------------------------------------------------------------- shared pools


def executed(plan: RebalancePlan, pools: Pools) -> list[tuple[Step, int]]:
    """What each swap really returns, one after the other."""
    found = []
    for step in swaps(plan):
        assert step.route is not None
        found.append((step, pools.swap(step.route, step.amount)))
    return found


def quoted_alone(step: Step, pools: Pools) -> int:
    """What the pools quote for a swap of an untouched block."""
    assert step.route is not None
    out = pools.quote(QuoteRequest(step.route, step.amount)).amount_out
    assert out is not None
    return out


@examples(80)
@given(shares, leverages, shares, leverages, st.floats(0.3, 3.0))
def test_swaps_one_after_the_other_return_what_the_plan_expects(
    held: list[float], now: float, wanted: list[float], then: float, factor: float
) -> None:
    snapshot = generous(weights=weights_of(held, now), nav_usd=1_000_000.0)
    goal = weights_of(wanted, then)
    assume(worth_trading(snapshot, goal))
    decision, pools = a_decision(snapshot, goal), market(snapshot, factor)
    try:
        plan = route(decision, snapshot, answers(decision, snapshot, WIDEST, pools), WIDEST)
    except NothingFeasible:
        assume(False)
    routes = [step.route for step in swaps(plan)]
    assume(len(set(routes)) == len(routes))  # in rounds the trades take turns: test_rounds
    for step, returned in executed(plan, pools):
        assert returned >= step.expected_out * (1 - 1e-6) - 2


def test_quotes_of_each_trade_alone_would_promise_too_much() -> None:
    snapshot = with_block(
        generous(nav_usd=2_000_000.0), base_fee_wei=500 * GWEI
    )  # too expensive for a deleverage loop
    depths = {("WETH", "USDC", 500): 85e6, ("LINK", "WETH", 3_000): 1e9, ("UNI", "WETH", 3_000): 1e9}
    decision, pools = a_decision(snapshot, (0.0, 0.9, 0.3, 0.3)), pools_at_oracle_prices(snapshot, depths)
    plan = route(decision, snapshot, answers(decision, snapshot, WIDEST, pools), WIDEST)
    returned = executed(plan, pools)
    assert min(out / quoted_alone(step, pools) for step, out in returned) < 0.95
    assert min(out / step.expected_out for step, out in returned) > 1 - 2e-5


def test_the_later_trade_goes_elsewhere_where_the_pool_is_used_up() -> None:
    """WETH first moves the cheaper pool; LINK then enters WETH through the other one."""
    snapshot = with_block(generous(), base_fee_wei=5_000 * GWEI)  # too expensive to split
    depths = {("WETH", "USDC", 500): 12e6, ("WETH", "USDC", 3_000): 12e6, ("LINK", "WETH", 3_000): 1e9}
    decision = a_decision(snapshot, (0.0, 0.12, 0.1, 0.0))
    pools = pools_at_oracle_prices(snapshot, depths)
    plan = route(decision, snapshot, answers(decision, snapshot, WIDE, pools), WIDE)
    by_bought = {step.route.symbols[-1]: step.route.fees for step in swaps(plan) if step.route}
    assert by_bought == {"WETH": (500,), "LINK": (3_000, 3_000)}


def test_a_pool_that_two_trades_could_use_is_quoted_for_both_together() -> None:
    snapshot = generous(weights=(0.0, 0.5, 0.3, 0.2))
    found = netting(a_decision(snapshot, (0.6, 0.3, 0.1, 0.0)), snapshot, a_policy()).trades
    assert len(found) > 1
    asked = quote_requests(found, snapshot)
    assert len(asked) == len(set(asked))
    through: dict[tuple[str, str, int], set[tuple[str, str]]] = {}
    for request in asked:
        if len(request.route.fees) > 1 or request.amount_in in {trade.amount_in for trade in found}:
            ends = request.route.symbols[0], request.route.symbols[-1]
            if ends in {(trade.sell, trade.buy) for trade in found}:
                for hop in hops(request.route):
                    through.setdefault(hop, set()).add(ends)
    several = {hop for hop, ends in through.items() if len(ends) > 1}
    assert several
    for hop in several:
        sizes = [request.amount_in for request in asked if request.route == Route(hop[:2], hop[2:])]
        assert any(set(ladder(most)) <= set(sizes) for most in sizes)


def test_a_pool_that_was_not_quoted_for_both_trades_is_not_used_twice() -> None:
    hop, of_hop = ("USDC", "WETH", 500), Route(("USDC", "WETH"), (500,))
    quote = Quote(Route(("USDC", "WETH", "LINK"), (500, 3_000)), 1_000, 900, 0)
    answered, lost = by_route([quote]), by_route([replace(quote, amount_out=None)])
    seen = [Quote(of_hop, size, size if size <= 4_000 else None, 0) for size in ladder(8_000)]
    assert after_others(answered, {hop: 4_000}, {hop: 8_000}, by_route(seen)) == answered
    assert after_others(answered, {hop: 4_001}, {hop: 8_000}, by_route(seen)) == lost
    nothing = by_route(replace(answer, amount_out=None) for answer in seen)
    assert after_others(answered, {hop: 1}, {hop: 8_000}, nothing) == lost


@examples(200)
@given(
    depth=st.integers(10**9, 10**14),
    passed=st.floats(0.0, 1.0),
    most=st.floats(1e-5, 0.2),
    taken=st.floats(0.01, 1.0),
)
def test_the_lowered_quote_is_at_most_what_the_pool_returns(
    depth: int, passed: float, most: float, taken: float
) -> None:
    hop, of_hop = ("USDC", "WETH", 500), Route(("USDC", "WETH"), (500,))
    total = int(depth * most)
    before = int(total * passed)
    amount = max(1, int((total - before) * taken))
    pools = Pools({hop: Pool(depth, Fraction(1), 500)})
    asked = [pools.quote(QuoteRequest(of_hop, size)) for size in {*ladder(total), amount}]
    alone = by_route([pools.quote(QuoteRequest(of_hop, amount))])
    lowered = after_others(alone, {hop: before}, {hop: total}, by_route(asked))[of_hop][amount]
    pools.swap(of_hop, before)
    really = pools.swap(of_hop, amount)
    assert (lowered.amount_out or 0) <= really + 2 + 20 * amount / total  # of rounding
