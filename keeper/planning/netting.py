"""Which tokens to swap into which: sells and buys matched so that value does not pass through the debt asset
twice."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.domain.decision import Action, Decision, Goal
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import raw_from_usd_floor
from keeper.lending.book import vault_book
from keeper.planning.gas import most_trades


@dataclass(frozen=True, slots=True)
class Trade:
    """Sell ``amount_in`` raw of one token for another; ``value_usd`` is that amount at the feed's price."""

    sell: str
    buy: str
    amount_in: int
    value_usd: float


def trades(decision: Decision, snapshot: MarketSnapshot, policy: Policy) -> tuple[Trade, ...]:
    """The swaps that lead from the vault's holdings to the decision's goal, sells into the debt asset first.

    Differences under ``policy.plan.dust_usd`` are left alone. Never sells more than the vault has.
    A RIPCORD only sells, into the debt asset. What a block has no gas for is left to later cycles, sells into the
    debt asset going first. Raises NothingFeasible naming a token without a price, or a block without room for a
    single trade.
    """
    found = _wanted(decision, snapshot, policy)
    return found[: _room_for_trades(snapshot, policy)] if found else ()


def postponed_usd(decision: Decision, snapshot: MarketSnapshot, policy: Policy) -> float:
    """What ``trades`` leaves to later cycles because a block has no gas for it, USD."""
    found = _wanted(decision, snapshot, policy)
    return (
        math.fsum(trade.value_usd for trade in found[_room_for_trades(snapshot, policy) :]) if found else 0.0
    )


def _wanted(decision: Decision, snapshot: MarketSnapshot, policy: Policy) -> tuple[Trade, ...]:
    if decision.goal is None:
        return ()
    sells, buys = _differences(decision.goal, snapshot, policy.plan.dust_usd)
    if decision.action is Action.RIPCORD:
        sells, buys = _ltv_zero_first(sells, snapshot), []
    matched, sells, buys = _matched(sells, buys)
    cash = snapshot.debt_token.symbol
    wanted = [
        *((symbol, cash, value) for symbol, value in sells),
        *matched,
        *((cash, symbol, value) for symbol, value in buys),
    ]
    return _in_raw_amounts(wanted, snapshot, policy.plan.dust_usd)


def _room_for_trades(snapshot: MarketSnapshot, policy: Policy) -> int:
    room = most_trades(snapshot.block.gas_limit, policy.plan.gas_limit_margin)
    if room == 0:
        raise NothingFeasible(
            f"the block gas limit is {snapshot.block.gas_limit:,}: no trade fits into one transaction",
            remedy="The chain is congested or misconfigured: the next cycle tries again.",
        )
    return room


def _differences(
    goal: Goal, snapshot: MarketSnapshot, dust_usd: float
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """What to sell and what to buy, in USD, the largest first."""
    held = portfolio(snapshot)
    values = dict(zip(held.symbols, held.values_usd, strict=True))
    changes = [
        (symbol, weight * held.nav_usd - values[symbol])
        for symbol, weight in zip(goal.symbols, goal.weights, strict=True)
    ]
    sells = [(symbol, -change) for symbol, change in changes if change < -dust_usd]
    buys = [(symbol, change) for symbol, change in changes if change > dust_usd]
    return _largest_first(sells), _largest_first(buys)


def _ltv_zero_first(sells: list[tuple[str, float]], snapshot: MarketSnapshot) -> list[tuple[str, float]]:
    """The same sum of sales: first of what blocks other withdrawals (``LendingVenue.must_leave_first``), then of the
    rest in the same proportions."""
    blocking = set(vault_book(snapshot).must_leave_first())
    held = portfolio(snapshot)
    values = dict(zip(held.symbols, held.values_usd, strict=True))
    total = left = math.fsum(value for _, value in sells)
    first = []
    for symbol in (symbol for symbol, _ in sells if symbol in blocking):
        first.append((symbol, min(values[symbol], left)))
        left -= first[-1][1]
    if not first:
        return sells
    others = [(symbol, value) for symbol, value in sells if symbol not in blocking]
    scale = left / math.fsum(value for _, value in others) if others and left > 1e-9 * total else 0.0
    return first + [(symbol, scale * value) for symbol, value in others]


def _matched(
    sells: list[tuple[str, float]], buys: list[tuple[str, float]]
) -> tuple[list[tuple[str, str, float]], list[tuple[str, float]], list[tuple[str, float]]]:
    """Largest sell against largest buy until one side is used up; and what is left of both."""
    found: list[tuple[str, str, float]] = []
    sells, buys = list(sells), list(buys)
    while sells and buys:
        (sold, offered), (bought, wanted) = sells[0], buys[0]
        value = min(offered, wanted)
        found.append((sold, bought, value))
        sells = _largest_first([(sold, offered - value), *sells[1:]])
        buys = _largest_first([(bought, wanted - value), *buys[1:]])
    return found, sells, buys


def _largest_first(amounts: list[tuple[str, float]]) -> list[tuple[str, float]]:
    return sorted(
        ((symbol, value) for symbol, value in amounts if value > 0.0), key=lambda pair: (-pair[1], pair[0])
    )


def _in_raw_amounts(
    wanted: list[tuple[str, str, float]], snapshot: MarketSnapshot, dust_usd: float
) -> tuple[Trade, ...]:
    cash = snapshot.debt_token.symbol
    left = {
        token.symbol: holding.idle + holding.supplied
        for token, holding in zip(snapshot.tokens, snapshot.holdings, strict=True)
    }
    found = []
    for sell, buy, value in wanted:
        if value <= dust_usd:
            continue
        _require_prices((sell, buy), snapshot)
        token = snapshot.token(sell)
        amount = raw_from_usd_floor(value, token.decimals, snapshot.price(sell))
        if sell != cash:
            amount = min(amount, left[sell])
            left[sell] -= amount
        if amount > 0:
            found.append(Trade(sell, buy, amount, value))
    return tuple(found)


def _require_prices(symbols: tuple[str, str], snapshot: MarketSnapshot) -> None:
    for symbol in symbols:
        if snapshot.price(symbol) <= 0:
            raise NothingFeasible(
                f"{symbol} has no price: its feed answers {snapshot.price(symbol)}",
                remedy="Wait for the feed's next round, or have the vault's admin name another feed (setAsset).",
            )
