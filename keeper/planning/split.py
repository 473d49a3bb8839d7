"""How a trade is split over several routes, from quotes for a ladder of sizes.

The output of a route is concave in its input, because every unit finds the price that the units before it have moved.
Between two quoted sizes the output is therefore at least the straight line, and the line is what a split counts on. To
spread an amount over given routes for the largest output, take the steepest piece of all curves next, until the amount
is used up; marginal prices are then equal (Boyd and Vandenberghe, Convex Optimization, section 5.5.3: water-filling).
Every further route costs gas, whatever goes through it, so each set of routes is tried.

Routes that share a pool in the same direction are not independent: a set has at most one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

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

ROUNDING = 1e-12
"""A bound on a value is raised by this part, so that rounding never hides a better split."""

Hop = tuple[str, str, int]
"""A pool and a direction: token sold, token bought, fee."""
_Piece = tuple[float, int, int]
"""A straight line of a curve: slope, index of the curve, width."""


@dataclass(frozen=True, slots=True)
class MinimumPrice:
    """The lowest accepted raw output per raw input, as a fraction."""

    numerator: int
    denominator: int

    def out(self, amount_in: int) -> int:
        """Minimum output for ``amount_in`` raw, rounded up and at least 1."""
        return max(1, -(-amount_in * self.numerator // self.denominator))


@dataclass(frozen=True)  # without slots: the cached pieces need an instance dictionary
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

    def accepts(self, part: Part) -> bool:
        """Whether a part of this route returns its minimum."""
        return self.minimum is None or part.amount_out >= self.minimum.out(part.amount_in)

    @cached_property
    def pieces(self) -> tuple[tuple[float, int], ...]:
        """Slope and width of the straight lines of the curve's least concave majorant. Real ladders are concave except
        for rounding; the expected output is read from the curve itself."""
        corners = [(0, 0)]
        for size, out in zip(self.sizes, self.outs, strict=True):
            while len(corners) > 1 and _bends_up(corners[-2], corners[-1], (size, out)):
                corners.pop()
            corners.append((size, out))
        return tuple(
            ((out_high - out_low) / (high - low), high - low)
            for (low, out_low), (high, out_high) in pairwise(corners)
        )


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a trade that goes along one route, and its expected output, raw."""

    route: Route
    amount_in: int
    amount_out: int


