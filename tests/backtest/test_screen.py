"""The compiled screen only saves time: asked or not asked, every bar ends the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from keeper.backtest.engine import backtest, backtest_asking_every_bar
from keeper.backtest.result import BacktestResult
from keeper.backtest.screening import KNOWN_RULES, NEVER_HOLD, can_screen
from keeper.backtest.venue import VaultSize
from keeper.decision.gates import LIMITS, TRIGGERS
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.domain.urgency import Urgency
from tests.backtest.paths import FIRST, a_backtest_policy, a_path, a_venue, two_assets
from tests.factories import (
    a_decision_policy,
    a_size_policy,
    an_estimate_policy,
    some_assets,
    some_limits,
    with_limits,
)

EXACT = ("nav_usd", "weights", "leverage", "times", "closes")
CLOSE = (
    "tracking_error",
    "risk_shares",
    "target_leverage",
    "health_factor",
    "low_health_factor",
    "forecast_volatility",
    "target_volatility",
    "cost_path",
)
DAY = 86_400


def estimated(**changes: object) -> Policy:
    return a_backtest_policy(estimate=an_estimate_policy(history_s=30 * DAY, **changes))


def decided(**changes: object) -> Policy:
    return a_backtest_policy(decision=a_decision_policy(**changes))


def sized(**changes: object) -> Policy:
    return a_backtest_policy(size=a_size_policy(**changes))


POLICIES: dict[str, Callable[[], Policy]] = {
    "shipped": a_backtest_policy,
    "two assets": two_assets,
    "30 days of history": estimated,
    "mixed half-lives, no shrinking": lambda: estimated(
        volatility="ewma_mix", correlation="ewma_mix", shrink=False, mix_half_lives_days=(1.0, 5.0, 20.0)
    ),
    "mixed half-lives, shrunk": lambda: estimated(correlation="ewma_mix", mix_half_lives_days=(2.0, 10.0)),
    "HAR, blended in logs": lambda: estimated(volatility="har", implied_blend="log"),
    "implausible implied volatility": lambda: estimated(implied_ratio_max=1.05, implied_ratio_min=0.95),
    "stale implied volatility": lambda: estimated(implied_max_age_s=7_200, implied_decay_s=36_000),
    "tight bands": lambda: decided(risk_share_band=0.004, volatility_band=0.01, leverage_band=0.01),
    "nothing is worth it": lambda: decided(risk_aversion=0.1, risk_share_band=0.005),
    "everything is worth it": lambda: decided(risk_aversion=90.0, risk_share_band=0.005),
    "half of the way": lambda: with_limits(
        decided(risk_aversion=60.0, risk_share_band=0.005), Urgency.ROUTINE, recentring=0.5
    ),
    "small trades": lambda: with_limits(decided(risk_aversion=60.0), Urgency.ROUTINE, max_trade=0.02),
    "long cool-down": lambda: with_limits(
        decided(risk_share_band=0.004, risk_aversion=60.0), Urgency.ROUTINE, cooldown_s=40 * 3_600
    ),
    "ellipsoid": lambda: decided(
        triggers=("tracking_error", "age"),
        rebalance_to="ellipsoid",
        tracking_error_band=0.01,
        risk_aversion=60.0,
    ),
    "boundary": lambda: decided(rebalance_to="boundary", risk_share_band=0.01, risk_aversion=60.0),
    "no age": lambda: decided(triggers=("risk_share",), risk_share_band=0.01),
    "short patience": lambda: decided(max_age_s=2 * DAY, patience_s=7_200),
    "equal weight": lambda: sized(allocation="equal_weight"),
    "inverse volatility": lambda: sized(allocation="inverse_volatility"),
    "minimum variance": lambda: sized(allocation="minimum_variance", target_volatility=0.6),
    "bound by stress": lambda: sized(target_volatility=2.0, stress_sigmas=8.0),
    "bound by the policy": lambda: sized(target_volatility=2.0, max_leverage=1.1),
    "bound by the carry": lambda: sized(target_volatility=2.0, max_borrow_rate=0.033333),
    "bound by a weight": lambda: a_backtest_policy(assets=some_assets(max_weight=0.35)),
    "an asset's cost of its own": lambda: a_backtest_policy(
        assets=tuple(replace(asset, trade_cost_bps=10 * place) for place, asset in enumerate(some_assets()))
    ),
}


def assert_same(screened: BacktestResult, asked: BacktestResult) -> None:
    assert screened.events == asked.events
    for name in EXACT:
        assert np.array_equal(getattr(screened, name), getattr(asked, name), equal_nan=True), name
    for name in CLOSE:
        np.testing.assert_allclose(
            getattr(screened, name), getattr(asked, name), rtol=1e-8, atol=1e-10, err_msg=name
        )
    told = [screened.binding_names[place] for place in screened.binding]
    assert told == [asked.binding_names[place] for place in asked.binding]


def both(path: MarketPath, policy: Policy, **venue: object) -> tuple[BacktestResult, BacktestResult]:
    return (
        backtest(path, policy, a_venue(**venue), "strategy"),
        backtest_asking_every_bar(path, policy, a_venue(**venue), "strategy"),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
def test_a_screened_run_is_the_run_that_asks_at_every_bar(name: str) -> None:
    screened, asked = both(a_path(bars=FIRST + 420), POLICIES[name]())
    assert_same(screened, asked)
    assert asked.decided_bars == 420
    assert screened.decided_bars < 420


def test_dear_gas_holes_late_assets_and_crashes_are_the_same_both_ways() -> None:
    path = a_path(bars=FIRST + 600, seed=8, swing=1.5)
    closes = path.closes.copy()
    closes[:120, 3] = np.nan
    closes[700:712, 1] = np.nan
    closes[900:] *= 0.62
    gas = np.where(np.arange(len(closes)) % 200 < 120, 90, 20) * 10**9
    path = replace(path, closes=closes, lows=closes * 0.97, gas_price_wei=gas.astype(np.int64))
    policy = a_backtest_policy(
        size=a_size_policy(target_volatility=2.0, max_leverage=1.8, stress_sigmas=0.0, scenarios=()),
        decision=a_decision_policy(risk_share_band=0.01, risk_aversion=30.0, max_age_s=2 * DAY),
    )
    screened, asked = both(path, policy)
    assert_same(screened, asked)
    held = {event.held_by for event in asked.events}
    assert {"gas_price", "prices_fresh"} <= held
    assert asked.low_health_factor.min() < policy.decision.act_health_factor


def test_a_small_vault_with_cheap_gas_trades_below_the_minimum_only_out_of_band() -> None:
    path = a_path(bars=FIRST + 420)
    path = replace(path, gas_price_wei=np.full_like(path.gas_price_wei, 10**4))
    policy = decided(risk_share_band=0.004, out_of_band=0.01, risk_aversion=60.0, triggers=("risk_share",))
    screened, asked = both(path, policy, initial_nav_usd=500.0)
    assert_same(screened, asked)
    trades = [event for event in asked.events if not event.held_by]
    small = [event for event in trades if event.turnover * 500.0 < policy.decision.min_trade_usd]
    assert small
    assert {event.urgency for event in small} == {Urgency.OUT_OF_BAND}
    assert "min_trade" in {event.held_by for event in asked.events}


def test_a_vault_that_keeps_its_gains_is_the_same_both_ways() -> None:
    screened, asked = both(a_path(bars=FIRST + 420), a_backtest_policy(), vault_size=VaultSize.COMPOUNDING)
    assert_same(screened, asked)


def test_the_screen_knows_every_rule_of_the_decision() -> None:
    judged = {rule.name for rule in (*TRIGGERS, *LIMITS) if rule.condition not in NEVER_HOLD}
    assert judged == KNOWN_RULES


def test_what_the_screen_does_not_know_is_asked_at_every_bar() -> None:
    unknown = estimated(correlation="iterated")
    assert not can_screen(unknown)
    result = backtest(a_path(bars=FIRST + 30), unknown, a_venue(), "iterated")
    assert result.decided_bars == 30


def test_limits_of_the_pressing_are_those_of_its_row() -> None:
    policy = decided(risk_share_band=0.004, out_of_band=0.02, risk_aversion=0.01)
    policy = replace(
        policy,
        decision=replace(
            policy.decision,
            limits=(
                some_limits(Urgency.ROUTINE, cooldown_s=7_200),
                some_limits(Urgency.OUT_OF_BAND, cooldown_s=3_600, recentring=0.7),
                some_limits(Urgency.EMERGENCY),
            ),
        ),
    )
    screened, asked = both(a_path(bars=FIRST + 420), policy)
    assert_same(screened, asked)
    assert any(event.urgency is Urgency.OUT_OF_BAND and not event.held_by for event in asked.events)
