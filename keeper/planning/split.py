"""How a trade is spread over several routes, from quotes for a ladder of sizes.

The output of a route is concave in what goes in: every unit finds a price that the ones before have worsened. Between
the sizes that were asked it is therefore at least the straight line, which is what is counted on. Spreading an amount
over given routes so that most comes out is then a matter of always taking the steepest piece next, until the marginal
prices are equal (Boyd and Vandenberghe, Convex Optimization, section 5.5.3: water-filling). Each further route costs
its gas whatever goes through it, so the sets of routes are gone through one by one.

Routes that share a pool in the same direction are not independent: a set has at most one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from keeper.domain.plan import Quote, Route

EIGHTHS = (1, 2, 4, 6, 8)
"""Of an amount, the sizes that a route is asked for: finer where a small part would go, the whole last."""
MOST_PARTS = 3
"""Over n equally deep pools the price impact is 1/n: a fourth part could save a twelfth of it, and costs as much gas
and has as many ways to fail as the second, which saves half."""
MOST_CANDIDATES = 8
"""Best prices for an eighth of the trade: 92 sets of up to three. No pair of tokens has that many pools worth it."""

Hop = tuple[str, str, int]
"""A pool and a direction: token sold, token bought, fee."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What a route returns: ``outs`` raw at ``sizes`` raw, ascending, above 0; nothing for nothing."""

    route: Route
    sizes: tuple[int, ...]
    outs: tuple[int, ...]

    def out(self, amount: int) -> int:
        """For up to the largest size; between two sizes the straight line, rounded down."""
        low, out_low = 0, 0
        for size, out in zip(self.sizes, self.outs, strict=True):
            if amount <= size:
                return out_low + (out - out_low) * (amount - low) // (size - low)
            low, out_low = size, out
        raise ValueError(f"{amount} is beyond the largest quoted size, {low}")


@dataclass(frozen=True, slots=True)
class Part:
    """What of a trade goes along a route, and what is expected of it, raw."""

    route: Route
    amount_in: int
    amount_out: int


def ladder(amount: int) -> tuple[int, ...]:
    """Ascending raw sizes above 0, rounded down; ``amount`` itself is the last."""
    return tuple(sorted({amount * part // EIGHTHS[-1] for part in EIGHTHS} - {0}))


def curves(quotes: Sequence[Quote], amount: int) -> tuple[Curve, ...]:
    """Of the routes that answer the smallest size of ``amount``'s ladder, each up to where it stops answering."""
    answers = {(quote.route, quote.amount_in): quote.amount_out for quote in quotes}
    found = []
    for route in dict.fromkeys(quote.route for quote in quotes):
        sizes, outs = [], []
        for size in ladder(amount):
            out = answers.get((route, size))
            if out is None:
                break
            sizes.append(size)
            outs.append(out)
        if sizes:
            found.append(Curve(route, tuple(sizes), tuple(outs)))
    return tuple(found)


def best_split(
    candidates: Sequence[Curve],
    amount: int,
    usd_per_unit: float,
    swap_usd: Callable[[Route], float],
    most_parts: int = MOST_PARTS,
    acceptable: Callable[[Part], bool] = lambda _: True,
) -> tuple[Part, ...]:
    """The parts, together exactly ``amount``, that are worth most after the gas of their swaps; none where no set of
    routes carries it with every part acceptable.

    ``usd_per_unit`` is the value of one raw unit bought, ``swap_usd`` what a swap along a route costs in gas.
    """
    best: tuple[Part, ...] = ()
    best_usd = 0.0
    promising = _most_promising(candidates)
    pieces = {curve.route: _pieces(curve) for curve in promising}
    for chosen in _independent_sets(promising, most_parts):
        parts = _spread(chosen, [pieces[curve.route] for curve in chosen], amount)
        worth = net_usd(parts, usd_per_unit, swap_usd)
        if parts and (not best or worth > best_usd) and all(acceptable(part) for part in parts):
            best, best_usd = parts, worth
    return best


def net_usd(parts: Sequence[Part], usd_per_unit: float, swap_usd: Callable[[Route], float]) -> float:
    """Value of what is bought less the gas of the swaps."""
    bought = sum(part.amount_out for part in parts) * usd_per_unit
    return bought - sum(swap_usd(part.route) for part in parts)


def hops(route: Route) -> tuple[Hop, ...]:
    return tuple(zip(route.symbols[:-1], route.symbols[1:], route.fees, strict=True))


def _most_promising(candidates: Sequence[Curve]) -> list[Curve]:
    by_price = sorted(candidates, key=lambda curve: -(curve.outs[0] / curve.sizes[0]))
    return by_price[:MOST_CANDIDATES]


def _independent_sets(candidates: Sequence[Curve], most_parts: int) -> Iterator[tuple[Curve, ...]]:
    """Small sets first: of equal worth the one with fewer parts is kept."""
    used = {curve.route: frozenset(hops(curve.route)) for curve in candidates}
    for count in range(1, most_parts + 1):
        for chosen in combinations(candidates, count):
            together = frozenset[Hop]().union(*(used[curve.route] for curve in chosen))
            if len(together) == sum(len(used[curve.route]) for curve in chosen):
                yield chosen


def _spread(
    chosen: Sequence[Curve], of_each: Sequence[Sequence[tuple[float, int]]], amount: int
) -> tuple[Part, ...]:
    """Steepest pieces ``of_each`` first; none where the routes cannot carry it all, or one of them gets nothing."""
    pieces = [(-slope, place, width) for place, its in enumerate(of_each) for slope, width in its]
    taken = [0] * len(chosen)
    left = amount
    # Stable: the pieces of one curve fall already, so they stay in their order.
    for _, place, width in sorted(pieces, key=lambda piece: piece[0]):
        taken[place] += min(width, left)
        left -= min(width, left)
    if left or not all(taken):
        return ()
    return tuple(Part(curve.route, part, curve.out(part)) for curve, part in zip(chosen, taken, strict=True))


def _pieces(curve: Curve) -> list[tuple[float, int]]:
    """Slope and width of the straight lines of the curve's least concave majorant: real ladders are concave but for
    rounding, and what comes out is counted on the ladder itself."""
    corners = [(0, 0)]
    for size, out in zip(curve.sizes, curve.outs, strict=True):
        while len(corners) > 1 and _bends_up(corners[-2], corners[-1], (size, out)):
            corners.pop()
        corners.append((size, out))
    return [
        ((out_high - out_low) / (high - low), high - low)
        for (low, out_low), (high, out_high) in pairwise(corners)
    ]


def _bends_up(first: tuple[int, int], middle: tuple[int, int], last: tuple[int, int]) -> bool:
    rise = (middle[1] - first[1]) * (last[0] - middle[0])
    return rise <= (last[1] - middle[1]) * (middle[0] - first[0])
