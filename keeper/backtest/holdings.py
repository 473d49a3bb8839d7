"""Plain holdings: what somebody has who buys once, or rebalances once a month, and owes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.ledger import COST_FIELDS
from keeper.backtest.market_replay import at_last_known_prices
from keeper.backtest.result import BacktestResult, Costs, Event
from keeper.backtest.universe import universes
from keeper.backtest.venue import SimulatedVenue
from keeper.domain.decision import Action
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.domain.urgency import Urgency

REBALANCE_DAYS = 30
TRADE_COST_BPS = 30.0
"""Pool fee of a passive holding's trades. Holdings pay no slippage and no gas, which favours them."""


@dataclass(frozen=True, slots=True)
class PassiveHolding:
    """Fixed shares of NAV and the rest in the debt asset, rebalanced every 30 days if it has more than one part.

    Without ``shares`` it is equal parts of every asset that the policy can estimate by then.
    """

    name: str
    shares: Mapping[str, float] | None


HOLDINGS = (
    PassiveHolding("equal weight, unlevered", None),
    PassiveHolding("BTC held", {"WBTC": 1.0}),
    PassiveHolding("ETH held", {"WETH": 1.0}),
    PassiveHolding("60/40", {"WBTC": 0.3, "WETH": 0.3}),
)
"""The first is what an owner of the same assets has without a keeper."""


def held(
    path: MarketPath, policy: Policy, venue: SimulatedVenue, holding: PassiveHolding
) -> BacktestResult | None:
    """The holding from the bar at which the policy could first decide. None if an asset has no price there."""
    first = universes(path, policy)[0].start
    closes = at_last_known_prices(path).closes[first:]
    shares = _shares(path, policy, holding)
    if shares is None or not np.isfinite(closes[0, shares[0] > 0.0]).all():
        return None
    book = _Book(path, first, closes, initial_nav=venue.initial_nav_usd)
    book.follow(shares)
    return book.result(holding.name)


def _shares(path: MarketPath, policy: Policy, holding: PassiveHolding) -> NDArray[np.float64] | None:
    """Of NAV at each bar from the first (T, n). None for an asset that the market does not have."""
    periods = universes(path, policy)
    shares = np.zeros((len(path.times) - periods[0].start, len(path.symbols)))
    if holding.shares is None:
        for period in periods:
            shares[period.start - periods[0].start :, :] = 0.0
            shares[period.start - periods[0].start :, period.columns] = 1.0 / len(period.columns)
        return shares
    if not set(holding.shares) <= set(path.symbols):
        return None
    for symbol, share in holding.shares.items():
        shares[:, path.symbols.index(symbol)] = share
    return shares


class _Book:
    """Amounts and cash along the bars, and every rebalancing as an event."""

    def __init__(
        self, path: MarketPath, first: int, closes: NDArray[np.float64], *, initial_nav: float
    ) -> None:
        self._path, self._first, self._closes = path, first, closes
        self._prices, self._stable = np.nan_to_num(closes), path.stable[first:]
        bars = len(closes)
        self._nav, self._weights, self._paid = np.zeros(bars), np.zeros_like(closes), np.zeros(bars)
        self._amounts, self._cash, self._fees = np.zeros(closes.shape[1]), initial_nav / self._stable[0], 0.0
        self._events: list[Event] = []

    def follow(self, shares: NDArray[np.float64]) -> None:
        every = REBALANCE_DAYS * 86_400 // self._path.bar_seconds
        several = bool((np.count_nonzero(shares, axis=1) + (shares.sum(axis=1) < 1.0 - 1e-9)).max() > 1)
        for t in range(len(self._nav)):
            if t == 0 or (several and t % every == 0):
                self._rebalance(t, shares[t])
            values = self._values(t)
            self._nav[t] = float(values.sum()) + self._cash * self._stable[t]
            self._weights[t], self._paid[t] = values / self._nav[t], self._fees

    def _values(self, t: int) -> NDArray[np.float64]:
        return np.where(self._amounts > 0.0, self._amounts * self._prices[t], 0.0)

    def _rebalance(self, t: int, shares: NDArray[np.float64]) -> None:
        values = self._values(t)
        nav = float(values.sum()) + self._cash * self._stable[t]
        traded = float(np.abs(shares * nav - values).sum())
        fees = traded * TRADE_COST_BPS / 10_000
        self._fees += fees
        bought = shares * (nav - fees)
        self._amounts = np.where(
            shares > 0.0, bought / np.where(self._prices[t] > 0.0, self._prices[t], 1.0), 0.0
        )
        self._cash = (nav - fees - float(bought.sum())) / self._stable[t]
        cause = "first purchase" if t == 0 else "month"
        self._events.append(
            Event(
                time=int(self._path.times[self._first + t]),
                action=Action.REBALANCE,
                urgency=Urgency.ROUTINE,
                cause=cause,
                reason="buys its shares" if t == 0 else f"{REBALANCE_DAYS} days are over: back to its shares",
                weights_before=tuple((values / nav).tolist()),
                weights_after=tuple(shares.tolist()),
                leverage_before=float(values.sum()) / nav,
                leverage_after=float(shares.sum()),
                turnover=traded / nav,
                costs=Costs(pool_fees=fees),
            )
        )

    def result(self, name: str) -> BacktestResult:
        path, bars = self._path, len(self._nav)
        spent = np.zeros((bars, len(COST_FIELDS)))
        spent[:, COST_FIELDS.index("pool_fees")] = self._paid
        nothing = np.full(bars, math.nan)
        return BacktestResult(
            name=name,
            source=path.source,
            symbols=path.symbols,
            at_closes=(),
            budgets=(0.0,) * len(path.symbols),
            times=path.times[self._first :],
            bar_seconds=path.bar_seconds,
            closes=self._closes,
            nav_usd=self._nav,
            weights=self._weights,
            risk_shares=np.zeros_like(self._weights),
            leverage=self._weights.sum(axis=1),
            target_leverage=nothing,
            binding=np.zeros(bars, dtype=np.int16),
            binding_names=("none",),
            health_factor=np.full(bars, math.inf),
            low_health_factor=np.full(bars, math.inf),
            health_factor_floor=math.nan,
            forecast_volatility=nothing,
            target_volatility=nothing,
            policy_volatility=math.nan,
            events=tuple(self._events),
            costs=Costs(pool_fees=self._fees),
            cost_path=spent,
            notes=path.notes,
            tracking_error=nothing,
        )
