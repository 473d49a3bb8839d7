"""Quotes are of a block in which nobody trades. Where one plan sends two trades through the same pool in the same
direction, the later one finds the price that the earlier one left: its quotes are lowered by as much.

A hop is a pool and a direction. Its output g is concave, its marginal price p = g' falls. After y has gone through,
x returns g(y + x) - g(y). On the liquidity that a Uniswap V3 pool has in range, p(z) = p(0) / (1 + z/D)² (white
paper, section 6.3: constant product on virtual reserves), so that p(y + z) / p(z) grows with z and

    g(y + x) - g(y)  >=  g(x) · p(y) / p(0)   for every x.

The factor p(y) / p(0) therefore lowers a whole ladder of sizes at once and leaves it concave; it is exact for small x,
and read off quotes to within the square of the price impact. What follows the hop on a route only gets less to swap,
at no worse a price, so that the factor holds for the route. Where liquidity thins out behind the range in between it
can be too kind: the simulation of the whole plan has the last word.
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
from keeper.planning.split import Hop, hops, ladder
from keeper.planning.trades import Trade

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
    start, now = _marginal_price(points, 0), _marginal_price(points, passed)
    return min(Fraction(1), max(Fraction(0), now / start)) if start > 0 else Fraction(0)


def _marginal_price(points: Sequence[tuple[int, int]], size: int) -> Fraction:
    """Of an output curve known at ``points`` (size, output). The mean price between two points is the marginal one
    half-way between them; linear in between, and beyond the outermost as between the two next to them."""
    known: list[tuple[Fraction, Fraction]] = []
    for (low, out_low), (high, out_high) in pairwise(points):
        price = Fraction(out_high - out_low, high - low)
        known.append((Fraction(low + high, 2), min(price, known[-1][1]) if known else price))
    right = next((place for place in range(1, len(known)) if known[place][0] >= size), len(known) - 1)
    (at, price), (next_at, next_price) = known[right - 1], known[right]
    return price + (next_price - price) * (size - at) / (next_at - at)


def _converted(amount: int, sold: str, into: str, snapshot: MarketSnapshot) -> int:
    """At the feeds' prices, rounded up."""
    if sold == into:
        return amount
    worth = amount * snapshot.price(sold) * unit(snapshot.token(into).decimals)
    return -(-worth // (snapshot.price(into) * unit(snapshot.token(sold).decimals)))
