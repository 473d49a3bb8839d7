"""Bars a second of a backtest, beside what peers do with weights that are given to them. ``make bench`` prints them.

The peers decide nothing: they turn a table of target weights, one row a bar, into a curve.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from keeper.backtest.engine import backtest
from keeper.backtest.venue import LendingTerms, SimulatedPool, SimulatedVenue
from keeper.domain.market import RateCurve
from keeper.domain.path import ImpliedPath, MarketPath
from keeper.domain.policy import AssetPolicy, Policy
from tests.factories import a_decision_policy, a_policy, a_size_policy, a_vault_policy, an_estimate_policy

HOUR = 3_600
FIVE_YEARS = 43_800
WARM_UP = 2_880
START = 1_546_300_800


def symbols_of(n: int) -> tuple[str, ...]:
    return ("WBTC", "WETH", *(f"A{number}" for number in range(3, n + 1)))[:n]


def a_market(n: int, bars: int) -> MarketPath:
    """Hourly Gaussian bars, volatilities of 50 to 90 % that wander by a third, correlations of 0.6."""
    generator = np.random.default_rng(n)
    level = np.linspace(0.5, 0.9, n) * np.exp(0.3 * np.sin(np.arange(bars)[:, None] / 2_000 + np.arange(n)))
    common, own = generator.standard_normal((bars, 1)), generator.standard_normal((bars, n))
    returns = (np.sqrt(0.6) * common + np.sqrt(0.4) * own) * level / np.sqrt(8_760)
    closes = np.exp(np.cumsum(returns, axis=0)) * 100.0
    times = START + HOUR * np.arange(1, bars + 1, dtype=np.int64)
    return MarketPath(
        source="made up",
        symbols=symbols_of(n),
        stable_symbol="USDC",
        bar_seconds=HOUR,
        times=times,
        decide_after=0,
        closes=closes,
        lows=closes,
        at_closes=(),
        stable=np.ones(bars),
        borrow_rate=np.full(bars, np.nan),
        implied=tuple(
            ImpliedPath(name, times, level[:, place].copy()) for place, name in enumerate(("BTC", "ETH"))
        ),
        gas_price_wei=np.full(bars, 20 * 10**9, dtype=np.int64),
        native_usd=closes[:, 1],
        notes=(),
    )


def a_venue(n: int) -> SimulatedVenue:
    names = ("USDC", *symbols_of(n))
    return SimulatedVenue(
        lending=tuple(
            LendingTerms(
                name, 18, 7_500, 8_000, 500, 1_000, 0, 0, 10**9, 7 * 10**8, RateCurve(0.9, 0.0, 0.04, 0.6)
            )
            for name in names
        ),
        pools=tuple(SimulatedPool((name, "USDC"), 500, 1e8) for name in names[1:]),
        fee_tiers=(500,),
        vault=a_vault_policy(),
        slippage_bps=500,
        lag_bps=0,
        cash_lag_bps=0,
        max_weight_bps=20_000,
        flash_premium_bps=5,
        initial_nav_usd=1_000_000.0,
    )


def a_strategy(n: int) -> Policy:
    """The estimator, allocation and aims that ship."""
    options = {"WBTC": "BTC", "WETH": "ETH"}
    return a_policy(
        assets=tuple(
            AssetPolicy(name, 1 / n, 1.5, options.get(name), 0.25, max_share=1.0, trade_cost_bps=None)
            for name in symbols_of(n)
        ),
        estimate=an_estimate_policy(volatility="ewma_mix", correlation="ewma_mix", shrink=False),
        size=a_size_policy(target_volatility=0.7),
        decision=a_decision_policy(
            triggers=("tracking_error", "age"),
            rebalance_to="ellipsoid",
            tracking_error_band=0.08,
            max_age_s=30 * 86_400,
        ),
    )


def weights_at_every_bar(path: MarketPath) -> NDArray[np.float64]:
    """What a peer is given: equal weights that breathe a little, (T, n)."""
    n = len(path.symbols)
    wave = 1.0 + 0.1 * np.sin(np.arange(len(path.times))[:, None] / 50 + np.arange(n))
    return np.asarray(wave / wave.sum(axis=1, keepdims=True))


def tell(benchmark: BenchmarkFixture, who: str, bars: int) -> None:
    benchmark.extra_info.update(who=who, times=bars)


GROUP = "backtest, n = 10, hourly, for each bar"
GROWTH = "backtest, how it grows with assets and bars, for each bar"


@pytest.mark.parametrize(("n", "bars"), [(10, 2_000), (10, 1_000), (4, 2_000), (20, 2_000)])
def test_keeper(benchmark: BenchmarkFixture, request: pytest.FixtureRequest, n: int, bars: int) -> None:
    if bars > 1_000 and not request.config.getoption("--benchmark-enable"):
        pytest.skip("make bench: the shortest shows that it runs")
    benchmark.group = GROUP if (n, bars) == (10, 2_000) else GROWTH
    path, policy, venue = a_market(n, WARM_UP + bars), a_strategy(n), a_venue(n)
    policy = replace(policy, estimate=replace(policy.estimate, min_bars=WARM_UP - 1))
    result = benchmark.pedantic(backtest, (path, policy, venue, "strategy"), rounds=1)
    trades = sum(not event.held_by for event in result.events)
    tell(benchmark, f"keeper, n = {n}, {bars:,} bars, {trades} trades", len(result.times))
    assert trades > 0


@pytest.mark.benchmark(group=GROUP)
def test_a_plain_numpy_loop(benchmark: BenchmarkFixture) -> None:
    path = a_market(10, FIVE_YEARS)
    weights, closes = weights_at_every_bar(path), path.closes

    def walk() -> float:
        nav, amounts = 1.0, np.zeros(10)
        for t in range(len(closes)):
            if t:
                nav = float(amounts @ closes[t])
            amounts = nav * weights[t] / closes[t]
        return nav

    assert benchmark.pedantic(walk, rounds=3) > 0.0
    tell(benchmark, "numpy loop, weights given", FIVE_YEARS)


@pytest.mark.benchmark(group=GROUP)
def test_vectorbt(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--benchmark-enable"):
        pytest.skip("make bench: it compiles itself for 20 s")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectorbt = pytest.importorskip("vectorbt", reason="`make bench` installs the group peers")
        import pandas as pd

        path = a_market(10, FIVE_YEARS)
        index = pd.to_datetime(path.times, unit="s")
        closes = pd.DataFrame(path.closes, index=index, columns=list(path.symbols))
        weights = pd.DataFrame(weights_at_every_bar(path), index=index, columns=closes.columns)

        def walk() -> float:
            book = vectorbt.Portfolio.from_orders(
                closes,
                size=weights,
                size_type="targetpercent",
                group_by=True,
                cash_sharing=True,
                call_seq="auto",
                fees=0.0005,
            )
            return float(book.final_value())

        walk()
        assert benchmark.pedantic(walk, rounds=3) > 0.0
    tell(benchmark, "vectorbt from_orders, weights given", FIVE_YEARS)


@pytest.mark.benchmark(group=GROUP)
def test_bt(benchmark: BenchmarkFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bt = pytest.importorskip("bt", reason="`make bench` installs the group peers")
        import pandas as pd

        path = a_market(10, 1_000)
        index = pd.to_datetime(path.times, unit="s")
        closes = pd.DataFrame(path.closes, index=index, columns=list(path.symbols))
        weights = pd.DataFrame(weights_at_every_bar(path), index=index, columns=closes.columns)

        def walk() -> float:
            strategy = bt.Strategy("given", [bt.algos.WeighTarget(weights), bt.algos.Rebalance()])
            return float(bt.run(bt.Backtest(strategy, closes, progress_bar=False)).prices.iloc[-1, 0])

        assert benchmark.pedantic(walk, rounds=1) > 0.0
    tell(benchmark, "bt, weights given", 1_000)
