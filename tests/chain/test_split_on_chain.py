"""Trades in parts, and several trades through one pool, on the real pools: what was expected of each is what came."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest

from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import DEPOSIT_USDC, LocalChain
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, QuoteRequest, RebalancePlan, Step, StepKind
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS, usd
from keeper.domain.urgency import Urgency
from keeper.planning.gas import swap_costs
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.planning.split import hops
from tests.chain.desk import Desk
from tests.chain.node_scene import HISTORY_S, node_in
from tests.factories import a_chain_policy, with_limits
from tests.planning.ledger import a_decision

POLICY = with_limits(a_chain_policy(), Urgency.OUT_OF_BAND, max_slippage_bps=150)


@pytest.fixture
def desk(chain: LocalChain) -> Iterator[Desk]:
    """A vault with a million dollars."""
    chain.fund("USDC", chain.portfolio.address, 3 * DEPOSIT_USDC * 10**6)
    with Rpc(chain.deployment.rpc_url) as rpc:
        yield Desk(chain, node_in(chain, rpc))


def planned(
    desk: Desk, snapshot: MarketSnapshot, weights: tuple[float, ...], policy: Policy = POLICY
) -> tuple[RebalancePlan, tuple[Quote, ...]]:
    decision = a_decision(snapshot, weights)
    quotes = desk.node.quote(quote_requests(netting(decision, snapshot, policy).trades, snapshot), snapshot)
    return route(decision, snapshot, quotes, policy), quotes


def swaps(plan: RebalancePlan) -> list[Step]:
    return [step for step in plan.steps if step.kind is StepKind.SWAP_EXACT_IN]


def bought_by(before: MarketSnapshot, after: MarketSnapshot, symbol: str) -> int:
    """Raw, idle and supplied; the lending market rounds a supply down by at most a unit."""
    one, other = before.holding(symbol), after.holding(symbol)
    return other.idle + other.supplied - one.idle - one.supplied + 1


def sent(desk: Desk, plan: RebalancePlan, snapshot: MarketSnapshot) -> MarketSnapshot:
    report = desk.node.simulate(plan, snapshot)
    assert report.success, report.revert
    desk.send(plan, snapshot)
    return desk.node.read({}, HISTORY_S).snapshot


@pytest.mark.parametrize(
    ("weight", "pools", "at_least_usd"), [(0.9, {500, 3_000}, 1_000.0), (0.225, {500}, 50.0)]
)
def test_a_large_trade_in_parts_returns_more_than_the_best_pool_alone(
    desk: Desk, weight: float, pools: set[int], at_least_usd: float, show: Callable[[str], None]
) -> None:
    """WBTC has pools of 5 and 30 bps with USDC, and a way through WETH."""
    before = desk.node.read({}, HISTORY_S).snapshot
    plan, quotes = planned(desk, before, (weight, 0.0, 0.0, 0.0))
    parts = swaps(plan)
    amount = sum(step.amount for step in parts)
    used = [hop for step in parts if step.route for hop in hops(step.route)]
    assert {("USDC", "WBTC", fee) for fee in pools} < set(used)
    assert len(used) == len(set(used))

    after = sent(desk, plan, before)

    bought = bought_by(before, after, "WBTC")
    assert bought >= sum(step.expected_out for step in parts)
    alone = max(
        quote.amount_out or 0
        for quote in quotes
        if quote.amount_in == amount and quote.route.symbols[-1] == "WBTC"
    )
    gained_usd = usd(bought - alone, 8, before.price("WBTC"))
    assert gained_usd > at_least_usd
    assert after.vault.epoch == before.vault.epoch + 1
    costs = swap_costs(before, "WETH")
    further_usd = math.fsum(costs.of(step.route) for step in parts[1:] if step.route)
    shares = ", ".join(f"{step.amount / amount:.3f} by {step.route}" for step in parts)
    show(
        f"{amount / 1e6:,.0f} USDC into WBTC, {shares}: {gained_usd:,.0f} USD more than by one route "
        f"({gained_usd / amount * 1e6 * BPS:.1f} bps), gas of the further swaps {further_usd:.0f} USD"
    )


def test_trades_through_one_pool_return_what_the_plan_expects_of_each(
    desk: Desk, show: Callable[[str], None]
) -> None:
    """WETH, LINK and UNI all come through the pools of WETH and USDC."""
    before = desk.node.read({}, HISTORY_S).snapshot
    plan, _ = planned(desk, before, (0.0, 0.6, 0.15, 0.15))
    through = [step for step in swaps(plan) if step.route and "WETH" in step.route.symbols]
    assert len({step.route.symbols[-1] for step in through if step.route}) == 3

    requests = [QuoteRequest(step.route, step.amount) for step in swaps(plan) if step.route]
    alone = desk.node.quote(requests, before)
    after = sent(desk, plan, before)

    together_usd = alone_usd = 0.0
    for symbol in ("WETH", "LINK", "UNI"):
        parts = [step for step in swaps(plan) if step.route and step.route.symbols[-1] == symbol]
        expected, came = sum(step.expected_out for step in parts), bought_by(before, after, symbol)
        assert expected <= came <= expected * 1.0005
        together_usd += before.value_usd(symbol, came - expected)
        quoted = sum(quote.amount_out or 0 for quote in alone if quote.route.symbols[-1] == symbol)
        alone_usd += before.value_usd(symbol, quoted - came)
    nav_usd = portfolio(before).nav_usd
    assert together_usd < alone_usd
    show(
        f"NAV after WETH, LINK and UNI through one pool is off by {together_usd / nav_usd * BPS:.2f} bps, quoted each "
        f"alone by {alone_usd / nav_usd * BPS:.2f}"
    )


def test_a_small_trade_stays_in_one_pool(desk: Desk) -> None:
    before = desk.node.read({}, HISTORY_S).snapshot
    nav = before.holdings[0].idle / 1e6
    plan, _ = planned(desk, before, (2_000 / nav, 0.0, 0.0, 0.0))
    assert len(swaps(plan)) == 1
    after = sent(desk, plan, before)
    assert bought_by(before, after, "WBTC") >= swaps(plan)[0].expected_out
