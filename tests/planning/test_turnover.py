"""The vault counts what enters every pool as sold, so routes of two hops are for the trades that gain most by them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS
from keeper.domain.urgency import Urgency
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


def through_hub(fills: tuple[Fill, ...]) -> dict[str, float]:
    """USD by what is bought."""
    passed: dict[str, float] = {}
    for fill in fills:
        if len(fill.route.fees) > 1:
            passed[fill.trade.buy] = passed.get(fill.trade.buy, 0.0) + fill.trade.value_usd
    return passed


@pytest.mark.parametrize(
    ("turnover", "through"),
    [
        (1.5, {"WBTC": 225_000.0, "LINK": 200_000.0, "UNI": 175_000.0}),
        (1.4, {"WBTC": 75_000.0, "LINK": 200_000.0, "UNI": 175_000.0}),
        (1.3, {"LINK": 175_000.0, "UNI": 175_000.0}),
        (0.5, {"LINK": 200_000.0}),
    ],
)
def test_turnover_goes_where_a_second_pool_saves_most(turnover: float, through: dict[str, float]) -> None:
    """WBTC has a deep direct pool. The one of LINK does not carry 200,000 USD, so that much passes two in any case."""
    assert through_hub(fills_with(generous(), BUYS, turnover)) == pytest.approx(through)


@pytest.mark.parametrize(("turnover", "detours"), [(8.0, True), (3.0, True), (1.4, False)])
def test_sales_that_lower_the_debt_leave_turnover_for_those_that_a_day_cuts_off(
    turnover: float, detours: bool
) -> None:
    """They may use half of it while direct pools could take more of them."""
    levered = with_vault_policy(
        generous(weights=(0.6, 0.3, 0.2, 0.9), nav_usd=30_000.0), daily_turnover_bps=int(turnover * BPS)
    )
    decision = a_decision(levered, (0.1, 0.1, 0.1, 0.4), Action.RIPCORD, Urgency.EMERGENCY)
    quotes = by_route(answers(decision, levered, WIDE, market(levered)))
    fills = fills_of(
        netting(decision, levered, WIDE).trades, quotes, planning_context(decision, levered, WIDE)
    )
    once, counted = sum(fill.trade.value_usd for fill in fills), counted_usd(fills)
    assert (counted > once * 1.001) is detours
    assert counted <= max(once * 1.001, turnover / 2.0 * portfolio(levered).nav_usd)


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
