"""The best pool or pools for each trade, and the least that each part of it must return."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import HUB, MarketSnapshot
from keeper.domain.plan import Quote, Route
from keeper.domain.units import BPS, usd
from keeper.planning.gas import swap_usd, usd_per_gas
from keeper.planning.netting import Trade
from keeper.planning.split import MOST_PARTS, Part, best_split, curves, net_usd

FEE_UNIT = 1_000_000
"""Uniswap counts fees in hundredths of a bp."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade, or a part of one, with its route. ``amount_out`` raw is what the quoter expects, ``min_out`` what
    the oracle says it must be.

    ``fees_usd`` are the pools' fees; ``impact_usd`` is what is lost besides, against the feeds' prices
    (negative: a gain). ``sells_balance``: whatever is there of the token is sold, ``amount_in`` is what is expected,
    ``min_out`` that of what is certain.
    """

    trade: Trade
    route: Route
    amount_out: int
    min_out: int
    fees_usd: float
    impact_usd: float
    sells_balance: bool = False


def best_fills(
    trade: Trade,
    quotes: Sequence[Quote],
    snapshot: MarketSnapshot,
    max_slippage_bps: int,
    gas_symbol: str = HUB,
    most_parts: int = MOST_PARTS,
) -> tuple[Fill, ...]:
    """The trade along one route, or in parts along several that have no pool in common, where more is left of that
    after the gas of each further swap.

    Every part returns what the oracle asks for its amount and its pools. Raises NothingFeasible when neither one
    route nor several together do.
    """
    whole = _best_whole(trade, quotes, snapshot, max_slippage_bps, gas_symbol)
    parts = _best_parts(trade, quotes, snapshot, max_slippage_bps, gas_symbol, most_parts, whole)
    if parts:
        return parts
    if whole is None:
        raise _refusal(trade, quotes, snapshot, max_slippage_bps)
    return (whole,)


def min_out(trade: Trade, route: Route, snapshot: MarketSnapshot, max_slippage_bps: int) -> int:
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
    return replace(fill, min_out=max(fill.min_out, quoted))


def _best_whole(
    trade: Trade, quotes: Sequence[Quote], snapshot: MarketSnapshot, max_slippage_bps: int, gas_symbol: str
) -> Fill | None:
    """By the gas that the quoter counted."""
    fills = [
        (fill_of(trade, quote.route, quote.amount_out, snapshot, max_slippage_bps), quote.gas)
        for quote in quotes
        if quote.amount_out is not None and _answers(quote, trade)
    ]
    acceptable = [(fill, gas) for fill, gas in fills if fill.amount_out >= fill.min_out]
    if not acceptable:
        return None
    per_gas = usd_per_gas(snapshot, gas_symbol)
    price, decimals = snapshot.price(trade.buy), snapshot.token(trade.buy).decimals
    best, _ = max(acceptable, key=lambda pair: usd(pair[0].amount_out, decimals, price) - pair[1] * per_gas)
    return best


def _best_parts(
    trade: Trade,
    quotes: Sequence[Quote],
    snapshot: MarketSnapshot,
    max_slippage_bps: int,
    gas_symbol: str,
    most_parts: int,
    whole: Fill | None,
) -> tuple[Fill, ...]:
    """Nothing where the whole trade along one route leaves as much. Both are judged by the gas that the plan counts."""
    if most_parts < 2:
        return ()

    def fill(part: Part) -> Fill:
        of_trade = replace(
            trade,
            amount_in=part.amount_in,
            value_usd=trade.value_usd * part.amount_in / trade.amount_in,
        )
        return fill_of(of_trade, part.route, part.amount_out, snapshot, max_slippage_bps)

    unit_usd = usd(1, snapshot.token(trade.buy).decimals, snapshot.price(trade.buy))
    cost = partial(swap_usd, snapshot=snapshot, symbol=gas_symbol)
    parts = best_split(
        curves([quote for quote in quotes if _has_ends(quote.route, trade)], trade.amount_in),
        trade.amount_in,
        unit_usd,
        cost,
        most_parts,
        lambda part: part.amount_out >= fill(part).min_out,
    )
    in_one = () if whole is None else (Part(whole.route, trade.amount_in, whole.amount_out),)
    pays = not in_one or net_usd(parts, unit_usd, cost) > net_usd(in_one, unit_usd, cost)
    return tuple(fill(part) for part in parts) if len(parts) > 1 and pays else ()


def _refusal(
    trade: Trade, quotes: Sequence[Quote], snapshot: MarketSnapshot, max_slippage_bps: int
) -> NothingFeasible:
    returned = [
        quote.amount_out / least
        for quote in quotes
        if quote.amount_out is not None
        and _answers(quote, trade)
        and (least := min_out(trade, quote.route, snapshot, max_slippage_bps))
    ]
    seen = (
        f"the best pool returns {1 - max(returned):.2%} less than allowed"
        if returned
        else "no pool quotes it"
    )
    return NothingFeasible(
        f"selling {trade.value_usd:,.0f} USD of {trade.sell} for {trade.buy}: {seen}",
        remedy="Lower max_trade so that it is split over cycles, or allow more slippage or another fee tier.",
    )


def _answers(quote: Quote, trade: Trade) -> bool:
    return _has_ends(quote.route, trade) and quote.amount_in == trade.amount_in


def _has_ends(route: Route, trade: Trade) -> bool:
    return (route.symbols[0], route.symbols[-1]) == (trade.sell, trade.buy)


def fill_of(
    trade: Trade, route: Route, amount_out: int, snapshot: MarketSnapshot, max_slippage_bps: int
) -> Fill:
    value_in = usd(trade.amount_in, snapshot.token(trade.sell).decimals, snapshot.price(trade.sell))
    value_out = usd(amount_out, snapshot.token(trade.buy).decimals, snapshot.price(trade.buy))
    fees = value_in * (1.0 - math.prod(1.0 - fee / FEE_UNIT for fee in route.fees))
    return Fill(
        trade=trade,
        route=route,
        amount_out=amount_out,
        min_out=min_out(trade, route, snapshot, max_slippage_bps),
        fees_usd=fees,
        impact_usd=value_in - fees - value_out,
    )
