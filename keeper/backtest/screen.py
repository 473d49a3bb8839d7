"""Shows in compiled code at which bars the live functions would surely hold, so that only the others ask them.

A shortcut, not a second opinion: a bar is skipped only when every number is clear of its limit by a margin that dwarfs
rounding; what is skipped was going to be HOLD for the reason it already had. A test runs both ways and compares.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from keeper.backtest.streaming import correlate, enter, leave, mixed, smallest_pivot
from keeper.decision import measures
from keeper.risk.compiled.scaling import scale
from keeper.risk.implied import in_logs as _in_logs
from keeper.risk.implied import in_variance as _in_variance
from keeper.sizing.bounds import leverage_at_health_factor as _leverage_at_health_factor

F = NDArray[np.float64]
leverage_at_health_factor = njit(cache=True)(_leverage_at_health_factor)
relative_gap, tracking_error = njit(cache=True)(measures.relative_gap), njit(cache=True)(measures.tracking_error)
outer_band, gas_price_limit = njit(cache=True)(measures.outer_band), njit(cache=True)(measures.gas_price_limit)
turnover, trade_cost = njit(cache=True)(measures.turnover), njit(cache=True)(measures.trade_cost)
benefit, half_way = njit(cache=True)(measures.benefit), njit(cache=True)(measures.half_way)
way_to_reach, allowed_part = njit(cache=True)(measures.way_to_reach), njit(cache=True)(measures.allowed_part)
in_variance, in_logs = njit(cache=True)(_in_variance), njit(cache=True)(_in_logs)

MARGIN = 1e-6
"""Relative; the two ways differ by 1e-9 or less."""
RESIDUAL = 1e-8
LEAST_PIVOT = 1e-6
YEAR_S = 31_536_000.0
DAY_S = 86_400.0
BPS = 10_000.0
WAD = 1e18

ASK, FIRED_NOTHING = -1, -2
ROUTINE, OUT_OF_BAND = 0, 1
HELD_BY = ("", "cooldown", "gas_price", "daily_loss_budget", "daily_turnover_budget", "min_trade", "benefit_exceeds_cost")
"""What a code of ``judged`` means; 0: nothing asks for a trade."""
RISK_PARITY, EQUAL_WEIGHT, INVERSE_VOLATILITY = 0, 1, 2
IN_VARIANCE, IN_LOGS = 0, 1
TO_TARGET, TO_ELLIPSOID, TO_ELSEWHERE = 0, 1, 2


class Rules(NamedTuple):
    """The policy, tightened, in numbers; names as in ``keeper.domain.policy``."""

    bar_seconds: int
    window: int
    allocation: int
    blend: int
    volatility_floor: float
    implied_max_age_s: float
    implied_decay_s: float
    implied_ratio_min: float
    implied_ratio_max: float
    target_volatility: float
    max_leverage: float
    min_health_factor: float
    health_factor_floor: float
    stress_health_factor: float
    stress_sigmas: float
    scenario_loss: float
    time_to_act_s: float
    idle_buffer: float
    vault_leverage: float
    vault_health_factor: float
    largest_loss: float
    bands: tuple[float, float, float, float]
    """Of risk share, tracking error, volatility, leverage; inf where the policy does not name the trigger."""
    looks_at_age: bool
    out_of_band: float
    risk_share_band: float
    rebalance_to: int
    tracking_error_band: float
    tracking_error_left: float
    alert_health_factor: float
    max_age_s: float
    patience_s: float
    cooldown_s: tuple[float, float]
    max_gas_price_wei: tuple[float, float]
    recentring: tuple[float, float]
    max_trade: tuple[float, float]
    max_loss_bps: float
    flash_premium_bps: float
    rebalance_gas: float
    daily_loss: float
    daily_turnover: float
    min_trade_usd: float
    risk_aversion: float
    horizon_years: float


class Market(NamedTuple):
    """One universe's columns of the path, and what can be known of each bar beforehand; (T, m) or (T,)."""

    times: NDArray[np.int64]
    closes: F
    lows: F
    stable: F
    returns: F
    complete: NDArray[np.bool_]
    historical: F
    implied: F
    implied_age: F
    worst_loss: F
    gas_price_wei: F
    gas_usd: F


class Assets(NamedTuple):
    """Per asset (m,). ``underlying``: column of ``Market.implied``, or -1. ``growth``: supply interest of one bar.

    ``supply_room`` (m,) and ``debt_room`` (4,): whole tokens that the market's limits leave us."""

    budgets: F
    underlying: NDArray[np.int64]
    implied_weight: F
    liquidation_threshold: F
    ltv: F
    weight_cap: F
    supply_room: F
    market_share: float
    max_share: F
    max_weight: F
    trade_cost_bps: F
    debt_room: F
    growth: F


class State(NamedTuple):
    """What the walk keeps between calls: running sums, the last solution, the vault."""

    sums: F
    decays: F
    moments: F
    counts: NDArray[np.int64]
    """Next bar to enter, complete bars in the window."""
    x: F
    correlation: F
    covariance: F
    work: F
    solver: F
    amounts: F
    vault: F
    """cash, debt, borrow rate a bar, used loss, used turnover, used at, last rebalance, dollars on paper per dollar,
    borrow interest paid, interest earned."""


