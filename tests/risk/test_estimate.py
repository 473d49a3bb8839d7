"""The risk model: annualised, positive definite, honest about missing bars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from keeper.domain.errors import InvalidSetting, NoEstimate
from keeper.domain.evidence import Evidence, PriceBars
from keeper.domain.policy import Policy
from keeper.risk.estimate import estimate
from keeper.risk.returns import bridged
from tests.factories import (
    CORRELATION,
    DAY,
    HOUR,
    NOW,
    RISK_SYMBOLS,
    VOLATILITIES,
    a_policy,
    a_reading,
    an_estimate_policy,
    an_evidence,
    some_assets,
    some_bars,
)
from tests.risk.definitions import ewma_covariance

PLAIN = an_estimate_policy(volatility_half_life_days=20, correlation_half_life_days=20, shrink=False)


def without_options(bars: PriceBars) -> Evidence:
    return Evidence(NOW, bars, ())


def policy_with(**changes: Any) -> Policy:
    return a_policy(estimate=replace(PLAIN, **changes))


def with_closes(bars: PriceBars, closes: np.ndarray) -> PriceBars:
    return replace(bars, closes=closes)


def test_with_equal_half_lives_it_is_the_plain_ewma_covariance_a_year() -> None:
    bars = some_bars()
    model = estimate(without_options(bars), a_policy(estimate=PLAIN))
    expected = 8_760 * ewma_covariance(np.diff(np.log(bars.closes), axis=0), 20 * 24)
    np.testing.assert_allclose(expected, np.array(model.covariance), rtol=1e-9)


def test_daily_bars_are_annualised_with_365() -> None:
    bars = some_bars(bars=200)
    daily = replace(bars, bar_seconds=DAY, times=bars.times * 24)
    model = estimate(without_options(daily), policy_with(bar_seconds=DAY, min_bars=100))
    expected = 365 * ewma_covariance(np.diff(np.log(bars.closes), axis=0), 20)
    np.testing.assert_allclose(expected, np.array(model.covariance), rtol=1e-9)


def test_it_finds_the_volatilities_and_correlations_of_a_gaussian_market() -> None:
    model = estimate(
        without_options(some_bars(bars=20_000)),
        policy_with(volatility_half_life_days=200, correlation_half_life_days=200),
    )
    volatilities = np.sqrt(np.diag(model.covariance))
    np.testing.assert_allclose(VOLATILITIES, volatilities, rtol=0.03)
    np.testing.assert_allclose(
        np.array(CORRELATION), np.array(model.covariance) / np.outer(volatilities, volatilities), atol=0.02
    )


def test_volatilities_and_correlations_have_half_lives_of_their_own() -> None:
    evidence = without_options(some_bars())
    short = estimate(evidence, policy_with(volatility_half_life_days=2))
    long = estimate(evidence, policy_with(volatility_half_life_days=40))

    def correlation(covariance: tuple[tuple[float, ...], ...]) -> np.ndarray:
        deviations = np.sqrt(np.diag(covariance))
        return np.asarray(np.array(covariance) / np.outer(deviations, deviations))

    np.testing.assert_allclose(correlation(short.covariance), correlation(long.covariance), rtol=1e-9)
    assert short.assets[0].historical != long.assets[0].historical


def test_implied_volatility_moves_the_diagonal_and_leaves_the_correlations() -> None:
    policy = a_policy()
    plain = np.array(estimate(replace(an_evidence(), implied=()), policy).covariance)
    model = estimate(an_evidence(implied=(a_reading("BTC", 0.9), a_reading("ETH", 0.9))), policy)
    blended = np.array(model.covariance)
    scale = np.sqrt(np.diag(blended) / np.diag(plain))
    assert np.all(scale > 1.0)
    np.testing.assert_allclose(plain * np.outer(scale, scale), blended, rtol=1e-9)
    np.testing.assert_allclose(
        [asset.blended for asset in model.assets], np.sqrt(np.diag(blended)), rtol=1e-12
    )


def test_the_covariance_is_symmetric_and_positive_definite_even_for_twins() -> None:
    bars = some_bars()
    twins = bars.closes.copy()
    twins[:, 3] = 2 * twins[:, 0]
    matrix = np.array(
        estimate(without_options(with_closes(bars, twins)), a_policy(estimate=PLAIN)).covariance
    )
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix)[0] > 0


def test_an_asset_that_does_not_move_has_the_floor_raised_by_what_no_move_hides() -> None:
    bars = some_bars()
    still = bars.closes.copy()
    still[:, 2] = 1.0
    model = estimate(without_options(with_closes(bars, still)), policy_with(volatility_floor=0.02))
    assert pytest.approx(model.assets[2].historical) == 0.02
    assert pytest.approx(model.assets[2].blended) == 0.02 * 1.84
    assert pytest.approx(model.covariance[2][2]) == (0.02 * 1.84) ** 2
    assert "raised to 3.7%, because few moves show it" in model.assets[2].provenance


# -------------------------------------------------------------- missing bars


def test_too_few_bars_name_the_asset_and_both_numbers() -> None:
    bars = some_bars()
    gone = bars.closes.copy()
    gone[:-500, 3] = np.nan
    with pytest.raises(NoEstimate, match=r"UNI has 499 returns.*min_bars = 504"):
        estimate(without_options(with_closes(bars, gone)), policy_with())


def test_exactly_enough_bars_are_enough() -> None:
    bars = some_bars()
    gone = bars.closes.copy()
    gone[:-505, 3] = np.nan
    model = estimate(without_options(with_closes(bars, gone)), policy_with())
    assert model.assets[3].bars == 504
    assert "2375 of 2879 returns missing" in model.assets[3].provenance


def test_too_few_common_bars_are_no_estimate_either() -> None:
    bars = some_bars()
    gone = bars.closes.copy()
    gone[:-600, 3] = np.nan
    gone[-400:, 2] = np.nan
    with pytest.raises(NoEstimate, match="common to WBTC, WETH, LINK, UNI"):
        estimate(without_options(with_closes(bars, gone)), policy_with())


def test_a_gap_is_no_row_of_zero_returns() -> None:
    bars = some_bars()
    gap = bars.closes.copy()
    gap[-200:-150, 0] = np.nan
    found = estimate(without_options(with_closes(bars, gap)), policy_with()).assets[0].historical
    carried = bars.closes.copy()
    carried[-200:-150, 0] = carried[-201, 0]
    zeros = estimate(without_options(with_closes(bars, carried)), policy_with()).assets[0].historical
    full = estimate(without_options(bars), policy_with()).assets[0].historical
    assert found != pytest.approx(zeros, rel=1e-6)
    assert full == pytest.approx(found, rel=0.1)


def test_a_crash_during_an_outage_counts_in_full_and_once() -> None:
    closes = np.array([100.0, 100.0, np.nan, np.nan, np.nan, 60.0, 60.0])
    parts = bridged(closes)
    assert np.log(0.6) ** 2 == pytest.approx(np.square(parts).sum())
    np.testing.assert_array_equal([0.0, 0.0], [parts[0], parts[-1]])


def test_before_the_first_and_after_the_last_price_there_is_no_return() -> None:
    np.testing.assert_array_equal([np.nan, 0.0, np.nan], bridged(np.array([np.nan, 5.0, 5.0, np.nan])))


def test_a_complete_history_has_plain_returns() -> None:
    closes = some_bars(bars=50).closes[:, 0]
    np.testing.assert_allclose(np.diff(np.log(closes)), bridged(closes), rtol=1e-12)


def test_bars_of_an_asset_without_settings_are_refused() -> None:
    policy = replace(a_policy(), assets=some_assets()[:3])
    with pytest.raises(InvalidSetting, match="UNI but no settings"):
        estimate(an_evidence(), policy)


def test_a_later_bar_changes_no_earlier_estimate() -> None:
    bars = some_bars()
    earlier = PriceBars(RISK_SYMBOLS, HOUR, bars.times[:-100], bars.closes[:-100])
    altered = bars.closes.copy()
    altered[-100:] *= 3
    cut = PriceBars(RISK_SYMBOLS, HOUR, bars.times[:-100], altered[:-100])
    policy = a_policy()
    assert estimate(without_options(earlier), policy) == estimate(without_options(cut), policy)


def test_the_same_evidence_gives_the_same_model() -> None:
    assert estimate(an_evidence(), a_policy()) == estimate(an_evidence(), a_policy())


@pytest.mark.parametrize(("common", "is_enough"), [(504, True), (503, False)])
def test_common_returns_are_counted_up_to_min_bars(common: int, is_enough: bool) -> None:
    bars = some_bars()
    gone = bars.closes.copy()
    gone[: -(common + 1) - 100, 3] = np.nan
    gone[-100:, 2] = np.nan
    evidence = without_options(with_closes(bars, gone))
    if is_enough:
        assert estimate(evidence, policy_with()).assets[3].bars == common + 100
    else:
        with pytest.raises(NoEstimate, match="503 returns of 3600 s are common"):
            estimate(evidence, policy_with())
