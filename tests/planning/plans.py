"""Contexts, fills and candidate plans for the tests of planning."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan, Route, Step, StepKind
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import raw_from_usd_floor
from keeper.domain.urgency import Urgency
from keeper.lending.aave import AaveV3
from keeper.lending.book import LendingBook
from keeper.planning.candidates import CandidatePlan
from keeper.planning.context import PlanningContext, planning_context
from keeper.planning.feasibility import require_feasible
from keeper.planning.fills import Fill, SwapTerms, minimum_price
from keeper.planning.gas import swap_costs
from keeper.planning.min_health_factor import MinHealthFactor
from keeper.planning.netting import Trade, netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.planning.sequential import sequential
from tests.factories import (
    RISK_SYMBOLS,
    a_policy,
)
from tests.planning.ledger import Ledger, a_decision, a_quote

DUST = 10**6
MINIMUM = 1.3
SLIPPAGE_BPS = 75


def a_context(
    snapshot: MarketSnapshot,
    minimum: float | None = None,
    *,
    buffer: int = 0,
    dust: int = DUST,
    policy: Policy | None = None,
) -> PlanningContext:
    """Of a rebalance whose health factor stays at ``minimum``."""
    return replace(
        planning_context(a_decision(snapshot, (0.0,) * 4), snapshot, policy or a_policy()),
        min_health_factor=MinHealthFactor(minimum or MINIMUM, enforced=minimum or MINIMUM),
        idle_buffer=buffer,
        dust=dust,
    )


def some_terms(snapshot: MarketSnapshot, max_slippage_bps: int) -> SwapTerms:
    return SwapTerms(snapshot, max_slippage_bps, swap_costs(snapshot, "WETH"), lowering=False)


def an_emergency(snapshot: MarketSnapshot, minimum: float, policy: Policy | None = None) -> PlanningContext:
    decision = a_decision(snapshot, (0.0,) * 4, Action.RIPCORD, Urgency.EMERGENCY)
    context = planning_context(decision, snapshot, policy or a_policy())
    return replace(context, min_health_factor=MinHealthFactor(minimum, enforced=minimum))


def feasible(candidate: CandidatePlan, context: PlanningContext) -> CandidatePlan:
    require_feasible(candidate, context)
    return candidate


def feasible_sequential(fills: Sequence[Fill], context: PlanningContext, flash: int = 0) -> CandidatePlan:
    return feasible(sequential(fills, context, flash), context)


def lowest_health_factor(steps: Iterable[Step], flash: int, snapshot: MarketSnapshot) -> float:
    """After any of the steps, in the worst case; no token is overdrawn after any of them."""
    book, lowest = LendingBook.when_mined(snapshot, AaveV3.of(snapshot), flash), math.inf
    for step in steps:
        book.apply(step)
        assert book.overdrawn() == 0, step
        lowest = min(lowest, book.health_factor())
    return lowest


def health_factor_now(snapshot: MarketSnapshot) -> float:
    """With the interest until a transaction is mined."""
    return LendingBook.when_mined(snapshot, AaveV3.of(snapshot)).health_factor()


def a_fill(sell: str, buy: str, value_usd: float, snapshot: MarketSnapshot) -> Fill:
    token = snapshot.token(sell)
    amount = raw_from_usd_floor(value_usd, token.decimals, snapshot.price(sell))
    trade, route = Trade(sell, buy, amount, value_usd), Route((sell, buy), (500,))
    minimum = minimum_price(route, snapshot, SLIPPAGE_BPS).out(trade.amount_in)
    return Fill(trade, route, minimum * 1_005 // 1_000, minimum, 0.0, 0.0)


def some_fills(snapshot: MarketSnapshot, changes: list[float]) -> list[Fill]:
    """Of parts of NAV, by risk asset: sales into the debt asset and purchases from it."""
    held = portfolio(snapshot)
    sales = [
        a_fill(symbol, "USDC", min(-change * held.nav_usd, value), snapshot)
        for symbol, change, value in zip(RISK_SYMBOLS, changes, held.values_usd, strict=True)
        if change < -0.01 and value > 100.0
    ]
    return sales + [
        a_fill("USDC", symbol, change * held.nav_usd, snapshot)
        for symbol, change in zip(RISK_SYMBOLS, changes, strict=True)
        if change > 0.01
    ]


def sold(steps: Iterable[Step]) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for step in steps:
        if step.kind is StepKind.SWAP_EXACT_IN:
            amounts[step.symbol] = amounts.get(step.symbol, 0) + step.amount
    return amounts


shares = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).filter(lambda found: sum(found) > 0.1)
leverages = st.floats(0.05, 1.9)
"""Sizing leaves room below the vault's cap of 2 for what a trade may lose."""


def weights_of(found: list[float], leverage: float) -> tuple[float, ...]:
    return tuple(leverage * share / sum(found) for share in found)


def planned(
    decision: Decision, snapshot: MarketSnapshot, policy: Policy, impact_bps: int = 10
) -> RebalancePlan:
    requests = quote_requests(netting(decision, snapshot, policy).trades, snapshot)
    quotes = tuple(a_quote(request, snapshot, impact_bps) for request in requests)
    return route(decision, snapshot, quotes, policy)


def worth_trading(snapshot: MarketSnapshot, weights: tuple[float, ...]) -> bool:
    held = Ledger(snapshot).weights()
    return max(abs(one - other) for one, other in zip(held, weights, strict=True)) > 0.01


DEAR_WEI = 50_000 * 10**9
"""For gas, so that a flash loan is the cheaper way."""
