"""Quotes are for an untouched block. Where two trades of a plan go through the same pool in the same
direction, the second one finds the price that the first one left, so its quotes are lowered.

A hop is a pool and a direction. Its output g is concave, its marginal price p = g' falls. After y has gone through,
x returns g(y + x) - g(y). In the liquidity that a Uniswap V3 pool has in range, p(z) = p(0) / (1 + z/D)² (white paper,
section 6.2.3: constant product on virtual reserves), so that p(y + z) / p(z) grows with z and

    g(y + x) - g(y)  >=  g(x) · p(y) / p(0)   for every x.

The factor p(y) / p(0) therefore lowers a whole ladder of sizes and leaves it concave. It is estimated from quotes in
two ways, and the smaller estimate counts. The slopes between quotes show where liquidity thins out on the way. The mean
prices m(z) = g(z) / z give p(y) / p(0) = (m(y) / m(0))², with 1/m linear while liquidity does not change. The hops of a
route after a shared hop get a smaller input, at no worse a price, so the factor holds for the whole route. Liquidity
that thins out beyond the largest quoted size cannot be seen here; the simulation is the last check.
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
from keeper.planning.split import Answers, Hop, hops, ladder

MIN_POINTS = 3
"""The origin and two answers. One answer does not show how the price falls."""


def entering(route: Route, amount_in: int, snapshot: MarketSnapshot) -> Mapping[Hop, int]:
    """The amount that enters each hop, raw of the token sold there. After the first hop it is estimated at the feeds'
    prices without fees, which is slightly too high."""
    sold = route.symbols[0]
    return {hop: _converted(amount_in, sold, hop[0], snapshot=snapshot) for hop in hops(route)}


def shared_hops(
    candidates: Iterable[tuple[Trade, Sequence[Route]]], snapshot: MarketSnapshot
) -> dict[Hop, int]:
    """The hops that candidate routes of at least two trades use, with the amount that all these trades together would
    send through, raw of the token sold there."""
    amounts: dict[Hop, list[int]] = {}
    for trade, routes in candidates:
        used = dict.fromkeys(hop for route in routes for hop in hops(route))
        converted = {
            sold: _converted(trade.amount_in, trade.sell, sold, snapshot=snapshot)
            for sold in {hop[0] for hop in used}
        }
        for hop in used:
            amounts.setdefault(hop, []).append(converted[hop[0]])
    return {hop: sum(of_trades) for hop, of_trades in amounts.items() if len(of_trades) > 1}


def after_others(
    quoted: Answers, passed: Mapping[Hop, int], shared: Mapping[Hop, int], answers: Answers
) -> Answers:
    """What was ``quoted`` after ``passed``, raw of the token sold there, has gone through the hops.

    A quote loses its amount where no answer shows that the pool carries that much. ``answers`` are the quotes of the
    ``shared`` hops, among others.
    """
    factors = {
        hop: _price_factor(hop, amount, largest=shared[hop], answers=answers)
        for hop, amount in passed.items()
        if amount and hop in shared
    }
    if not factors:
        return quoted
    lowered = dict(quoted)
    for route, quotes in quoted.items():
        factor = math.prod([factors[hop] for hop in hops(route) if hop in factors], start=Fraction(1))
        if factor != 1:
            lowered[route] = {size: _lowered(quote, factor) for size, quote in quotes.items()}
    return lowered


def _lowered(quote: Quote, factor: Fraction) -> Quote:
    if quote.amount_out is None:
        return quote
    return replace(quote, amount_out=quote.amount_out * factor.numerator // factor.denominator or None)


def _price_factor(hop: Hop, passed: int, largest: int, answers: Answers) -> Fraction:
    """p(passed) / p(0) of a hop that was quoted up to ``largest``; 0 where the quotes do not reach ``passed``."""
    answered = answers.get(Route(hop[:2], hop[2:]), {})
    points = [(0, 0)]
    for size in ladder(largest):
        answer = answered.get(size)
        if answer is not None and answer.amount_out is not None:
            points.append((size, answer.amount_out))
    if len(points) < MIN_POINTS or points[-1][0] < passed:
        return Fraction(0)
    factor = min(_by_slopes(points, passed), _by_mean_prices(points, passed))
    return min(Fraction(1), max(Fraction(0), factor))


def _by_slopes(points: Sequence[tuple[int, int]], size: int) -> Fraction:
    """The mean price between two points is the marginal price half-way between them. Places are doubled to stay
    integers."""
    prices = [
        (low + high, out_high - out_low, high - low) for (low, out_low), (high, out_high) in pairwise(points)
    ]
    start = _interpolated(prices, 0)
    return _interpolated(prices, 2 * size) / start if start > 0 else Fraction(0)


def _by_mean_prices(points: Sequence[tuple[int, int]], size: int) -> Fraction:
    inverse = [(amount, amount, out) for amount, out in points[1:]]
    now, start = _interpolated(inverse, size), _interpolated(inverse, 0)
    return (start / now) ** 2 if now > 0 else Fraction(0)


def _interpolated(values: Sequence[tuple[int, int, int]], at: int) -> Fraction:
    """``values`` are places with a numerator and a denominator. Linear between the two nearest places, and beyond the
    outermost ones."""
    right = next((n for n in range(1, len(values)) if values[n][0] >= at), len(values) - 1)
    (low, top, bottom), (high, next_top, next_bottom) = values[right - 1], values[right]
    rise = (next_top * bottom - top * next_bottom) * (at - low)
    return Fraction(top * next_bottom * (high - low) + rise, bottom * next_bottom * (high - low))


def _converted(amount: int, sold: str, into: str, snapshot: MarketSnapshot) -> int:
    """At the feeds' prices, rounded up."""
    if sold == into:
        return amount
    value = amount * snapshot.price(sold) * unit(snapshot.token(into).decimals)
    return -(-value // (snapshot.price(into) * unit(snapshot.token(sold).decimals)))
