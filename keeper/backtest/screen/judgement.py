"""Triggers and limits of one bar, as ``keeper.decision`` judges them."""

from __future__ import annotations

import math

from keeper.backtest.screen.live import (
    allowed_part,
    benefit,
    gas_price_limit,
    outer_band,
    part_to_ellipsoid,
    relative_gap,
    share_within_bounds,
    tracking_error,
    trade_cost,
    turnover,
)
from keeper.backtest.screen.margin import MARGIN, near
from keeper.backtest.screen.numbers import (
    ASK,
    DAY_S,
    FIRED_NOTHING,
    LAST,
    OUT_OF_BAND,
    ROUTINE,
    TO_ELLIPSOID,
    TO_ELSEWHERE,
    USED_AT,
    USED_LOSS,
    USED_TURNOVER,
    WAD,
    Assets,
    F,
    Market,
    Rules,
    State,
)
from keeper.risk.compiled.decorators import checked


@checked
def fired_trigger(t: int, rules: Rules, market: Market, state: State, weights: F, target: F) -> int:
    """As ``keeper.decision.triggers``: FIRED_NOTHING, ROUTINE or OUT_OF_BAND; ASK where it is too near to tell."""
    covariance, m = state.covariance, weights.size
    variance, due_variance = quadratic(covariance, weights), quadratic(covariance, target)
    if not due_variance > 0.0:
        return ASK
    share = held = due = 0.0
    for i in range(m):
        marginal = due_marginal = 0.0
        for j in range(m):
            marginal += covariance[i, j] * weights[j]
            due_marginal += covariance[i, j] * target[j]
        now = weights[i] * marginal / variance if variance > 0.0 else 0.0
        share = max(share, abs(now - target[i] * due_marginal / due_variance))
        held += weights[i]
        due += target[i]
    values = (
        share,
        tracking_error(weights, target, covariance),
        relative_gap(math.sqrt(variance), math.sqrt(due_variance)),
        relative_gap(held, due),
    )
    fired = FIRED_NOTHING
    for place in range(4):
        band = rules.bands[place]
        outer = outer_band(band, rules.out_of_band, rules.risk_share_band)
        if near(values[place], band) or near(values[place], outer):
            return ASK
        if values[place] > outer:
            fired = OUT_OF_BAND
        elif values[place] > band and fired == FIRED_NOTHING:
            fired = ROUTINE
    overdue = rules.looks_at_age and market.times[t] - state.vault[LAST] > rules.max_age_s
    return ROUTINE if overdue and fired == FIRED_NOTHING else fired


@checked
def stopped_by(
    t: int,
    rules: Rules,
    market: Market,
    assets: Assets,
    state: State,
    weights: F,
    target: F,
    cap: float,
    nav: float,
    pressing: int,
    goal: F,
) -> int:
    """The first limit that stops the trade which a trigger asks for; ASK when none surely does."""
    since, price = market.times[t] - state.vault[LAST], market.gas_price_wei[t]
    if since < rules.cooldown_s[pressing]:
        return 1
    limit = rules.max_gas_price_wei[pressing]
    if pressing == ROUTINE:
        limit = gas_price_limit(
            float(since), rules.max_age_s, rules.patience_s, limit, rules.max_gas_price_wei[OUT_OF_BAND]
        )
    if price > limit:
        return 2
    if rules.rebalance_to == TO_ELSEWHERE:
        return ASK
    part = rules.recentring[pressing]
    if rules.rebalance_to == TO_ELLIPSOID and pressing == ROUTINE:
        distance = tracking_error(weights, target, state.covariance)
        part *= part_to_ellipsoid(distance, rules.tracking_error_band, rules.tracking_error_left)
    code = _too_dear(t, rules, market, assets, state, weights, target, part, nav, pressing, goal)
    if part < 1.0:
        # Where the aim would overshoot, the live function goes to the target instead: held only if neither pays.
        whole = _too_dear(t, rules, market, assets, state, weights, target, 1.0, nav, pressing, goal)
        if code != whole or not _keeps_bounds(rules, assets, weights, target, part, cap, goal):
            return ASK
    return code


@checked
def _keeps_bounds(
    rules: Rules, assets: Assets, weights: F, target: F, part: float, cap: float, goal: F
) -> bool:
    """Whether the aim surely needs none of the corrections of ``keeper.decision.move.within_bounds``."""
    for i in range(weights.size):
        goal[i] = (weights[i] + part * (target[i] - weights[i])) * (1.0 + MARGIN)
        if goal[i] > assets.max_weight[i]:
            return False
    floors = (rules.min_health_factor, rules.vault_health_factor)
    buffers = (rules.idle_buffer, rules.idle_buffer + rules.largest_loss)
    share = share_within_bounds(goal, cap, assets.liquidation_threshold, floors, buffers)
    return bool(share == 1.0)


@checked
def _too_dear(
    t: int,
    rules: Rules,
    market: Market,
    assets: Assets,
    state: State,
    weights: F,
    target: F,
    part: float,
    nav: float,
    pressing: int,
    goal: F,
) -> int:
    """Which of the limits on cost, size and benefit stops a trade that far; ASK for none."""
    held = 0.0
    for i in range(weights.size):
        goal[i] = weights[i] + part * (target[i] - weights[i])
        held += weights[i]
    allowed = allowed_part(
        weights, goal, assets.trade_cost_bps, rules.max_trade[pressing], rules.max_loss_bps
    )
    for i in range(weights.size):
        goal[i] = weights[i] + allowed * (goal[i] - weights[i])
    cost = trade_cost(weights, goal, assets.trade_cost_bps, rules.flash_premium_bps, held, nav)
    size = turnover(weights, goal)
    vault = state.vault
    drained = (market.times[t] - vault[USED_AT]) / DAY_S
    loss = max(0.0, vault[USED_LOSS] - drained * rules.daily_loss) + cost / nav
    turned = max(0.0, vault[USED_TURNOVER] - drained * rules.daily_turnover) + size
    if near(loss, rules.daily_loss) or near(turned, rules.daily_turnover):
        return ASK
    if loss > rules.daily_loss:
        return 3
    if turned > rules.daily_turnover:
        return 4
    worth = benefit(
        tracking_error(weights, target, state.covariance),
        tracking_error(goal, target, state.covariance),
        rules.risk_aversion,
        rules.horizon_years,
        nav,
    )
    gas = rules.rebalance_gas * market.gas_price_wei[t] / WAD * market.gas_usd[t]
    if near(size * nav, rules.min_trade_usd) or near(worth, cost + gas):
        return ASK
    if size * nav < rules.min_trade_usd and (pressing == ROUTINE or worth <= cost + gas):
        return 5
    return 6 if pressing == ROUTINE and worth <= cost + gas else ASK


@checked
def quadratic(covariance: F, weights: F) -> float:
    """``w' S w``, not under 0."""
    total = 0.0
    for i in range(weights.size):
        row = 0.0
        for j in range(weights.size):
            row += covariance[i, j] * weights[j]
        total += weights[i] * row
    return max(0.0, total)
