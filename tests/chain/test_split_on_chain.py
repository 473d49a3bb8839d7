"""Trades in parts, and several trades through one pool, on the real pools: what was expected of each is what came."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import DEPOSIT_USDC, LocalChain
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, RebalancePlan, Step, StepKind
from keeper.domain.policy import Policy
from keeper.domain.units import usd
from keeper.domain.urgency import Urgency
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
    desk._send(plan, snapshot)
    return desk.node.read({}, HISTORY_S).snapshot


def test_a_large_trade_in_parts_returns_more_than_the_best_pool_alone(desk: Desk) -> None:
    """WBTC has pools of 5 and 30 bps with USDC, and a way through WETH."""
    before = desk.node.read({}, HISTORY_S).snapshot
    plan, quotes = planned(desk, before, (0.9, 0.0, 0.0, 0.0))
    parts = swaps(plan)
    amount = sum(step.amount for step in parts)
    used = [hop for step in parts if step.route for hop in hops(step.route)]
    assert {("USDC", "WBTC", 500), ("USDC", "WBTC", 3_000)} < set(used)
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
    assert gained_usd > 1_000.0
    assert after.vault.epoch == before.vault.epoch + 1


def test_trades_through_one_pool_return_what_the_plan_expects_of_each(desk: Desk) -> None:
    """WETH, LINK and UNI all come through the pools of WETH and USDC."""
    before = desk.node.read({}, HISTORY_S).snapshot
    plan, _ = planned(desk, before, (0.0, 0.6, 0.15, 0.15))
    through = [step for step in swaps(plan) if step.route and "WETH" in step.route.symbols]
    assert len({step.route.symbols[-1] for step in through if step.route}) == 3

    after = sent(desk, plan, before)

    for symbol in ("WETH", "LINK", "UNI"):
        parts = [step for step in swaps(plan) if step.route and step.route.symbols[-1] == symbol]
        expected = sum(step.expected_out for step in parts)
        assert expected <= bought_by(before, after, symbol) <= expected * 1.0005


def test_a_small_trade_stays_in_one_pool(desk: Desk) -> None:
    before = desk.node.read({}, HISTORY_S).snapshot
    nav = before.holdings[0].idle / 1e6
    plan, _ = planned(desk, before, (2_000 / nav, 0.0, 0.0, 0.0))
    assert len(swaps(plan)) == 1
    after = sent(desk, plan, before)
    assert bought_by(before, after, "WBTC") >= swaps(plan)[0].expected_out
