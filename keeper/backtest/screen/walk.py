"""The loop over bars: which of them are surely HOLD.

A shortcut, not a second opinion: a bar is skipped only when every number is clear of its limit by a margin that dwarfs
rounding; what is skipped was going to be HOLD for the reason it already had. A test runs both ways and compares.
"""

from __future__ import annotations

import math

import numpy as np

from keeper.backtest.screen.judgement import fired_trigger, quadratic, stopped_by
from keeper.backtest.screen.live import tracking_error
from keeper.backtest.screen.margin import MARGIN
from keeper.backtest.screen.model import forecast, leverage_allowed, unit_weights
from keeper.backtest.screen.numbers import (
    ASK,
    CASH,
    DEBT,
    EARNED,
    FIRED_NOTHING,
    INTEREST,
    ON_PAPER,
    RATE,
    Assets,
    F,
    Market,
    Rules,
    State,
    Traces,
)
from keeper.backtest.screen.sums import enter, leave
from keeper.risk.compiled.decorators import checked


@checked
def walk(
    t: int, stop: int, held: int, rules: Rules, market: Market, assets: Assets, state: State, traces: Traces
) -> tuple[int, int]:
    """The first bar from ``t`` on at which the live functions must be asked, or ``stop``; and why the one before held.

    The bars before it are HOLD, for the reason ``held`` or, from some bar on, because nothing asks for a trade any
    more; the vault in ``state`` has passed them."""
    m = assets.budgets.size
    blended, unit, weights, target, goal = np.empty(m), np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    while t < stop:
        advance(t, rules, market, state)
        if not forecast(t, rules, market, assets, state, blended):
            return t, held
        if not unit_weights(rules, assets, state, blended, unit):
            return t, held
        stepped = _step(t, market, assets, state)
        debt, nav, factor, low_factor = stepped
        if not nav > 0.0 or low_factor < 1.0 + MARGIN or factor < rules.alert_health_factor * (1.0 + MARGIN):
            return t, held
        unit_volatility = math.sqrt(quadratic(state.covariance, unit))
        leverage, binding, cap = leverage_allowed(
            t, rules, market, assets, state, unit, unit_volatility, debt, nav
        )
        target[:] = leverage * unit
        _weigh(t, market, assets, state, nav, weights)
        pressing = fired_trigger(t, rules, market, state, weights, target)
        if pressing == FIRED_NOTHING:
            code = 0
        elif pressing == ASK:
            code = ASK
        else:
            code = stopped_by(t, rules, market, assets, state, weights, target, cap, nav, pressing, goal)
        if code not in (held, 0):
            return t, held
        held = code
        _commit(t, market, assets, state, traces, weights, debt, nav, factor, low_factor)
        traces.target_leverage[t] = leverage
        traces.binding[t] = binding
        traces.aimed_at[t] = leverage * unit_volatility
        traces.tracking_error[t] = tracking_error(weights, target, state.covariance)
        t += 1
    return stop, held


@checked
def advance(t: int, rules: Rules, market: Market, state: State) -> None:
    """The running sums up to bar ``t``; bars already taken are not taken again."""
    bar, rows = state.counts[0], state.counts[1]
    while bar <= t:
        if market.complete[bar]:
            enter(state.sums, market.returns[bar], state.decays)
            rows += 1
        old = bar - (rules.window - 1)
        if old >= 0 and market.complete[old]:
            rows -= 1
            leave(state.sums, market.returns[old], state.decays, rows)
        bar += 1
    state.counts[0], state.counts[1] = bar, rows


@checked
def _step(t: int, market: Market, assets: Assets, state: State) -> tuple[float, float, float, float]:
    """Debt, NAV, health factor at the close and at the lows, after the bar's interest; nothing is kept yet."""
    vault = state.vault
    debt = vault[DEBT] + vault[DEBT] * vault[RATE]
    gross = carried = low = 0.0
    for i in range(state.amounts.size):
        if state.amounts[i] > 0.0:
            amount = state.amounts[i] + state.amounts[i] * assets.growth[i]
            value = amount * market.closes[t, i]
            gross += value
            carried += value * assets.liquidation_threshold[i]
            low += amount * market.lows[t, i] * assets.liquidation_threshold[i]
    stable = market.stable[t]
    nav = gross + (vault[CASH] - debt) * stable
    if debt <= 0.0:
        return debt, nav, math.inf, math.inf
    return debt, nav, carried / (debt * stable), low / (debt * stable)


@checked
def _weigh(t: int, market: Market, assets: Assets, state: State, nav: float, weights: F) -> None:
    for i in range(weights.size):
        amount = state.amounts[i] + state.amounts[i] * assets.growth[i]
        weights[i] = amount * market.closes[t, i] / nav if amount > 0.0 else 0.0


@checked
def _commit(
    t: int,
    market: Market,
    assets: Assets,
    state: State,
    traces: Traces,
    weights: F,
    debt: float,
    nav: float,
    factor: float,
    low_factor: float,
) -> None:
    """The bar has passed: the vault, and what is remembered of it."""
    vault = state.vault
    vault[INTEREST] += vault[ON_PAPER] * (vault[DEBT] * vault[RATE] * market.stable[t])
    vault[DEBT] = debt
    for i in range(weights.size):
        if state.amounts[i] > 0.0:
            earned = state.amounts[i] * assets.growth[i]
            state.amounts[i] += earned
            vault[EARNED] += vault[ON_PAPER] * (earned * market.closes[t, i])
    covariance, variance = state.covariance, quadratic(state.covariance, weights)
    for i in range(weights.size):
        marginal = 0.0
        for j in range(weights.size):
            marginal += covariance[i, j] * weights[j]
        traces.weights[t, i] = weights[i]
        traces.risk_shares[t, i] = weights[i] * marginal / variance if variance > 0.0 else 0.0
    traces.nav[t] = nav
    traces.forecast[t] = math.sqrt(variance)
    traces.health_factor[t] = factor
    traces.low_health_factor[t] = low_factor
    traces.borrow_interest[t] = vault[INTEREST]
    traces.interest_earned[t] = vault[EARNED]
