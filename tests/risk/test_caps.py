"""Which caps leave a portfolio, and which are refused by name."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import InvalidSetting
from keeper.domain.policy import AssetGroup
from keeper.risk.caps import Cap, caps_of, feasible_caps
from tests.factories import RISK_SYMBOLS, some_assets
from tests.properties import examples


def single(symbol: str, share: float) -> Cap:
    return Cap(f"max_share:{symbol}", (symbol,), share)


def group(name: str, symbols: tuple[str, ...], share: float) -> Cap:
    return Cap(f"group:{name}", symbols, share)


def test_the_settings_caps_are_named_and_those_that_cannot_bind_are_left_out() -> None:
    assets = some_assets(max_share=0.4)[:1] + some_assets()[1:]
    found = caps_of(assets, (AssetGroup("defi", ("LINK", "UNI"), 0.5), AssetGroup("all", RISK_SYMBOLS, 1.0)))
    assert found == (single("WBTC", 0.4), group("defi", ("LINK", "UNI"), 0.5))


def test_caps_that_sum_to_less_than_one_are_named_with_their_sum() -> None:
    caps = tuple(single(symbol, 0.2) for symbol in RISK_SYMBOLS)
    with pytest.raises(InvalidSetting, match=r"max_share:WBTC 0\.2.*max_share:UNI 0\.2 allow 0\.8 of"):
        feasible_caps(caps, RISK_SYMBOLS)


def test_of_caps_that_contradict_only_those_responsible_are_named() -> None:
    caps = (
        single("WBTC", 0.3),
        single("LINK", 0.9),
        group("ether", ("WETH",), 0.25),
        group("defi", ("LINK", "UNI"), 0.4),
    )
    with pytest.raises(
        InvalidSetting,
        match=r"^the caps max_share:WBTC 0\.3, group:ether 0\.25, group:defi 0\.4 allow 0\.95 of",
    ):
        feasible_caps(caps, RISK_SYMBOLS)


def test_overlapping_groups_are_counted_by_what_they_really_allow() -> None:
    # Each pair of three is at most 0.6: together 0.9, although no two caps sum to less than 1.
    pairs = (("A", "B"), ("B", "C"), ("A", "C"))
    caps = tuple(group("".join(pair), pair, 0.6) for pair in pairs)
    with pytest.raises(InvalidSetting, match=r"allow 0\.9 of"):
        feasible_caps(caps, ("A", "B", "C"))
    assert feasible_caps(caps, ("A", "B", "C", "D")).allow(np.full(4, 0.25))


def test_caps_that_force_a_weight_to_zero_name_the_asset() -> None:
    caps = (group("left", ("A", "B"), 0.5), group("right", ("B", "C"), 0.5))
    with pytest.raises(InvalidSetting, match="force the weight of B to zero"):
        feasible_caps(caps, ("A", "B", "C"))


@pytest.mark.parametrize("share", [0.0, -0.1, float("nan")])
def test_a_cap_that_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(InvalidSetting, match="max_share:WBTC is"):
        feasible_caps((single("WBTC", share),), RISK_SYMBOLS)


def test_an_unknown_symbol_is_named() -> None:
    with pytest.raises(InvalidSetting, match="group:defi names AAVE"):
        feasible_caps((group("defi", ("UNI", "AAVE"), 0.5),), RISK_SYMBOLS)


def test_a_group_without_assets_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="group:none names no asset"):
        feasible_caps((group("none", (), 0.5),), RISK_SYMBOLS)


def test_two_groups_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="group:defi is given twice"):
        feasible_caps((group("defi", ("UNI",), 0.5), group("defi", ("LINK",), 0.5)), RISK_SYMBOLS)


@given(
    st.lists(st.tuples(st.sets(st.integers(0, 5), min_size=1), st.floats(0.05, 0.99)), min_size=1, max_size=8)
)
@examples(150)
def test_caps_are_refused_exactly_where_a_linear_programme_finds_no_portfolio(
    drawn: list[tuple[set[int], float]],
) -> None:
    from scipy.optimize import linprog

    names = tuple("ABCDEF")
    caps = tuple(
        group(str(place), tuple(names[i] for i in sorted(members)), share)
        for place, (members, share) in enumerate(drawn)
    )
    rows = [[float(name in cap.symbols) for name in names] for cap in caps]
    fun = linprog(-np.ones(6), A_ub=rows, b_ub=[cap.max_share for cap in caps], bounds=(0, 1)).fun
    assert fun is not None
    most = -fun
    if most > 1 + 1e-9:
        interior = feasible_caps(caps, names).interior
        assert np.all(interior > 0)
        assert np.all(np.array(rows) @ interior <= np.array([cap.max_share for cap in caps]) + 1e-15)
        assert math.fsum(interior) == pytest.approx(1.0, abs=1e-15)
    elif most < 1 - 1e-9:
        with pytest.raises(InvalidSetting, match="allow"):
            feasible_caps(caps, names)


def test_a_cap_that_is_almost_used_up_does_not_bind() -> None:
    caps = feasible_caps((single("WBTC", 0.4),), RISK_SYMBOLS)
    assert caps.binding(np.array([0.3999, 0.2, 0.2, 0.2001])) == ()
    assert caps.binding(np.array([0.4, 0.2, 0.2, 0.2])) == ("max_share:WBTC",)