def ladder(amount: int) -> tuple[int, ...]:
    """Ascending raw sizes above 0, rounded down. The last is ``amount``."""
    return tuple(sorted({amount * eighths // EIGHTHS[-1] for eighths in EIGHTHS} - {0}))


def curves(
    quotes: Sequence[Quote], amount: int, minimums: Mapping[Route, MinimumPrice] | None = None
) -> tuple[Curve, ...]:
    """The curve of every route that answers the smallest size of the ladder of ``amount``, up to the first size that it
    cannot fill."""
    answers: dict[Route, dict[int, int | None]] = {}
    for quote in quotes:
        answers.setdefault(quote.route, {})[quote.amount_in] = quote.amount_out
    sizes = ladder(amount)
    answered = []
    for route, outs_by_size in answers.items():
        outs: list[int] = []
        for size in sizes:
            out = outs_by_size.get(size)
            if out is None:
                break
            outs.append(out)
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
) -> tuple[Part, ...]:
    """The parts, together exactly ``amount``, that are worth most after the gas of their swaps. Empty where no set of
    routes carries the amount with every part at its minimum price or better.

    ``usd_per_unit`` is the value of one raw unit bought. Of equally good splits the one with fewer parts is taken.
    """
    promising = _most_promising(candidates)
    undivided = [(part,) for part in _undivided(promising, amount)]
    best: tuple[Part, ...] = max(undivided, key=lambda parts: net_usd(parts, usd_per_unit, costs), default=())
    if best and _bound_usd(promising, amount, usd_per_unit, costs=costs) < net_usd(best, usd_per_unit, costs):
        return best
    splits = _splits(promising, amount, max_parts)
    return max(
        (best, *splits) if best else splits, key=lambda parts: net_usd(parts, usd_per_unit, costs), default=()
    )


def net_usd(parts: Sequence[Part], usd_per_unit: float, costs: SwapCosts) -> float:
    """Value of the output less the gas of the swaps."""
    bought = sum([part.amount_out for part in parts]) * usd_per_unit
    return bought - sum([costs.of(part.route) for part in parts])


def hops(route: Route) -> tuple[Hop, ...]:
    return tuple(zip(route.symbols[:-1], route.symbols[1:], route.fees, strict=True))


def _most_promising(candidates: Sequence[Curve]) -> list[Curve]:
    by_price = sorted(candidates, key=lambda curve: -(curve.outs[0] / curve.sizes[0]))
    return by_price[:MAX_CANDIDATES]


def _undivided(candidates: Sequence[Curve], amount: int) -> Iterator[Part]:
    """The whole amount along each route that carries it at its minimum price or better."""
    for curve in candidates:
        if curve.sizes[-1] >= amount:
            part = Part(curve.route, amount, curve.out(amount))
            if curve.accepts(part):
                yield part


def _splits(candidates: Sequence[Curve], amount: int, max_parts: int) -> Iterator[tuple[Part, ...]]:
    """The best parts along each set of independent routes, small sets first."""
    pieces = _steepest_first(candidates)
    for chosen in _independent_sets(candidates, max_parts):
        parts = _spread(chosen, candidates, pieces, amount=amount)
        if parts:
            yield parts


def _bound_usd(candidates: Sequence[Curve], amount: int, usd_per_unit: float, costs: SwapCosts) -> float:
    """No split over several routes is worth more: the best mean price on any curve, and the gas of two swaps."""
    price = max(out / size for curve in candidates for size, out in zip(curve.sizes, curve.outs, strict=True))
    cheapest = min(costs.of(curve.route) for curve in candidates)
    return amount * price * usd_per_unit * (1.0 + ROUNDING) - 2 * cheapest


def _independent_sets(candidates: Sequence[Curve], max_parts: int) -> Iterator[tuple[int, ...]]:
    """Indices of at least two candidates without a common hop, small sets first."""
    hops_of = [frozenset(hops(curve.route)) for curve in candidates]
    sets: list[tuple[tuple[int, ...], frozenset[Hop]]] = [
        ((index,), used) for index, used in enumerate(hops_of)
    ]
    for _ in range(1, max_parts):
        sets = [
            ((*chosen, index), used | hops_of[index])
            for chosen, used in sets
            for index in range(chosen[-1] + 1, len(candidates))
            if used.isdisjoint(hops_of[index])
        ]
        yield from (chosen for chosen, _ in sets)


def _spread(
    chosen: tuple[int, ...], curves: Sequence[Curve], pieces: Sequence[_Piece], amount: int
) -> tuple[Part, ...]:
    """Empty where the chosen curves cannot carry the amount, one of them gets nothing, or one is below its minimum."""
    taken = dict.fromkeys(chosen, 0)
    left = amount
    for _, index, width in pieces:
        if index in taken:
            if width >= left:
                taken[index] += left
                left = 0
                break
            taken[index] += width
            left -= width
    if left or not all(taken.values()):
        return ()
    parts = []
    for index, amount_in in taken.items():
        curve = curves[index]
        part = Part(curve.route, amount_in, curve.out(amount_in))
        if not curve.accepts(part):
            return ()
        parts.append(part)
    return tuple(parts)


def _steepest_first(curves: Sequence[Curve]) -> list[_Piece]:
    """The sort is stable and the slopes of a concave curve fall, so the pieces of one curve stay in their order."""
    pieces = [(slope, index, width) for index, curve in enumerate(curves) for slope, width in curve.pieces]
    pieces.sort(key=lambda piece: -piece[0])
    return pieces


def _bends_up(first: tuple[int, int], middle: tuple[int, int], last: tuple[int, int]) -> bool:
    rise = (middle[1] - first[1]) * (last[0] - middle[0])
    return rise <= (last[1] - middle[1]) * (middle[0] - first[0])
