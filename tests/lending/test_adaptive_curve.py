"""Morpho's adaptive curve: what is published of it, and that its integers follow the exponential."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.units import SECONDS_PER_YEAR, WAD
from keeper.lending.adaptive_curve import (
    FIRST_RATE,
    HIGHEST_RATE,
    LOWEST_RATE,
    AdaptiveCurve,
    distance,
)
from tests.properties import examples

SUPPLIED = 10**13
DAY = 86_400
borrowings = st.integers(0, SUPPLIED)
rates = st.integers(LOWEST_RATE, HIGHEST_RATE)
times = st.integers(0, 400 * DAY)


@pytest.mark.parametrize(("borrowed", "yearly"), [(0, 0.01), (0.9, 0.04), (1.0, 0.16)])
def test_a_new_market_begins_at_four_percent(borrowed: float, yearly: float) -> None:
    rate = AdaptiveCurve(0).rate(int(borrowed * SUPPLIED), SUPPLIED)
    assert rate * SECONDS_PER_YEAR / WAD == pytest.approx(yearly, rel=1e-7)
    assert AdaptiveCurve(0).after(0, 0, DAY) == AdaptiveCurve(FIRST_RATE)
    assert AdaptiveCurve(0).mean_rate(0, 0, DAY) == FIRST_RATE // 4


@pytest.mark.parametrize(("borrowed", "far"), [(0, -1.0), (0.45, -0.5), (0.9, 0.0), (0.95, 0.5), (1.0, 1.0)])
def test_the_distance_from_the_target_runs_from_minus_one_to_one(borrowed: float, far: float) -> None:
    assert distance(int(borrowed * SUPPLIED), SUPPLIED) / WAD == pytest.approx(far, abs=1e-12)


@examples(100)
@given(rates, borrowings, borrowings)
def test_more_borrowed_is_never_cheaper(at_target: int, one: int, two: int) -> None:
    curve = AdaptiveCurve(at_target)
    assert curve.rate(min(one, two), SUPPLIED) <= curve.rate(max(one, two), SUPPLIED) <= curve.highest_rate


@examples(100)
@given(rates, borrowings, times)
def test_the_rate_at_target_follows_the_exponential_between_its_bounds(
    at_target: int, borrowed: int, elapsed_s: int
) -> None:
    after = AdaptiveCurve(at_target).after(borrowed, SUPPLIED, elapsed_s).rate_at_target
    exponent = 50 * distance(borrowed, SUPPLIED) / WAD * elapsed_s / SECONDS_PER_YEAR
    expected = min(max(at_target * math.exp(min(exponent, 50.0)), LOWEST_RATE), HIGHEST_RATE)
    assert after == pytest.approx(expected, rel=0.0092)


@pytest.mark.parametrize(
    ("borrowed", "elapsed_s", "after", "mean"),
    [
        (10_000_000_000_000, 86_400, 1_454_044_805, 5_438_922_544),
        (10_000_000_000_000, 172_800, 1_663_499_614, 5_839_980_900),
        (10_000_000_000_000, 432_000, 2_516_027_586, 7_338_724_560),
        (9_500_000_000_000, 259_200, 1_555_796_999, 3_521_868_067),
        (0, 259_200, 838_409_048, 260_992_563),
        (5_000_000_000_000, 12, 1_268_380_953, 845_590_877),
        (5_000_000_000_000, 7_776_000, 31_709_791, 243_991_064),
        (10_000_000_000_000, 17_280_000, 63_419_583_967, 191_527_143_580),
    ],
)
def test_the_curve_of_some_markets(borrowed: int, elapsed_s: int, after: int, mean: int) -> None:
    """By the formula of Morpho's ExpLib."""
    curve = AdaptiveCurve(FIRST_RATE)
    assert curve.after(borrowed, SUPPLIED, elapsed_s).rate_at_target == after
    assert curve.mean_rate(borrowed, SUPPLIED, elapsed_s) == mean


@examples(100)
@given(rates, borrowings, times)
def test_what_was_charged_lies_between_the_first_rate_and_the_last(
    at_target: int, borrowed: int, elapsed_s: int
) -> None:
    curve = AdaptiveCurve(at_target)
    ends = [then.rate(borrowed, SUPPLIED) for then in (curve, curve.after(borrowed, SUPPLIED, elapsed_s))]
    assert min(ends) - 1 <= curve.mean_rate(borrowed, SUPPLIED, elapsed_s) <= max(ends) + 1
