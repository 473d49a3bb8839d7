"""The vault counts what enters every pool as sold, so routes of two hops are for the trades that gain most by them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.market import MarketSnapshot
from keeper.domain.units import BPS
from keeper.planning.context import planning_context
from keeper.planning.execution_order import fills_of
from keeper.planning.fills import Fill
from keeper.planning.netting import netting
from keeper.planning.split import by_route
from keeper.planning.turnover import counted_usd
from tests.factories import with_vault_policy
from tests.planning.ledger import a_decision
from tests.planning.plans import leverages, shares, weights_of, worth_trading
from tests.planning.pools import WIDE, answers, generous, market
from tests.properties import examples

BUYS = (0.3, 0.2, 0.2, 0.2)
"""From cash: LINK and UNI gain most by going through WETH, WBTC little."""


def fills_with(
    snapshot: MarketSnapshot, goal: tuple[float, ...], turnover: float | None = None
) -> tuple[Fill, ...]:
    """Where the vault lets a day sell so many NAVs."""
    if turnover is not None:
        snapshot = with_vault_policy(snapshot, daily_turnover_bps=int(turnover * BPS))
    decision = a_decision(snapshot, goal)
    quotes = by_route(answers(decision, snapshot, WIDE, market(snapshot)))
    trades = netting(decision, snapshot, WIDE).trades
    return fills_of(trades, quotes, planning_context(decision, snapshot, WIDE))


def through_hub(fills: tuple[Fill, ...]) -> set[str]:
    return {fill.trade.buy for fill in fills if len(fill.route.fees) > 1}


@pytest.mark.parametrize(
    ("turnover", "bought"),
    [(1.5, {"WBTC", "LINK", "UNI"}), (1.4, {"LINK", "UNI"}), (1.2, {"LINK"}), (0.5, {"LINK"})],
)
def test_those_that_lose_least_by_it_take_a_direct_pool_first(turnover: float, bought: set[str]) -> None:
    """Of LINK no direct pool carries as much."""
    assert through_hub(fills_with(generous(), BUYS, turnover)) == bought


@examples(60)
@given(shares, leverages, st.floats(0.0, 1.0))
def test_what_direct_pools_can_carry_never_sells_more_than_the_vault_allows(
    wanted: list[float], leverage: float, part: float
) -> None:
    snapshot, goal = generous(nav_usd=30_000.0), weights_of(wanted, leverage)
    assume(worth_trading(snapshot, goal))
    free = counted_usd(fills_with(snapshot, goal, turnover=99.0)) / 30_000.0
    left = leverage + part * (free - leverage) + 1.0 / BPS
    fills = fills_with(snapshot, goal, turnover=left)
    assert counted_usd(fills) <= left * 30_000.0
    assert sum(fill.trade.value_usd for fill in fills) == pytest.approx(leverage * 30_000.0, rel=0.01)
