"""The least possible cost, where it can be found by going through all there is."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import StepKind
from keeper.domain.portfolio import portfolio
from keeper.lending.aave import AaveV3
from keeper.lending.book import LendingBook
from keeper.planning.candidates import CandidatePlan
from keeper.planning.gas import FLASH_LOAN, HOP, PER_STEP
from tests.chain.least import Curve
from tests.chain.least_lending import least_lending_usd
from tests.chain.least_swaps import least_swaps_usd
from tests.factories import a_snapshot
from tests.lending.books import after
from tests.planning.plans import (
    MINIMUM,
    a_context,
    a_fill,
    feasible_sequential,
    health_factor_now,
    leverages,
    shares,
    some_fills,
    weights_of,
)
from tests.properties import examples

PER_GAS = 20e-9 * 2_000.0
SWAP = PER_STEP[StepKind.SWAP_EXACT_IN]
SIZES = tuple(500.0 * step for step in range(85))


def out(amount: float, fee: float, depth: float) -> float:
    """Of a pool that answers as constant product does, at the feeds' price."""
    kept = amount * (1.0 - fee)
    return kept / (1.0 + kept / depth)


def a_curve(sell: str, buy: str, fee: float, depth: float) -> Curve:
    def tangent(size: float) -> tuple[float, float]:
        slope = (1.0 - fee) / (1.0 + size * (1.0 - fee) / depth) ** 2
        return out(size, fee, depth) - slope * size, slope

    return Curve(sell, buy, tuple(tangent(size) for size in SIZES))


depths = st.floats(2e5, 5e7)
tiers = st.sampled_from([0.0005, 0.003, 0.01])


@pytest.mark.slow
@examples(36)
@given(st.floats(1e3, 4e4), depths, depths, tiers, tiers)
@example(amount=21_495.0, first=23_574_063.0, then=200_000.0, fee=0.0005, other=0.0005)
def test_of_one_token_in_two_pools(
    amount: float, first: float, then: float, fee: float, other: float
) -> None:
    found = [a_curve("LINK", "USDC", fee, first), a_curve("LINK", "USDC", other, then)]
    costs = []
    for part in (step / 400 for step in range(401)):
        sold = [(part * amount, fee, first), ((1.0 - part) * amount, other, then)]
        swaps = [one for one in sold if one[0] > 0.0]
        costs.append(amount - sum(out(*one) for one in swaps) + len(swaps) * (HOP + SWAP) * PER_GAS)
    least = least_swaps_usd(found, {"LINK": -amount}, "USDC", PER_GAS)
    assert 0.97 * min(costs) - 0.5 <= least <= min(costs) * (1.0 + 1e-6)


@pytest.mark.slow
@examples(36)
@given(st.floats(1e3, 2e4), st.floats(1e3, 2e4), depths, depths)
def test_of_two_tokens_beside_a_hub(one: float, other: float, direct: float, deep: float) -> None:
    """Each straight, through WETH, or both; through WETH in two swaps of two hops, or settled there in three."""
    found = [
        a_curve("LINK", "USDC", 0.003, direct),
        a_curve("UNI", "USDC", 0.003, direct),
        a_curve("LINK", "WETH", 0.003, 10.0 * deep),
        a_curve("UNI", "WETH", 0.003, 10.0 * deep),
        a_curve("WETH", "USDC", 0.0005, 100.0 * deep),
    ]
    costs = []
    for link, uni in product([step / 20 for step in range(21)], repeat=2):
        got, hub, swaps = 0.0, 0.0, 0
        for amount, part in ((one, link), (other, uni)):
            got += out(part * amount, 0.003, direct)
            hub += out((1.0 - part) * amount, 0.003, 10.0 * deep)
            swaps += part > 0.0
        got += out(hub, 0.0005, 100.0 * deep)
        through = (link < 1.0) + (uni < 1.0)
        gas = swaps * (HOP + SWAP) + min(through * (2 * HOP + SWAP), (through + 1) * (HOP + SWAP))
        costs.append(one + other - got + (gas if through else swaps * (HOP + SWAP)) * PER_GAS)
    least = least_swaps_usd(found, {"LINK": -one, "UNI": -other}, "USDC", PER_GAS)
    # Passed once by two swaps, a pool's gas counts once: that much the bound may be lower.
    assert min(costs) - HOP * PER_GAS - 0.01 * min(costs) - 0.5 <= least <= min(costs) * (1.0 + 1e-6)


