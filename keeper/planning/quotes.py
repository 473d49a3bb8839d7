"""Which pools to quote, and for which sizes: direct pools, two hops through WETH or the debt asset, and single hops to
and from those two for each token's whole difference. All in the pools that the vault lists."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from keeper.domain.market import HUB, MarketSnapshot
from keeper.domain.plan import QuoteRequest, Route
from keeper.domain.vault_quotes import is_tradable
from keeper.planning.netting import Trade
from keeper.planning.shared_pools import shared_hops
from keeper.planning.split import ladder


def quote_requests(trades: Sequence[Trade], snapshot: MarketSnapshot) -> tuple[QuoteRequest, ...]:
    """The questions to the quoter, without duplicates.

    They are, in the order of the trades, every candidate route at a ladder of sizes, the whole trade last; then every
    pool that candidates of several trades share, up to the sum of these trades; then the single hops by which the same
    trades could go through a hub; then the first hop of each route of two, which the vault judges by itself. The quote
    of a pool that cannot fill it has no amount.
    """
    candidates = [(trade, tuple(routes(trade, snapshot))) for trade in trades]
    shared = shared_hops(candidates, snapshot)
    ladders = [(route, ladder(trade.amount_in)) for trade, of_trade in candidates for route in of_trade]
    ladders += [(Route(hop[:2], hop[2:]), ladder(amount)) for hop, amount in shared.items()]
    ladders += [(route, ladder(amount)) for route, amount in hub_hops(trades, snapshot)]
    ladders += [
        (first_hop(route), ladder(trade.amount_in))
        for trade, of_trade in candidates
        for route in of_trade
        if len(route.fees) > 1
    ]
    asked: dict[Route, set[int]] = {}
    requests: list[QuoteRequest] = []
    for route, sizes in ladders:
        known = asked.setdefault(route, set())
        requests += [QuoteRequest(route, size) for size in sizes if size not in known]
        known.update(sizes)
    return tuple(requests)


def first_hop(route: Route) -> Route:
    """The route that ends after its first pool."""
    return Route(route.symbols[:2], route.fees[:1])


def routes(trade: Trade, snapshot: MarketSnapshot) -> Iterator[Route]:
    """Candidate routes of one trade through listed pools. None goes through a token whose price the vault refuses."""
    vault = snapshot.vault
    for fee in vault.fees(trade.sell, trade.buy):
        yield Route((trade.sell, trade.buy), (fee,))
    for middle in (HUB, snapshot.debt_token.symbol):
        if middle not in snapshot.symbols or middle in (trade.sell, trade.buy):
            continue
        if is_tradable(snapshot, middle, lowering=False):
            for fees in product(vault.fees(trade.sell, middle), vault.fees(middle, trade.buy)):
                yield Route((trade.sell, middle, trade.buy), fees)


# ------------------------------------------------------------ token by token


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
    """Whether the vault holds WETH, at a price that its ``rebalance`` takes."""
    return HUB in snapshot.risk_symbols and is_tradable(snapshot, HUB, lowering=False)


def single_hops(need: Need, snapshot: MarketSnapshot) -> Iterator[tuple[Route, int]]:
    """From or to the debt asset and WETH; with what would go in, raw, if all of it went there."""
    for other in (snapshot.debt_token.symbol, HUB):
        if other == need.symbol or need.symbol == HUB:
            continue
        spent = snapshot.raw_worth(other, need.value_usd)
        for fee in snapshot.vault.fees(need.symbol, other):
            if need.sold:
                yield Route((need.symbol, other), (fee,)), need.amount
            else:
                yield Route((other, need.symbol), (fee,)), spent


def between(needs: Sequence[Need], snapshot: MarketSnapshot) -> Iterator[tuple[Route, int]]:
    """Both ways between the debt asset and WETH, with all that is traded."""
    total = math.fsum(need.value_usd for need in needs)
    for sell, buy in ((HUB, snapshot.debt_token.symbol), (snapshot.debt_token.symbol, HUB)):
        amount = snapshot.raw_worth(sell, total)
        for fee in snapshot.vault.fees(sell, buy):
            yield Route((sell, buy), (fee,)), amount
