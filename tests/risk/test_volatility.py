"""Volatility estimators: by hand on few bars, and the same along a path as in each of its windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keeper.domain.errors import InvalidSetting
from keeper.risk.volatility import VOLATILITIES, volatilities, volatility_paths
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


def with_gaps() -> np.ndarray:
    """1,200 hourly closes of four assets: complete; a gap longer than a bar; a late start; many holes and an end."""
    closes = some_bars(bars=1_200).closes.copy()
    closes[500:530, 1] = np.nan
    closes[531, 1] = np.nan
    closes[:400, 2] = np.nan
    closes[np.random.default_rng(1).integers(0, 1_200, 60), 3] = np.nan
    closes[1_150:, 3] = np.nan
    closes[700:710, 0] = closes[699, 0]
    return closes


# ---------------------------------------------------------- along the path


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_a_path_gives_at_every_bar_what_its_window_gives(name: str) -> None:
    closes, policy = with_gaps(), replace(POLICY, volatility=name)
    path = volatility_paths(closes, policy)
    assert path.shape == closes.shape
    compared = 0
    for end in range(1, closes.shape[0] + 1, 7):
        window = closes[max(0, end - WINDOW) : end]
        counts = np.isfinite(np.diff(np.log(window), axis=0)).sum(axis=0)
        enough = counts >= POLICY.min_bars
        np.testing.assert_array_equal(enough, np.isfinite(path[end - 1]))
        if enough.any():
            np.testing.assert_allclose(
                volatilities(window[:, enough], policy), path[end - 1, enough], rtol=1e-11
            )
            compared += 1
    assert compared > 100


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_changing_any_later_close_changes_no_earlier_volatility(name: str) -> None:
    closes, policy = with_gaps(), replace(POLICY, volatility=name)
    altered = closes.copy()
    altered[800:] *= np.exp(np.random.default_rng(4).normal(0, 0.1, altered[800:].shape))
    altered[900:, 0] = np.nan
    before, after = volatility_paths(closes, policy), volatility_paths(altered, policy)
    np.testing.assert_array_equal(before[:800], after[:800])


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_a_crash_leaves_a_window_without_a_trace(name: str) -> None:
    closes = some_bars(bars=1_200).closes.copy()
    crashed = closes.copy()
    crashed[300:] *= 0.01
    policy = replace(POLICY, volatility=name)
    np.testing.assert_allclose(
        volatility_paths(closes, policy)[300 + WINDOW :],
        volatility_paths(crashed, policy)[300 + WINDOW :],
        rtol=1e-9,
    )


def test_a_path_shorter_than_the_window_has_estimates_as_soon_as_there_are_enough_bars() -> None:
    path = volatility_paths(some_bars(bars=100).closes, POLICY)
    assert np.isnan(path[:30]).all()
    assert np.isfinite(path[30:]).all()


@pytest.mark.parametrize(("name", "least"), [("ewma", 0.01), ("ewma_mix", 0.01), ("har", 0.01 * 1.25**0.5)])
def test_a_price_that_stands_still_has_the_floor(name: str, least: float) -> None:
    # The logarithms of har take the floor, and its scale is a factor on it.
    closes, policy = np.full((300, 1), 3.0), replace(POLICY, volatility=name)
    np.testing.assert_allclose([least], volatilities(closes, policy), rtol=1e-12)
    np.testing.assert_allclose(least, volatility_paths(closes, policy)[40:], rtol=1e-12)


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_a_price_that_stops_moving_after_a_crash_falls_to_its_floor(name: str) -> None:
    closes = np.full((900, 1), 3.0)
    closes[:100, 0] = np.exp(np.random.default_rng(6).normal(0, 0.5, 100))
    path = volatility_paths(closes, replace(POLICY, volatility=name))
    still = volatilities(closes[-WINDOW:], replace(POLICY, volatility=name))
    np.testing.assert_allclose(path[-300:, 0], np.full(300, still[0]), rtol=1e-12)


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


def test_the_ewma_is_the_weighted_mean_of_squares() -> None:
    closes = some_bars(bars=300).closes
    expected = 8_760 * np.diag(ewma_covariance(np.diff(np.log(closes), axis=0), 12))
    np.testing.assert_allclose(expected, volatilities(closes, POLICY) ** 2, rtol=1e-12)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidSetting, match="estimate.volatility is 'garch'") as error:
        volatilities(closes_of(0.1, 0.2), replace(POLICY, volatility="garch"))
    assert "ewma, ewma_mix, har" in error.value.remedy


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


@pytest.mark.parametrize("name", sorted(VOLATILITIES))
def test_the_path_is_what_estimate_reports_at_its_last_bar(name: str) -> None:
    from keeper.risk.estimate import estimate

    bars = some_bars(bars=700)
    policy = a_policy(estimate=replace(POLICY, volatility=name))
    window = replace(bars, times=bars.times[-WINDOW:], closes=bars.closes[-WINDOW:])
    model = estimate(an_evidence(bars=window, implied=()), policy)
    path = volatility_paths(bars.closes, policy.estimate)
    np.testing.assert_allclose(path[-1], [asset.ewma for asset in model.assets], rtol=1e-9)
