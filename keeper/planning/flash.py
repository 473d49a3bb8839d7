"""A plan's steps around one flash loan, which stands in for what comes in only later. Without need for it there is
none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Step, StepKind
from keeper.domain.units import BPS, UINT256_MAX, usd
from keeper.planning.fills import Fill
from keeper.planning.funding import Funding, funding
from keeper.planning.obstacles import require_no_obstacle, supply_obstacle
from keeper.planning.room import funded_with_room
from keeper.planning.walk import require_footing
from keeper.planning.way import Way


def with_flash(
    fills: Sequence[Fill],
    snapshot: MarketSnapshot,
    buffer: int,
    dust: int,
    least: float,
    floor: float,
    *,
    emergency: bool,
) -> Way:
    """Order: repay what collateral cannot be withdrawn without, withdraw, swap into the debt asset, swap between
    assets, swap out of the debt asset, supply, then borrow or repay the rest.

    ``least``: no step leaves a lower health factor. What the redemption queue waits for stays idle beside ``buffer``,
    as far as the health factor in the end is at ``floor``. Raises NothingFeasible naming what is in the way.
    """
    withdrawn, collateral = _collateral(fills, snapshot, with_idle=not emergency)

    def fund(kept: int) -> Funding:
        return funding(fills, snapshot, kept, withdrawn, least, may_borrow=not emergency, dust=dust)

    funded = fund(0) if emergency else funded_with_room(fund, buffer, snapshot, collateral, floor, dust)
    steps = tuple(_steps(fills, funded, snapshot, withdrawn, collateral))
    require_no_obstacle(steps, funded, snapshot)
    require_footing(steps, funded.flash, snapshot, 1.0 if emergency else least)
    return Way(steps, funded, tuple(fills), collateral)


def _collateral(
    fills: Sequence[Fill], snapshot: MarketSnapshot, *, with_idle: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """What must be withdrawn, and how each asset's collateral changes, raw by symbol.

    What lies idle is sold before collateral is withdrawn; what is left of it is supplied where that is
    possible. Collateral beside which nothing else can leave goes first, all of it; what is not sold lies idle.
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
        elif bought or (with_idle and worth_supplying(left, symbol, snapshot)):
            change[symbol] = left
    first = snapshot.zero_ltv_collateral
    if any(symbol not in first for symbol in withdrawn):
        whole = {symbol: snapshot.holding(symbol).supplied for symbol in first}
        withdrawn = whole | {symbol: amount for symbol, amount in withdrawn.items() if symbol not in whole}
        change |= {symbol: -amount for symbol, amount in whole.items()}
    return withdrawn, change


def worth_supplying(idle: int, symbol: str, snapshot: MarketSnapshot) -> bool:
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
        repay = move(StepKind.REPAY, cash, funded.repay_first, paid=True)
        sells_balance = funded.repay_first == snapshot.holdings[0].owed
        steps.append(replace(repay, amount=UINT256_MAX) if sells_balance else repay)
    for symbol, amount in withdrawn.items():
        withdraw = move(StepKind.WITHDRAW, symbol, amount, paid=False)
        # Interest until the transaction is mined must not stay behind.
        whole = symbol in snapshot.zero_ltv_collateral and amount == snapshot.holding(symbol).supplied
        steps.append(replace(withdraw, amount=UINT256_MAX) if whole else withdraw)
    steps += [swap(fill) for fill in sorted(fills, key=lambda fill: _turn(fill, cash))]
    for symbol, amount in collateral.items():
        if amount > 0:
            everything = Step(StepKind.SUPPLY, symbol, UINT256_MAX, 0, None, amount, 0)
            steps.append(everything)
    if funded.borrow:
        steps.append(move(StepKind.BORROW, cash, funded.borrow, paid=False))
    if funded.repay_last:
        repay = move(StepKind.REPAY, cash, funded.repay_last, paid=True)
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


def move(kind: StepKind, symbol: str, amount: int, *, paid: bool) -> Step:
    return Step(kind, symbol, amount, 0, None, amount if paid else 0, 0 if paid else amount)


def swap(fill: Fill) -> Step:
    return Step(
        kind=StepKind.SWAP_EXACT_IN,
        symbol=fill.trade.sell,
        amount=fill.trade.amount_in,
        limit=fill.min_out,
        route=fill.route,
        expected_in=fill.trade.amount_in,
        expected_out=fill.amount_out,
    )
