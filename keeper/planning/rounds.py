"""Leverage moved without a flash loan: a part of the way at a time, each part as large as the health factor allows.

Up:   buy, supply, borrow against it, buy with what was borrowed, …
Down: withdraw, sell, repay with the proceeds, withdraw what that set free, …

Where a part would return less than its share of the least that the whole must return, there are no rounds. What is
not reached in so many rounds is left to later cycles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Step, StepKind
from keeper.domain.units import BPS, UINT256_MAX, unit
from keeper.planning.collateral import MARGIN, carried, room_to_borrow, threshold
from keeper.planning.fills import Fill
from keeper.planning.parts import part_of, returned

MOST_ROUNDS = 8
"""Each takes a swap, a supply or withdrawal and a borrowing or repayment: up to some 0.5 M gas an asset."""
SMALLEST = Fraction(1, 1000)
"""A round that moves less than this part of the whole leads nowhere."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What rounds begin with, or leave when every swap fills at its least, raw: collateral by symbol, debt, debt asset
    at hand for them, and what lies idle of the others."""

    supplied: Mapping[str, int]
    owed: int
    cash: int
    idle: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rounds:
    """The steps, and what of each fill they carry out; ``borrowed`` and ``repaid`` raw of the debt asset, ``after``
    what they leave."""

    steps: tuple[Step, ...]
    done: tuple[Fill, ...]
    borrowed: int
    repaid: int
    after: Standing


def up(buys: Sequence[Fill], standing: Standing, snapshot: MarketSnapshot, least: float) -> Rounds:
    """Buys out of the debt asset, in as many rounds as borrowing under the health factor ``least`` takes; at most
    MOST_ROUNDS."""
    supplied, owed, cash = dict(standing.supplied), standing.owed, standing.cash
    left = {place: fill.trade.amount_in for place, fill in enumerate(buys)}
    steps: list[Step] = []
    borrowed = 0
    whole = sum(left.values())
    for _ in range(MOST_ROUNDS):
        remaining = sum(left.values())
        spend = min(cash, remaining)
        for place, fill in enumerate(buys):
            amount = left[place] * spend // remaining if remaining else 0
            if amount:
                bought = part_of(fill, fill.trade.amount_in - left[place], amount)
                steps += [bought, _supplied(fill.trade.buy, bought.expected_out)]
                supplied[fill.trade.buy] = supplied.get(fill.trade.buy, 0) + bought.limit
                left[place] -= amount
                cash -= amount
        missing = sum(left.values()) - cash
        if missing <= 0:
            if not any(left.values()):
                break
            continue
        more = min(missing, room_to_borrow(supplied, owed, snapshot, least))
        if more < whole * SMALLEST:
            break
        steps.append(Step(StepKind.BORROW, snapshot.debt_token.symbol, more, 0, None, 0, more))
        owed, borrowed, cash = owed + more, borrowed + more, cash + more
    after = Standing(supplied, owed, cash, standing.idle)
    return Rounds(tuple(steps), tuple(_done(buys, left)), borrowed, 0, after)


def down(
    sells: Sequence[Fill], standing: Standing, snapshot: MarketSnapshot, least: float, kept: int
) -> Rounds:
    """Sells into the debt asset and repays, withdrawing no more at a time than leaves the health factor at ``least``.
    What lies idle of a token is sold before collateral is withdrawn. Of what the last round returns, ``kept`` raw stays
    at hand."""
    supplied, owed, cash = dict(standing.supplied), standing.owed, standing.cash
    at_hand = dict(standing.idle)
    left = {place: fill.trade.amount_in for place, fill in enumerate(sells)}
    steps: list[Step] = []
    repaid = 0
    symbol = snapshot.debt_token.symbol
    first = min(cash, owed)
    if first:
        steps.append(Step(StepKind.REPAY, symbol, first, 0, None, first, 0))
        owed, cash, repaid = owed - first, cash - first, first
    for _ in range(MOST_ROUNDS):
        share = _free_share(sells, left, at_hand, supplied, owed, snapshot, least)
        if share < SMALLEST:
            break
        for place, fill in enumerate(sells):
            amount = math.floor(left[place] * share)
            if not amount:
                continue
            sold = fill.trade.sell
            needed = max(0, amount - at_hand.get(sold, 0))
            if needed:
                steps.append(Step(StepKind.WITHDRAW, sold, needed, 0, None, 0, needed))
                supplied[sold] -= needed
            at_hand[sold] = at_hand.get(sold, 0) + needed - amount
            part = part_of(fill, fill.trade.amount_in - left[place], amount)
            steps.append(part)
            cash += part.limit
            left[place] -= amount
        spare = cash if any(left.values()) else max(0, cash - kept)
        payment = min(spare, owed)
        if payment:
            # A basis point of interest until the transaction is mined can be paid as well, or crumbs stay.
            clears = payment == owed and (spare - payment) * BPS >= owed
            steps.append(
                Step(StepKind.REPAY, symbol, UINT256_MAX if clears else payment, 0, None, payment, 0)
            )
            owed, cash, repaid = owed - payment, cash - payment, repaid + payment
        if not any(left.values()):
            break
    after = Standing(supplied, owed, cash, at_hand)
    return Rounds(tuple(steps), tuple(_done(sells, left)), 0, repaid, after)


def _free_share(
    sells: Sequence[Fill],
    left: Mapping[int, int],
    at_hand: Mapping[str, int],
    supplied: Mapping[str, int],
    owed: int,
    snapshot: MarketSnapshot,
    least: float,
) -> Fraction:
    """The part of what is left to sell that may be withdrawn now."""
    taken: dict[str, int] = {}
    for place, fill in enumerate(sells):
        taken[fill.trade.sell] = taken.get(fill.trade.sell, 0) + left[place]
    wanted = {symbol: max(0, amount - at_hand.get(symbol, 0)) for symbol, amount in taken.items()}
    weighs = carried(wanted, snapshot, threshold)
    if weighs == 0:
        return Fraction(1) if any(left.values()) else Fraction(0)
    debt = snapshot.reserves[0]
    bound = Fraction(least) * owed * debt.market_price / unit(snapshot.debt_token.decimals)
    spare = carried(supplied, snapshot, threshold) - bound
    return max(Fraction(0), min(Fraction(1), MARGIN * spare / weighs))


def _supplied(symbol: str, expected: int) -> Step:
    return Step(StepKind.SUPPLY, symbol, UINT256_MAX, 0, None, expected, 0)


def _done(fills: Sequence[Fill], left: Mapping[int, int]) -> Iterator[Fill]:
    """The fills as far as they were carried out."""
    for place, fill in enumerate(fills):
        whole = fill.trade.amount_in
        amount = whole - left[place]
        if amount == whole:
            yield fill
        elif amount:
            share = amount / whole
            yield replace(
                fill,
                trade=replace(fill.trade, amount_in=amount, value_usd=fill.trade.value_usd * share),
                amount_out=returned(fill, amount),
                min_out=max(1, -(-fill.min_out * amount // whole)),
                fees_usd=fill.fees_usd * share,
                impact_usd=fill.impact_usd * share,
            )
