"""The best pool or pools for each trade, and the minimum output of each swap."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, Route
from keeper.domain.units import BPS, unit, usd
from keeper.planning.gas import SwapCosts
from keeper.planning.netting import Trade
from keeper.planning.split import MAX_PARTS, MinimumPrice, Part, best_split, curves, net_usd

FEE_UNIT = 1_000_000
"""Uniswap's fee unit: hundredths of a bp."""


@dataclass(frozen=True, slots=True)
class SwapTerms:
    """What all swaps of a plan have in common."""

    snapshot: MarketSnapshot
    max_slippage_bps: int
    costs: SwapCosts


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade, or a part of one, with its route. ``amount_out`` raw is what the quotes promise, ``min_out`` what the
    oracle's prices demand.

    ``fees_usd`` are the pools' fees. ``impact_usd`` is the rest of the loss against the feeds' prices; negative is a
    gain. With ``sells_balance`` the swap sells the vault's whole balance of the token: ``amount_in`` is the expected
    balance, ``min_out`` belongs to the guaranteed one.
    """

    trade: Trade
    route: Route
    amount_out: int
    min_out: int
    fees_usd: float
    impact_usd: float
    sells_balance: bool = False


def best_fills(
    trade: Trade, quotes: Sequence[Quote], terms: SwapTerms, max_parts: int = MAX_PARTS
) -> tuple[Fill, ...]:
    """The trade along one route, or in parts along several routes without a common pool, whichever is worth more after
    gas.

    Every part returns at least what the oracle's prices demand. Raises NothingFeasible where neither one route nor
    several do.
    """
    offers = _Offers.of(trade, quotes, terms)
    whole = offers.best_whole()
    parts = offers.best_parts(max_parts) if max_parts > 1 else ()
    if len(parts) > 1 and (whole is None or offers.net_usd(parts) > offers.net_usd((whole,))):
        return tuple(offers.fill(part) for part in parts)
    if whole is None:
        raise offers.refusal()
    return (offers.fill(whole),)


@dataclass(frozen=True, slots=True)
class _Offers:
    """The quotes for one trade, in parts or whole, and the minimum price of each of their routes."""

    trade: Trade
    terms: SwapTerms
    quotes: tuple[Quote, ...]
    minimums: Mapping[Route, MinimumPrice]

    @classmethod
    def of(cls, trade: Trade, quotes: Sequence[Quote], terms: SwapTerms) -> _Offers:
        ends = (trade.sell, trade.buy)
        own = tuple(quote for quote in quotes if (quote.route.symbols[0], quote.route.symbols[-1]) == ends)
        minimums = {
            route: minimum_price(route, terms.snapshot, terms.max_slippage_bps)
            for route in dict.fromkeys(quote.route for quote in own)
        }
        return cls(trade=trade, terms=terms, quotes=own, minimums=minimums)

    def best_whole(self) -> Part | None:
        """The route with the highest value after the gas that the quoter counted."""
        minimum_out = {route: price.out(self.trade.amount_in) for route, price in self.minimums.items()}
        acceptable = [(quote, out) for quote, out in self._of_whole() if out >= minimum_out[quote.route]]
        if not acceptable:
            return None
        quote, out = max(
            acceptable, key=lambda pair: self._bought_usd(pair[1]) - pair[0].gas * self.terms.costs.per_gas
        )
        return Part(quote.route, self.trade.amount_in, out)

    def best_parts(self, max_parts: int) -> tuple[Part, ...]:
        return best_split(
            curves(self.quotes, self.trade.amount_in, self.minimums),
            self.trade.amount_in,
            self._bought_usd(1),
            costs=self.terms.costs,
            max_parts=max_parts,
        )

    def net_usd(self, parts: Sequence[Part]) -> float:
        """Value after the gas that the plan counts."""
        return net_usd(parts, self._bought_usd(1), self.terms.costs)

    def fill(self, part: Part) -> Fill:
        value_usd = self.trade.value_usd
        if part.amount_in != self.trade.amount_in:
            value_usd = value_usd * part.amount_in / self.trade.amount_in
        trade = replace(self.trade, amount_in=part.amount_in, value_usd=value_usd)
        return fill_of(trade, part.route, part.amount_out, terms=self.terms)

    def refusal(self) -> NothingFeasible:
        returned = [
            out / self.minimums[quote.route].out(self.trade.amount_in) for quote, out in self._of_whole()
        ]
        reason = (
            f"the best pool returns {1 - max(returned):.2%} less than allowed"
            if returned
            else "no pool quotes it"
        )
        return NothingFeasible(
            f"selling {self.trade.value_usd:,.0f} USD of {self.trade.sell} for {self.trade.buy}: {reason}",
            remedy="Lower max_trade so that it is split over cycles, or allow more slippage or another fee tier.",
        )

    def _of_whole(self) -> Iterator[tuple[Quote, int]]:
        """Quotes of the whole trade that have an output, with it."""
        for quote in self.quotes:
            if quote.amount_out is not None and quote.amount_in == self.trade.amount_in:
                yield quote, quote.amount_out

    def _bought_usd(self, amount: int) -> float:
        snapshot = self.terms.snapshot
        return usd(amount, snapshot.token(self.trade.buy).decimals, snapshot.price(self.trade.buy))


def minimum_price(route: Route, snapshot: MarketSnapshot, max_slippage_bps: int) -> MinimumPrice:
    """The oracle's price of a route after the pools' fees and the allowed slippage."""
    sold, bought = snapshot.token(route.symbols[0]), snapshot.token(route.symbols[-1])
    numerator = snapshot.price(sold.symbol) * unit(bought.decimals) * (BPS - max_slippage_bps)
    denominator = snapshot.price(bought.symbol) * unit(sold.decimals) * BPS
    for fee in route.fees:
        numerator *= FEE_UNIT - fee
        denominator *= FEE_UNIT
    return MinimumPrice(numerator, denominator)


def guarded(fill: Fill, tolerance_bps: int) -> Fill:
    """The fill with a minimum output of at least the quote less the tolerance.

    A deleveraging is visible in the public mempool. Without this, whoever trades just before it could take all that an
    emergency's wide slippage allows."""
    quoted = -(-fill.amount_out * (BPS - tolerance_bps) // BPS)
    return replace(fill, min_out=max(fill.min_out, quoted))


def fill_of(trade: Trade, route: Route, amount_out: int, terms: SwapTerms) -> Fill:
    """The fill of a trade along a route that returns ``amount_out`` raw."""
    snapshot = terms.snapshot
    value_in = usd(trade.amount_in, snapshot.token(trade.sell).decimals, snapshot.price(trade.sell))
    value_out = usd(amount_out, snapshot.token(trade.buy).decimals, snapshot.price(trade.buy))
    fees = value_in * (1.0 - math.prod(1.0 - fee / FEE_UNIT for fee in route.fees))
    return Fill(
        trade=trade,
        route=route,
        amount_out=amount_out,
        min_out=minimum_price(route, snapshot, terms.max_slippage_bps).out(trade.amount_in),
        fees_usd=fees,
        impact_usd=value_in - fees - value_out,
    )