class Traces(NamedTuple):
    """Where the numbers of skipped bars go, (T,) or (T, m)."""

    nav: F
    weights: F
    risk_shares: F
    target_leverage: F
    binding: NDArray[np.int16]
    health_factor: F
    low_health_factor: F
    forecast: F
    aimed_at: F
    borrow_interest: F
    interest_earned: F


CASH, DEBT, RATE, USED_LOSS, USED_TURNOVER, USED_AT, LAST, ON_PAPER, INTEREST, EARNED = range(10)


@njit(cache=True)
def walk(
    t: int, stop: int, held: int, rules: Rules, market: Market, assets: Assets, state: State, traces: Traces
) -> tuple[int, int]:
    """The first bar from ``t`` on at which the live functions must be asked, or ``stop``, and why the bar before it held.

    The bars before it are HOLD, for the reason ``held`` or, from some bar on, because nothing asks for a trade any
    more; the vault in ``state`` has passed them."""
    m = assets.budgets.size
    blended, unit, weights, target, goal = np.empty(m), np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    while t < stop:
        advance(t, rules, market, state)
        if not _volatilities(t, rules, market, assets, state, blended):
            return t, held
        if not _unit_weights(rules, assets, state, blended, unit):
            return t, held
        stepped = _step(t, rules, market, assets, state)
        debt, nav, factor, low_factor = stepped
        if nav <= 0.0 or low_factor < 1.0 + MARGIN or factor < rules.alert_health_factor * (1.0 + MARGIN):
            return t, held
        unit_volatility = math.sqrt(_quadratic(state.covariance, unit))
        leverage, binding, cap = _leverage(t, rules, market, assets, state, unit, unit_volatility, debt, nav)
        target[:] = leverage * unit
        _weigh(t, market, assets, state, nav, weights)
        pressing = _fired(t, rules, market, state, weights, target)
        if pressing == FIRED_NOTHING:
            code = 0
        elif pressing == ASK:
            code = ASK
        else:
            code = _held_by(t, rules, market, assets, state, weights, target, cap, nav, pressing, goal)
        if code not in (held, 0):
            return t, held
        held = code
        _commit(t, market, assets, state, traces, weights, debt, nav, factor, low_factor)
        traces.target_leverage[t] = leverage
        traces.binding[t] = binding
        traces.aimed_at[t] = leverage * unit_volatility
        t += 1
    return stop, held


@njit(cache=True)
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


@njit(cache=True)
def _volatilities(t: int, rules: Rules, market: Market, assets: Assets, state: State, blended: F) -> bool:
    """As ``keeper.risk.implied.blends``; False where the live estimate would refuse or repair."""
    m = blended.size
    squares = mixed(state.sums, state.counts[1], state.decays, state.moments)
    correlate(state.moments, squares, state.correlation)
    if not smallest_pivot(state.correlation, state.work) > LEAST_PIVOT:
        return False
    used = np.zeros(m)
    for i in range(m):
        historical = market.historical[t, i]
        if not math.isfinite(historical):
            return False
        blended[i] = historical
        place = assets.underlying[i]
        if place < 0:
            continue
        implied, age = market.implied[t, place], market.implied_age[t, place]
        if not (implied > 0.0 and age >= 0.0):
            continue
        weight = assets.implied_weight[i]
        if age > rules.implied_max_age_s:
            weight *= max(0.0, 1.0 - (age - rules.implied_max_age_s) / rules.implied_decay_s)
        ratio = implied / historical
        if _near(ratio, rules.implied_ratio_min) or _near(ratio, rules.implied_ratio_max):
            return False
        believable = rules.implied_ratio_min <= ratio <= rules.implied_ratio_max
        counted = min(implied, rules.implied_ratio_max * historical)
        if rules.blend == IN_VARIANCE:
            both = in_variance(historical, counted, weight)
        else:
            both = in_logs(historical, counted, weight)
        if (age <= rules.implied_max_age_s and believable) or both > historical:
            blended[i] = both
            used[i] = weight
    for i in range(m):
        if assets.underlying[i] >= 0:
            continue
        reference = -1
        for j in range(m):
            if used[j] > 0.0 and (reference < 0 or state.correlation[i, j] > state.correlation[i, reference]):
                reference = j
        if reference >= 0:
            rho = max(0.0, state.correlation[i, reference])
            blended[i] *= (blended[reference] / market.historical[t, reference]) ** rho
    for i in range(m):
        blended[i] = max(blended[i], rules.volatility_floor)
    for i in range(m):
        for j in range(m):
            state.covariance[i, j] = state.correlation[i, j] * blended[i] * blended[j]
    return True


