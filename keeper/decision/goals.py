"""Where a trade aims and how far one cycle goes; and the way down in an emergency."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from keeper.decision import measures
from keeper.decision.no_trade import edge_of_no_trade_region
from keeper.decision.overshoot import is_out_of_band, liquidation_thresholds, worst_overshoot
from keeper.decision.trade_context import Position
from keeper.domain.decision import Goal
from keeper.domain.errors import InvalidSetting
from keeper.domain.market import Trust
from keeper.domain.policy import UrgencyLimits
from keeper.domain.units import BPS, SECONDS_PER_YEAR, UINT256_MAX, WAD, usd
from keeper.domain.urgency import Urgency
from keeper.sizing.redemptions import cash_share, queued_share

INTEREST_ON_THE_WAY = 5e-4
"""More than interest adds to the debt until a transaction is mined."""


@dataclass(frozen=True, slots=True)
class Move:
    """Where to go this cycle. ``aim`` is where the trade ends when nothing cuts it short; ``cut_short`` says
    whether its size, or what the vault lets one rebalance lose, did."""

    goal: Goal
    aim: tuple[float, ...]
    cut_short: bool


def planned(position: Position, limits: UrgencyLimits) -> Move:
    """``recentring`` of the way to where ``decision.rebalance_to`` says, kept within every bound of the target.

    Where that would end on the far side of a band, or no nearer, the way leads to the target itself: there nothing
    fires, so no later trade can be its opposite. Raises InvalidSetting, InvalidCovariance, SolverFailed.
    """
    target = position.target.weights
    there = _aim_named(position.policy.decision.rebalance_to)(position, limits.urgency)
    part = _part_of_way(position.current.weights, there, limits.recentring)
    aim = within_bounds(position, part)
    if aim != target and (worst_overshoot(position, aim).of_band > 1.0 or _is_farther(position, part, aim)):
        aim = target
    return _within_limits(position, aim, limits.max_trade, position.snapshot.vault.policy.max_loss_bps)


def _is_farther(position: Position, wanted: tuple[float, ...], aim: tuple[float, ...]) -> bool:
    """Whether keeping the bounds turned the way to what was wanted into one that leads away from the target."""
    if aim == wanted:
        return False
    left = measures.tracking_error(aim, position.target.weights, position.model.covariance)
    return left >= position.tracking_error


# ------------------------------------------------------------------- the aims


def the_target(position: Position, _urgency: Urgency) -> tuple[float, ...]:
    return position.target.weights


def edge_of_region(position: Position, _urgency: Urgency) -> tuple[float, ...]:
    """Where a little more trading costs as much as it is worth. Gas is not in it: it is paid whole or not at all, so
    ``benefit_exceeds_cost`` weighs it; nor is the flash loan's premium, which depends on the sum of the changes.

    Where the pools' depth is known, a trade's impact is the square that costs as much for the whole way to the target.
    The target, where even that edge is out of an outer band: those are limits on risk, not for sale."""
    decision = position.policy.decision
    strength = decision.risk_aversion * decision.horizon_s / SECONDS_PER_YEAR
    now, due = position.current.weights, position.target.weights
    costs = [one.linear_bps / BPS for one in position.costs]
    edge = edge_of_no_trade_region(now, due, position.model.covariance, strength, costs, _impacts(position))
    aim = tuple(edge.tolist())
    return position.target.weights if is_out_of_band(position, aim) else aim


def _impacts(position: Position) -> list[float]:
    """Per asset, NAVs lost for half the square of the NAVs traded."""
    nav, sizes = max(0.0, position.held.nav_usd), position.sizes_usd(position.target.weights)
    return [cost.curvature(size) * nav for cost, size in zip(position.costs, sizes, strict=True)]


def inside_ellipsoid(position: Position, urgency: Urgency) -> tuple[float, ...]:
    """On the straight way to the target, where ``tracking_error_left`` of the band is left of the tracking error.

    The answer to a fixed cost per trade (Dybvig and Pezzo): far enough not to be back at once, not so far that
    the last, least useful part is paid for. What is out of band goes all the way: of so long a way the last part
    is little, and the position was not one to be near. What is not, and too large for its pools, stops where more of
    the way costs more than it is worth.
    """
    decision = position.policy.decision
    if urgency is Urgency.OUT_OF_BAND:
        return position.target.weights
    part = measures.half_way(
        position.tracking_error, decision.tracking_error_band, decision.tracking_error_left
    )
    return _part_of_way(position.current.weights, position.target.weights, min(part, _worth_going(position)))


def _worth_going(position: Position) -> float:
    """Part s of the straight way D to the target where a little more costs as much as it is worth: the most of
    ``g d^2 (s - s^2 / 2) - s sum c_i |D_i| - s^2 sum q_i D_i^2 / 2``. Without the pools' depth, all of it; so too where
    nothing pays, which is for ``benefit_exceeds_cost`` to say."""
    impacts, decision = _impacts(position), position.policy.decision
    if not any(impacts):
        return 1.0
    strength = decision.risk_aversion * decision.horizon_s / SECONDS_PER_YEAR
    worth = strength * position.tracking_error**2
    way = [abs(to - at) for at, to in zip(position.current.weights, position.target.weights, strict=True)]
    paid = math.fsum(cost.linear_bps / BPS * size for cost, size in zip(position.costs, way, strict=True))
    impact = math.fsum(q * size * size for q, size in zip(impacts, way, strict=True))
    return min(1.0, (worth - paid) / (worth + impact)) if worth > paid else 1.0


Aim = Callable[[Position, Urgency], tuple[float, ...]]

AIMS: Mapping[str, Aim] = {
    "target": the_target,
    "boundary": edge_of_region,
    "ellipsoid": inside_ellipsoid,
}


def _aim_named(name: str) -> Aim:
    if name not in AIMS:
        raise InvalidSetting(
            f"decision.rebalance_to is {name!r}, which is no aim",
            remedy=f"Set it to one of: {', '.join(AIMS)}.",
        )
    return AIMS[name]


def within_bounds(position: Position, aim: tuple[float, ...]) -> tuple[float, ...]:
    """No weight above its cap, then all lowered alike until the target's bounds on leverage and the floors of the
    health factor are kept: what the target may not exceed, no trade ends above."""
    target, size, snapshot = position.target, position.policy.size, position.snapshot
    vault, cash = snapshot.vault.policy, cash_share(snapshot, size.idle_buffer)
    if aim == target.weights:
        return aim
    caps = {asset.symbol: asset.max_weight for asset in position.policy.assets}
    capped = tuple(min(weight, caps[symbol]) for symbol, weight in zip(target.symbols, aim, strict=True))
    share = measures.share_within_bounds(
        capped,
        (1.0 - queued_share(snapshot))
        * min(
            (bound.leverage for bound in target.bounds if bound.name != "target_volatility"), default=math.inf
        ),
        liquidation_thresholds(position),
        (size.min_health_factor, vault.min_health_factor / WAD),
        (cash, cash + vault.max_loss_bps / BPS),
    )
    return capped if share == 1.0 else tuple(share * weight for weight in capped)


def ripcord(position: Position) -> Move:
    """All weights lowered alike until the health factor is at its safe level; before them, what must leave the lending
    market first (``zero_ltv_collateral``).

    An asset whose price is DEAD stays as it is. The health factor is the lending market's own, after losing
    the whole emergency slippage on what is sold. What the assets cannot reach is left: the goal is as low as
    it gets.
    """
    limits = position.policy.decision.at(Urgency.EMERGENCY)
    kept = _kept_shares(position, limits.max_slippage_bps / BPS)
    lowered = tuple(
        weight * kept.get(symbol, 1.0)
        for symbol, weight in zip(position.model.symbols, position.current.weights, strict=True)
    )
    return _within_limits(position, lowered, limits.max_trade, math.inf)


def wanted_health_factor(position: Position) -> float:
    """Where a ripcord ends: what was ordered, else the safe level, whichever is higher; infinite: no debt."""
    safe = position.policy.decision.safe_health_factor
    return (
        safe
        if position.deleverage_request is None
        else max(position.deleverage_request.health_factor, _needed(position, safe))
    )


def _needed(position: Position, safe: float) -> float:
    """An order does not stop short of what an emergency asks for."""
    return safe if position.held.health_factor < position.policy.decision.act_health_factor else 1.0


def remaining(position: Position, goal: Goal) -> float:
    """Sum of absolute weight changes between the goal and the target."""
    return math.fsum(abs(t - g) for t, g in zip(position.target.weights, goal.weights, strict=True))


def _within_limits(position: Position, aim: tuple[float, ...], max_trade: float, max_loss_bps: float) -> Move:
    now = position.current.weights
    # What the vault refuses is a whole cycle lost, so the dearer count decides here; a part costs no more a unit.
    dearer = tuple(
        max(bps, cost.cautious_bps) for bps, cost in zip(position.costs_bps(aim), position.costs, strict=True)
    )
    part = measures.allowed_part(now, aim, dearer, max_trade, max_loss_bps)
    weights = _part_of_way(now, aim, part)
    return Move(Goal(position.model.symbols, weights, math.fsum(weights)), aim, cut_short=part < 1.0)


def _part_of_way(start: Sequence[float], end: tuple[float, ...], part: float) -> tuple[float, ...]:
    if part == 1.0:
        return end
    return tuple(max(0.0, at + part * (to - at)) for at, to in zip(start, end, strict=True))


def _sellable(position: Position) -> frozenset[str]:
    return frozenset(feed.symbol for feed in position.snapshot.feeds[1:] if feed.trust is not Trust.DEAD)


def _kept_shares(position: Position, slippage: float) -> dict[str, float]:
    """Of every sellable asset the share to keep, in [0, 1].

    With debt D, and collateral V, weighted by thresholds K, at the lending oracle's prices, split into what must leave
    first and has no part in K, sold or not (2), what else can be sold (1) and what cannot (0): of (2) is sold until
    ``K0 + K1 = h (D - (1 - slippage) S2)``; where all of it does not do, the share ``g`` of the others stays for which
    ``K0 + g K1 = h (D - (1 - slippage) (V2 + (1 - g) V1))``.
    """
    snapshot, sellable, leaving = (
        position.snapshot,
        _sellable(position),
        position.snapshot.zero_ltv_collateral,
    )
    fixed_k = sold_k = left_k = sold_v = left_v = 0.0
    for token, reserve, holding in zip(
        snapshot.tokens[1:], snapshot.reserves[1:], snapshot.holdings[1:], strict=True
    ):
        value = usd(holding.supplied, token.decimals, reserve.market_price)
        threshold = value * reserve.liquidation_threshold_bps / BPS
        if token.symbol in leaving:
            left_v, left_k = left_v + (value if token.symbol in sellable else 0.0), left_k + threshold
        elif token.symbol in sellable:
            sold_v, sold_k = sold_v + value, sold_k + threshold
        else:
            fixed_k += threshold
    debt = snapshot.account.debt_base / 10**8
    total_k = fixed_k + sold_k + left_k
    if total_k > 0.0 and snapshot.account.health_factor != UINT256_MAX:
        # The account's own health factor knows of eMode and other collateral.
        scale = snapshot.account.health_factor / WAD * debt / total_k
        fixed_k, sold_k = scale * fixed_k, scale * sold_k
    safe, returned = wanted_health_factor(position), 1.0 - slippage
    to_repay = debt * (1.0 + INTEREST_ON_THE_WAY) if math.isinf(safe) else debt - (fixed_k + sold_k) / safe
    first = min(left_v, max(0.0, to_repay / returned))
    kept_of_leaving = 1.0 - first / left_v if left_v else 1.0
    kept = (
        1.0 if first < left_v else _kept_share(to_repay - returned * left_v, sold_k, returned * sold_v, safe)
    )
    return {symbol: kept_of_leaving if symbol in leaving else kept for symbol in sellable}


def _kept_share(to_repay: float, carried: float, proceeds: float, safe: float) -> float:
    """Share ``g`` to keep of assets: what is sold returns its part of ``proceeds`` and carries its part of
    ``carried / safe`` no longer, ``(1 - g) (proceeds - carried / safe) = to_repay``."""
    freed = proceeds - (0.0 if math.isinf(safe) else carried / safe)
    if to_repay <= 0.0:
        return 1.0
    return max(0.0, 1.0 - to_repay / freed) if freed > 0.0 else 0.0
