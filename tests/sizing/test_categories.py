"""Another category of the lending market is named when it would take the vault and treat it better."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.market import MarketSnapshot
from keeper.domain.units import WAD
from keeper.sizing.categories import (
    CollateralTerms,
    EModeCategories,
    EModeCategory,
    better_category,
    health_factor,
)
from tests.factories import a_snapshot

WEIGHTS = (0.5, 0.9, 0.2, 0.2)
VAULT = a_snapshot(weights=WEIGHTS)


def outside(snapshot: MarketSnapshot = VAULT) -> EModeCategory:
    """Every reserve at its own limits."""
    terms = tuple(
        CollateralTerms(one.ltv_bps, one.liquidation_threshold_bps, one.borrowing_enabled)
        for one in snapshot.reserves
    )
    return EModeCategory(0, "", terms)


def a_category(
    number: int,
    thresholds: dict[str, int],
    *,
    borrowable: tuple[str, ...] = ("USDC",),
    without_ltv: tuple[str, ...] = (),
) -> EModeCategory:
    """The thresholds of its collateral; all else as without it."""
    terms = tuple(
        CollateralTerms(
            0 if symbol in without_ltv else thresholds[symbol] - 200 if symbol in thresholds else one.ltv_bps,
            thresholds.get(symbol, one.liquidation_threshold_bps),
            symbol in borrowable,
        )
        for symbol, one in zip((token.symbol for token in VAULT.tokens), outside().terms, strict=True)
    )
    return EModeCategory(number, f"the {number}.", terms)


def found(
    *known: EModeCategory, chosen: int = 0, collateral: tuple[str, ...] = VAULT.risk_symbols
) -> EModeCategories:
    return EModeCategories(chosen, frozenset(collateral), (outside(), *known))


ETHER = a_category(1, {"WETH": 9_500})


def test_the_factor_outside_every_category_is_the_markets_own() -> None:
    by_the_market = VAULT.account.health_factor / WAD
    assert health_factor(outside().terms, frozenset(VAULT.risk_symbols), VAULT) == pytest.approx(
        by_the_market, rel=1e-6
    )


def test_a_category_with_a_higher_threshold_for_what_is_held_is_better() -> None:
    other = better_category(found(ETHER), VAULT)
    assert other is not None
    assert other.category is ETHER
    secured = [
        weight * one.liquidation_threshold_bps
        for weight, one in zip(WEIGHTS, VAULT.reserves[1:], strict=True)
    ]
    secured_inside = [*secured[:1], 0.9 * 9_500, *secured[2:]]
    assert other.health_factor / other.now == pytest.approx(math.fsum(secured_inside) / math.fsum(secured))


def test_the_best_of_several_is_named_and_the_first_of_equals() -> None:
    bitcoin, same = a_category(2, {"WBTC": 9_500}), replace(ETHER, number=3)
    other = better_category(found(bitcoin, ETHER, same), VAULT)
    assert other is not None
    assert other.category.number == 1


@pytest.mark.parametrize(
    "category",
    [
        pytest.param(a_category(1, {"WETH": 9_500}, borrowable=("WETH",)), id="the debt is not borrowable"),
        pytest.param(a_category(1, {"WETH": 9_500}, borrowable=()), id="nothing is borrowable"),
        pytest.param(a_category(1, {"WETH": 9_500}, without_ltv=("WETH",)), id="held collateral with LTV 0"),
        pytest.param(a_category(1, {"WETH": 8_200}), id="a lower threshold"),
        pytest.param(a_category(1, {"WETH": 8_301}), id="hardly higher"),
        pytest.param(a_category(1, {"USDC": 9_500}), id="only for what is not held"),
    ],
)
def test_a_category_that_would_not_take_the_vault_or_not_help_is_not_named(category: EModeCategory) -> None:
    assert better_category(found(category), VAULT) is None


@pytest.mark.parametrize(("threshold", "named"), [(8_300 + 88, False), (8_300 + 89, True)])
def test_a_category_is_named_from_a_gain_of_a_hundredth_on(threshold: int, named: bool) -> None:
    # 0.9 NAV of WETH against 0.8 NAV of debt: a basis point of threshold is worth 1.125e-4.
    assert (better_category(found(a_category(1, {"WETH": threshold})), VAULT) is not None) is named


def test_a_zero_ltv_asset_excludes_a_category_only_where_it_is_collateral() -> None:
    category = a_category(1, {"WETH": 9_500, "UNI": 8_000}, without_ltv=("UNI",))
    assert better_category(found(category), VAULT) is None
    without = tuple(symbol for symbol in VAULT.risk_symbols if symbol != "UNI")
    assert better_category(found(category, collateral=without), VAULT) is not None


def test_nothing_is_better_than_the_best_category_and_no_category_is_better_than_a_worse() -> None:
    assert better_category(found(ETHER, chosen=1), VAULT) is None
    worse = a_category(2, {"WETH": 7_000})
    other = better_category(found(worse, chosen=2), VAULT)
    assert other is not None
    assert other.category.number == 0


def test_without_debt_every_category_is_as_good() -> None:
    snapshot = a_snapshot(weights=(0.2, 0.2, 0.1, 0.1))
    assert snapshot.holdings[0].owed == 0
    assert better_category(found(ETHER), snapshot) is None


@given(
    thresholds=st.lists(st.fixed_dictionaries({"WETH": st.integers(300, 9_900)}), min_size=1, max_size=5),
    chosen=st.integers(0, 5),
)
def test_a_named_category_is_never_worse_and_no_other_is_better(
    thresholds: list[dict[str, int]], chosen: int
) -> None:
    known = [a_category(number + 1, one) for number, one in enumerate(thresholds)]
    chosen = min(chosen, len(known))
    all_of_them = found(*known, chosen=chosen)
    factors = [health_factor(one.terms, all_of_them.collateral, VAULT) for one in all_of_them.known]
    other = better_category(all_of_them, VAULT)
    assert (other is None) == (max(factors) < factors[chosen] + 0.01)
    if other is not None:
        assert other.health_factor == max(factors)