@pytest.mark.slow
@examples(20)
@given(st.floats(1e3, 2e4), st.floats(1e6, 5e7))
def test_where_nothing_may_be_sold_twice_a_deep_hub_saves_nothing(amount: float, deep: float) -> None:
    straight = a_curve("LINK", "USDC", 0.003, 2e5)
    hub = [a_curve("LINK", "WETH", 0.003, deep), a_curve("WETH", "USDC", 0.0005, deep)]
    change = {"LINK": -amount}
    alone = least_swaps_usd([straight], change, "USDC", PER_GAS)
    least = least_swaps_usd([straight, *hub], change, "USDC", PER_GAS, turnover_usd=amount + 1.0)
    free = least_swaps_usd([straight, *hub], change, "USDC", PER_GAS, turnover_usd=3.0 * amount)
    assert least == pytest.approx(alone, rel=0.002, abs=0.1)
    assert free == pytest.approx(least_swaps_usd([straight, *hub], change, "USDC", PER_GAS), rel=1e-3)
    assert free <= least * (1.0 + 1e-6)


# --------------------------------------------------------- debt and collateral


def carried_out(plan: CandidatePlan, snapshot: MarketSnapshot) -> MarketSnapshot:
    """With the collateral and the debt that it ends with."""
    book = after(LendingBook.at_block(snapshot, AaveV3.of(snapshot), plan.flash), plan.steps)
    cash, *others = snapshot.holdings
    return replace(
        snapshot,
        holdings=(
            replace(cash, owed=book.owed),
            *(replace(holding, supplied=book.supplied[holding.symbol]) for holding in others),
        ),
    )


def lending_usd(plan: CandidatePlan) -> float:
    gas = sum(PER_STEP[step.kind] for step in plan.steps if step.route is None)
    return (gas + (FLASH_LOAN if plan.flash else 0)) * PER_GAS + plan.premium / 1e6


@pytest.mark.slow
@examples(36)
@given(shares, leverages, st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=4), st.floats(0.0, 0.5))
def test_no_way_pays_less_for_debt_and_collateral(
    held: list[float], leverage: float, changes: list[float], loan: float
) -> None:
    snapshot = a_snapshot(weights=weights_of(held, leverage), nav_usd=100_000.0)
    least = min(MINIMUM, health_factor_now(snapshot))
    fills = some_fills(snapshot, changes)
    assume(fills)
    try:
        plan = feasible_sequential(fills, a_context(snapshot, least), int(loan * 100_000 * 10**6))
    except NothingFeasible:
        assume(False)
    bound = least_lending_usd(snapshot, carried_out(plan, snapshot), (), least, PER_GAS)
    assert bound <= lending_usd(plan) * (1.0 + 1e-6)


def test_where_the_collateral_carries_it_each_change_is_one_step() -> None:
    snapshot = a_snapshot(weights=(0.8, 0.4, 0.0, 0.0))
    plan = feasible_sequential([a_fill("WBTC", "WETH", 50_000.0, snapshot)], a_context(snapshot))
    bound = least_lending_usd(snapshot, carried_out(plan, snapshot), (), MINIMUM, PER_GAS)
    gas = PER_STEP[StepKind.WITHDRAW] + PER_STEP[StepKind.SUPPLY]
    assert bound == pytest.approx(gas * PER_GAS)


def test_at_the_floor_an_exchange_takes_a_loan_or_another_step() -> None:
    """Nothing can be withdrawn before anything is repaid or supplied, and there is nothing to do so with."""
    snapshot = a_snapshot(weights=(1.6, 0.0, 0.0, 0.0), nav_usd=100_000.0)
    stands = portfolio(snapshot).health_factor
    fills = [a_fill("WBTC", "WETH", 50_000.0, snapshot)]
    plan = feasible_sequential(fills, a_context(snapshot, stands * 0.97), 60_000 * 10**6)
    bound = least_lending_usd(snapshot, carried_out(plan, snapshot), (), stands * 0.97, PER_GAS)
    gas = PER_STEP[StepKind.WITHDRAW] + PER_STEP[StepKind.SUPPLY]
    assert gas * PER_GAS * 1.2 < bound <= lending_usd(plan)
