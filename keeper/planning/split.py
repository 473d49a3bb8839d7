"""How a trade is split over several routes, from quotes for a ladder of sizes.

The output of a route is concave in its input, because every unit finds the price that the units before it have moved.
Between two quoted sizes the output is therefore at least the straight line, and the line is what a split counts on. To
spread an amount over given routes for the largest output, take the steepest piece of all curves next, until the amount
is used up; marginal prices are then equal (Boyd and Vandenberghe, Convex Optimization, section 5.5.3: water-filling).
Every further route costs gas, whatever goes through it, so each set of routes is tried.

Routes that share a pool in the same direction are not independent: a set has at most one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations, pairwise
from operator import itemgetter

from keeper.domain.plan import Quote, Route
from keeper.planning.gas import SwapCosts

EIGHTHS = (1, 2, 4, 6, 8)
"""Quoted sizes as eighths of an amount: finer where a small part would go; the whole amount is last."""
MAX_PARTS = 3
"""Over n equally deep pools the price impact is 1/n. A second part saves half of it; a fourth saves a twelfth, costs as
much gas and adds as many ways to fail."""
MAX_CANDIDATES = 8
"""The routes with the best prices for an eighth of the trade: at most 92 sets of up to three. No pair of tokens has
more pools worth using."""

Answers = Mapping[Route, Mapping[int, Quote]]
"""Quotes by route, then by raw amount in. A plan has about a thousand look-ups of a route, so it indexes them once."""
Hop = tuple[str, str, int]
"""A pool and a direction: token sold, token bought, fee."""
_Share = tuple[int, int, int]
"""Index of a curve, with the raw amounts that go into it and come out."""


@dataclass(frozen=True, slots=True)
class MinimumPrice:
    """The lowest accepted raw output per raw input, as a fraction."""

    numerator: int
    denominator: int

    def as_fraction(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)

    def out(self, amount_in: int) -> int:
        """Minimum output for ``amount_in`` raw, rounded up and at least 1."""
        return max(1, -(-amount_in * self.numerator // self.denominator))


@dataclass(frozen=True)
class Curve:
    """The output of a route: ``outs`` raw at ``sizes`` raw, which ascend from above 0. Without ``minimum`` every output
    is accepted."""

    route: Route
    sizes: tuple[int, ...]
    outs: tuple[int, ...]
    minimum: MinimumPrice | None = None

    def out(self, amount: int) -> int:
        """Output for at most the largest size; a straight line between two sizes, rounded down."""
        low, out_low = 0, 0
        for size, out in zip(self.sizes, self.outs, strict=True):
            if amount <= size:
                return out_low + (out - out_low) * (amount - low) // (size - low)
            low, out_low = size, out
        raise ValueError(f"{amount} is beyond the largest quoted size, {low}")

    @cached_property
    def pieces(self) -> tuple[tuple[float, int], ...]:
        """Slope and width of the straight lines of the least concave majorant. Real ladders are concave except for
        rounding; the expected output is read from the curve itself."""
        corners = [(0, 0), *zip(self.sizes, self.outs, strict=True)]
        pieces = _lines(corners)
        if any(slope < steeper for (slope, _), (steeper, _) in pairwise(pieces)):
            pieces = _lines(_concave(corners))
        return pieces

    @cached_property
    def hops(self) -> frozenset[Hop]:
        return frozenset(hops(self.route))


_Weighted = tuple[Curve, float]
"""A curve, and what its output counts."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a trade that goes along one route, and its expected output, raw."""

    route: Route
    amount_in: int
    amount_out: int


