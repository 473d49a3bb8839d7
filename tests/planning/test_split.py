"""Splits: never worse than one route, as good as trying everything, and exact to the last unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.plan import QuoteRequest, Route
from keeper.planning.gas import SwapCosts
from keeper.planning.split import (
    MAX_PARTS,
    Curve,
    MinimumPrice,
    Part,
    best_split,
    by_route,
    curves,
    hops,
    ladder,
    net_usd,
)
from tests.planning.pools import Pool, Pools
from tests.properties import examples

USD_PER_UNIT = 1e-6
GRID = 24
pools = st.builds(
    Pool,
    depth=st.integers(10**9, 10**14),
    price=st.fractions(Fraction(97, 100), Fraction(103, 100), max_denominator=1_000),
    fee=st.sampled_from([100, 500, 3_000, 10_000]),
)
amounts = st.integers(10**8, 10**13)


def a_route(number: int) -> Route:
    return Route(("A", f"M{number}", "B"), (500, 500))


def costing(usd: float) -> SwapCosts:
    """Every hop costs the same."""
    return SwapCosts(per_gas=0.0, by_hops=(0.0, usd, 2 * usd))


FREE = costing(0.0)


def of_pools(found: Sequence[Pool], amount: int) -> tuple[Curve, ...]:
    return tuple(
        Curve(a_route(number), ladder(amount), tuple(pool.out(size) for size in ladder(amount)))
        for number, pool in enumerate(found)
    )


def best_alone(candidates: Sequence[Curve], amount: int, cost: SwapCosts) -> float:
    return max(
        net_usd([Part(curve.route, amount, curve.out(amount))], USD_PER_UNIT, cost) for curve in candidates
    )


def best_of_everything(candidates: Sequence[Curve], amount: int, cost: SwapCosts) -> float:
    """Every set of routes and every way of giving each a multiple of a 24th, the rest to the first."""
    best = best_alone(candidates, amount, cost)
    for count in (2, 3):
        for chosen in combinations(candidates, count):
            for shares in product(range(1, GRID), repeat=count - 1):
                if sum(shares) < GRID:
                    others = [amount * share // GRID for share in shares]
                    sizes = [amount - sum(others), *others]
                    parts = [
                        Part(curve.route, size, curve.out(size))
                        for curve, size in zip(chosen, sizes, strict=True)
                    ]
                    best = max(best, net_usd(parts, USD_PER_UNIT, cost))
    return best


@examples(300)
@given(st.lists(pools, min_size=1, max_size=6), amounts, st.sampled_from([0.0, 0.5, 5.0, 500.0]))
def test_a_split_leaves_at_least_what_the_best_route_alone_leaves(
    found: list[Pool], amount: int, gas_usd: float
) -> None:
    candidates = of_pools(found, amount)
    parts = best_split(candidates, amount, USD_PER_UNIT, costing(gas_usd))
    assert net_usd(parts, USD_PER_UNIT, costing(gas_usd)) >= best_alone(candidates, amount, costing(gas_usd))
    assert sum(part.amount_in for part in parts) == amount
    assert all(part.amount_in > 0 for part in parts)
    assert 1 <= len(parts) <= MAX_PARTS


@examples(100)
@given(st.lists(pools, min_size=2, max_size=3), amounts, st.sampled_from([0.0, 0.5, 5.0, 500.0]))
def test_no_split_on_a_grid_is_better(found: list[Pool], amount: int, gas_usd: float) -> None:
    candidates, cost = of_pools(found, amount), costing(gas_usd)
    parts = best_split(candidates, amount, USD_PER_UNIT, cost)
    rounding = 4 * MAX_PARTS * USD_PER_UNIT
    assert net_usd(parts, USD_PER_UNIT, cost) >= best_of_everything(candidates, amount, cost) - rounding


@examples(100)
@given(st.lists(pools, min_size=2, max_size=3), amounts)
def test_the_pools_return_at_least_what_the_split_expects_of_them(found: list[Pool], amount: int) -> None:
    pool_of = {a_route(number): pool for number, pool in enumerate(found)}
    for part in best_split(of_pools(found, amount), amount, USD_PER_UNIT, FREE):
        assert (
            pool_of[part.route].out(part.amount_in) >= part.amount_out - 1
        )  # of rounding at a ladder's size


@examples(60)
@given(pool=pools, count=st.integers(2, 3), part=st.floats(0.001, 0.05))
def test_equal_pools_get_equal_parts_within_a_step_of_the_ladder(pool: Pool, count: int, part: float) -> None:
    amount = int(pool.depth * part)
    parts = best_split(of_pools([pool] * count, amount), amount, USD_PER_UNIT, FREE)
    assert len(parts) == count
    assert max(part.amount_in for part in parts) - min(part.amount_in for part in parts) <= amount / 4 + 8


def test_at_the_split_the_marginal_prices_are_equal_where_the_ladder_can_tell() -> None:
    deep, shallow = (Pool(depth, Fraction(1), 500) for depth in (3 * 10**12, 10**12))
    amount = 10**11
    parts = {
        part.route: part.amount_in
        for part in best_split(of_pools([deep, shallow], amount), amount, 1.0, FREE)
    }
    assert parts == {a_route(0): amount * 3 // 4, a_route(1): amount // 4}


@pytest.mark.parametrize(("gas_usd", "count"), [(0.0, 3), (100.0, 2), (10_000.0, 1)])
def test_gas_decides_over_how_many_routes(gas_usd: float, count: int) -> None:
    amount = 10**11
    candidates = of_pools([Pool(10**13, Fraction(1), 500)] * 3, amount)
    assert len(best_split(candidates, amount, USD_PER_UNIT, costing(gas_usd))) == count


def test_a_small_trade_stays_on_one_route() -> None:
    amount = 10**8  # a hundred dollars into pools of ten millions
    candidates = of_pools([Pool(10**13, Fraction(1), 500)] * 3, amount)
    assert len(best_split(candidates, amount, USD_PER_UNIT, costing(1.0))) == 1


def test_a_split_uses_a_pool_in_one_direction_once() -> None:
    amount = 10**12
    first, second = Route(("A", "M", "B"), (500, 500)), Route(("A", "M", "B"), (500, 3_000))
    pool = Pool(10**12, Fraction(1), 500)
    outs = tuple(pool.out(size) for size in ladder(amount))
    shared = [Curve(route, ladder(amount), outs) for route in (first, second)]
    (only,) = best_split(shared, amount, USD_PER_UNIT, FREE)
    assert only.route == first
    elsewhere = Curve(Route(("A", "B"), (3_000,)), ladder(amount), outs)
    parts = best_split([*shared, elsewhere], amount, USD_PER_UNIT, FREE)
    used = [hop for part in parts for hop in hops(part.route)]
    assert len(parts) == 2
    assert len(used) == len(set(used))


def test_a_part_below_its_minimum_price_excludes_its_set_only() -> None:
    amount = 10**12
    first, *others = of_pools([Pool(10**12, Fraction(1), 500)] * 3, amount)
    unreachable = replace(first, minimum=MinimumPrice(2, 1))
    parts = best_split([unreachable, *others], amount, USD_PER_UNIT, FREE)
    assert {part.route for part in parts} == {a_route(1), a_route(2)}
    assert not best_split([unreachable], amount, USD_PER_UNIT, FREE)


@examples(200)
@given(pool=pools, amount=amounts, slack=st.integers(-1, 1))
def test_a_part_that_returns_its_minimum_just_passes(pool: Pool, amount: int, slack: int) -> None:
    (curve,) = of_pools([pool], amount)
    exact = replace(curve, minimum=MinimumPrice(curve.outs[-1] + slack, amount))
    assert bool(best_split([exact], amount, USD_PER_UNIT, FREE)) == (slack <= 0)


@given(st.integers(1, 10**30), st.integers(1, 10**30), st.integers(1, 10**30))
def test_a_minimum_is_rounded_up(amount: int, numerator: int, denominator: int) -> None:
    exact = amount * Fraction(numerator, denominator)
    assert MinimumPrice(numerator, denominator).out(amount) == max(1, math.ceil(exact))


def test_a_route_that_stops_answering_gets_no_more_than_it_answered() -> None:
    amount = 8_000
    direct, around = Route(("A", "B"), (500,)), Route(("A", "M", "B"), (500, 500))
    short = Pools({("A", "B", 500): Pool(10**12, Fraction(1), 500)})
    long = Pools(
        {("A", "M", 500): Pool(10**5, Fraction(1), 500), ("M", "B", 500): Pool(10**5, Fraction(1), 500)}
    )
    quotes = [
        (short if route == direct and size <= 2_000 else long).quote(QuoteRequest(route, size))
        for route in (direct, around)
        for size in ladder(amount)
    ]
    found = curves(by_route(quotes), amount)
    assert {curve.route: curve.sizes[-1] for curve in found} == {direct: 2_000, around: amount}
    parts = {part.route: part.amount_in for part in best_split(found, amount, USD_PER_UNIT, FREE)}
    assert parts == {direct: 2_000, around: 6_000}


@given(st.integers(1, 10**24))
def test_the_ladder_ascends_to_the_amount(amount: int) -> None:
    sizes = ladder(amount)
    assert sizes[-1] == amount
    assert sizes[0] > 0
    assert list(sizes) == sorted(set(sizes))


def test_a_curve_is_a_straight_line_between_quoted_sizes() -> None:
    curve = Curve(a_route(0), (10, 20, 40), (1, 30, 32))
    assert [curve.out(amount) for amount in (5, 10, 15, 20, 30, 40)] == [0, 1, 15, 30, 31, 32]
    with pytest.raises(ValueError, match="41"):
        curve.out(41)
