"""Made-up markets to walk along, and the venue to trade them on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keeper.backtest.venue import LendingTerms, SimulatedPool, SimulatedVenue
from keeper.domain.market import RateCurve, Round
from keeper.domain.path import ImpliedPath, MarketPath
from keeper.domain.policy import Policy
from tests.factories import (
    CORRELATION,
    DECIMALS,
    LIQUIDATION_THRESHOLD,
    LTV,
    PRICES,
    RISK_SYMBOLS,
    VOLATILITIES,
    a_policy,
    a_vault_policy,
    an_estimate_policy,
    some_assets,
)

HOUR = 3_600
START = 1_640_995_200  # 2022-01-01
FIRST = 504


def a_path(
    *,
    bars: int = 900,
    seed: int = 3,
    symbols: Sequence[str] = RISK_SYMBOLS,
    swing: float = 1.0,
    **changes: Any,
) -> MarketPath:
    """Hourly bars of a Gaussian market; ``swing`` scales its volatility. ``changes`` replace whole fields."""
    generator = np.random.default_rng(seed)
    n = len(symbols)
    places = [RISK_SYMBOLS.index(symbol) for symbol in symbols]
    correlation = np.array(CORRELATION)[np.ix_(places, places)]
    scale = swing * np.array(VOLATILITIES)[places] / np.sqrt(8_760)
    returns = generator.standard_normal((bars, n)) @ np.linalg.cholesky(correlation).T * scale
    closes = np.exp(np.cumsum(returns, axis=0)) * np.array([PRICES[symbol] for symbol in symbols])
    times = START + HOUR * np.arange(1, bars + 1, dtype=np.int64)
    path = MarketPath(
        source="made up for a test",
        symbols=tuple(symbols),
        stable_symbol="USDC",
        bar_seconds=HOUR,
        times=times,
        decide_after=0,
        closes=closes,
        lows=closes * 0.998,
        at_closes=(),
        stable=np.ones(bars),
        borrow_rate=np.full(bars, np.nan),
        implied=(
            ImpliedPath("BTC", times[::24], np.full(len(times[::24]), 0.48)),
            ImpliedPath("ETH", times[::24], np.full(len(times[::24]), 0.55)),
        ),
        gas_price_wei=np.full(bars, 20 * 10**9, dtype=np.int64),
        native_usd=closes[:, symbols.index("WETH")] if "WETH" in symbols else np.full(bars, PRICES["WETH"]),
        notes=(),
    )
    return replace(path, **changes)


def a_backtest_policy(**changes: Any) -> Policy:
    """The factory's strategy for what the path holds; 60 days of history."""
    policy = a_policy(estimate=an_estimate_policy(history_s=60 * 86_400))
    return replace(policy, **changes)


def two_assets() -> Policy:
    return a_backtest_policy(assets=tuple(replace(asset, budget=0.5) for asset in some_assets()[:2]))


def a_venue(**changes: Any) -> SimulatedVenue:
    """Deep pools in two tiers between everything and USDC, the factories' collateral terms."""
    venue = SimulatedVenue(
        lending=tuple(
            LendingTerms(
                symbol=symbol,
                decimals=DECIMALS[symbol],
                ltv_bps=LTV[symbol],
                liquidation_threshold_bps=LIQUIDATION_THRESHOLD[symbol],
                liquidation_bonus_bps=500,
                reserve_factor_bps=1_000,
                supply_cap=0,
                borrow_cap=0,
                supplied=1_000_000_000,
                borrowed=750_000_000,
                curve=RateCurve(0.9, 0.0, 0.04, 0.6),
            )
            for symbol in ("USDC", *RISK_SYMBOLS)
        ),
        pools=tuple(
            SimulatedPool((symbol, "USDC"), fee, depth)
            for symbol in RISK_SYMBOLS
            for fee, depth in ((500, 50e6), (3_000, 200e6))
        ),
        fee_tiers=(500, 3_000),
        vault=a_vault_policy(),
        max_weight_bps=20_000,
        slippage_bps=500,
        lag_bps=0,
        cash_lag_bps=0,
        flash_premium_bps=5,
        initial_nav_usd=250_000.0,
    )
    return replace(venue, **changes)


def as_rounds(path: MarketPath) -> Mapping[str, tuple[Round, ...]]:
    """The path's prices as a feed publishes them, one round at each close."""
    return {
        symbol: tuple(
            Round(number + 1, int(answer), int(time))
            for number, (answer, time) in enumerate(
                zip(np.rint(path.closes[:, column] * 1e8), path.times, strict=True)
            )
            if np.isfinite(answer)
        )
        for column, symbol in enumerate(path.symbols)
    }
