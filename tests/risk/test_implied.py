"""The blend with implied volatility: in variance, decaying with age, and never below the historical."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import InvalidSetting
from keeper.domain.evidence import ImpliedReading
from keeper.risk.implied import Blend, BlendInputs, blends, decayed_weight, with_last_good
from tests.factories import DAY, HOUR, NOW, RISK_SYMBOLS, a_reading, an_estimate_policy, some_assets

HISTORICAL = (0.45, 0.50, 0.75, 0.80)
CORRELATION = np.array([[1, 0.8, 0.5, 0.7], [0.8, 1, 0.6, 0.4], [0.5, 0.6, 1, 0.5], [0.7, 0.4, 0.5, 1]])
POLICY = an_estimate_policy()


INPUTS = BlendInputs(
    assets=some_assets(),
    historical=HISTORICAL,
    correlation=CORRELATION,
    readings=(),
    as_of=NOW,
    policy=POLICY,
)


def blended(*readings: ImpliedReading, correlation: np.ndarray = CORRELATION) -> dict[str, Blend]:
    found = blends(replace(INPUTS, correlation=correlation, readings=readings))
    return dict(zip(RISK_SYMBOLS, found, strict=True))


def test_variances_are_blended_by_the_weight() -> None:
    found = blended(a_reading("BTC", 0.60), a_reading("ETH", 0.55))
    assert pytest.approx(found["WBTC"].volatility) == (0.5 * 0.60**2 + 0.5 * 0.45**2) ** 0.5
    assert found["WBTC"].weight == 0.5
    assert found["WBTC"].implied == 0.60
    assert "BTC implied 60.0% (DVOL)" in found["WBTC"].provenance


def test_a_reading_below_the_historical_volatility_lowers_nothing_and_is_shown() -> None:
    found = blended(a_reading("BTC", 0.30))
    assert list(HISTORICAL) == [blend.volatility for blend in found.values()]
    assert (found["WBTC"].implied, found["WBTC"].weight) == (0.30, 0.0)
    assert "EWMA only: BTC implied 30.0% (DVOL) does not raise it" in found["WBTC"].provenance


def test_an_asset_without_options_borrows_the_largest_ratio_to_its_correlation() -> None:
    found = blended(a_reading("BTC", 0.60), a_reading("ETH", 0.70))
    for symbol, historical, reference, past, rho in (
        ("LINK", 0.75, "WETH", 0.50, 0.6),
        ("UNI", 0.80, "WBTC", 0.45, 0.7),
    ):
        expected = historical * (found[reference].volatility / past) ** rho
        assert expected == pytest.approx(found[symbol].volatility)
        assert found[symbol].implied is None
        assert reference in found[symbol].provenance


def test_without_the_nearest_options_it_borrows_from_the_next() -> None:
    found = blended(a_reading("BTC", 0.60))
    assert 0.75 * (found["WBTC"].volatility / 0.45) ** 0.5 == pytest.approx(found["LINK"].volatility)


def test_a_negative_correlation_borrows_nothing() -> None:
    correlation = CORRELATION.copy()
    correlation[2, :2] = correlation[:2, 2] = -0.4
    assert pytest.approx(blended(a_reading("BTC", 0.9), correlation=correlation)["LINK"].volatility) == 0.75


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 0.0, -0.3])
def test_a_reading_without_a_number_leaves_the_historical_volatility_and_says_so(value: float | None) -> None:
    reading = replace(a_reading("BTC", None), volatility=value)
    found = blended(reading)["WBTC"]
    assert found.volatility == 0.45
    assert found.weight == 0.0
    assert "EWMA only: no implied volatility of BTC" in found.provenance


def test_without_any_reading_everything_is_historical() -> None:
    assert list(HISTORICAL) == [blend.volatility for blend in blended().values()]


def test_a_reading_younger_than_the_block_is_not_used() -> None:
    found = blended(a_reading("BTC", 0.9, observed_at=NOW + 1))["WBTC"]
    assert found.volatility == 0.45
    assert "younger than the block" in found.provenance


def test_a_stale_reading_may_raise_but_not_lower() -> None:
    stale = {"observed_at": NOW - 4 * HOUR}
    assert blended(a_reading("BTC", 0.30, **stale))["WBTC"].volatility == 0.45
    raised = blended(a_reading("BTC", 0.60, **stale))["WBTC"]
    assert raised.volatility > 0.45
    assert "14400 s old" in raised.provenance


def test_the_weight_decays_to_nothing_over_the_stated_time() -> None:
    ages = [0, 3 * HOUR - 60, 3 * HOUR, 3 * HOUR + DAY // 64, 3 * HOUR + DAY // 2, 3 * HOUR + DAY, 9 * DAY]
    weights = [0.5, 0.5, 0.5, 0.5 * 63 / 64, 0.25, 0.0, 0.0]
    assert [decayed_weight(0.5, age, POLICY) for age in ages] == weights


@pytest.mark.parametrize(("ratio", "believed"), [(2.999, True), (3.001, False)])
def test_a_ratio_above_the_largest_is_named(ratio: float, believed: bool) -> None:
    found = blended(a_reading("BTC", 0.45 * ratio))["WBTC"]
    assert believed == ("times EWMA" not in found.provenance)


def test_an_absurd_reading_raises_no_further_than_the_largest_ratio() -> None:
    found = blended(a_reading("BTC", 45.0))["WBTC"]
    assert pytest.approx(found.volatility) == 0.45 * (0.5 * 9 + 0.5) ** 0.5


READINGS = st.builds(
    lambda underlying, value, age: a_reading(underlying, value, observed_at=NOW - age),
    st.sampled_from(["BTC", "ETH"]),
    st.floats(0.001, 100),
    st.integers(-HOUR, 3 * DAY),
)


@pytest.mark.parametrize("blend", ["variance", "log"])
@given(
    readings=st.lists(READINGS, max_size=2, unique_by=lambda reading: reading.underlying),
    rho=st.floats(-1, 1),
)
def test_a_further_reading_never_lowers_any_volatility(
    blend: str, readings: list[ImpliedReading], rho: float
) -> None:
    correlation = CORRELATION.copy()
    correlation[2, 0] = correlation[0, 2] = rho
    inputs = replace(INPUTS, correlation=correlation, policy=an_estimate_policy(implied_blend=blend))
    before = list(HISTORICAL)
    for count in range(1, len(readings) + 1):
        found = [one.volatility for one in blends(replace(inputs, readings=tuple(readings[:count])))]
        assert all(now >= was for now, was in zip(found, before, strict=True))
        before = found


def test_an_outage_keeps_the_last_good_value_with_its_age() -> None:
    good = a_reading("BTC", 0.9)
    gone = replace(good, volatility=None, observed_at=good.observed_at + 3_600, reason="HTTP 503")
    (kept,) = with_last_good((gone,), (good,))
    assert (kept.volatility, kept.observed_at) == (0.9, good.observed_at)
    assert "HTTP 503" in kept.reason


def test_a_current_reading_replaces_an_earlier_one() -> None:
    now, earlier = a_reading("BTC", 0.5), a_reading("BTC", 0.9)
    assert with_last_good((now,), (earlier,)) == (now,)


def test_without_an_earlier_value_there_is_none() -> None:
    gone = replace(a_reading("ETH", 0.9), volatility=None)
    assert with_last_good((gone,), (a_reading("BTC", 0.9),)) == (gone,)


# ------------------------------------------------------------ blend in logs

IN_LOGS = an_estimate_policy(implied_blend="log")


def blended_in_logs(*readings: ImpliedReading) -> dict[str, Blend]:
    found = blends(replace(INPUTS, readings=readings, policy=IN_LOGS))
    return dict(zip(RISK_SYMBOLS, found, strict=True))


def test_in_logs_half_of_each_is_their_geometric_mean() -> None:
    found = blended_in_logs(a_reading("BTC", 0.80))["WBTC"]
    assert pytest.approx(found.volatility) == (0.80 * 0.45) ** 0.5


def test_in_logs_an_absurd_reading_raises_no_further_than_the_largest_ratio() -> None:
    assert pytest.approx(blended_in_logs(a_reading("BTC", 45.0))["WBTC"].volatility) == 0.45 * 3.0**0.5


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 0.0, -0.3])
def test_in_logs_a_reading_without_a_number_leaves_the_historical_volatility(value: float | None) -> None:
    assert blended_in_logs(replace(a_reading("BTC", None), volatility=value))["WBTC"].volatility == 0.45


@pytest.mark.parametrize("blend", ["variance", "log"])
def test_weight_zero_leaves_the_historical_volatility(blend: str) -> None:
    assets = tuple(replace(one, implied_weight=0.0) for one in some_assets())
    policy = an_estimate_policy(implied_blend=blend)
    found = blends(replace(INPUTS, assets=assets, readings=(a_reading("BTC", 0.9),), policy=policy))
    np.testing.assert_allclose(HISTORICAL, [one.volatility for one in found], rtol=1e-15)


def test_an_unknown_blend_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="estimate.implied_blend is 'mean'"):
        blends(replace(INPUTS, policy=an_estimate_policy(implied_blend="mean")))


def test_the_provenance_names_the_historical_estimator() -> None:
    found = blends(replace(INPUTS, policy=an_estimate_policy(volatility="har")))
    assert found[0].provenance.startswith("HAR only")
