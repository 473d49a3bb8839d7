"""The best pool for each trade, and the least that the trade must return."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, Route
from keeper.domain.units import BPS, usd
from keeper.planning.gas import usd_per_gas
from keeper.planning.quotes import WETH
from keeper.planning.trades import Trade

FEE_UNIT = 1_000_000
"""Uniswap counts fees in hundredths of a bp."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade with its route. ``amount_out`` raw is what the quoter expects, ``least_out`` what the oracle
    says it must be.

    ``fees_usd`` are the pools' fees; ``impact_usd`` is what is lost besides, against the feeds' prices
    (negative: a gain).
    """

    trade: Trade
    route: Route
    amount_out: int
    least_out: int
    fees_usd: float
    impact_usd: float


def best_fill(
    trade: Trade,
    quotes: Sequence[Quote],
    snapshot: MarketSnapshot,
    max_slippage_bps: int,
    gas_symbol: str = WETH,
) -> Fill:
    """The quote that returns most after its gas. Raises NothingFeasible when none returns what the oracle
    asks for."""
    fills = [
        _fill(trade, quote, snapshot, max_slippage_bps)
        for quote in quotes
        if quote.amount_out is not None and _answers(quote, trade)
    ]
    acceptable = [(fill, quote_gas) for fill, quote_gas in fills if fill.amount_out >= fill.least_out]
    if not acceptable:
        best = max((fill.amount_out / fill.least_out for fill, _ in fills if fill.least_out), default=None)
        seen = (
            "no pool quotes it" if best is None else f"the best pool returns {1 - best:.2%} less than allowed"
        )
        raise NothingFeasible(
            f"selling {trade.value_usd:,.0f} USD of {trade.sell} for {trade.buy}: {seen}",
            remedy="Lower max_trade so that it is split over cycles, or allow more slippage or another fee tier.",
        )
    per_gas = usd_per_gas(snapshot, gas_symbol)
    price, decimals = snapshot.price(trade.buy), snapshot.token(trade.buy).decimals
    best_of, _ = max(
        acceptable, key=lambda pair: usd(pair[0].amount_out, decimals, price) - pair[1] * per_gas
    )
    return best_of


def least_out(trade: Trade, route: Route, snapshot: MarketSnapshot, max_slippage_bps: int) -> int:
    """What the oracle prices say the trade must return after the pools' own fees and the allowed slippage,
    rounded up."""
    sold, bought = snapshot.token(trade.sell), snapshot.token(trade.buy)
    fair = Fraction(
        trade.amount_in * snapshot.price(trade.sell) * 10**bought.decimals,
        snapshot.price(trade.buy) * 10**sold.decimals,
    )
    kept = Fraction(BPS - max_slippage_bps, BPS)
    for fee in route.fees:
        kept *= Fraction(FEE_UNIT - fee, FEE_UNIT)
    return max(1, math.ceil(fair * kept))


def guarded(fill: Fill, tolerance_bps: int) -> Fill:
    """At least what was quoted less the tolerance: a deleveraging is seen in the public mempool, and what an
    emergency's wide slippage allows would be there for whoever trades just before it."""
    quoted = -(-fill.amount_out * (BPS - tolerance_bps) // BPS)
    return replace(fill, least_out=max(fill.least_out, quoted))


def _answers(quote: Quote, trade: Trade) -> bool:
    ends = (quote.route.symbols[0], quote.route.symbols[-1])
    return ends == (trade.sell, trade.buy) and quote.amount_in == trade.amount_in


def _fill(trade: Trade, quote: Quote, snapshot: MarketSnapshot, max_slippage_bps: int) -> tuple[Fill, int]:
    amount_out = quote.amount_out or 0
    value_in = usd(trade.amount_in, snapshot.token(trade.sell).decimals, snapshot.price(trade.sell))
    value_out = usd(amount_out, snapshot.token(trade.buy).decimals, snapshot.price(trade.buy))
    kept = math.prod(1.0 - fee / FEE_UNIT for fee in quote.route.fees)
    fees = value_in * (1.0 - kept)
    fill = Fill(
        trade=trade,
        route=quote.route,
        amount_out=amount_out,
        least_out=least_out(trade, quote.route, snapshot, max_slippage_bps),
        fees_usd=fees,
        impact_usd=value_in - fees - value_out,
    )
    return fill, quote.gas
