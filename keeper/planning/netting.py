"""Which tokens to swap into which. Sales are netted with purchases, so that value does not pass through the debt asset
twice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.domain.accounts import shown_in_turn
from keeper.domain.decision import Action, Decision, Goal
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import VaultCall
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.lending.venues import vault_book
from keeper.planning.calls import calls_of, seen_by_call
from keeper.planning.gas import max_trades

NEGLIGIBLE = 1e-9
"""Part of all sales below which a rest is rounding."""

Amounts = Mapping[str, float]
"""USD by symbol, the largest first."""


@dataclass(frozen=True, slots=True)
class Trade:
    """Sell ``amount_in`` raw of one token for another. ``value_usd`` is that amount at the feed's price."""

    sell: str
    buy: str
    amount_in: int
    value_usd: float

    def part(self, amount_in: int) -> Trade:
        if amount_in == self.amount_in:
            return self
        return replace(self, amount_in=amount_in, value_usd=self.value_usd * amount_in / self.amount_in)


@dataclass(frozen=True, slots=True)
class Netting:
    """The swaps of one plan, sales into the debt asset first. ``postponed_usd`` is the value of the swaps for which one
    transaction has no gas; later cycles make them."""

    trades: tuple[Trade, ...]
    postponed_usd: float


def netting(decision: Decision, snapshot: MarketSnapshot, policy: Policy) -> Netting:
    """The swaps from the vault's holdings to the decision's goal.

    Differences below ``policy.plan.dust_usd`` are ignored. No swap sells more than the vault has. A RIPCORD only sells,
    into the debt asset; where not all of its sales fit into one transaction, it sells more of those that do.

    Raises NothingFeasible for a token without a price, and for a block without gas for one trade.
    """
    if decision.goal is None:
        return Netting((), 0.0)
    call = calls_of(decision, snapshot)[0]
    everywhere = decision.placement is not None and call is VaultCall.REBALANCE
    snapshot = seen_by_call(call, decision, snapshot, dust_usd=policy.plan.dust_usd)
    sales, purchases = _differences(decision.goal, snapshot, policy.plan.dust_usd)
    ripcord = decision.action is Action.RIPCORD
    count = max_trades(snapshot.block, policy.plan, only_sales=ripcord, by_safe=bool(snapshot.acts_as))
    if ripcord:
        sales, purchases = _of_few_assets(_must_leave_first(sales, snapshot), count, snapshot=snapshot), {}
    elif snapshot.others:
        sales, purchases = _of_what_is_there(sales, purchases, snapshot, everywhere=everywhere)
    swaps = _netted(sales, purchases, snapshot.debt_token.symbol)
    required = tuple(_raw_trades(swaps, snapshot, policy.plan.dust_usd, everywhere=everywhere))
    if not required:
        return Netting((), 0.0)
    if count == 0:
        raise NothingFeasible(
            f"the block gas limit is {snapshot.block.gas_limit:,}, the base fee "
            f"{snapshot.block.base_fee_wei / 1e9:.1f} gwei: no trade fits into one transaction",
            remedy="The next cycle tries again. Raise plan.max_fee_eth if your nodes allow it.",
        )
    kept = _most_urgent(required, count, snapshot.debt_token.symbol)
    return Netting(kept, math.fsum(trade.value_usd for trade in required if trade not in kept))


def _most_urgent(trades: tuple[Trade, ...], count: int, cash: str) -> tuple[Trade, ...]:
    """The trades for which one block has gas, in their order. Sales that lower the debt come first. Otherwise the
    largest do: small ones, which every cycle has anew, would put off a large purchase for ever."""
    if trades[0].buy == cash:
        return trades[:count]
    largest = sorted(trades, key=lambda trade: -trade.value_usd)[:count]
    return tuple(trade for trade in trades if trade in largest)


def _differences(goal: Goal, snapshot: MarketSnapshot, dust_usd: float) -> tuple[Amounts, Amounts]:
    """What to sell and what to buy."""
    held = portfolio(snapshot)
    values = dict(zip(held.symbols, held.values_usd, strict=True))
    changes = {
        symbol: weight * held.nav_usd - values[symbol]
        for symbol, weight in zip(goal.symbols, goal.weights, strict=True)
    }
    sales = {symbol: -change for symbol, change in changes.items() if change < -dust_usd}
    purchases = {symbol: change for symbol, change in changes.items() if change > dust_usd}
    return _largest_first(sales), _largest_first(purchases)


def _must_leave_first(sales: Amounts, snapshot: MarketSnapshot) -> Amounts:
    """The same sum of sales: first of what blocks other withdrawals (``LendingVenue.must_leave_first``), then of the
    rest in the same proportions."""
    must_leave = set(vault_book(snapshot).must_leave_first())
    blocking = [symbol for symbol in sales if symbol in must_leave]
    if not blocking:
        return sales
    held = portfolio(snapshot)
    values = dict(zip(held.symbols, held.values_usd, strict=True))
    total = left = math.fsum(sales.values())
    reordered = {}
    for symbol in blocking:
        reordered[symbol] = min(values[symbol], left)
        left -= reordered[symbol]
    others = {symbol: value for symbol, value in sales.items() if symbol not in blocking}
    scale = left / math.fsum(others.values()) if others and left > NEGLIGIBLE * total else 0.0
    return reordered | {symbol: scale * value for symbol, value in others.items()}


