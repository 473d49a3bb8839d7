"""An emergency sells what it can of what it would: a part of a trade, where the whole is too much for pool or reserve."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.decision import Action
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS
from keeper.domain.urgency import Urgency
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from tests.factories import RISK_SYMBOLS, a_policy, a_snapshot, with_reserve
from tests.planning.ledger import Ledger, a_decision, as_quoted, at_its_limit
from tests.planning.pools import Pools, pools_at_oracle_prices
from tests.properties import examples

DEEP, SLIPPAGE_BPS = 1e9, 300
LEVERED = a_snapshot(weights=(0.6, 0.5, 0.4, 0.3))


def pools_of(snapshot: MarketSnapshot, depths_usd: dict[str, float]) -> Pools:
    """One pool with USDC for each asset."""
    depths = {("USDC", symbol, 500): depths_usd.get(symbol, DEEP) for symbol in RISK_SYMBOLS}
    return pools_at_oracle_prices(snapshot, depths)


def a_third_sold(snapshot: MarketSnapshot, pools: Pools, action: Action = Action.RIPCORD) -> RebalancePlan:
    """The plan that would sell a third of everything: not all debt is repaid."""
    goal = tuple(2 * weight / 3 for weight in portfolio(snapshot).weights)
    decision = a_decision(snapshot, goal, action, Urgency.EMERGENCY)
    asked = quote_requests(netting(decision, snapshot, a_policy()).trades, snapshot)
    return route(decision, snapshot, tuple(pools.quote(one) for one in asked), a_policy())


def sold_usd(plan: RebalancePlan, snapshot: MarketSnapshot) -> dict[str, float]:
    found: dict[str, float] = {}
    for step in plan.steps:
        if step.route is not None:
            decimals, price = snapshot.token(step.symbol).decimals, snapshot.price(step.symbol) / 10**8
            found[step.symbol] = found.get(step.symbol, 0.0) + step.amount / 10**decimals * price
    return found


def test_of_what_a_pool_cannot_take_whole_a_part_is_sold() -> None:
    """A pool of constant product gives 3 % less than its price for 3 % of its depth."""
    sold = sold_usd(a_third_sold(LEVERED, pools_of(LEVERED, {"UNI": 1e6})), LEVERED)
    assert sold["UNI"] == pytest.approx(100_000 * 2 / 8, rel=1e-6)
    assert sold["WBTC"] == pytest.approx(200_000, rel=1e-6)


def test_of_what_a_reserve_cannot_give_whole_a_part_is_sold() -> None:
    scarce = with_reserve(LEVERED, "WBTC", available=LEVERED.holding("WBTC").supplied * 26 // 100)
    sold = sold_usd(a_third_sold(scarce, pools_of(scarce, {})), scarce)
    assert sold["WBTC"] == pytest.approx(200_000 * 6 / 8, rel=1e-6)
    assert sold["UNI"] == pytest.approx(100_000, rel=1e-6)


def test_a_planned_trade_is_made_whole_or_not_at_all() -> None:
    with pytest.raises(NothingFeasible, match="UNI for USDC: the best pool returns"):
        a_third_sold(LEVERED, pools_of(LEVERED, {"UNI": 1e6}), Action.REBALANCE)


def test_where_nothing_can_be_sold_in_part_either_the_first_refusal_is_told() -> None:
    with pytest.raises(NothingFeasible, match="WBTC for USDC: the best pool returns"):
        a_third_sold(LEVERED, pools_of(LEVERED, dict.fromkeys(RISK_SYMBOLS, 1e5)))


@examples(60)
@given(st.lists(st.floats(1e5, 1e8), min_size=4, max_size=4))
def test_a_partial_plan_lowers_the_debt_whatever_the_fills(depths: list[float]) -> None:
    pools = pools_of(LEVERED, dict(zip(RISK_SYMBOLS, depths, strict=True)))
    try:
        plan = a_third_sold(LEVERED, pools)
    except NothingFeasible:
        assume(False)
    for step in plan.steps:
        if step.route is not None:
            assert pools.swap(step.route, step.amount) >= step.limit
    before = Ledger(LEVERED)
    for fill in (at_its_limit, as_quoted):
        after = Ledger(LEVERED)
        after.run(plan, fill)
        assert after.debt < before.debt
        assert after.health_factor() > before.health_factor()
        assert after.nav_usd() > before.nav_usd() * (1 - SLIPPAGE_BPS / BPS)
