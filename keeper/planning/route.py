"""From a decision and the pools' quotes to one vault call: ordered typed steps, their expected effect and
cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keeper.domain.decision import Action, Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Cost, Quote, RebalancePlan, Step, StepKind, VaultCall
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import UINT256_MAX, unit, usd
from keeper.planning.expected import expected_state
from keeper.planning.fills import Fill, best_fill
from keeper.planning.funding import Funding, funding, idle_buffer
from keeper.planning.gas import gas_limit_for, gas_of, gas_usd
from keeper.planning.trades import trades


def route(
    decision: Decision, snapshot: MarketSnapshot, quotes: Sequence[Quote], policy: Policy
) -> RebalancePlan:
    """The plan of a decision that has a goal.

    Order: repay what collateral cannot be withdrawn without, withdraw, swap into the debt asset, swap between
    assets, swap out of the debt asset, supply, then borrow or repay the rest. A flash loan spans all of it
    when the debt asset on hand does not suffice on the way. Raises NothingFeasible naming the trade or
    reserve that is in the way.
    """
    emergency = decision.action is Action.RIPCORD
    limits = policy.decision.at(decision.urgency)
    fills = tuple(
        best_fill(trade, quotes, snapshot, limits.max_slippage_bps)
        for trade in trades(decision, snapshot, policy)
    )
    if not fills:
        raise NothingFeasible(
            "the goal differs from the vault by less than dust in every asset",
            remedy="Lower plan.dust_usd, or widen the bands so that such a difference is no reason to trade.",
        )
    nav = portfolio(snapshot).nav_usd
    withdrawn, collateral = _collateral(fills, snapshot, with_idle=not emergency)
    buffer = 0 if emergency else idle_buffer(nav, policy.size.idle_buffer, snapshot)
    funded = funding(fills, snapshot, buffer, withdrawn, may_borrow=not emergency)
    steps = tuple(_steps(fills, funded, snapshot, withdrawn, collateral))
    _require_open_reserves(steps, snapshot)

    gas = gas_of(steps, funded.flash)
    cash_decimals, cash_price = snapshot.debt_token.decimals, snapshot.feeds[0].price
    return RebalancePlan(
        call=VaultCall.DELEVERAGE if emergency else VaultCall.REBALANCE,
        epoch=snapshot.vault.epoch,
        deadline=snapshot.block.timestamp + policy.plan.deadline_s,
        flash_amount=funded.flash,
        steps=steps,
        expected=expected_state(fills, funded, snapshot, collateral),
        cost=Cost(
            gas=gas_usd(gas, snapshot),
            fees=math.fsum(fill.fees_usd for fill in fills),
            slippage=math.fsum(max(0.0, fill.impact_usd) for fill in fills),
            flash=usd(funded.premium, cash_decimals, cash_price),
        ),
        gas_limit=gas_limit_for(gas, policy.plan.gas_limit_margin),
        turnover_usd=math.fsum(fill.trade.value_usd for fill in fills),
    )


def _collateral(
    fills: Sequence[Fill], snapshot: MarketSnapshot, *, with_idle: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """What must be withdrawn, and how each asset's collateral changes, raw by symbol.

    What lies idle is sold before collateral is withdrawn, and supplied where the asset is not sold.
    """
    withdrawn: dict[str, int] = {}
    change: dict[str, int] = {}
    for token, holding in zip(snapshot.tokens[1:], snapshot.holdings[1:], strict=True):
        symbol = token.symbol
        sold = sum(fill.trade.amount_in for fill in fills if fill.trade.sell == symbol)
        bought = sum(fill.amount_out for fill in fills if fill.trade.buy == symbol)
        if sold > holding.idle:
            withdrawn[symbol] = sold - holding.idle
            change[symbol] = -withdrawn[symbol]
        elif (
            with_idle
            and not sold
            and bought + holding.idle > 0
            and (bought or _worth_supplying(holding.idle, symbol, snapshot))
        ):
            change[symbol] = bought + holding.idle
    return withdrawn, change


def _worth_supplying(idle: int, symbol: str, snapshot: MarketSnapshot) -> bool:
    """More than a dollar that the vault and the lending market take: anybody can send the vault tokens, and what they
    send must not be able to stand in a plan's way."""
    token, reserve = snapshot.token(symbol), snapshot.reserve(symbol)
    enabled = all(asset.enabled for asset in snapshot.vault.assets if asset.symbol == symbol)
    taken = reserve.active and not reserve.frozen and not reserve.paused
    room = reserve.supply_cap == 0 or reserve.supplied + idle <= reserve.supply_cap * unit(token.decimals)
    return enabled and taken and room and usd(idle, token.decimals, snapshot.price(symbol)) > 1.0


def _steps(
    fills: Sequence[Fill],
    funded: Funding,
    snapshot: MarketSnapshot,
    withdrawn: dict[str, int],
    collateral: dict[str, int],
) -> list[Step]:
    cash = snapshot.debt_token.symbol
    steps = []
    if funded.repay_first:
        steps.append(_move(StepKind.REPAY, cash, funded.repay_first, paid=True))
    steps += [_move(StepKind.WITHDRAW, symbol, amount, paid=False) for symbol, amount in withdrawn.items()]
    steps += [_swap(fill) for fill in sorted(fills, key=lambda fill: _turn(fill, cash))]
    for symbol, amount in collateral.items():
        if amount > 0:
            everything = Step(StepKind.SUPPLY, symbol, UINT256_MAX, 0, None, amount, 0)
            steps.append(everything)
    if funded.borrow:
        steps.append(_move(StepKind.BORROW, cash, funded.borrow, paid=False))
    if funded.repay_last:
        steps.append(_move(StepKind.REPAY, cash, funded.repay_last, paid=True))
    return steps


def _turn(fill: Fill, cash: str) -> int:
    """Into the debt asset first, out of it last."""
    if fill.trade.buy == cash:
        return 0
    return 2 if fill.trade.sell == cash else 1


def _move(kind: StepKind, symbol: str, amount: int, *, paid: bool) -> Step:
    return Step(kind, symbol, amount, 0, None, amount if paid else 0, 0 if paid else amount)


def _swap(fill: Fill) -> Step:
    return Step(
        kind=StepKind.SWAP_EXACT_IN,
        symbol=fill.trade.sell,
        amount=fill.trade.amount_in,
        limit=fill.least_out,
        route=fill.route,
        expected_in=fill.trade.amount_in,
        expected_out=fill.amount_out,
    )


def _require_open_reserves(steps: Sequence[Step], snapshot: MarketSnapshot) -> None:
    """Frozen reserves take no supplies and lend nothing; paused ones do nothing at all (Aave
    ValidationLogic)."""
    for step in steps:
        if step.kind in (StepKind.SWAP_EXACT_IN, StepKind.SWAP_EXACT_OUT):
            continue
        reserve = snapshot.reserve(step.symbol)
        closed = "paused" if reserve.paused else "not active" if not reserve.active else ""
        if not closed and reserve.frozen and step.kind in (StepKind.SUPPLY, StepKind.BORROW):
            closed = "frozen"
        if closed:
            raise NothingFeasible(
                f"{step.kind} of {step.symbol}: its reserve is {closed}",
                remedy="Wait until the lending market opens it again, or leave the asset out.",
            )
