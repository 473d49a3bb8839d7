"""Benchmark strategies: other allocations through the same engine, and plain holdings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.ledger import COST_FIELDS
from keeper.backtest.market_replay import at_last_known_prices
from keeper.backtest.result import BacktestResult, Costs
from keeper.backtest.universe import universes
from keeper.backtest.venue import SimulatedVenue
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy

ALLOCATIONS = {
    "equal weight": "equal_weight",
    "inverse volatility": "inverse_volatility",
    "minimum variance": "minimum_variance",
    "hierarchical risk parity": "hierarchical_risk_parity",
}
"""Display name to ``size.allocation``. Each is levered to the same target under the same bounds."""

DECIDES_EVERY = {"hierarchical_risk_parity": 24}
"""Bars between decisions, because one call of the library takes milliseconds."""

REBALANCE_DAYS = 30
TRADE_COST_BPS = 30.0
"""Pool fee of a passive holding's trades. Holdings pay no slippage and no gas, which favours them."""


@dataclass(frozen=True, slots=True)
class PassiveHolding:
    """Fixed shares of NAV and the rest in the debt asset, rebalanced every 30 days if it has more than one part."""

    name: str
    shares: Mapping[str, float]


HOLDINGS = (
    PassiveHolding("BTC held", {"WBTC": 1.0}),
    PassiveHolding("ETH held", {"WETH": 1.0}),
    PassiveHolding("60/40", {"WBTC": 0.3, "WETH": 0.3}),
)


def with_allocation(policy: Policy, allocation: str) -> Policy:
    return replace(policy, size=replace(policy.size, allocation=allocation))


def held(
    path: MarketPath, policy: Policy, venue: SimulatedVenue, holding: PassiveHolding
) -> BacktestResult | None:
    """The holding from the bar at which the policy could first decide. None if an asset has no price there."""
    first = universes(path, policy)[0].start
    columns = [path.symbols.index(symbol) for symbol in holding.shares if symbol in path.symbols]
    closes = at_last_known_prices(path).closes[first:]
    if len(columns) < len(holding.shares) or not np.isfinite(closes[0, columns]).all():
        return None
    shares = np.zeros(len(path.symbols))
    shares[columns] = [holding.shares[path.symbols[column]] for column in columns]
    prices = np.nan_to_num(closes)
    nav, weights, paid = _simulate(
        prices, path.stable[first:], shares, initial_nav=venue.initial_nav_usd, bar_seconds=path.bar_seconds
    )
    bars = len(nav)
    fees = paid[-1]
    spent = np.zeros((bars, len(COST_FIELDS)))
    spent[:, COST_FIELDS.index("pool_fees")] = paid
    nothing = np.full(bars, math.nan)
    return BacktestResult(
        name=holding.name,
        source=path.source,
        symbols=path.symbols,
        budgets=(0.0,) * len(path.symbols),
        times=path.times[first:],
        bar_seconds=path.bar_seconds,
        closes=closes,
        nav_usd=nav,
        weights=weights,
        risk_shares=np.zeros_like(weights),
        leverage=weights.sum(axis=1),
        target_leverage=nothing,
        binding=np.zeros(bars, dtype=np.int16),
        binding_names=("none",),
        health_factor=np.full(bars, math.inf),
        low_health_factor=np.full(bars, math.inf),
        health_factor_floor=math.nan,
        forecast_volatility=nothing,
        target_volatility=nothing,
        policy_volatility=math.nan,
        events=(),
        costs=Costs(pool_fees=float(fees)),
        cost_path=spent,
        notes=path.notes,
        tracking_error=nothing,
    )


def _simulate(
    prices: NDArray[np.float64],
    stable: NDArray[np.float64],
    shares: NDArray[np.float64],
    initial_nav: float,
    bar_seconds: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """NAV (T,), weights (T, n) and fees paid so far (T,)."""
    every = REBALANCE_DAYS * 86_400 // bar_seconds
    several = np.count_nonzero(shares) + (shares.sum() < 1.0) > 1
    nav, weights, paid = np.zeros(len(prices)), np.zeros_like(prices), np.zeros(len(prices))
    amounts, cash, fees = np.zeros(prices.shape[1]), initial_nav / stable[0], 0.0
    for t in range(len(prices)):
        values = np.where(amounts > 0.0, amounts * prices[t], 0.0)
        total = float(values.sum()) + cash * stable[t]
        if t == 0 or (several and t % every == 0):
            aim = shares * total
            cost = float(np.abs(aim - values).sum()) * TRADE_COST_BPS / 10_000
            fees, total = fees + cost, total - cost
            values = shares * total
            amounts = np.where(shares > 0.0, values / np.where(prices[t] > 0.0, prices[t], 1.0), 0.0)
            cash = (total - float(values.sum())) / stable[t]
        nav[t], weights[t], paid[t] = total, values / total, fees
    return nav, weights, paid
