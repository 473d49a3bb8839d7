"""Recorded rates are paid, and each sensitivity changes one assumption."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keeper.backtest.engine import backtest
from keeper.backtest.ledger import COST_FIELDS
from keeper.backtest.market_replay import MarketReplay
from keeper.backtest.sensitivity import changed_assumptions
from keeper.backtest.statistics import summarise, yearly_bps
from keeper.sizing.bounds import borrow_rate
from tests.backtest.paths import FIRST, a_backtest_policy, a_path, a_venue, two_assets

INTEREST = COST_FIELDS.index("borrow_interest")


def test_others_owe_what_makes_the_curve_ask_the_recorded_rate() -> None:
    path = a_path(bars=40)
    rates = np.full(40, np.nan)
    rates[10:20], rates[20:30] = 0.02, 0.31
    scene = MarketReplay(replace(path, borrow_rate=rates), a_venue(), history_s=86_400)
    terms = a_venue().lending[0]
    asked = [borrow_rate(terms.curve, scene.others_owe(t) / terms.supplied) for t in (0, 15, 25)]
    assert asked == pytest.approx([borrow_rate(terms.curve, 0.75), 0.02, 0.31])


def test_a_rate_above_the_whole_curve_leaves_nothing_to_borrow() -> None:
    path = a_path(bars=FIRST + 24, borrow_rate=np.full(FIRST + 24, 3.0))
    result = backtest(path, two_assets(), a_venue(), "expensive")
    assert result.leverage.max() < 1.001  # gas is paid from cash that is not there


@pytest.mark.slow
def test_the_recorded_rate_is_paid() -> None:
    path, policy = a_path(bars=FIRST + 30 * 24), two_assets()
    bars = path.times.size
    cheap, dear = (
        backtest(replace(path, borrow_rate=np.full(bars, rate)), policy, a_venue(), "at a rate")
        for rate in (0.02, 0.12)
    )
    debt = np.maximum(cheap.leverage - 1.0, 0.0).mean()
    assert yearly_bps(cheap)[INTEREST] == pytest.approx(0.02 * debt * 1e4, rel=0.15)
    assert yearly_bps(dear)[INTEREST] > 4.0 * yearly_bps(cheap)[INTEREST]


def test_each_sensitivity_changes_one_assumption() -> None:
    path, policy, venue = a_path(bars=FIRST + 24), a_backtest_policy(), a_venue()
    changed = {one.name: one for one in changed_assumptions(path, policy, venue)}
    assert list(changed) == [
        "borrowing costs 7 points more",
        "WBTC and WETH alone",
        "pool fees doubled",
        "pools a third as deep",
        "gas three times as expensive",
        "25,000 USD",
        "2,500,000 USD",
    ]
    for one in changed.values():
        same = [one.path is path, one.policy is policy, one.venue is venue]
        assert same.count(False) == 1, one.name
    rates = changed["borrowing costs 7 points more"].path.borrow_rate
    assert rates == pytest.approx(borrow_rate(venue.lending[0].curve, 0.75) + 0.07)
    assert [asset.symbol for asset in changed["WBTC and WETH alone"].policy.assets] == ["WBTC", "WETH"]


def test_a_universe_that_cannot_shrink_is_no_sensitivity() -> None:
    names = [one.name for one in changed_assumptions(a_path(bars=40), two_assets(), a_venue())]
    assert "WBTC and WETH alone" not in names


@pytest.mark.slow
def test_doubled_fees_cost_more() -> None:
    path, policy = a_path(bars=FIRST + 20 * 24), two_assets()
    plain = summarise(backtest(path, policy, a_venue(), "plain"))
    doubled = summarise(backtest(path, policy, a_venue(fee_multiple=2.0), "doubled"))
    assert doubled.cost_bps > 1.3 * plain.cost_bps
