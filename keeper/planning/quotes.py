"""Which pools to quote, and for which sizes: direct pools, and two hops through WETH or the debt asset, in the fee
tiers that the vault allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from keeper.domain.market import HUB, MarketSnapshot
from keeper.domain.plan import QuoteRequest, Route
from keeper.planning.hub import hub_hops
from keeper.planning.netting import Trade
from keeper.planning.shared_pools import shared_hops
from keeper.planning.split import ladder


def quote_requests(trades: Sequence[Trade], snapshot: MarketSnapshot) -> tuple[QuoteRequest, ...]:
    """The questions to the quoter, without duplicates.

    They are, in the order of the trades, every candidate route at a ladder of sizes, the whole trade last; then every
    pool that candidates of several trades share, up to the sum of these trades; then the single hops by which the same
    trades could go through a hub. The quote of a pool that does not exist has no amount.
    """
    candidates = [(trade, tuple(routes(trade, snapshot))) for trade in trades]
    shared = shared_hops(candidates, snapshot)
    ladders = [(route, ladder(trade.amount_in)) for trade, of_trade in candidates for route in of_trade]
    ladders += [(Route(hop[:2], hop[2:]), ladder(amount)) for hop, amount in shared.items()]
    ladders += [(route, ladder(amount)) for route, amount in hub_hops(trades, snapshot)]
    asked: dict[Route, set[int]] = {}
    requests: list[QuoteRequest] = []
    for route, sizes in ladders:
        known = asked.setdefault(route, set())
        requests += [QuoteRequest(route, size) for size in sizes if size not in known]
        known.update(sizes)
    return tuple(requests)


def routes(trade: Trade, snapshot: MarketSnapshot) -> Iterator[Route]:
    """Candidate routes of one trade. None goes through a token without a price, because the amount that enters a pool
    after that token could not be computed."""
    tiers = snapshot.vault.fee_tiers
    for fee in tiers:
        yield Route((trade.sell, trade.buy), (fee,))
    priced = {feed.symbol for feed in snapshot.feeds if feed.price > 0}
    for middle in (HUB, snapshot.debt_token.symbol):
        if middle in priced and middle not in (trade.sell, trade.buy):
            for fees in product(tiers, tiers):
                yield Route((trade.sell, middle, trade.buy), fees)