@njit(cache=True)
def _unit_weights(rules: Rules, assets: Assets, state: State, blended: F, unit: F) -> bool:
    m = unit.size
    if rules.allocation == EQUAL_WEIGHT:
        unit[:] = 1.0 / m
    elif rules.allocation == INVERSE_VOLATILITY:
        unit[:] = 1.0 / blended
    else:
        if not scale(state.correlation, assets.budgets, state.x, state.solver) <= RESIDUAL:
            return False
        unit[:] = state.x / blended
    unit /= unit.sum()
    for i in range(m):
        if unit[i] > assets.max_share[i] * (1.0 - MARGIN):
            return False
    return True


@njit(cache=True)
def _step(
    t: int, rules: Rules, market: Market, assets: Assets, state: State
) -> tuple[float, float, float, float]:
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


@njit(cache=True)
def _leverage(
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
        if assets.weight_cap[i] / unit[i] < cap:
            cap, binding = assets.weight_cap[i] / unit[i], first + i
    for i in range(unit.size):
        supplied = state.amounts[i] + state.amounts[i] * assets.growth[i]
        most = max(supplied, assets.supply_room[i], assets.market_share * supplied)
        room = most * market.closes[t, i] / nav / unit[i]
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


@njit(cache=True)
def _weigh(t: int, market: Market, assets: Assets, state: State, nav: float, weights: F) -> None:
    for i in range(weights.size):
        amount = state.amounts[i] + state.amounts[i] * assets.growth[i]
        weights[i] = amount * market.closes[t, i] / nav if amount > 0.0 else 0.0


@njit(cache=True)
def _fired(t: int, rules: Rules, market: Market, state: State, weights: F, target: F) -> int:
    """As ``keeper.decision.triggers``: FIRED_NOTHING, ROUTINE or OUT_OF_BAND; ASK where it is too near to tell."""
    covariance, m = state.covariance, weights.size
    variance, due_variance = _quadratic(covariance, weights), _quadratic(covariance, target)
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
        if _near(values[place], band) or _near(values[place], outer):
            return ASK
        if values[place] > outer:
            fired = OUT_OF_BAND
        elif values[place] > band and fired == FIRED_NOTHING:
            fired = ROUTINE
    overdue = rules.looks_at_age and market.times[t] - state.vault[LAST] > rules.max_age_s
    return ROUTINE if overdue and fired == FIRED_NOTHING else fired


@njit(cache=True)
def _held_by(
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
    # Where the aim would overshoot, the live function goes to the target instead: held only if neither pays.
    near = _part_towards(rules, assets, weights, target, state.covariance, cap, pressing)
    code = _too_dear(t, rules, market, assets, state, weights, target, near, nav, pressing, goal)
    if near < 1.0 and code != _too_dear(
        t, rules, market, assets, state, weights, target, 1.0, nav, pressing, goal
    ):
        return ASK
    return code


@njit(cache=True)
def _part_towards(
    rules: Rules, assets: Assets, weights: F, target: F, covariance: F, cap: float, pressing: int
) -> float:
    """Part of the straight way to the target at which ``keeper.decision.goals.planned`` aims."""
    part = rules.recentring[pressing]
    if rules.rebalance_to == TO_ELLIPSOID:
        distance = tracking_error(weights, target, covariance)
        part *= half_way(distance, rules.tracking_error_band, rules.tracking_error_left)
    if part >= 1.0:
        return 1.0
    aim_leverage = leverage = 0.0
    for i in range(weights.size):
        aim_leverage += weights[i] + part * (target[i] - weights[i])
        leverage += target[i]
    further = way_to_reach(aim_leverage, leverage, cap)
    floors = (rules.min_health_factor, rules.vault_health_factor)
    buffers = (rules.idle_buffer, rules.idle_buffer + rules.largest_loss)
    for place in range(2):
        at_aim = at_target = 0.0
        for i in range(weights.size):
            over = floors[place] - assets.liquidation_threshold[i]
            at_aim += (weights[i] + part * (target[i] - weights[i])) * over
            at_target += target[i] * over
        further = max(further, way_to_reach(at_aim, at_target, floors[place] * (1.0 - buffers[place])))
    for i in range(weights.size):
        aim = weights[i] + part * (target[i] - weights[i])
        further = max(further, way_to_reach(aim, target[i], assets.max_weight[i]))
    return part + further * (1.0 - part)


@njit(cache=True)
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
    if _near(loss, rules.daily_loss) or _near(turned, rules.daily_turnover):
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
    if _near(size * nav, rules.min_trade_usd) or _near(worth, cost + gas):
        return ASK
    if size * nav < rules.min_trade_usd:
        return 5
    return 6 if pressing == ROUTINE and worth <= cost + gas else ASK


@njit(cache=True)
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
    covariance, variance = state.covariance, _quadratic(state.covariance, weights)
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


@njit(cache=True)
def _quadratic(covariance: F, weights: F) -> float:
    total = 0.0
    for i in range(weights.size):
        row = 0.0
        for j in range(weights.size):
            row += covariance[i, j] * weights[j]
        total += weights[i] * row
    return max(0.0, total)


@njit(cache=True)
def _near(value: float, limit: float) -> bool:
    return math.isfinite(limit) and abs(value - limit) <= MARGIN * abs(limit)
