"""The worst losses of a history: enough of them to know the worst loss of every portfolio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.evidence import PriceBars
from keeper.risk.estimate import estimate
from keeper.risk.worst_losses import undominated, worst_losses
from tests.factories import DAY, HOUR, RISK_SYMBOLS, a_policy, a_size_policy, an_evidence, some_bars
from tests.properties import examples


def bars_of(*columns: list[float]) -> PriceBars:
    closes = np.array(columns, dtype=float).T
    return PriceBars(RISK_SYMBOLS[: len(columns)], HOUR, np.arange(len(closes)) * HOUR, closes)


def test_the_worst_holds_are_found_by_hand() -> None:
    # Two-hour losses: 20 % with -20 %, a third with 10 %, an eighth with 0 %. The second is the worst of both.
    bars = bars_of([100, 90, 80, 60, 70], [10, 10, 12, 9, 12])
    (worst,) = worst_losses(bars, 2 * HOUR)
    assert worst == pytest.approx((1 / 3, 0.1))


def test_two_holds_are_kept_where_each_is_the_worst_of_some_portfolio() -> None:
    found = worst_losses(bars_of([100, 50, 50, 49], [10, 10, 3, 3]), HOUR)
    np.testing.assert_allclose([[0.0, 0.7], [0.5, 0.0]], found, atol=1e-15)


def test_a_rising_market_lost_nothing() -> None:
    assert worst_losses(bars_of([1, 2, 3, 4]), HOUR) == ()


def test_an_asset_without_a_price_lost_as_much_as_the_worst_of_the_others() -> None:
    (worst,) = worst_losses(bars_of([100, 50], [10, 9], [np.nan, 7]), HOUR)
    assert worst == pytest.approx((0.5, 0.1, 0.5))


def test_a_history_shorter_than_the_hold_counts_whole() -> None:
    ((loss,),) = worst_losses(bars_of([100, 70, 60]), 10 * DAY)
    assert loss == pytest.approx(0.4)


@pytest.mark.parametrize("closes", [[100.0], [np.nan, 50.0], [np.nan, np.nan]])
def test_a_history_without_a_hold_lost_nothing(closes: list[float]) -> None:
    assert worst_losses(bars_of(closes), HOUR) == ()


def test_a_hold_that_ends_within_a_bar_lasts_to_its_end() -> None:
    # 90 minutes are two hourly bars: 100 to 60, not 100 to 90.
    ((loss,),) = worst_losses(bars_of([100, 90, 60]), HOUR + HOUR // 2)
    assert loss == pytest.approx(0.4)


def test_the_model_holds_for_the_time_to_act() -> None:
    model = estimate(an_evidence(), a_policy(size=a_size_policy(time_to_act_s=6 * HOUR)))
    assert worst_losses(some_bars(), 6 * HOUR) == model.worst_losses


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 200))
@examples(100)
def test_no_portfolio_ever_lost_more_than_the_worst_that_is_kept(seed: int, n: int, holds: int) -> None:
    generator = np.random.default_rng(seed)
    losses = generator.normal(0.0, 0.2, size=(holds, n)) + generator.normal(0.0, 0.2, size=(holds, 1))
    kept = np.array(undominated(losses)).reshape(-1, n)
    weights = generator.dirichlet(np.ones(n), size=50)
    expected = np.maximum((losses @ weights.T).max(axis=0), 0.0)
    np.testing.assert_allclose(expected, (kept @ weights.T).max(axis=0, initial=0.0), rtol=1e-12)


@given(st.integers(0, 2**32 - 1))
@examples(30)
def test_what_is_kept_of_two_histories_is_kept_of_both_together(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.normal(size=(2, 40, 3))
    parts = np.array([*undominated(first), *undominated(second)])
    assert set(undominated(np.vstack([first, second]))) == set(undominated(parts))
