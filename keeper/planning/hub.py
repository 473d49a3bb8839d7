"""The differences of a plan token by token, and the single hops through which each could be traded: to or from the debt
asset, and to or from WETH."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from keeper.domain.market import HUB, MarketSnapshot
from keeper.domain.plan import Route
from keeper.domain.units import raw_from_usd_floor
from keeper.planning.netting import Trade


@dataclass(frozen=True, slots=True)
class Need:
    """All that a plan sells or buys of one token: ``amount`` raw of it when sold; ``value_usd`` at the feed's price."""

    symbol: str
    sold: bool
    amount: int
    value_usd: float


def needs_of(trades: Sequence[Trade], snapshot: MarketSnapshot) -> tuple[Need, ...]:
    """What the trades come to, without the debt asset."""
    sold: dict[str, Need] = {}
    bought: dict[str, Need] = {}
    cash = snapshot.debt_token.symbol
    for trade in trades:
        for listed, symbol, amount in ((sold, trade.sell, trade.amount_in), (bought, trade.buy, 0)):
            if symbol != cash:
                before = listed.get(symbol, Need(symbol, listed is sold, 0, value_usd=0.0))
                total = before.value_usd + trade.value_usd
                listed[symbol] = replace(before, amount=before.amount + amount, value_usd=total)
    return (*sold.values(), *bought.values())


def hub_hops(trades: Sequence[Trade], snapshot: MarketSnapshot) -> Iterator[tuple[Route, int]]:
    """Single hops to or from the debt asset and WETH for all that is traded of each token, and between those two for
    all of it together. Nothing for a single trade: routes of two hops say the same of it."""
    if len(trades) > 1 and has_hub(snapshot):
        needs = needs_of(trades, snapshot)
        for need in needs:
            yield from single_hops(need, snapshot)
        yield from between(needs, snapshot)


def has_hub(snapshot: MarketSnapshot) -> bool:
    """Whether the vault holds WETH, with a price."""
    return any(feed.symbol == HUB and feed.price > 0 for feed in snapshot.feeds[1:])


def single_hops(need: Need, snapshot: MarketSnapshot) -> Iterator[tuple[Route, int]]:
    """From or to the debt asset and WETH; with what would go in, raw, if all of it went there."""
    for other in (snapshot.debt_token.symbol, HUB):
        if other == need.symbol or need.symbol == HUB:
            continue
        spent = raw_from_usd_floor(need.value_usd, snapshot.token(other).decimals, snapshot.price(other))
        for fee in snapshot.vault.fee_tiers:
            if need.sold:
                yield Route((need.symbol, other), (fee,)), need.amount
            else:
                yield Route((other, need.symbol), (fee,)), spent


def between(needs: Sequence[Need], snapshot: MarketSnapshot) -> Iterator[tuple[Route, int]]:
    """Both ways between the debt asset and WETH, with all that is traded."""
    total = math.fsum(need.value_usd for need in needs)
    for sell, buy in ((HUB, snapshot.debt_token.symbol), (snapshot.debt_token.symbol, HUB)):
        amount = raw_from_usd_floor(total, snapshot.token(sell).decimals, snapshot.price(sell))
        for fee in snapshot.vault.fee_tiers:
            yield Route((sell, buy), (fee,)), amount
