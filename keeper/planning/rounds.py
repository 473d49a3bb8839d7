"""Leverage moved without a flash loan: a part of the way at a time, each part as large as the health factor allows.

Up:   buy, supply, borrow against it, buy with what was borrowed, …
Down: withdraw, sell, repay with the proceeds, withdraw what that set free, …

A pool gives for the parts together what it gives for the whole, the earlier ones at a better price than the later:
what each part returns is read off a parabola through the whole's quote, whose tangent at nothing is the price without
impact. Each part must return its share of the least that the whole must return; where the last would not, there are no
rounds. What is not reached in so many rounds is left to later cycles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot, Reserve
from keeper.domain.plan import Step, StepKind
from keeper.domain.units import BPS, UINT256_MAX, unit
from keeper.planning.fills import Fill

MOST_ROUNDS = 8
"""Each takes a swap, a supply or withdrawal and a borrowing or repayment: up to some 0.5 M gas an asset."""
MARGIN = Fraction(999, 1000)
"""Of what may be borrowed or withdrawn: prices and interest move until the transaction is mined."""
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
                bought = _part(fill, fill.trade.amount_in - left[place], amount)
                steps += [bought, _supplied(fill.trade.buy, bought.expected_out)]
                supplied[fill.trade.buy] = supplied.get(fill.trade.buy, 0) + bought.limit
                left[place] -= amount
                cash -= amount
        missing = sum(left.values()) - cash
        if missing <= 0:
            if not any(left.values()):
                break
            continue
        more = min(missing, _room(supplied, owed, snapshot, least))
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
            part = _part(fill, fill.trade.amount_in - left[place], amount)
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


def _room(supplied: Mapping[str, int], owed: int, snapshot: MarketSnapshot, least: float) -> int:
    """What can still be borrowed: by the health factor, and by the market's loan to value (Aave
    ValidationLogic.validateBorrow)."""
    debt = snapshot.reserves[0]
    by_health = _carried(supplied, snapshot, _threshold) / Fraction(least)
    by_value = _carried(supplied, snapshot, _loan_to_value)
    most = min(by_health, by_value) * unit(snapshot.debt_token.decimals) / debt.market_price
    return max(0, math.floor(MARGIN * most) - owed)


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
    weighs = _carried(wanted, snapshot, _threshold)
    if weighs == 0:
        return Fraction(1) if any(left.values()) else Fraction(0)
    debt = snapshot.reserves[0]
    bound = Fraction(least) * owed * debt.market_price / unit(snapshot.debt_token.decimals)
    spare = _carried(supplied, snapshot, _threshold) - bound
    return max(Fraction(0), min(Fraction(1), MARGIN * spare / weighs))


def _carried(
    amounts: Mapping[str, int], snapshot: MarketSnapshot, share_bps: Callable[[Reserve], int]
) -> Fraction:
    """Value that the amounts carry, in the market's base currency."""
    total = Fraction(0)
    for token, reserve in zip(snapshot.tokens, snapshot.reserves, strict=True):
        value = amounts.get(token.symbol, 0) * reserve.market_price * share_bps(reserve)
        total += Fraction(value, BPS * unit(token.decimals))
    return total


def _threshold(reserve: Reserve) -> int:
    return reserve.liquidation_threshold_bps


def _loan_to_value(reserve: Reserve) -> int:
    return reserve.ltv_bps


def _part(fill: Fill, before: int, amount: int) -> Step:
    """``amount`` raw of a fill of which ``before`` is done. Raises NothingFeasible where it would return less than its
    share of the least."""
    whole = fill.trade.amount_in
    expected = _returned(fill, before + amount) - _returned(fill, before)
    limit = max(1, -(-fill.least_out * amount // whole))
    if expected < limit:
        raise NothingFeasible(
            f"selling {fill.trade.sell} for {fill.trade.buy} in parts: the last would return less than allowed",
            remedy="Allow more slippage, or lower max_trade so that less moves at once.",
        )
    return Step(
        kind=StepKind.SWAP_EXACT_IN,
        symbol=fill.trade.sell,
        amount=amount,
        limit=limit,
        route=fill.route,
        expected_in=amount,
        expected_out=expected,
    )


def _returned(fill: Fill, amount: int) -> int:
    """For the first ``amount`` raw of the fill, rounded down: exact for all of it."""
    share = Fraction(amount, fill.trade.amount_in)
    kept_usd = fill.trade.value_usd - fill.fees_usd - fill.impact_usd
    lost = Fraction(max(0.0, fill.impact_usd) / kept_usd) if kept_usd > 0 else Fraction(0)
    return math.floor(fill.amount_out * share * (1 + lost * (1 - share)))


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
                amount_out=_returned(fill, amount),
                least_out=max(1, -(-fill.least_out * amount // whole)),
                fees_usd=fill.fees_usd * share,
                impact_usd=fill.impact_usd * share,
            )
