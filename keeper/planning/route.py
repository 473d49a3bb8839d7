"""From a decision and the pools' quotes to one vault call: ordered typed steps, their expected effect and
cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from keeper.domain.decision import Action, Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Cost, Quote, RebalancePlan, Step, StepKind, VaultCall
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS, UINT256_MAX, raw_from_usd_floor, usd
from keeper.planning.expected import expected_state
from keeper.planning.fills import Fill, guarded
from keeper.planning.funding import Funding, funding, idle_buffer
from keeper.planning.gas import gas_limit_for, gas_of, usd_of_wei, usd_per_gas
from keeper.planning.obstacles import require_no_obstacle, supply_obstacle
from keeper.planning.sequence import fills_of
from keeper.planning.trades import postponed_usd, trades


def route(
    decision: Decision, snapshot: MarketSnapshot, quotes: Sequence[Quote], policy: Policy
) -> RebalancePlan:
    """The plan of a decision that has a goal.

    Order: repay what collateral cannot be withdrawn without, withdraw, swap into the debt asset, swap between
    assets, swap out of the debt asset, supply, then borrow or repay the rest. A flash loan spans all of it
    when the debt asset on hand does not suffice on the way. Raises NothingFeasible naming the trade or
    reserve that is in the way. A RIPCORD goes without the sales that cannot be made now.
    """
    emergency = decision.action is Action.RIPCORD
    per_gas = usd_per_gas(snapshot, policy.plan.gas_usd_price_symbol)
    wanted = trades(decision, snapshot, policy)
    fills = fills_of(wanted, quotes, snapshot, policy, decision.urgency, only_possible=emergency)
    if emergency:
        fills = tuple(guarded(fill, policy.plan.public_tolerance_bps) for fill in fills)
    if not fills:
        raise NothingFeasible(
            "the goal differs from the vault by less than dust in every asset",
            remedy="Lower plan.dust_usd, or widen the bands so that such a difference is no reason to trade.",
        )
    cash_decimals, cash_price = snapshot.debt_token.decimals, snapshot.feeds[0].price
    nav = portfolio(snapshot).nav_usd
    withdrawn, collateral = _collateral(fills, snapshot, with_idle=not emergency)
    buffer = 0 if emergency else idle_buffer(nav, policy.size.idle_buffer, snapshot)
    dust = raw_from_usd_floor(policy.plan.dust_usd, cash_decimals, cash_price)
    funded = funding(fills, snapshot, buffer, withdrawn, may_borrow=not emergency, dust=dust)
    steps = tuple(_steps(fills, funded, snapshot, withdrawn, collateral))
    require_no_obstacle(steps, funded, snapshot)

    gas = gas_of(steps, funded.flash)
    return RebalancePlan(
        call=VaultCall.DELEVERAGE if emergency else VaultCall.REBALANCE,
        epoch=snapshot.vault.epoch,
        deadline=snapshot.block.timestamp + policy.plan.deadline_s,
        flash_amount=funded.flash,
        steps=steps,
        expected=expected_state(fills, funded, snapshot, collateral),
        cost=Cost(
            gas=gas * per_gas + usd_of_wei(snapshot.l1_fee_wei, snapshot, policy.plan.gas_usd_price_symbol),
            fees=math.fsum(fill.fees_usd for fill in fills),
            slippage=math.fsum(max(0.0, fill.impact_usd) for fill in fills),
            flash=usd(funded.premium, cash_decimals, cash_price),
        ),
        gas_limit=gas_limit_for(gas, policy.plan.gas_limit_margin),
        turnover_usd=math.fsum(fill.trade.value_usd for fill in fills),
        postponed_usd=postponed_usd(decision, snapshot, policy),
    )


def _collateral(
    fills: Sequence[Fill], snapshot: MarketSnapshot, *, with_idle: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """What must be withdrawn, and how each asset's collateral changes, raw by symbol.

    What lies idle is sold before collateral is withdrawn; what is left of it is supplied where that is
    possible.
    """
    withdrawn: dict[str, int] = {}
    change: dict[str, int] = {}
    for token, holding in zip(snapshot.tokens[1:], snapshot.holdings[1:], strict=True):
        symbol = token.symbol
        sold = sum(fill.trade.amount_in for fill in fills if fill.trade.sell == symbol)
        bought = sum(fill.amount_out for fill in fills if fill.trade.buy == symbol)
        left = holding.idle + bought - sold
        if left < 0:
            withdrawn[symbol] = -left
            change[symbol] = left
        elif bought or (with_idle and _worth_supplying(left, symbol, snapshot)):
            change[symbol] = left
    return withdrawn, change


def _worth_supplying(idle: int, symbol: str, snapshot: MarketSnapshot) -> bool:
    """More than a dollar that the vault and the lending market take: anybody can send the vault tokens, and
    what they send must not be able to stand in a plan's way."""
    value = usd(idle, snapshot.token(symbol).decimals, snapshot.price(symbol))
    return value > 1.0 and supply_obstacle(symbol, idle, snapshot) is None


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
        repay = _move(StepKind.REPAY, cash, funded.repay_last, paid=True)
        steps.append(replace(repay, amount=UINT256_MAX) if _clears_debt(funded, snapshot) else repay)
    return steps


def _clears_debt(funded: Funding, snapshot: MarketSnapshot) -> bool:
    """All of it goes, and a basis point of interest until the transaction is mined can be paid as well."""
    owed = snapshot.holdings[0].owed
    return funded.repay_first + funded.repay_last == owed and funded.spare * BPS >= owed


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