def _of_what_is_there(
    sales: Amounts, purchases: Amounts, snapshot: MarketSnapshot, *, everywhere: bool
) -> tuple[Amounts, Amounts]:
    """What the account that the snapshot shows and the idle part can sell, or ``everywhere`` what can leave an account.
    The purchases are lowered alike by as much as cannot be sold, so that leverage does not end above the goal's for
    it."""
    able = {}
    for symbol, value in sales.items():
        here = snapshot.holding(symbol)
        if everywhere:
            there = math.fsum(_can_leave_usd(symbol, shown) for shown in shown_in_turn(snapshot))
            idle_usd = snapshot.value_usd(symbol, here.idle)
            able[symbol] = min(value, there - len(snapshot.others) * idle_usd)
        else:
            able[symbol] = min(value, snapshot.value_usd(symbol, here.idle + here.supplied))
    unsold = math.fsum(sales.values()) - math.fsum(able.values())
    bought = math.fsum(purchases.values())
    kept = max(0.0, 1.0 - unsold / bought) if bought > 0.0 else 0.0
    return _largest_first(able), {symbol: kept * value for symbol, value in purchases.items()}


def _of_few_assets(sales: Amounts, count: int, *, snapshot: MarketSnapshot) -> Amounts:
    """The same sum of sales, of ``count`` assets where that is fewer: first of what must leave first, then of what most
    can leave. Else each call would repay only its assets' shares of the debt."""
    if not 0 < count < len(sales):
        return sales
    first = vault_book(snapshot).must_leave_first()
    can_leave = {symbol: _can_leave_usd(symbol, snapshot) for symbol in sales}
    chosen = sorted(sales, key=lambda symbol: (symbol not in first, -can_leave[symbol]))[:count]
    left, kept = math.fsum(sales.values()), {}
    for symbol in chosen:
        kept[symbol] = min(can_leave[symbol], left)
        left -= kept[symbol]
    return _largest_first(kept)


def _can_leave_usd(symbol: str, snapshot: MarketSnapshot) -> float:
    """What is idle, and what the lending market can give back."""
    holding, reserve = snapshot.holding(symbol), snapshot.reserve(symbol)
    open_ = reserve.active and not reserve.paused
    return snapshot.value_usd(
        symbol, holding.idle + (min(holding.supplied, reserve.available) if open_ else 0)
    )


def _netted(sales: Amounts, purchases: Amounts, cash: str) -> list[tuple[str, str, float]]:
    """Token sold, token bought and USD: the largest sale against the largest purchase until one side is used up, the
    rest of the other side against the debt asset. Sales into the debt asset come first, purchases from it last."""
    matched: list[tuple[str, str, float]] = []
    while sales and purchases:
        (sold, sale), (bought, purchase) = next(iter(sales.items())), next(iter(purchases.items()))
        value = min(sale, purchase)
        matched.append((sold, bought, value))
        sales = _largest_first({**sales, sold: sale - value})
        purchases = _largest_first({**purchases, bought: purchase - value})
    return [
        *((symbol, cash, value) for symbol, value in sales.items()),
        *matched,
        *((cash, symbol, value) for symbol, value in purchases.items()),
    ]


def _largest_first(amounts: Amounts) -> Amounts:
    """Without those of 0."""
    positive = [(symbol, value) for symbol, value in amounts.items() if value > 0.0]
    return dict(sorted(positive, key=lambda item: (-item[1], item[0])))


def _raw_trades(
    swaps: Sequence[tuple[str, str, float]], snapshot: MarketSnapshot, dust_usd: float, *, everywhere: bool
) -> Iterator[Trade]:
    """``everywhere``: of what all accounts hold, else of what the account holds that the snapshot shows."""
    cash = snapshot.debt_token.symbol
    left = {
        holding.symbol: holding.idle + holding.supplied + (other.supplied if everywhere else 0)
        for holding, other in zip(snapshot.holdings, snapshot.elsewhere, strict=True)
    }
    for sell, buy, value_usd in swaps:
        if value_usd <= dust_usd:
            continue
        for symbol in (sell, buy):
            if snapshot.price(symbol) <= 0:
                raise NothingFeasible(
                    f"{symbol} has no price: its feed answers {snapshot.price(symbol)}",
                    remedy="Wait for the feed's next round, or have the vault's admin name another feed (setAsset).",
                )
        amount = snapshot.raw_worth(sell, value_usd)
        if sell != cash:
            amount = min(amount, left[sell])
            left[sell] -= amount
        if amount > 0:
            yield Trade(sell, buy, amount_in=amount, value_usd=value_usd)
