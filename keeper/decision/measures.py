"""The scalar formulas of triggers, moves and limits.

Weights are value / NAV, shape (n,); a covariance is annualised, (n, n); costs are bps of the value traded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Vector = Sequence[float]
Matrix = Sequence[Sequence[float]]


# ------------------------------------------------------------------ triggers


def relative_gap(current: float, target: float) -> float:
    """``|current / target - 1|``. It is inf where something is held and the target is 0."""
    if target > 0.0:
        return abs(current / target - 1.0)
    return 0.0 if current == 0.0 else math.inf


def widest_gap(current: Vector, target: Vector) -> tuple[float, int]:
    """The largest ``|current_i - target_i|`` and its place, the last of equals."""
    widest, place = 0.0, 0
    for i in range(len(current)):
        gap = abs(current[i] - target[i])
        if gap >= widest:
            widest, place = gap, i
    return widest, place


def tracking_error(weights: Vector, target: Vector, covariance: Matrix) -> float:
    """``sqrt((w - t)' S (w - t))``, annualised: the distance to the target in units of risk."""
    n = len(weights)
    variance = 0.0
    for i in range(n):
        off = weights[i] - target[i]
        if off != 0.0:
            row = covariance[i]
            marginal = 0.0
            for j in range(n):
                marginal += row[j] * (weights[j] - target[j])
            variance += off * marginal
    return math.sqrt(variance) if variance > 0.0 else 0.0


def outer_band(band: float, out_of_band: float, risk_share_band: float) -> float:
    """The band times the ratio of the outer to the inner band of risk shares."""
    return band * out_of_band / risk_share_band


# ----------------------------------------------------------- cost and benefit


def turnover(weights: Vector, goal: Vector) -> float:
    """Sum of absolute changes, in NAVs."""
    total = 0.0
    for i in range(len(weights)):
        total += abs(goal[i] - weights[i])
    return total


def trade_cost(
    weights: Vector, goal: Vector, costs_bps: Vector, flash_premium_bps: float, leverage: float, nav: float
) -> float:
    """USD of expected fees and slippage of each asset's change, and the flash loan's premium on the change of debt."""
    bps = gross = 0.0
    for i in range(len(weights)):
        bps += costs_bps[i] * abs(goal[i] - weights[i])
        gross += goal[i]
    return (bps + flash_premium_bps * abs(gross - leverage)) / 10_000 * nav


def benefit(before: float, after: float, risk_aversion: float, horizon_years: float, nav: float) -> float:
    """The fall of ``g H NAV d^2 / 2`` when the tracking error d falls from ``before`` to ``after``."""
    return 0.5 * risk_aversion * horizon_years * nav * (before * before - after * after)


def gas_price_limit(
    since_rebalance_s: float, max_age_s: float, patience_s: float, limit: float, limit_after: float
) -> float:
    """``limit`` until the last rebalance is overdue by more than the patience, then the higher of both limits."""
    if since_rebalance_s - max_age_s > patience_s:
        return max(limit, limit_after)
    return limit


# --------------------------------------------------------------- how far to go


def part_to_ellipsoid(distance: float, band: float, left: float) -> float:
    """Part of the distance to the target after which the tracking error is ``left`` times the band. Inside the band:
    after which it is ``left`` times what it is now."""
    if distance > band:
        return 1.0 - left * band / distance
    return 1.0 - left


def share_within_bounds(
    weights: Vector, leverage_cap: float, thresholds: Vector, floors: Vector, buffers: Vector
) -> float:
    """Largest share of the weights, at most 1, at which leverage is at most its cap and the health factor at least
    ``floors[k]`` with ``buffers[k]`` of NAV kept as cash: ``sum w_i (h - LT_i) <= h (1 - B)``.

    ``thresholds`` LT (n,), ``floors`` and ``buffers`` (k,). A bound below 0 counts as 0: where all of NAV waits for
    redemption, cash and the largest loss are more than NAV.
    """
    share = 1.0
    for k in range(-1, len(floors)):
        used = 0.0
        for i in range(len(weights)):
            used += weights[i] * (1.0 if k < 0 else floors[k] - thresholds[i])
        capacity = max(0.0, leverage_cap if k < 0 else floors[k] * (1.0 - buffers[k]))
        if used > capacity:
            share = min(share, capacity / used)
    return share


def allowed_part(
    weights: Vector,
    aim: Vector,
    costs_bps: Vector,
    max_trade: float,
    max_loss_bps: float,
    cash_cost_bps: float = 0.0,
) -> float:
    """Part of the distance to ``aim`` that trades at most ``max_trade`` NAVs and costs at most ``max_loss_bps`` of
    NAV. ``cash_cost_bps`` is paid on the change of all weights together, which is cash or debt."""
    size = gross = loss = 0.0
    for i in range(len(weights)):
        change = aim[i] - weights[i]
        gross += change
        size += abs(change)
        loss += costs_bps[i] * abs(change)
    loss += cash_cost_bps * abs(gross)
    part = 1.0
    if size > max_trade:
        part = max_trade / size
    if loss * part > max_loss_bps:
        part = max_loss_bps / loss
    return part


def overshoot(
    weights: Vector, aim: Vector, target: Vector, covariance: Matrix, bands: Vector
) -> tuple[float, int, float, float]:
    """The quantity that ``aim`` throws off its target most, on a side on which ``weights`` are not yet off by a band.

    Returns how far off it is as a part of its band, which it is (0 leverage, 1 volatility, 2 + i the risk share of
    asset i), its value at ``aim`` and its target. ``bands`` are those of leverage and volatility, as parts of the
    target, and of risk shares. An infinite band is not judged. Without risk, as in a vault of cash, there are no shares
    to compare.
    """
    n = len(weights)
    gross = (sum(weights), sum(aim), sum(target))
    variance_before = variance_after = variance_target = 0.0
    shares = [(0.0, 0.0, 0.0)] * n
    for i in range(n):
        row = covariance[i]
        marginal_before = marginal_after = marginal_target = 0.0
        for j in range(n):
            marginal_before += row[j] * weights[j]
            marginal_after += row[j] * aim[j]
            marginal_target += row[j] * target[j]
        shares[i] = (weights[i] * marginal_before, aim[i] * marginal_after, target[i] * marginal_target)
        variance_before += shares[i][0]
        variance_after += shares[i][1]
        variance_target += shares[i][2]
    risk = (
        math.sqrt(max(0.0, variance_before)),
        math.sqrt(max(0.0, variance_after)),
        math.sqrt(max(0.0, variance_target)),
    )
    worst, which, value, worst_target = 0.0, 0, gross[1], gross[2]
    for k in range(2 + n):
        if k < 2:
            before, after, goal = gross if k == 0 else risk
            band = bands[k] * goal if goal > 0.0 or bands[k] < math.inf else bands[k]
        elif risk[0] > 0.0 and risk[1] > 0.0 and risk[2] > 0.0:
            before = shares[k - 2][0] / variance_before
            after = shares[k - 2][1] / variance_after
            goal, band = shares[k - 2][2] / variance_target, bands[2]
        else:
            continue
        gap_before, gap_after = before - goal, after - goal
        if gap_before * gap_after > 0.0 and (abs(gap_before) > band or abs(gap_after) <= abs(gap_before)):
            continue
        of_band = abs(gap_after) / band if band > 0.0 else 0.0 if gap_after == 0.0 else math.inf
        if of_band > worst:
            worst, which, value, worst_target = of_band, k, after, goal
    return worst, which, value, worst_target
