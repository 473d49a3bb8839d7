"""Estimates from exchanges' candles where feeds are slow: no single exchange can lower risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from keeper.domain.evidence import PriceBars
from keeper.domain.information import Fact
from keeper.domain.model import RiskModel
from keeper.domain.prices import Candle, exchange_series
from keeper.risk.bars import with_exchange_closes
from keeper.risk.estimate import estimate
from keeper.risk.exchanges import candle_symbols, estimate_with_exchanges, exchange_bars
from tests.factories import (
    HOUR,
    RISK_SYMBOLS,
    a_policy,
    an_estimate_policy,
    an_evidence,
    an_informed_look,
    some_bars,
)

TRUE = some_bars()
CALM = np.exp(0.3 * np.log(TRUE.closes / TRUE.closes[-1])) * TRUE.closes[-1]
"""The same path with 0.3 of every return."""
WILD = TRUE.closes * np.exp(0.008 * np.random.default_rng(3).standard_normal(TRUE.closes.shape))
"""Hourly moves twice as large, around the same path."""


def slow(symbols: tuple[str, ...] = RISK_SYMBOLS) -> PriceBars:
    """Feeds that publish every eighth hour, of ``symbols``."""
    published = np.arange(len(TRUE.times)) // 8 * 8
    closes = TRUE.closes.copy()
    for column, symbol in enumerate(RISK_SYMBOLS):
        if symbol in symbols:
            closes[:, column] = TRUE.closes[published, column]
    return replace(TRUE, closes=closes)


def model(
    exchanges: Mapping[str, NDArray[np.float64]], symbols: tuple[str, ...] = RISK_SYMBOLS, **policy: Any
) -> RiskModel:
    bars = replace(slow(symbols), exchanges=exchanges)
    evidence = an_evidence(bars=bars, implied=())
    return estimate_with_exchanges(evidence, a_policy(**policy), symbols)


def deviations(of: RiskModel) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.array(of.covariance).diagonal()))


FROM_FEEDS = model({})
FROM_TRUE_CLOSES = estimate(an_evidence(bars=TRUE, implied=()), a_policy())


def test_the_assets_with_slow_feeds_are_also_estimated_from_candles() -> None:
    assert candle_symbols(TRUE, None) == ()
    assert candle_symbols(slow(("LINK", "UNI")), None) == ("LINK", "UNI")


def test_an_asset_of_the_last_informed_look_stays_one_when_its_feed_becomes_faster() -> None:
    look = an_informed_look(facts=(Fact("candles:WETH", 2.0), Fact("bars:LINK", 2_880.0)))
    assert candle_symbols(TRUE, look) == ("WETH",)


def test_candles_at_the_times_of_the_grid_become_closes_of_their_exchange() -> None:
    last = int(TRUE.times[-1])
    candles = {
        exchange_series("WETH", "kraken"): (
            Candle(last, HOUR, 1.0, 1.0, 1.0, 1.5),
            Candle(last + 60, 60, *[9.0] * 4),
        ),
        exchange_series("UNI", "coinbase"): (Candle(last - HOUR, HOUR, 1.0, 1.0, 1.0, 2.5),),
        "LINK": (Candle(last, HOUR, 1.0, 1.0, 1.0, 3.5),),
    }
    exchanges = with_exchange_closes(TRUE, candles).exchanges
    assert list(exchanges) == ["coinbase", "kraken"]
    assert exchanges["kraken"][-1, 1] == 1.5
    assert exchanges["coinbase"][-2, 3] == 2.5
    assert sum(int(np.isfinite(closes).sum()) for closes in exchanges.values()) == 2


def test_without_an_exchange_the_estimate_is_that_of_the_feeds() -> None:
    assert FROM_FEEDS == estimate(an_evidence(bars=slow(), implied=()), a_policy())


def test_with_two_exchanges_the_estimate_is_that_of_their_closes() -> None:
    both = model({"coinbase": TRUE.closes, "kraken": TRUE.closes})
    assert both.covariance == FROM_TRUE_CLOSES.covariance
    assert both.worst_losses == FROM_FEEDS.worst_losses
    assert "candles of coinbase" in both.assets[0].provenance


@pytest.mark.parametrize("lie", [CALM, WILD, np.ones_like(CALM)], ids=["calm", "wild", "frozen"])
@pytest.mark.parametrize("liar", ["coinbase", "kraken"])
def test_one_exchange_of_two_that_lies_can_only_raise_the_estimate(
    lie: NDArray[np.float64], liar: str
) -> None:
    lied = model({"coinbase": TRUE.closes, "kraken": TRUE.closes, liar: lie})
    assert (deviations(lied) >= deviations(FROM_TRUE_CLOSES) * (1.0 - 1e-12)).all()
    weights = 1.0 / deviations(FROM_TRUE_CLOSES)
    risk = [weights @ np.array(one.covariance) @ weights for one in (lied, FROM_TRUE_CLOSES)]
    assert risk[0] >= risk[1] * (1.0 - 1e-12)


@pytest.mark.parametrize("lie", [CALM, WILD, np.ones_like(CALM)], ids=["calm", "wild", "frozen"])
def test_a_single_exchange_can_only_raise_the_estimate_of_the_feeds(lie: NDArray[np.float64]) -> None:
    lied = model({"kraken": lie})
    assert (deviations(lied) >= deviations(FROM_FEEDS) * (1.0 - 1e-12)).all()
    if lie is WILD:
        assert (deviations(lied) > 1.5 * deviations(FROM_FEEDS)).all()
        assert "raised to kraken's" in lied.assets[0].provenance


def test_an_asset_that_one_exchange_lacks_is_never_estimated_from_the_other_alone() -> None:
    lacking = TRUE.closes.copy()
    lacking[:, 3] = np.nan
    lied = model({"coinbase": CALM, "kraken": lacking})
    assert deviations(lied)[3] >= deviations(FROM_FEEDS)[3] * (1.0 - 1e-12)


def test_what_few_moves_add_is_ended_by_two_exchanges_and_not_by_one_that_repeats_the_feed() -> None:
    feeds = TRUE.closes[np.arange(len(TRUE.times)) // 16 * 16]
    repeated = feeds * np.exp(0.0001 * np.random.default_rng(2).standard_normal(feeds.shape))
    policy = a_policy(estimate=an_estimate_policy(volatility="ewma_mix"))
    none, lying, two = (
        estimate_with_exchanges(
            an_evidence(bars=replace(TRUE, closes=feeds, exchanges=exchanges), implied=()),
            policy,
            RISK_SYMBOLS,
        )
        for exchanges in ({}, {"kraken": repeated}, {"coinbase": TRUE.closes, "kraken": TRUE.closes})
    )
    assert ["few moves" in asset.provenance for asset in none.assets] == [True] * 4
    assert (deviations(lying) >= deviations(none)).all()
    assert not any("few moves" in asset.provenance for asset in two.assets)


def test_assets_with_a_fast_feed_keep_it() -> None:
    some = model({"coinbase": WILD, "kraken": WILD}, ("LINK", "UNI"))
    assert deviations(some)[:2] == pytest.approx(deviations(FROM_TRUE_CLOSES)[:2], rel=1e-12)
    assert (deviations(some)[2:] > 1.5 * deviations(FROM_TRUE_CLOSES)[2:]).all()


def closes_of(rows: slice) -> NDArray[np.float64]:
    closes = np.full_like(TRUE.closes, np.nan)
    closes[rows] = TRUE.closes[rows]
    return closes


@pytest.mark.parametrize(
    ("rows", "helps"),
    [(slice(-720, None), True), (slice(-400, None), False), (slice(0, -1), True), (slice(0, -2), False)],
    ids=["30 days", "too short", "1 hour behind", "2 hours behind"],
)
def test_an_exchange_counts_when_its_candles_are_enough_and_up_to_now(rows: slice, helps: bool) -> None:
    bars = replace(slow(), exchanges={"kraken": closes_of(rows)})
    assert bool(exchange_bars(bars, RISK_SYMBOLS, a_policy())) == helps


def usable(closes: NDArray[np.float64]) -> bool:
    return bool(exchange_bars(replace(slow(), exchanges={"kraken": closes}), RISK_SYMBOLS, a_policy()))


@pytest.mark.parametrize(("factor", "near"), [(1.015, True), (0.985, True), (1.05, False), (10.0, False)])
def test_an_exchange_counts_when_its_prices_are_near_the_feeds(factor: float, near: bool) -> None:
    assert usable(TRUE.closes * factor) == near


def test_an_exchange_whose_last_price_is_carried_on_does_not_count() -> None:
    carried = TRUE.closes.copy()
    carried[-1] = carried[-2]
    assert not usable(carried)


def test_an_exchange_without_a_price_beside_the_feeds_does_not_count() -> None:
    bars = slow()
    silent = bars.closes.copy()
    silent[-200:] = np.nan
    bars = replace(bars, closes=silent, exchanges={"kraken": TRUE.closes})
    assert exchange_bars(bars, RISK_SYMBOLS, a_policy()) == ()


ALTERNATING = np.where(np.arange(len(TRUE.times)) % 2, 1.01, 1.0)[:, None]


@pytest.mark.parametrize(
    ("other", "contradicted"),
    [
        (TRUE.closes * np.exp(0.0005 * np.random.default_rng(2).standard_normal(TRUE.closes.shape)), False),
        (np.vstack([TRUE.closes[:1], TRUE.closes[:-1]]), True),
        (np.vstack([TRUE.closes[:-100], TRUE.closes[-101:-1]]), True),
        (TRUE.closes * ALTERNATING, True),
    ],
    ids=["noise", "an hour late", "late at the end", "other moves"],
)
def test_exchanges_that_show_different_moves_contradict_each_other(
    other: NDArray[np.float64], contradicted: bool
) -> None:
    bars = replace(slow(), exchanges={"coinbase": TRUE.closes, "kraken": other})
    for each in exchange_bars(bars, RISK_SYMBOLS, a_policy()):
        assert each.contradicted == (frozenset(RISK_SYMBOLS) if contradicted else frozenset())


def test_where_exchanges_contradict_each_other_the_feeds_estimate_counts_too() -> None:
    feeds = slow()
    jumpy = np.where(np.arange(len(TRUE.times)) // 8 % 2, 1.04, 1.0)[:, None]
    jumping = replace(feeds, closes=feeds.closes * jumpy)
    of_feeds = deviations(estimate(an_evidence(bars=jumping, implied=()), a_policy()))
    for other, counts in ((TRUE.closes * ALTERNATING * 1.02, True), (TRUE.closes * 1.02, False)):
        bars = replace(jumping, exchanges={"coinbase": TRUE.closes * 1.02, "kraken": other})
        assert len(exchange_bars(bars, RISK_SYMBOLS, a_policy())) == 2
        together = estimate_with_exchanges(an_evidence(bars=bars, implied=()), a_policy(), RISK_SYMBOLS)
        assert (deviations(together) >= of_feeds).all() == counts


def test_before_an_exchange_begins_its_bars_are_those_of_the_feed() -> None:
    feeds = slow()
    (month,) = exchange_bars(
        replace(feeds, exchanges={"kraken": closes_of(slice(-720, None))}), RISK_SYMBOLS, a_policy()
    )
    np.testing.assert_array_equal(month.bars.closes[:-720], feeds.closes[:-720])
    np.testing.assert_array_equal(month.bars.closes[-720:], TRUE.closes[-720:])


def test_an_exchange_with_too_few_returns_in_common_with_the_others_is_left_out() -> None:
    odd = closes_of(slice(None))
    blocks = np.arange(len(odd) - 3) // 10 % 2
    odd[:-3][blocks == 1, 0] = np.nan
    odd[:-3][blocks == 0, 1] = np.nan
    bars = replace(slow(), exchanges={"kraken": odd})
    assert exchange_bars(bars, ("WBTC",), a_policy())
    assert exchange_bars(bars, ("WBTC", "WETH"), a_policy()) == ()