def ladder(amount: int) -> tuple[int, ...]:
    """Ascending raw sizes above 0, rounded down. The last is ``amount``."""
    return tuple(dict.fromkeys([size for eighths in EIGHTHS if (size := amount * eighths // EIGHTHS[-1])]))


def by_route(quotes: Iterable[Quote]) -> Answers:
    answers: dict[Route, dict[int, Quote]] = {}
    for quote in quotes:
        answers.setdefault(quote.route, {})[quote.amount_in] = quote
    return answers


def curves(
    answers: Answers, amount: int, minimums: Mapping[Route, MinimumPrice] | None = None
) -> tuple[Curve, ...]:
    """The curve of every route that answers the smallest size of the ladder of ``amount``, up to the first size that it
    cannot fill."""
    sizes = ladder(amount)
    answered = []
    for route, quotes in answers.items():
        outs: list[int] = []
        for size in sizes:
            quote = quotes.get(size)
            if quote is None or quote.amount_out is None:
                break
            outs.append(quote.amount_out)
        if outs:
            minimum = minimums[route] if minimums is not None else None
            answered.append(Curve(route, sizes[: len(outs)], tuple(outs), minimum=minimum))
    return tuple(answered)


def best_split(
    candidates: Sequence[Curve],
    amount: int,
    usd_per_unit: float,
    costs: SwapCosts,
    max_parts: int = MAX_PARTS,
    weights: Sequence[float] | None = None,
) -> tuple[Part, ...]:
    """The parts, together exactly ``amount``, that are worth most after the gas of their swaps. Empty where no set of
    routes carries the amount with every part at its minimum price or better.

    ``usd_per_unit`` is the value of one raw unit bought. The output of each candidate counts ``weights`` times its
    amount, 1 by default.
    """
    weighted = zip(candidates, weights or [1.0] * len(candidates), strict=True)
    promising = sorted(weighted, key=_first_price, reverse=True)[:MAX_CANDIDATES]
    pieces = _steepest_first(promising)
    values = [(weight * usd_per_unit, costs.of(curve.route)) for curve, weight in promising]
    ceiling_usd = _largest_output(pieces, amount) * usd_per_unit
    cheapest_swap = min((gas_usd for _, gas_usd in values), default=0.0)
    best: list[_Share] = []
    best_usd = 0.0
    for count in range(1, max_parts + 1):
        if best and ceiling_usd - count * cheapest_swap <= best_usd:
            # No set of this many routes or more can be worth more.
            break
        for chosen in _independent_sets(promising, count):
            shares = _spread(chosen, promising, pieces, amount=amount)
            if shares:
                worth = sum([out * values[index][0] - values[index][1] for index, _, out in shares])
                if not best or worth > best_usd:
                    best, best_usd = shares, worth
    return tuple(Part(promising[index][0].route, amount_in, out) for index, amount_in, out in best)


def net_usd(
    parts: Sequence[Part],
    usd_per_unit: float,
    costs: SwapCosts,
    weight: Callable[[Route], float] = lambda _route: 1.0,
) -> float:
    """Value of the output, which counts ``weight`` times its amount, less the gas of the swaps."""
    bought = sum([part.amount_out * weight(part.route) for part in parts]) * usd_per_unit
    return bought - sum([costs.of(part.route) for part in parts])


def hops(route: Route) -> tuple[Hop, ...]:
    return tuple(zip(route.symbols[:-1], route.symbols[1:], route.fees, strict=True))


def _first_price(weighted: _Weighted) -> float:
    curve, weight = weighted
    return curve.outs[0] / curve.sizes[0] * weight


def _independent_sets(candidates: Sequence[_Weighted], count: int) -> Iterator[tuple[int, ...]]:
    """Indices of candidates without a common hop."""
    hops_of = [curve.hops for curve, _ in candidates] if count > 1 else []
    for chosen in combinations(range(len(candidates)), count):
        if all(hops_of[index].isdisjoint(hops_of[other]) for index, other in combinations(chosen, 2)):
            yield chosen


def _spread(
    chosen: tuple[int, ...],
    candidates: Sequence[_Weighted],
    pieces: Sequence[tuple[float, int, int]],
    amount: int,
) -> list[_Share]:
    """Empty where the chosen curves cannot carry the amount, one of them gets nothing, or one is below its minimum."""
    taken = dict.fromkeys(chosen, 0)
    left = amount
    if len(chosen) == 1:
        taken[chosen[0]] = amount
        left = max(0, amount - candidates[chosen[0]][0].sizes[-1])
    else:
        for _, index, width in pieces:
            if index in taken:
                if width >= left:
                    taken[index] += left
                    left = 0
                    break
                taken[index] += width
                left -= width
    if left or not all(taken.values()):
        return []
    shares = []
    for index, amount_in in taken.items():
        curve, _ = candidates[index]
        out = curve.out(amount_in)
        if curve.minimum is not None and out < curve.minimum.out(amount_in):
            return []
        shares.append((index, amount_in, out))
    return shares


def _largest_output(pieces: Sequence[tuple[float, int, int]], amount: int) -> float:
    """An upper bound: over all curves, whether or not they share pools. A part in a billion more, for rounding."""
    output, left = 0.0, amount
    for slope, _, width in pieces:
        output += slope * min(width, left)
        left -= min(width, left)
        if not left:
            break
    return output * (1.0 + 1e-9)


def _steepest_first(candidates: Sequence[_Weighted]) -> list[tuple[float, int, int]]:
    """The straight pieces of all curves: slope, index of the curve and width. The sort is stable and the slopes of a
    concave curve fall, so the pieces of one curve stay in their order."""
    pieces = [
        (slope * weight, index, width)
        for index, (curve, weight) in enumerate(candidates)
        for slope, width in curve.pieces
    ]
    pieces.sort(key=itemgetter(0), reverse=True)
    return pieces


def _lines(corners: Sequence[tuple[int, int]]) -> tuple[tuple[float, int], ...]:
    return tuple(
        ((out_high - out_low) / (high - low), high - low)
        for (low, out_low), (high, out_high) in pairwise(corners)
    )


def _concave(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The corners of the least concave majorant."""
    corners = [points[0]]
    for point in points[1:]:
        while len(corners) > 1 and _bends_up(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    return corners


def _bends_up(first: tuple[int, int], middle: tuple[int, int], last: tuple[int, int]) -> bool:
    rise = (middle[1] - first[1]) * (last[0] - middle[0])
    return rise <= (last[1] - middle[1]) * (middle[0] - first[0])
