"""The risk model and the target of one bar, as ``keeper.risk`` and ``keeper.sizing`` conclude them."""

from __future__ import annotations

import math

import numpy as np

from keeper.backtest.screen.live import in_logs, in_variance, leverage_at_health_factor
from keeper.backtest.screen.margin import MARGIN, near
from keeper.backtest.screen.numbers import (
    EQUAL_WEIGHT,
    IN_VARIANCE,
    INVERSE_VOLATILITY,
    MINIMUM_VARIANCE,
    YEAR_S,
    Assets,
    F,
    Market,
    Rules,
    State,
)
from keeper.backtest.screen.sums import correlate, mix, smallest_pivot, totals
from keeper.risk.compiled.decorators import checked
from keeper.risk.compiled.scaling import scale

RESIDUAL = 1e-8
LEAST_PIVOT = 1e-6
MOST_SWEEPS = 2_000
SOLVED = 1e-13
CLEARLY_HELD = 1e-9


@checked
def forecast(t: int, rules: Rules, market: Market, assets: Assets, state: State, blended: F) -> bool:
    """As ``keeper.risk.estimate``: writes volatilities (m,) and the state's covariance; False where the live estimate
    would refuse or repair, or a number is too near its limit."""
    m = blended.size
    if state.squares[1] != state.counts[1]:
        state.squares[0] = totals(state.counts[1], state.decays, state.shares)
        state.squares[1] = state.counts[1]
    mix(state.sums, state.shares, state.moments)
    correlate(state.moments, state.squares[0], state.row, state.correlation)
    if not smallest_pivot(state.correlation, state.work) > LEAST_PIVOT:
        return False
    used = state.used
    for i in range(m):
        used[i] = _blend(t, i, rules, market, assets, blended)
        if not math.isfinite(used[i]):
            return False
    _borrow(t, market, assets, state, used, blended)
    for i in range(m):
        blended[i] = max(blended[i], rules.volatility_floor)
    for i in range(m):
        for j in range(m):
            state.covariance[i, j] = state.correlation[i, j] * blended[i] * blended[j]
    return True


@checked
def _blend(t: int, i: int, rules: Rules, market: Market, assets: Assets, blended: F) -> float:
    """One asset's own blend; returns the weight of implied volatility in it, NaN where it is too near to tell."""
    historical = market.historical[t, i]
    if not math.isfinite(historical):
        return math.nan
    blended[i] = historical
    place = assets.underlying[i]
    if place < 0:
        return 0.0
    implied, age = market.implied[t, place], market.implied_age[t, place]
    if not (implied > 0.0 and age >= 0.0):
        return 0.0
    weight = assets.implied_weight[i]
    if age > rules.implied_max_age_s:
        weight *= max(0.0, 1.0 - (age - rules.implied_max_age_s) / rules.implied_decay_s)
    ratio = implied / historical
    if near(ratio, rules.implied_ratio_min) or near(ratio, rules.implied_ratio_max):
        return math.nan
    counted = min(implied, rules.implied_ratio_max * historical)
    if rules.blend == IN_VARIANCE:
        both = in_variance(historical, counted, weight)
    else:
        both = in_logs(historical, counted, weight)
    believable = rules.implied_ratio_min <= ratio <= rules.implied_ratio_max
    if not (age <= rules.implied_max_age_s and believable) and both <= historical:
        return 0.0
    blended[i] = both
    return float(weight)


@checked
def _borrow(t: int, market: Market, assets: Assets, state: State, used: F, blended: F) -> None:
    for i in range(blended.size):
        if assets.underlying[i] >= 0:
            continue
        reference = -1
        for j in range(blended.size):
            if used[j] > 0.0 and (reference < 0 or state.correlation[i, j] > state.correlation[i, reference]):
                reference = j
        if reference >= 0:
            rho = max(0.0, state.correlation[i, reference])
            blended[i] *= (blended[reference] / market.historical[t, reference]) ** rho


