"""The backtest decides as the live keeper would, never looks ahead, and its money adds up."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

import keeper.backtest.engine as engine
import keeper.cycle.pipeline as conclude
import keeper.cycle.replay as replay
import keeper.cycle.run as cycle
from keeper.backtest.engine import backtest
from keeper.backtest.ledger import COST_FIELDS, Ledger
from keeper.backtest.market_replay import MarketReplay, with_prices_at_feed_precision
from keeper.backtest.result import BacktestResult, Costs, Event
from keeper.domain.decision import Action
from keeper.domain.errors import BadInput
from keeper.domain.observation import Observation
from keeper.domain.path import ImpliedPath, MarketPath
from keeper.domain.policy import AssetGroup
from keeper.domain.record import CycleInputs
from keeper.settings.weekly_closure import weekly_closure
from tests.backtest.paths import FIRST, a_backtest_policy, a_path, a_venue, as_rounds, two_assets
from tests.factories import a_decision_policy, a_size_policy

ARRAYS = (
    "nav_usd",
    "weights",
    "risk_shares",
    "leverage",
    "target_leverage",
    "health_factor",
    "low_health_factor",
    "forecast_volatility",
    "target_volatility",
    "cost_path",
)


def paid(costs: Costs) -> float:
    return float(sum(astuple(costs))) - 2 * costs.interest_earned


def trades(result: BacktestResult) -> list[Event]:
    return [event for event in result.events if event.action is not Action.HOLD]


def altered_after(path: MarketPath, bar: int) -> MarketPath:
    """The same market up to ``bar``, another one from there on."""
    later = np.arange(len(path.times)) > bar
    factor = np.where(later, 1.0 + 0.1 * np.sin(np.arange(len(later))), 1.0)[:, None]
    return replace(
        path,
        closes=path.closes * factor,
        lows=path.lows * factor,
        stable=np.where(later, 0.97, path.stable),
        implied=tuple(
            ImpliedPath(
                series.underlying,
                series.times,
                np.where(series.times > path.times[bar], 2.0, series.volatility),
            )
            for series in path.implied
        ),
        gas_price_wei=np.where(later, 10**12, path.gas_price_wei),
    )


def test_live_keeper_replay_and_backtest_call_the_very_same_functions() -> None:
    assert vars(engine)["assess"] is conclude.assess
    assert vars(cycle)["reassess"] is vars(replay)["reassess"] is conclude.reassess
    assert "assess" in conclude.reassess.__code__.co_names
    assert vars(engine)["propose"] is vars(cycle)["propose"] is conclude.propose
    assert vars(engine)["required_quotes"] is vars(cycle)["required_quotes"] is conclude.required_quotes
    assert vars(engine)["verify"] is vars(cycle)["verify"]


def test_a_live_cycle_on_the_same_market_comes_to_the_same_conclusions() -> None:
    path, policy, venue = a_path(bars=FIRST + 1), a_backtest_policy(), a_venue()
    result = backtest(path, policy, venue, "strategy")
    scene = MarketReplay(with_prices_at_feed_precision(path), venue, policy.estimate.history_s)
    columns = np.arange(len(path.symbols))
    empty = Ledger(venue, path.symbols, np.zeros(4), venue.initial_nav_usd, 0.0, np.zeros(len(COST_FIELDS)))
    snapshot = scene.snapshot(FIRST, columns, empty)
    bars = conclude.price_bars(as_rounds(path), snapshot, policy)
    implied = scene.implied(FIRST)
    assessment = conclude.assess(Observation(snapshot, implied=implied), bars, policy)
    quotes = tuple(scene.quote(asked, snapshot) for asked in conclude.required_quotes(assessment, snapshot))
    live = conclude.conclude(
        CycleInputs(
            snapshot,
            implied,
            history=(),
            policy=policy,
            quotes=quotes,
            opinions=(),
            memory=(),
            candles=(),
        ),
        bars,
    )
    event = result.events[0]
    assert live.decision is not None
    assert live.plan is not None
    assert event.reason == live.decision.reason
    assert event.benefit_usd == live.decision.benefit_usd
    assert event.target_leverage == live.target.leverage
    assert event.costs.pool_fees == pytest.approx(live.plan.cost.fees)
    assert event.weights_after == pytest.approx(live.plan.expected.weights, rel=2e-3)


def test_bars_are_what_the_same_prices_published_as_rounds_become() -> None:
    path, policy = a_path(bars=700), a_backtest_policy()
    holes = path.closes.copy()
    holes[100:130, 2] = np.nan
    path = with_prices_at_feed_precision(replace(path, closes=holes))
    scene = MarketReplay(path, a_venue(), policy.estimate.history_s)
    columns = np.arange(4)
    rounds = as_rounds(path)
    empty = Ledger(a_venue(), path.symbols, np.zeros(4), 1.0, 0.0, np.zeros(len(COST_FIELDS)))
    for t in (50, 140, 699):
        live = conclude.price_bars(
            rounds,
            scene.snapshot(t, columns, empty),
            replace(policy, estimate=replace(policy.estimate, max_gap_s=1)),
        )
        seen = scene.bars(t, columns)
        assert (seen.symbols, seen.begun) == (live.symbols, live.begun)
        assert np.array_equal(live.times, seen.times)
        assert np.array_equal(live.closes, seen.closes, equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize("bar", [FIRST, FIRST + 57, FIRST + 200])
def test_changing_any_later_bar_changes_no_earlier_decision(bar: int) -> None:
    path, policy, venue = a_path(), two_assets(), a_venue()
    policy = replace(policy, decision=a_decision_policy(risk_share_band=0.01, risk_aversion=50.0))
    known = backtest(path, policy, venue, "strategy")
    other = backtest(altered_after(path, bar), policy, venue, "strategy")
    seen = bar - FIRST + 1
    for name in ARRAYS:
        assert np.array_equal(getattr(known, name)[:seen], getattr(other, name)[:seen], equal_nan=True), name
    until = path.times[bar]
    assert [event for event in known.events if event.time <= until] == [
        event for event in other.events if event.time <= until
    ]
    assert not np.array_equal(known.nav_usd, other.nav_usd)


def test_the_first_trade_costs_exactly_what_it_says() -> None:
    result = backtest(a_path(bars=FIRST + 1), a_backtest_policy(), a_venue(), "strategy")
    (event,) = result.events
    assert event.action is Action.REBALANCE
    assert event.costs.pool_fees > 0
    assert event.costs.slippage > 0
    assert event.costs.gas > 0
    assert result.nav_usd[0] == pytest.approx(250_000 - paid(event.costs), abs=0.01)
    assert result.leverage[0] == pytest.approx(event.target_leverage, rel=5e-3)


@pytest.mark.slow
def test_wealth_changes_by_prices_and_costs_alone() -> None:
    path = a_path()
    result = backtest(path, a_backtest_policy(), a_venue(), "strategy")
    value = result.weights * result.nav_usd[:, None]
    growth = path.closes[FIRST + 1 :] / path.closes[FIRST:-1] - 1.0
    gained = (value[:-1] * growth).sum(axis=1)
    net = result.cost_path.sum(axis=1) - 2 * result.cost_path[:, COST_FIELDS.index("interest_earned")]
    assert np.diff(result.nav_usd) == pytest.approx(gained - np.diff(net), abs=0.05)


@pytest.mark.slow
def test_costs_of_the_events_and_interest_are_all_the_costs() -> None:
    result = backtest(a_path(), a_backtest_policy(), a_venue(), "strategy")
    for field in ("pool_fees", "slippage", "flash_premium", "gas", "liquidation"):
        assert sum(getattr(event.costs, field) for event in result.events) == pytest.approx(
            getattr(result.costs, field)
        )
    assert result.costs.borrow_interest > 0
    assert result.cost_path[-1] == pytest.approx(astuple(result.costs))


def test_a_larger_vault_pays_more_slippage_for_each_dollar() -> None:
    path, policy = a_path(bars=FIRST + 1), a_backtest_policy()
    small = backtest(path, policy, a_venue(), "small").costs
    large = backtest(path, policy, a_venue(initial_nav_usd=1_000_000.0), "large").costs
    assert (large.slippage + large.pool_fees) / 4 > 1.5 * (small.slippage + small.pool_fees)


@pytest.mark.slow
def test_a_crash_that_leaves_no_time_is_a_liquidation_with_its_bonus() -> None:
    path = a_path(bars=700)
    crash = np.where(np.arange(700) >= 600, 0.58, 1.0)[:, None]
    path = replace(path, closes=path.closes * crash, lows=path.lows * crash)
    policy = a_backtest_policy(
        size=a_size_policy(target_volatility=2.0, max_leverage=1.9, scenarios=(), stress_sigmas=0.0)
    )
    result = backtest(path, policy, a_venue(), "reckless")
    liquidations = [event for event in result.events if event.cause == "liquidation"]
    assert liquidations
    assert liquidations[0].time == path.times[600]
    assert result.low_health_factor.min() < 1.0
    assert result.costs.liquidation > 0
    assert liquidations[0].leverage_after < liquidations[0].leverage_before


@pytest.mark.slow
def test_a_fall_pulls_the_ripcord_before_the_liquidation() -> None:
    path = a_path(bars=700)
    fall = np.where(np.arange(700) >= 600, 0.72, 1.0)[:, None]
    path = replace(path, closes=path.closes * fall, lows=path.lows * fall)
    policy = a_backtest_policy(
        size=a_size_policy(target_volatility=2.0, max_leverage=1.9, scenarios=(), stress_sigmas=0.0)
    )
    result = backtest(path, policy, a_venue(), "levered")
    assert any(event.action is Action.RIPCORD for event in result.events)
    assert result.costs.liquidation == 0
    assert result.low_health_factor.min() > 1.0


@pytest.mark.slow
def test_an_asset_joins_when_it_has_enough_history() -> None:
    path = a_path()
    closes = path.closes.copy()
    closes[:200, 3] = np.nan
    unquoted = replace(
        path, closes=closes, lows=closes, implied=()
    )  # an option market between two quotes stops buying
    result = backtest(unquoted, a_backtest_policy(), a_venue(), "strategy")
    joined = FIRST + 200 - FIRST
    assert np.all(result.weights[:joined, 3] == 0)
    assert np.all(result.weights[joined + 3 :, 3] > 0)
    assert result.risk_shares[joined - 1, :3] == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.slow
def test_a_group_waits_for_its_late_asset() -> None:
    path = a_path(bars=FIRST + 260)
    closes = path.closes.copy()
    closes[:200, 3] = np.nan
    policy = a_backtest_policy(size=a_size_policy(groups=(AssetGroup("small", ("LINK", "UNI"), 0.25),)))
    result = backtest(replace(path, closes=closes, lows=closes), policy, a_venue(), "grouped")
    share = result.weights[:, 2:].sum(axis=1) / result.leverage
    assert share.max() < 0.27
    assert share[-1] == pytest.approx(0.25, abs=0.02)
    assert result.weights[-1, 3] > 0


@pytest.mark.slow
def test_a_hold_is_told_once_until_its_gate_changes() -> None:
    policy = a_backtest_policy(decision=a_decision_policy(risk_share_band=0.005, risk_aversion=0.5))
    result = backtest(a_path(), policy, a_venue(), "strategy")
    held = [event for event in result.events if event.action is Action.HOLD]
    assert {event.held_by for event in held} == {"benefit_exceeds_cost"}
    assert 0 < len(held) < len(result.times) / 4


def test_while_a_market_is_closed_its_asset_is_not_traded_and_nothing_is_bought() -> None:
    gold = weekly_closure("Fri 17:00 to Sun 18:00 America/New_York")
    assets = tuple(
        replace(asset, closed=gold if asset.symbol == "LINK" else None)
        for asset in a_backtest_policy().assets
    )
    # Five of seven days have bars, so gold joins on 31 January, a Monday. The path ends after a weekend.
    eager = a_decision_policy(risk_share_band=0.002, out_of_band=0.006, triggers=("risk_share",))
    policy = a_backtest_policy(assets=assets, decision=eager)
    result = backtest(a_path(bars=900), policy, a_venue(), "strategy")
    joined = 1_643_587_200
    closed = [event for event in result.events if event.time > joined and not gold.is_open(event.time - 1)]
    assert "markets_open" in {event.held_by for event in closed}
    place = result.symbols.index("LINK")
    for event in closed:
        assert event.leverage_after <= event.leverage_before
        assert event.weights_after[place] == pytest.approx(event.weights_before[place], rel=1e-3)


def test_a_path_on_another_grid_or_too_short_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"estimate\.bar_seconds"):
        backtest(replace(a_path(bars=600), bar_seconds=60), a_backtest_policy(), a_venue(), "strategy")
    with pytest.raises(BadInput, match="504"):
        backtest(a_path(bars=400), a_backtest_policy(), a_venue(), "strategy")


@pytest.mark.slow
def test_progress_ends_with_everything_done() -> None:
    seen: list[tuple[int, int]] = []
    backtest(
        a_path(bars=FIRST + 250),
        two_assets(),
        a_venue(),
        "strategy",
        lambda done, all_: seen.append((done, all_)),
    )
    assert seen[-1] == (250, 250)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_nothing_to_trade_with_leaves_cash_alone() -> None:
    path = a_path(bars=FIRST + 20)
    result = backtest(path, a_backtest_policy(), a_venue(pools=()), "no pools")
    assert not trades(result)
    assert result.events[0].held_by == "NothingFeasible"
    assert result.nav_usd == pytest.approx(np.full(20, 250_000.0))


def test_decisions_can_be_once_a_day() -> None:
    path = a_path(bars=FIRST + 240)
    policy = a_backtest_policy(decision=a_decision_policy(routine_every_s=86_400))
    result = backtest(path, policy, a_venue(), "daily")
    assert np.unique(result.target_leverage).size == 10
    assert np.isfinite(result.tracking_error).all(), "between decisions against the last target"
    assert {(event.time - path.times[FIRST]) % 86_400 for event in result.events} == {0}
    hourly = backtest(path, policy, a_venue(), "hourly", every_bar=True)
    assert np.unique(hourly.target_leverage).size > 50
    assert np.isfinite(result.nav_usd).all()
