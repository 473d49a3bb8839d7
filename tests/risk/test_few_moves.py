"""The factor on volatilities that few moves show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.risk.correlation import correlation
from keeper.risk.estimate import estimate
from keeper.risk.few_moves import LARGEST_ERROR, TOLERATED_ERROR, few_moves_factors
from keeper.risk.returns import log_returns
from keeper.risk.volatility import VOLATILITIES, volatilities
from tests.factories import HOUR, a_policy, a_reading, an_estimate_policy, an_evidence, some_bars
from tests.properties import examples

WINDOW = 1_000
MIX = an_estimate_policy(
    history_s=WINDOW * HOUR, min_bars=30, volatility="ewma_mix", mix_half_lives_days=(1.0, 5.0, 42.0)
)
BARS = some_bars()


def every(hours: int) -> NDArray[np.float64]:
    """Closes of feeds that publish each ``hours`` hours."""
    return BARS.closes[np.arange(len(BARS.times)) // hours * hours]


def path(moved: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Closes (T + 1, 1) with a new price in the bars that ``moved`` (T,)."""
    return np.asarray(1.01 ** np.concatenate([[0], np.cumsum(moved)])[:, None])


@st.composite
def movements(draw: st.DrawFn) -> NDArray[np.bool_]:
    seed, part = draw(st.integers(0, 2**32 - 1)), draw(st.floats(0.0, 1.0))
    return np.random.default_rng(seed).random(draw(st.integers(2, 400))) < part


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
@given(moved=movements())
@examples(60)
def test_it_never_lowers_a_volatility_and_stays_bounded(name: str, moved: NDArray[np.bool_]) -> None:
    factor = few_moves_factors(path(moved), replace(MIX, volatility=name))
    assert 1.0 <= factor[0] <= 2.0


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
@given(moved=movements(), bar=st.integers(0, 399))
@examples(60)
def test_a_further_move_never_raises_it(name: str, moved: NDArray[np.bool_], bar: int) -> None:
    policy, more = replace(MIX, volatility=name), moved.copy()
    more[bar % len(moved)] = True
    few, many = (few_moves_factors(path(each), policy)[0] for each in (moved, more))
    assert many <= few * (1.0 + 1e-12)


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_it_is_1_where_a_price_moves_in_every_bar_and_highest_where_it_never_does(name: str) -> None:
    policy = replace(MIX, volatility=name)
    np.testing.assert_array_equal(np.ones(4), few_moves_factors(BARS.closes, policy))
    highest = (1.0 - TOLERATED_ERROR) / (1.0 - LARGEST_ERROR)
    np.testing.assert_array_equal(np.full(4, highest), few_moves_factors(np.ones_like(BARS.closes), policy))


def test_the_slower_a_feed_the_higher_it_is() -> None:
    means = [few_moves_factors(every(hours), MIX).mean() for hours in (1, 4, 12, 16, 24)]
    assert means[:2] == [1.0, 1.0]
    assert means[1] < means[2] < means[3] < means[4]


def test_it_leaves_the_tolerated_part_of_two_standard_errors() -> None:
    # Half-lives without end: every bar counts alike, one of 24 has a new price. e = 0.2 * 23 / sqrt(2,400).
    policy = replace(MIX, volatility="ewma", volatility_half_life_days=1e9)
    moved = np.arange(2_400) % 24 == 0
    error = 0.2 * 23 / np.sqrt(2_400)
    assert few_moves_factors(path(moved), policy)[0] == pytest.approx(0.92 / (1.0 - error), rel=1e-6)


def test_a_missing_close_is_no_new_price_and_before_the_first_there_are_no_bars() -> None:
    carried, missing = every(24), every(24)
    missing[np.arange(len(missing)) % 24 >= 12] = np.nan
    np.testing.assert_array_equal(few_moves_factors(carried, MIX), few_moves_factors(missing, MIX))
    young = carried.copy()
    young[:1_000] = np.nan
    np.testing.assert_allclose(
        few_moves_factors(carried[1_000:], MIX), few_moves_factors(young, MIX), rtol=1e-12
    )
    young[:, 1:] = carried[:, 1:]
    np.testing.assert_allclose(
        few_moves_factors(carried, MIX)[1:], few_moves_factors(young, MIX)[1:], rtol=1e-12
    )


def test_the_order_in_memory_changes_no_bit() -> None:
    closes = every(16)
    np.testing.assert_array_equal(
        few_moves_factors(closes, MIX), few_moves_factors(np.asfortranarray(closes), MIX)
    )


def test_a_har_needs_a_weight_for_every_span() -> None:
    with pytest.raises(InvalidSetting, match="har_weights has 2 numbers"):
        few_moves_factors(every(24), replace(MIX, volatility="har", har_weights=(0.5, 0.5)))


# ------------------------------------------------------------- in the model


def test_it_raises_volatilities_and_leaves_correlations() -> None:
    closes = every(24)
    model = estimate(an_evidence(bars=replace(BARS, closes=closes), implied=()), a_policy(estimate=MIX))
    factors, plain = few_moves_factors(closes, MIX), volatilities(closes, MIX)
    assert (factors > 1.1).all()
    raised = factors * plain
    expected = correlation(log_returns(closes), MIX) * np.outer(raised, raised)
    np.testing.assert_allclose(expected, np.array(model.covariance), rtol=1e-12)
    np.testing.assert_array_equal(plain, [asset.historical for asset in model.assets])
    assert f"raised to {raised[0]:.1%}, because few moves show it" in model.assets[0].provenance


def test_it_raises_only_the_assets_that_few_moves_show() -> None:
    closes = np.where([True, False, False, True], BARS.closes, every(24))
    model = estimate(an_evidence(bars=replace(BARS, closes=closes), implied=()), a_policy(estimate=MIX))
    assert ["few moves" in asset.provenance for asset in model.assets] == [False, True, True, False]
    assert [asset.blended > asset.historical for asset in model.assets] == [False, True, True, False]


@pytest.mark.parametrize("implied", [0.5, 2.0])
def test_implied_volatility_and_few_moves_do_not_add_up(implied: float) -> None:
    bars = replace(BARS, closes=every(24))
    evidence = an_evidence(bars=bars, implied=(a_reading("ETH", implied),))
    asset = estimate(evidence, a_policy(estimate=replace(MIX, implied_ratio_max=10.0))).assets[1]
    few_moves = few_moves_factors(bars.closes, MIX)[1] * asset.historical
    with_implied = np.sqrt(0.5 * implied**2 + 0.5 * asset.historical**2)
    assert asset.blended == pytest.approx(max(few_moves, with_implied), rel=1e-12)
