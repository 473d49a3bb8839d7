"""The best pool or pools for each trade, and the minimum output of each swap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.plan import Route
from keeper.domain.units import BPS, unit
from keeper.domain.vault_quotes import quoted
from keeper.lending.flash_lender import flash_lender
from keeper.oracle.vault_rules import in_emergency, slippage_bps
from keeper.planning.gas import SwapCosts
from keeper.planning.netting import Trade
from keeper.planning.split import MAX_PARTS, Answers, MinimumPrice, Part, best_split, curves, net_usd

FEE_UNIT = 1_000_000
"""Uniswap's fee unit: hundredths of a bp."""


@dataclass(frozen=True, slots=True)
class SwapTerms:
    """What all swaps of a plan have in common. ``lowering``: they are steps of the vault's ``deleverage``.
    ``detour_price`` is what a second pool on the way must save, as a part of the value that passes through it."""

    snapshot: MarketSnapshot
    max_slippage_bps: int
    costs: SwapCosts
    lowering: bool
    detour_price: float = 0.0

    def weight(self, route: Route) -> float:
        """What the output of a route counts."""
        return 1.0 - self.detour_price * (len(route.fees) - 1)

    def minimum_price(self, route: Route) -> MinimumPrice:
        return minimum_price(route, self.snapshot, self.max_slippage_bps, lowering=self.lowering)

    def minimum_prices(self, trade: Trade, routes: Iterable[Route]) -> dict[Route, MinimumPrice]:
        """Of ``routes`` of the trade."""
        bound = price_bound(
            trade.sell,
            trade.buy,
            self.snapshot,
            max_slippage_bps=self.max_slippage_bps,
            lowering=self.lowering,
        )
        return {route: bound.after_fees(route) for route in routes}


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
    trade: Trade, answers: Answers, terms: SwapTerms, max_parts: int = MAX_PARTS
) -> tuple[Fill, ...]:
    """The trade along one of the routes, or in parts along several without a common pool, whichever is worth more after
    gas. ``answers`` are the quotes of the trade's routes.

    Every part returns at least what the oracle's prices demand. Raises NothingFeasible where neither one route nor
    several do.
    """
    snapshot, costs = terms.snapshot, terms.costs
    minimums = terms.minimum_prices(trade, answers)
    offers = [
        (quote, quote.amount_out, minimums[route].out(trade.amount_in))
        for route, quotes in answers.items()
        if (quote := quotes.get(trade.amount_in)) is not None and quote.amount_out is not None
    ]
    # One route is chosen by the gas that the quoter counted, splits are compared by the gas that the plan counts.
    best, out, _ = max(
        (offer for offer in offers if offer[1] >= offer[2]),
        key=lambda offer: (
            snapshot.value_usd(trade.buy, offer[1]) * terms.weight(offer[0].route)
            - offer[0].gas * costs.per_gas
        ),
        default=(None, 0, 0),
    )
    whole = (Part(best.route, trade.amount_in, out),) if best else ()
    parts: tuple[Part, ...] = ()
    if max_parts > 1:
        candidates, per_unit = curves(answers, trade.amount_in, minimums), snapshot.value_usd(trade.buy, 1)
        parts = best_split(
            candidates,
            trade.amount_in,
            per_unit,
            costs=costs,
            max_parts=max_parts,
            weights=[terms.weight(curve.route) for curve in candidates],
        )
        of_parts, of_whole = (
            net_usd(fills, per_unit, costs, weight=terms.weight) for fills in (parts, whole)
        )
        if whole and of_parts <= of_whole:
            parts = ()
    chosen = parts if len(parts) > 1 else whole
    if not chosen:
        raise _refusal(trade, [out / minimum for _, out, minimum in offers])
    return tuple(
        fill_of(
            trade.part(part.amount_in),
            part.route,
            part.amount_out,
            minimum=minimums[part.route],
            snapshot=snapshot,
        )
        for part in chosen
    )


def _refusal(trade: Trade, returned: Sequence[float]) -> NothingFeasible:
    """``returned`` by each pool, as parts of what it must return."""
    reason = (
        f"the best pool returns {1 - max(returned):.2%} less than allowed"
        if returned
        else "no pool quotes it"
    )
    return NothingFeasible(
        f"selling {trade.value_usd:,.0f} USD of {trade.sell} for {trade.buy}: {reason}",
        remedy="Lower max_trade so that it is split over cycles, allow more slippage, or have the admin list a pool.",
    )


