"""The doctor says which feeds are slow, and what exchanges' candles do for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keeper.doctor.prices import slow_feeds_detail
from keeper.risk.few_moves import few_moves_factors
from tests.factories import a_policy, some_bars

BARS = some_bars()
POLICY = a_policy()


def test_fast_feeds_are_not_worth_a_word() -> None:
    assert slow_feeds_detail(BARS, POLICY) == ""


def test_each_slow_feed_has_the_exchanges_that_help_it() -> None:
    published = np.arange(len(BARS.times)) // 8 * 8
    slow = replace(BARS, closes=BARS.closes[published])
    coinbase, kraken = BARS.closes.copy(), BARS.closes.copy()
    kraken[:, 2:] = np.nan
    coinbase[:, 3] = np.nan
    detail = slow_feeds_detail(replace(slow, exchanges={"coinbase": coinbase, "kraken": kraken}), POLICY)
    assert "WETH in 12% (its risk comes from candles of coinbase, kraken)" in detail
    assert "LINK in 12% (candles of coinbase can only raise its risk" in detail
    assert "UNI in 12% (no exchange's candles help it yet" in detail


def test_a_feed_alone_is_named_with_what_few_moves_add_to_its_volatility() -> None:
    daily = replace(BARS, closes=BARS.closes[np.arange(len(BARS.times)) // 24 * 24])
    added = few_moves_factors(daily.closes, POLICY.estimate)[3] - 1.0
    assert added > 0.1
    assert f"few moves raise its volatility by {added:.1%}" in slow_feeds_detail(daily, POLICY)
