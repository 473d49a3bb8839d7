"""Volatility estimators: by hand on few bars, with gaps, and at the floor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keeper.domain.errors import InvalidSetting
from keeper.risk.volatility import VOLATILITIES, volatilities
from tests.factories import DAY, HOUR, a_policy, an_estimate_policy, an_evidence, some_bars
from tests.risk.definitions import ewma_covariance

WINDOW = 240
POLICY = an_estimate_policy(
    history_s=WINDOW * HOUR,
    min_bars=30,
    volatility_half_life_days=0.5,
    mix_half_lives_days=(0.2, 1.0, 8.0),
    volatility_floor=0.01,
)
DAILY = an_estimate_policy(bar_seconds=DAY, history_s=100 * DAY, min_bars=2, volatility_floor=0.0001)


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_the_floor_of_one_asset_does_not_move_another(name: str) -> None:
    closes, policy = np.full((300, 2), 3.0), replace(POLICY, volatility=name)
    alone = volatilities(closes, policy)
    beside = volatilities(closes, policy, np.array([0.01, 0.0001]))
    assert beside[0] == alone[0]
    assert beside[1] == pytest.approx(alone[1] / 100, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "floor"), [("ewma", 0.01), ("ewma_mix", 0.01), ("har", 0.01 * 1.25**0.5), ("har_mix", 0.01)]
)
def test_a_price_that_stands_still_has_the_floor(name: str, floor: float) -> None:
    # The logarithms of har take the floor, and its scale is a factor on it.
    closes, policy = np.full((300, 1), 3.0), replace(POLICY, volatility=name)
    np.testing.assert_allclose([floor], volatilities(closes, policy), rtol=1e-12)


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_a_gap_in_one_asset_leaves_the_others_as_they_are(name: str) -> None:
    complete, policy = some_bars(bars=WINDOW).closes, replace(POLICY, volatility=name)
    gapped = complete.copy()
    gapped[100:130, 1] = np.nan
    gapped[:50, 2] = np.nan
    full, holed = volatilities(complete, policy), volatilities(gapped, policy)
    np.testing.assert_allclose(holed[[0, 3]], full[[0, 3]], rtol=1e-12)
    assert np.all(holed[[1, 2]] != full[[1, 2]])
    assert np.isfinite(holed).all()


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_the_move_over_a_gap_counts_as_equal_parts_of_its_square(name: str) -> None:
    # 0.06 over four bars: four parts of 0.06 / 2.
    policy = replace(DAILY, volatility=name)
    gapped = closes_of(0.01, 0.015, 0.015, 0.015, 0.015, -0.02)
    gapped[2:5] = np.nan
    bridged = closes_of(0.01, 0.03, 0.03, 0.03, 0.03, -0.02)
    np.testing.assert_allclose(volatilities(gapped, policy), volatilities(bridged, policy), rtol=1e-12)


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_doubling_every_return_doubles_the_volatility(name: str) -> None:
    closes = some_bars(bars=WINDOW).closes
    policy = replace(POLICY, volatility=name)
    np.testing.assert_allclose(2 * volatilities(closes, policy), volatilities(closes**2, policy), rtol=1e-9)


# ------------------------------------------------------------------ by hand


def closes_of(*returns: float) -> np.ndarray:
    return np.asarray(np.exp(np.concatenate([[0.0], np.cumsum(returns)]))[:, None])


def test_the_mix_is_the_mean_of_the_ewma_variances() -> None:
    closes = some_bars(bars=300).closes
    policy = replace(POLICY, volatility="ewma_mix")
    each = [
        volatilities(closes, replace(POLICY, volatility="ewma", volatility_half_life_days=days)) ** 2
        for days in policy.mix_half_lives_days
    ]
    np.testing.assert_allclose(np.mean(each, axis=0), volatilities(closes, policy) ** 2, rtol=1e-12)


def test_three_returns_of_a_mix_by_hand() -> None:
    # Half-life 1: weights 1/7, 2/7, 4/7. Very long: a third each. The mean of both, squared returns 1, 4, 9.
    policy = replace(DAILY, volatility="ewma_mix", mix_half_lives_days=(1.0, 1e9))
    expected = ((1 + 8 + 36) / 7 + 14 / 3) / 2 * 1e-4
    assert 365 * expected == pytest.approx(volatilities(closes_of(0.01, -0.02, 0.03), policy)[0] ** 2)


def test_the_har_is_the_product_of_powers_of_its_spans() -> None:
    # 40 days of 1 %, then 29 of 2 %, 6 of 3 % and one of 4 %: variances 16, (16+54)/7, (16+54+23·4)/30, all.
    returns = [0.01] * 40 + [-0.02] * 29 + [0.03] * 6 + [-0.04]
    day, week, month, whole = 16, (16 + 6 * 9) / 7, (16 + 6 * 9 + 23 * 4) / 30, (16 + 54 + 29 * 4 + 40) / 76
    policy = replace(DAILY, volatility="har", har_weights=(0.4, 0.3, 0.2, 0.1), har_scale=1.5)
    expected = 1.5 * day**0.4 * week**0.3 * month**0.2 * whole**0.1 * 1e-4
    assert 365 * expected == pytest.approx(volatilities(closes_of(*returns), policy)[0] ** 2, rel=1e-12)


def test_the_har_mix_is_the_mean_of_both_variances() -> None:
    closes = some_bars(bars=WINDOW).closes
    har, mix, both = (
        volatilities(closes, replace(POLICY, volatility=name)) for name in ("har", "ewma_mix", "har_mix")
    )
    np.testing.assert_allclose(both**2, 0.5 * (har**2 + mix**2), rtol=1e-12)


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_weights_sum_to_one_and_fit_the_bars(name: str) -> None:
    w = VOLATILITIES[name].weights(WINDOW, POLICY)
    assert w.size <= WINDOW
    assert w.sum() == pytest.approx(1.0, rel=1e-12)


def test_the_ewma_is_the_weighted_mean_of_squares() -> None:
    closes = some_bars(bars=300).closes
    expected = 8_760 * np.diag(ewma_covariance(np.diff(np.log(closes), axis=0), 12))
    np.testing.assert_allclose(expected, volatilities(closes, POLICY) ** 2, rtol=1e-12)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidSetting, match="estimate.volatility is 'garch'") as error:
        volatilities(closes_of(0.1, 0.2), replace(POLICY, volatility="garch"))
    assert "ewma, ewma_mix, har, har_mix" in error.value.remedy


def test_a_har_needs_a_weight_for_every_span() -> None:
    with pytest.raises(InvalidSetting, match="har_weights has 3 numbers"):
        volatilities(closes_of(0.1, 0.2), replace(POLICY, volatility="har", har_weights=(0.5, 0.3, 0.2)))


# ------------------------------------------------------------- in the model


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
@pytest.mark.parametrize("correlation", ["ewma", "ewma_mix", "iterated"])
def test_every_estimator_gives_a_covariance_that_can_be_solved(name: str, correlation: str) -> None:
    from keeper.risk.estimate import estimate

    bars = some_bars()
    twins = bars.closes.copy()
    twins[:, 3] = 2 * twins[:, 0]
    policy = a_policy(estimate=an_estimate_policy(volatility=name, correlation=correlation, shrink=False))
    evidence = an_evidence(bars=replace(bars, closes=twins), implied=())
    matrix = np.array(estimate(evidence, policy).covariance)
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix)[0] > 0