@checked
def unit_weights(rules: Rules, assets: Assets, state: State, blended: F, unit: F) -> bool:
    """As ``keeper.risk.allocations``; False where it is not solved, or a cap might bind."""
    m = unit.size
    if rules.allocation == EQUAL_WEIGHT:
        unit[:] = 1.0 / m
    elif rules.allocation == INVERSE_VOLATILITY:
        unit[:] = 1.0 / blended
    elif rules.allocation == MINIMUM_VARIANCE:
        if not _least_variance(state.correlation, blended, state.x):
            return False
        unit[:] = state.x / blended
    else:
        if not scale(state.correlation, assets.budgets, state.x, state.solver) <= RESIDUAL:
            return False
        unit[:] = state.x / blended
    unit /= unit.sum()
    return bool(np.all(unit <= assets.max_share * (1.0 - MARGIN)))


@checked
def _least_variance(correlation: F, deviations: F, x: F) -> bool:
    """Minimises ``x'Rx/2 - sum x_i / s_i`` over x >= 0 by coordinate descent from the last solution; weights are
    ``x_i / s_i``. False where that is slow, or an asset is too near to being left out to tell."""
    scale_of = deviations.min()
    for _ in range(MOST_SWEEPS):
        largest = 0.0
        for i in range(x.size):
            pull = scale_of / deviations[i]
            for j in range(x.size):
                if j != i:
                    pull -= correlation[i, j] * x[j]
            largest = max(largest, abs(max(pull, 0.0) - x[i]))
            x[i] = max(pull, 0.0)
            if abs(pull) < CLEARLY_HELD and largest < CLEARLY_HELD:
                return False
        if largest <= SOLVED:
            return True
    return False


@checked
def leverage_allowed(
    t: int,
    rules: Rules,
    market: Market,
    assets: Assets,
    state: State,
    unit: F,
    unit_volatility: float,
    debt: float,
    nav: float,
) -> tuple[float, int, float]:
    """As ``keeper.sizing.bounds``: the least bound, its place in the order of ``all_bounds``, and the least of all but
    the first."""
    threshold = float(np.dot(unit, assets.liquidation_threshold))
    buffer = rules.idle_buffer
    cap, binding = math.inf, 0
    loss = max(
        rules.stress_sigmas * unit_volatility * math.sqrt(rules.time_to_act_s / YEAR_S),
        max(market.worst_loss[t], rules.scenario_loss),
    )
    others = (
        rules.max_leverage,
        leverage_at_health_factor(rules.health_factor_floor, threshold, buffer, 0.0),
        leverage_at_health_factor(rules.stress_health_factor, threshold, buffer, loss),
        (1.0 - buffer) / (1.0 - float(np.dot(unit, assets.ltv))),
        rules.vault_leverage,
        leverage_at_health_factor(rules.vault_health_factor, threshold, buffer + rules.largest_loss, 0.0),
    )
    for place in range(len(others)):
        if others[place] < cap:
            cap, binding = others[place], place + 1
    first = len(others) + 1
    for i in range(unit.size):
        if unit[i] > 0.0 and assets.weight_cap[i] / unit[i] < cap:
            cap, binding = assets.weight_cap[i] / unit[i], first + i
    for i in range(unit.size):
        supplied = state.amounts[i] + state.amounts[i] * assets.growth[i]
        most = max(supplied, assets.supply_room[i], assets.market_share * supplied)
        room = most * market.closes[t, i] / nav / unit[i] if unit[i] > 0.0 else math.inf
        if room < cap:
            cap, binding = room, first + unit.size + i
    for place in range(4):
        most = assets.debt_room[place] if place == 3 else max(debt, assets.debt_room[place])
        room = max(0.0, 1.0 - buffer + most * market.stable[t] / nav)
        if room < cap:
            cap, binding = room, first + 2 * unit.size + place
    wanted = rules.target_volatility / unit_volatility
    if wanted <= cap:
        return wanted, 0, cap
    return cap, binding, cap