@dataclass(frozen=True, slots=True)
class PriceBound:
    """The lowest accepted price between two tokens. ``before_fees`` is lowered by the fees of the pools on the way,
    ``in_emergency`` is not; that one is None outside of the vault's emergency."""

    before_fees: MinimumPrice
    in_emergency: MinimumPrice | None

    def after_fees(self, route: Route) -> MinimumPrice:
        minimum = MinimumPrice(
            self.before_fees.numerator * math.prod(FEE_UNIT - fee for fee in route.fees),
            self.before_fees.denominator * FEE_UNIT ** len(route.fees),
        )
        if self.in_emergency is None:
            return minimum
        return max(minimum, self.in_emergency, key=MinimumPrice.as_fraction)


def minimum_price(
    route: Route, snapshot: MarketSnapshot, max_slippage_bps: int, *, lowering: bool = False
) -> MinimumPrice:
    """The oracle's price of a route after the allowed slippage and the pools' fees."""
    sold, bought = route.symbols[0], route.symbols[-1]
    bound = price_bound(sold, bought, snapshot, max_slippage_bps=max_slippage_bps, lowering=lowering)
    return bound.after_fees(route)


def price_bound(
    sold: str, bought: str, snapshot: MarketSnapshot, *, max_slippage_bps: int, lowering: bool
) -> PriceBound:
    """The oracle's price after the allowed slippage, ours and the vault's. Of prices that are not trusted the most
    careful source counts: the lowest of what is sold, the highest of what is bought.

    The vault holds each hop against its own bound. A route of two hops may here lose beyond the fees only what one hop
    may. Where one hop gains, ``keeper.planning.hop_bounds`` looks at the other."""
    of_sold, of_bought = (quoted(snapshot, symbol, lowering=lowering) for symbol in (sold, bought))
    units = unit(snapshot.token(bought).decimals), unit(snapshot.token(sold).decimals)
    bounds = [
        MinimumPrice(price * units[0] * (BPS - allowed_bps), other * units[1] * BPS)
        for price, other, allowed_bps in (
            (snapshot.exit_price(sold), snapshot.entry_price(bought), max_slippage_bps),
            (of_sold.high, of_bought.low, slippage_bps(snapshot, sold, bought)),
        )
        if price > 0 and other > 0
    ]
    emergency = None
    if lowering and in_emergency(snapshot) and of_sold.high > 0 and of_bought.low > 0:
        at_oracle = MinimumPrice(of_sold.high * units[0], of_bought.low * units[1])
        emergency = _emergency_price(at_oracle, sold, bought, snapshot=snapshot)
    return PriceBound(max(bounds, key=MinimumPrice.as_fraction), emergency)


def _emergency_price(
    at_oracle: MinimumPrice, sold: str, bought: str, snapshot: MarketSnapshot
) -> MinimumPrice:
    """The price at which the sale and a flash loan for it lose no more than the vault's part of the debt that they
    repay, by the vault's count: what leaves with its feed's lag on top, what comes less its lag."""
    vault = snapshot.vault
    lag_sold, lag_bought = (vault.asset(symbol).lag_bps for symbol in (sold, bought))
    kept = BPS - lag_bought + vault.policy.emergency_loss_bps - flash_lender(snapshot).premium_bps
    return MinimumPrice(at_oracle.numerator * (BPS + lag_sold), at_oracle.denominator * kept)


def are_trusted(symbols: Iterable[str], snapshot: MarketSnapshot) -> bool:
    """Whether all their prices are FRESH."""
    return all(snapshot.feeds[snapshot.index(symbol)].trust is Trust.FRESH for symbol in symbols)


def guarded(fill: Fill, tolerance_bps: int) -> Fill:
    """The fill with a minimum output of at least the quote less the tolerance.

    A deleveraging is visible in the public mempool. Without this, whoever trades just before it could take all that an
    emergency's wide slippage allows, or all by which the most careful source is below the others."""
    near_quote = -(-fill.amount_out * (BPS - tolerance_bps) // BPS)
    return replace(fill, min_out=max(fill.min_out, near_quote))


def fill_of(
    trade: Trade, route: Route, amount_out: int, *, minimum: MinimumPrice, snapshot: MarketSnapshot
) -> Fill:
    """The fill of a trade along a route that returns ``amount_out`` raw and must return at least ``minimum``."""
    value_in = snapshot.value_usd(trade.sell, trade.amount_in)
    fees = value_in * (1.0 - math.prod(1.0 - fee / FEE_UNIT for fee in route.fees))
    return Fill(
        trade=trade,
        route=route,
        amount_out=amount_out,
        min_out=minimum.out(trade.amount_in),
        fees_usd=fees,
        impact_usd=value_in - fees - snapshot.value_usd(trade.buy, amount_out),
    )
