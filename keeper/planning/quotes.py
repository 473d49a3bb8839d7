"""Which pools to ask: the direct ones, and two hops through WETH or the debt asset, in the fee tiers that the
vault allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import QuoteRequest, Route
from keeper.planning.trades import Trade

WETH = "WETH"


def quote_requests(trades: Sequence[Trade], snapshot: MarketSnapshot) -> tuple[QuoteRequest, ...]:
    """Every candidate of every trade, in the trades' order. A pool that does not exist is answered by a quote
    without amount."""
    return tuple(
        QuoteRequest(candidate, trade.amount_in) for trade in trades for candidate in routes(trade, snapshot)
    )


def routes(trade: Trade, snapshot: MarketSnapshot) -> Iterator[Route]:
    """Candidate paths of one trade."""
    tiers = snapshot.vault.fee_tiers
    for fee in tiers:
        yield Route((trade.sell, trade.buy), (fee,))
    listed = {token.symbol for token in snapshot.tokens}
    for middle in (WETH, snapshot.debt_token.symbol):
        if middle in listed and middle not in (trade.sell, trade.buy):
            for fees in product(tiers, tiers):
                yield Route((trade.sell, middle, trade.buy), fees)
