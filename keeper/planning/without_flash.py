"""The same fills without a flash loan: swaps between assets one after the other, then up or down in rounds.

Sells and buys have been matched, so what is left of them lies on one side: the debt asset is bought, or it is sold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Step, StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.units import UINT256_MAX
from keeper.planning.fills import Fill
from keeper.planning.flash import move, swap
from keeper.planning.funding import Funding
from keeper.planning.obstacles import require_no_obstacle
from keeper.planning.rounds import Rounds, Standing, down, up
from keeper.planning.walk import require_footing
from keeper.planning.way import Way

LEAST_IN_AN_EMERGENCY = 1.02
"""Aave refuses a withdrawal that ends below 1; two per cent are for prices that fall until the transaction is mined."""


def without_flash(
    fills: Sequence[Fill], snapshot: MarketSnapshot, buffer: int, floor: float, *, emergency: bool
) -> Way:
    """``floor``: no step leaves a lower health factor, unless it is lower already. ``buffer`` raw of the debt asset
    stays idle, and is borrowed where it is missing. Raises NothingFeasible where nothing can be moved so."""
    cash = snapshot.debt_token.symbol
    sells = [fill for fill in fills if fill.trade.buy == cash]
    buys = [fill for fill in fills if fill.trade.sell == cash]
    between = [fill for fill in fills if cash not in (fill.trade.buy, fill.trade.sell)]
    now = portfolio(snapshot).health_factor
    least = LEAST_IN_AN_EMERGENCY if emergency else min(floor, now)

    _require_nothing_held_back((*between, *sells), snapshot)
    on_hand = snapshot.holdings[0].idle - buffer
    if sells and buys:
        raise NothingFeasible(
            "sales into the debt asset and purchases from it in one plan",
            remedy="A flash loan carries both; wait until the lending market gives one.",
        )
    start = Standing(
        {holding.symbol: holding.supplied for holding in snapshot.holdings[1:]},
        snapshot.holdings[0].owed,
        max(0, on_hand),
        {holding.symbol: holding.idle for holding in snapshot.holdings[1:]},
    )
    # In the order in which the swaps were quoted: into the debt asset, between assets, out of it.
    missing = 0 if emergency else max(0, -on_hand)
    if sells:
        made = down(sells, start, snapshot, least, missing)
        missing = max(0, missing - made.after.cash)
        steps = [*made.steps, *_between(between, made.after)[0]]
    else:
        first, then = _between(between, start)
        made = up(buys, then, snapshot, least)
        steps = [*first, *made.steps]
    if not made.done and (sells or buys):
        raise NothingFeasible(
            f"without a flash loan nothing can be moved at health factor {now:.3f}: it may not fall below {least:.3f} "
            "on the way",
            remedy="Deposit cash into the vault, or wait until the lending market gives a flash loan.",
        )
    if missing:
        steps.append(move(StepKind.BORROW, cash, missing, paid=False))
    funded = _funded(made, missing)
    require_no_obstacle(steps, funded, snapshot)
    require_footing(steps, 0, snapshot, least)
    done = (*between, *made.done)
    wanted, reached = (math.fsum(fill.trade.value_usd for fill in listed) for listed in (fills, done))
    return Way(
        steps=tuple(steps),
        funded=funded,
        fills=done,
        collateral=_collateral(steps),
        left_usd=max(0.0, wanted - reached),
    )


def _require_nothing_held_back(leaving: Sequence[Fill], snapshot: MarketSnapshot) -> None:
    """Aave ValidationLogic.validateHFAndLtvzero: beside debt, collateral of LTV 0 leaves before any other."""
    held_back = snapshot.zero_ltv_collateral
    others = [fill.trade.sell for fill in leaving if fill.trade.sell not in held_back]
    if held_back and others:
        raise NothingFeasible(
            f"withdrawing {', '.join(others)} in rounds: {', '.join(held_back)} has LTV 0 and must leave first",
            remedy="Sell it whole, or wait until the lending market gives a flash loan.",
        )


def _funded(made: Rounds, missing: int) -> Funding:
    return Funding(
        flash=0,
        premium=0,
        repay_first=0,
        borrow=made.borrowed + missing,
        repay_last=made.repaid,
        spare=0,
    )


def _between(fills: Sequence[Fill], standing: Standing) -> tuple[list[Step], Standing]:
    """Each withdrawn, swapped and supplied before the next. The steps, and what they leave."""
    supplied, idle = dict(standing.supplied), dict(standing.idle)
    steps: list[Step] = []
    for fill in fills:
        sold, bought = fill.trade.sell, fill.trade.buy
        needed = max(0, fill.trade.amount_in - idle[sold])
        if needed:
            steps.append(move(StepKind.WITHDRAW, sold, needed, paid=False))
            supplied[sold] -= needed
        idle[sold] += needed - fill.trade.amount_in
        supply = Step(StepKind.SUPPLY, bought, UINT256_MAX, 0, None, idle[bought] + fill.amount_out, 0)
        steps += [swap(fill), supply]
        supplied[bought] += idle[bought] + fill.min_out
        idle[bought] = 0
    return steps, Standing(supplied, standing.owed, standing.cash, idle)


def _collateral(steps: Sequence[Step]) -> dict[str, int]:
    change: dict[str, int] = {}
    for step in steps:
        if step.kind is StepKind.SUPPLY:
            change[step.symbol] = change.get(step.symbol, 0) + step.expected_in
        elif step.kind is StepKind.WITHDRAW:
            change[step.symbol] = change.get(step.symbol, 0) - step.amount
    return change
