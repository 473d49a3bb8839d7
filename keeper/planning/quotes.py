"""Which pools to ask, and for which sizes: the direct ones, and two hops through WETH or the debt asset, in the fee
tiers that the vault allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from keeper.domain.market import HUB, MarketSnapshot
from keeper.domain.plan import QuoteRequest, Route
from keeper.planning.hub import hub_requests
from keeper.planning.netting import Trade
from keeper.planning.shared_pools import shared_hops
from keeper.planning.split import ladder


def quote_requests(trades: Sequence[Trade], snapshot: MarketSnapshot) -> tuple[QuoteRequest, ...]:
    """Every candidate of every trade at a ladder of sizes, in the trades' order, the whole trade last; then the pools
    that candidates of several trades go through, up to all that these trades could send through them; and the single
    hops through which the same could be traded by way of a hub.

    A pool that does not exist is answered by a quote without amount. Nothing is asked twice.
    """
    candidates = [(trade, tuple(routes(trade, snapshot))) for trade in trades]
    requests = [
        QuoteRequest(candidate, size)
        for trade, found in candidates
        for candidate in found
        for size in ladder(trade.amount_in)
    ]
    for (sold, bought, fee), most in shared_hops(candidates, snapshot).items():
        requests += [QuoteRequest(Route((sold, bought), (fee,)), size) for size in ladder(most)]
    return tuple(dict.fromkeys((*requests, *hub_requests(trades, snapshot))))


def routes(trade: Trade, snapshot: MarketSnapshot) -> Iterator[Route]:
    """Candidate paths of one trade. None leads through a token without a price: how much of it would pass through a
    pool that other trades use as well could not be told."""
    tiers = snapshot.vault.fee_tiers
    for fee in tiers:
        yield Route((trade.sell, trade.buy), (fee,))
    priced = {feed.symbol for feed in snapshot.feeds if feed.price > 0}
    for middle in (HUB, snapshot.debt_token.symbol):
        if middle in priced and middle not in (trade.sell, trade.buy):
            for fees in product(tiers, tiers):
                yield Route((trade.sell, middle, trade.buy), fees)
