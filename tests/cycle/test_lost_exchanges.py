"""Losing an exchange whose candles helped a slow feed is missed by name, and raises nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from keeper.cycle.pipeline import Assessment, assess
from keeper.domain.evidence import PriceBars
from keeper.domain.information import NOTHING_REMEMBERED, InformationMemory
from keeper.domain.observation import Observation
from tests.factories import RISK_SYMBOLS, a_policy, a_reading, a_snapshot, some_bars, with_depths

Closes = NDArray[np.float64]
TRUE = some_bars().closes
SLOW = replace(some_bars(), closes=TRUE[np.arange(len(TRUE)) // 8 * 8])
WILD = TRUE * np.exp(0.0012 * np.random.default_rng(3).standard_normal(TRUE.shape))
"""Hourly moves a little larger, around the same path."""
MISSED = {f"candles:{symbol}" for symbol in RISK_SYMBOLS}


def look(
    exchanges: Mapping[str, Closes], memory: InformationMemory = NOTHING_REMEMBERED, bars: PriceBars = SLOW
) -> Assessment:
    implied = (a_reading("BTC", 0.48), a_reading("ETH", 0.55))
    observation = Observation(with_depths(a_snapshot()), implied=implied, information=memory)
    return assess(observation, replace(bars, exchanges=exchanges), a_policy())


def stale(closes: Closes) -> Closes:
    late = closes.copy()
    late[-2:] = np.nan
    return late


@pytest.mark.parametrize(
    "remaining",
    [{}, {"kraken": TRUE}, {"coinbase": WILD}, {"coinbase": stale(WILD), "kraken": TRUE}],
    ids=["none", "the calm one", "the wild one", "one is late"],
)
def test_a_lost_exchange_is_missed_by_name_and_raises_nothing(remaining: Mapping[str, Closes]) -> None:
    informed = look({"coinbase": WILD, "kraken": TRUE})
    assert informed.target.missing == ()
    lost = look(remaining, informed.information)
    assert set(lost.target.missing) == MISSED
    assert lost.target.leverage <= informed.target.leverage
    assert lost.target.unit_weights == informed.target.unit_weights
    before = np.diag(informed.model.covariance)
    assert (np.diag(lost.model.covariance) >= before * (1.0 - 1e-12)).all()


def test_an_exchange_that_shows_a_calmer_past_than_before_is_missed_by_name() -> None:
    informed = look({"coinbase": WILD})
    calmer = look({"coinbase": TRUE}, informed.information)
    assert set(calmer.target.missing) == MISSED
    assert calmer.target.leverage <= informed.target.leverage
    again = look({"coinbase": WILD}, calmer.information)
    assert again.target.missing == ()


def test_an_exchange_that_comes_later_counts_at_once() -> None:
    alone = look({})
    assert alone.target.missing == ()
    both = look({"coinbase": TRUE, "kraken": TRUE}, alone.information)
    assert both.target.missing == ()
    assert both.model.covariance == look({"coinbase": TRUE, "kraken": TRUE}).model.covariance


def test_a_feed_that_becomes_fast_again_misses_nothing() -> None:
    fast = replace(SLOW, closes=TRUE)
    without: dict[str, Closes] = {}
    for exchanges in (without, {"coinbase": TRUE, "kraken": TRUE}):
        slow_look = look(exchanges)
        assert look(exchanges, slow_look.information, fast).target.missing == ()


def test_a_slow_feed_without_any_exchange_misses_nothing() -> None:
    first = look({})
    assert look({}, first.information).target.missing == ()
