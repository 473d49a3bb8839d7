"""A market that closes in the backtest: the same prices, verdicts and histories as the live keeper has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keeper.backtest.ledger import Ledger
from keeper.backtest.market_replay import MarketReplay
from keeper.backtest.universe import universes
from keeper.domain.market import FeedReading, Round, Trust
from keeper.domain.path import MarketPath
from keeper.oracle.price_gate import judged
from keeper.settings.weekly_closure import weekly_closure
from tests.backtest.paths import HOUR, a_backtest_policy, a_path, a_venue
from tests.factories import a_block, a_feed, a_feed_policy, a_snapshot, an_estimate_policy, an_oracle_policy

GOLD = weekly_closure("Fri 17:00 to Sun 18:00 America/New_York")
LINK = 2
"""LINK plays gold."""
COLUMNS = np.arange(4)
WEEKS = 24 * 16
EMPTY = Ledger(a_venue(), ("WBTC", "WETH", "LINK", "UNI"), np.zeros(4), cash=1e6, debt=0.0, spent=np.zeros(7))


def replayed(path: MarketPath, t: int) -> FeedReading:
    scene = MarketReplay(path, a_venue(), 240 * HOUR, closed={"LINK": GOLD})
    return scene.snapshot(t, COLUMNS, EMPTY).feeds[1 + LINK]


def live(path: MarketPath, t: int) -> FeedReading:
    """Of a feed that publishes each bar's close while its market is open, and at its opening not yet."""
    now = int(path.times[t])
    last = max(
        i for i in range(t + 1) if GOLD.open_seconds(int(path.times[i]) - HOUR, int(path.times[i])) > 0
    )
    answer = int(np.rint(path.closes[last, LINK] * 1e8))
    feed = replace(a_feed_policy("LINK", heartbeat_s=HOUR), closed=GOLD)
    reading = a_feed("LINK", round=Round(last + 1, answer, int(path.times[last])), max_age_s=100 * HOUR)
    snapshot = replace(a_snapshot(), block=a_block(timestamp=now), feeds=(reading,))
    return judged(snapshot, (), (), an_oracle_policy(feed)).feeds[0]


def test_every_bar_has_the_price_and_the_verdict_of_the_live_keeper() -> None:
    path = a_path(bars=WEEKS)
    rules = []
    for t in range(48, WEEKS):
        ours, theirs = replayed(path, t), live(path, t)
        assert (ours.price, ours.trust, ours.rule) == (theirs.price, theirs.trust, theirs.rule), path.times[t]
        rules.append(ours.rule)
    assert rules.count("market_closed") == 2 * 49


def test_a_price_that_was_missing_before_the_market_closed_stays_missing() -> None:
    path = a_path(bars=WEEKS)
    friday = next(t for t in range(48, WEEKS) if not GOLD.is_open(int(path.times[t])))
    closes = path.closes.copy()
    closes[friday - 3 : friday + 1, LINK] = np.nan
    reading = replayed(replace(path, closes=closes), friday + 5)
    assert (reading.trust, reading.rule) == (Trust.STALE, "")
    assert "no price of LINK" in reading.reason


def test_an_asset_joins_when_it_has_the_returns_that_its_estimate_counts() -> None:
    path = a_path(bars=900)
    policy = a_backtest_policy(estimate=an_estimate_policy(history_s=60 * 86_400, min_bars=120))
    hours = replace(
        policy,
        assets=tuple(
            replace(asset, closed=GOLD) if asset.symbol == "LINK" else asset for asset in policy.assets
        ),
    )
    scene = MarketReplay(path, a_venue(), 60 * 86_400, closed={"LINK": GOLD})
    first, second = universes(path, hours)
    assert LINK not in first.columns
    closes = scene.bars(second.start, COLUMNS).closes[:, LINK]
    assert int(np.isfinite(np.diff(np.log(closes))).sum()) == 120
    assert [period.start for period in universes(path, policy)] == [first.start]
