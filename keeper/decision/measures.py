"""The numbers behind triggers, gates and goals: scalars and indexed sequences alone, so that they compile as they
stand.

Weights are value / NAV, shape (n,); a covariance is annualised, (n, n); costs are bps of the value traded. Each
function stands alone and calls nothing but ``math``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Vector = Sequence[float]
Matrix = Sequence[Sequence[float]]


# ------------------------------------------------------------------ triggers


def relative_gap(now: float, due: float) -> float:
    """``|now / due - 1|``; inf where something is held and nothing is due."""
    if due > 0.0:
        return abs(now / due - 1.0)
    return 0.0 if now == 0.0 else math.inf


def widest_gap(now: Vector, due: Vector) -> tuple[float, int]:
    """The largest ``|now_i - due_i|`` and its place, the last of equals."""
    widest, place = 0.0, 0
    for i in range(len(now)):
        gap = abs(now[i] - due[i])
        if gap >= widest:
            widest, place = gap, i
    return widest, place


def tracking_error(weights: Vector, target: Vector, covariance: Matrix) -> float:
    """``sqrt((w - t)' S (w - t))``, annualised: the distance in units of risk."""
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
    """As many times the band as the outer band of risk shares is theirs."""
    return band * out_of_band / risk_share_band


# ------------------------------------------------------------- cost and worth


def turnover(weights: Vector, goal: Vector) -> float:
    """Sum of absolute changes, in NAVs."""
    total = 0.0
    for i in range(len(weights)):
        total += abs(goal[i] - weights[i])
    return total


def trade_cost(
    weights: Vector, goal: Vector, costs_bps: Vector, flash_premium_bps: float, leverage: float, nav: float
) -> float:
    """Assumed fees and slippage of each asset's change, and the flash loan's premium on the debt that changes."""
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
    """``limit`` until the last rebalance is overdue by more than the patience, then the higher of both."""
    if since_rebalance_s - max_age_s > patience_s:
        return max(limit, limit_after)
    return limit


# --------------------------------------------------------------- how far to go


def half_way(distance: float, band: float, left: float) -> float:
    """Part of the way to the target after which ``left`` of the band remains of the tracking error; inside the band,
    ``left`` of what it is."""
    if distance > band:
        return 1.0 - left * band / distance
    return 1.0 - left


def share_within_bounds(
    weights: Vector, leverage_cap: float, thresholds: Vector, floors: Vector, buffers: Vector
) -> float:
    """Largest share of the weights, at most 1, at which leverage is at most its cap and the health factor at least
    ``floors[k]`` with ``buffers[k]`` of NAV kept as cash: ``sum w_i (h - LT_i) <= h (1 - B)``.

    ``thresholds`` LT (n,), ``floors`` and ``buffers`` (k,).
    """
    share = 1.0
    for k in range(-1, len(floors)):
        taken = 0.0
        for i in range(len(weights)):
            taken += weights[i] * (1.0 if k < 0 else floors[k] - thresholds[i])
        room = leverage_cap if k < 0 else floors[k] * (1.0 - buffers[k])
        if taken > room:
            share = min(share, room / taken)
    return share


def allowed_part(
    weights: Vector, aim: Vector, costs_bps: Vector, max_trade: float, max_loss_bps: float
) -> float:
    """Part of the way to ``aim`` that trades at most ``max_trade`` NAVs and costs at most ``max_loss_bps`` of NAV."""
    size = loss = 0.0
    for i in range(len(weights)):
        change = abs(aim[i] - weights[i])
        size += change
        loss += costs_bps[i] * change
    part = 1.0
    if size > max_trade:
        part = max_trade / size
    if loss * part > max_loss_bps:
        part = max_loss_bps / loss
    return part


def overshoot(
    weights: Vector,
    aim: Vector,
    target: Vector,
    covariance: Matrix,
    leverage_band: float,
    volatility_band: float,
    risk_share_band: float,
) -> tuple[float, int, float, float]:
    """The quantity that ``aim`` throws off most, on a side on which ``weights`` are not already off by a band: how far
    as a part of its band, which (0 leverage, 1 volatility, 2 + i the risk share of asset i), its value, what is due.

    A band of inf is not looked at; leverage and volatility bands are parts of what is due. Without risk, as in a
    vault of cash, there are no shares to compare.
    """
    n = len(weights)
    gross = (sum(weights), sum(aim), sum(target))
    variance_now = variance_then = variance_due = 0.0
    shares = [(0.0, 0.0, 0.0)] * n
    for i in range(n):
        row = covariance[i]
        marginal_now = marginal_then = marginal_due = 0.0
        for j in range(n):
            marginal_now += row[j] * weights[j]
            marginal_then += row[j] * aim[j]
            marginal_due += row[j] * target[j]
        shares[i] = (weights[i] * marginal_now, aim[i] * marginal_then, target[i] * marginal_due)
        variance_now += shares[i][0]
        variance_then += shares[i][1]
        variance_due += shares[i][2]
    risk = (
        math.sqrt(max(0.0, variance_now)),
        math.sqrt(max(0.0, variance_then)),
        math.sqrt(max(0.0, variance_due)),
    )
    worst, which, value, wanted = 0.0, 0, gross[1], gross[2]
    for k in range(2 + n):
        if k < 2:
            now, then, due = gross if k == 0 else risk
            band = leverage_band if k == 0 else volatility_band
            band = band * due if due > 0.0 or band < math.inf else band
        elif risk[0] > 0.0 and risk[1] > 0.0 and risk[2] > 0.0:
            now = shares[k - 2][0] / variance_now
            then = shares[k - 2][1] / variance_then
            due, band = shares[k - 2][2] / variance_due, risk_share_band
        else:
            continue
        before, after = now - due, then - due
        if before * after > 0.0 and (abs(before) > band or abs(after) <= abs(before)):
            continue
        of_band = abs(after) / band if band > 0.0 else 0.0 if after == 0.0 else math.inf
        if of_band > worst:
            worst, which, value, wanted = of_band, k, then, due
    return worst, which, value, wanted
