"""Quotes are of a block in which nobody trades. Where one plan sends two trades through the same pool in the same
direction, the later one finds the price that the earlier one left: its quotes are lowered by as much.

A hop is a pool and a direction. Its output g is concave, its marginal price p = g' falls. After y has gone through,
x returns g(y + x) - g(y). On the liquidity that a Uniswap V3 pool has in range, p(z) = p(0) / (1 + z/D)² (white
paper, section 6.2.3: constant product on virtual reserves), so that p(y + z) / p(z) grows with z and

    g(y + x) - g(y)  >=  g(x) · p(y) / p(0)   for every x.

The factor p(y) / p(0) therefore lowers a whole ladder of sizes at once and leaves it concave. It is read off quotes in
two ways, of which the smaller counts: by the slopes between quotes, which see liquidity thin out on the way; and by
the mean prices m(z) = g(z) / z: p(y) / p(0) = (m(y) / m(0))², and 1/m is linear, as long as liquidity does not change.
What follows the hop on a route only gets less to swap, at no worse a price, so that the factor holds for the route.
Where liquidity thins out only behind what was asked, nothing here can tell: the simulation has the last word.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote, Route
from keeper.domain.units import unit
from keeper.planning.netting import Trade
from keeper.planning.split import Hop, hops, ladder

Answers = Mapping[tuple[Route, int], Quote]
"""Quotes by route and raw amount in."""

FEWEST_POINTS = 3
"""Nothing for nothing and two answers: with one there is no telling how the price falls."""


def entering(route: Route, amount_in: int, snapshot: MarketSnapshot) -> Mapping[Hop, int]:
    """How much goes into each hop, raw of the token sold there. Behind the first hop at the feeds' prices without any
    fee: rather too much than too little."""
    sold = route.symbols[0]
    return {hop: _converted(amount_in, sold, hop[0], snapshot) for hop in hops(route)}


def shared_hops(
    candidates: Iterable[tuple[Trade, Sequence[Route]]], snapshot: MarketSnapshot
) -> dict[Hop, int]:
    """The hops that candidates of at least two trades have, and what all those trades together would send through,
    raw of the token sold there."""
    seen: dict[Hop, list[int]] = {}
    for trade, routes in candidates:
        of_trade: dict[Hop, int] = {}
        for route in routes:
            of_trade.update(entering(route, trade.amount_in, snapshot))
        for hop, amount in of_trade.items():
            seen.setdefault(hop, []).append(amount)
    return {hop: sum(amounts) for hop, amounts in seen.items() if len(amounts) > 1}


def after_others(
    quotes: Sequence[Quote], passed: Mapping[Hop, int], shared: Mapping[Hop, int], answers: Answers
) -> tuple[Quote, ...]:
    """``quotes`` lowered by what has gone through their hops before: ``passed``, raw of the token sold there. Without
    an amount where the pool was not seen to carry that much.

    ``answers`` are those for the ``shared`` hops among others. Where they were never asked for, as in records made
    before they were, the quotes stay as they are.
    """
    kept = {
        hop: _kept(hop, amount, ladder(shared[hop]), answers)
        for hop, amount in passed.items()
        if amount and hop in shared
    }
    return tuple(_lowered(quote, kept) for quote in quotes)


def _lowered(quote: Quote, kept: Mapping[Hop, Fraction]) -> Quote:
    factor = math.prod((kept.get(hop, Fraction(1)) for hop in hops(quote.route)), start=Fraction(1))
    if factor == 1 or quote.amount_out is None:
        return quote
    return replace(quote, amount_out=int(quote.amount_out * factor) or None)


def _kept(hop: Hop, passed: int, sizes: Sequence[int], answers: Answers) -> Fraction:
    """p(passed) / p(0) of a hop."""
    of_hop = Route(hop[:2], hop[2:])
    if any((of_hop, size) not in answers for size in sizes):
        return Fraction(1)
    points = [(0, 0)]
    for size in sizes:
        out = answers[of_hop, size].amount_out
        if out is not None:
            points.append((size, out))
    if len(points) < FEWEST_POINTS or points[-1][0] < passed:
        return Fraction(0)
    factor = min(_by_slopes(points, passed), _by_mean_prices(points, passed))
    return min(Fraction(1), max(Fraction(0), factor))


def _by_slopes(points: Sequence[tuple[int, int]], size: int) -> Fraction:
    """The mean price between two points is the marginal one half-way between them."""
    prices = [
        (Fraction(low + high, 2), Fraction(out_high - out_low, high - low))
        for (low, out_low), (high, out_high) in pairwise(points)
    ]
    start = _interpolated(prices, 0)
    return _interpolated(prices, size) / start if start > 0 else Fraction(0)


def _by_mean_prices(points: Sequence[tuple[int, int]], size: int) -> Fraction:
    inverse = [(Fraction(amount), Fraction(amount, out)) for amount, out in points[1:]]
    now, start = _interpolated(inverse, size), _interpolated(inverse, 0)
    return (start / now) ** 2 if now > 0 else Fraction(0)


def _interpolated(values: Sequence[tuple[Fraction, Fraction]], at: int) -> Fraction:
    """Linear between the places, and beyond the outermost as between the two next to them."""
    right = next((n for n in range(1, len(values)) if values[n][0] >= at), len(values) - 1)
    (low, value), (high, next_value) = values[right - 1], values[right]
    return value + (next_value - value) * (at - low) / (high - low)


def _converted(amount: int, sold: str, into: str, snapshot: MarketSnapshot) -> int:
    """At the feeds' prices, rounded up."""
    if sold == into:
        return amount
    worth = amount * snapshot.price(sold) * unit(snapshot.token(into).decimals)
    return -(-worth // (snapshot.price(into) * unit(snapshot.token(sold).decimals)))
