"""The weights that a planned trade aims at, by ``decision.rebalance_to``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from keeper.decision import measures
from keeper.decision.horizon import adds_risk, variance_price
from keeper.decision.no_trade import edge_of_no_trade_region
from keeper.decision.overshoot import is_out_of_band
from keeper.decision.position import VaultPosition
from keeper.domain.errors import InvalidSetting
from keeper.domain.units import BPS
from keeper.domain.urgency import Urgency

Aim = Callable[[VaultPosition, Urgency], tuple[float, ...]]


def aim_named(name: str) -> Aim:
    """Raises InvalidSetting for an unknown name."""
    if name not in AIMS:
        raise InvalidSetting(
            f"decision.rebalance_to is {name!r}, which is no aim",
            remedy=f"Set it to one of: {', '.join(AIMS)}.",
        )
    return AIMS[name]


def interpolated(start: Sequence[float], end: tuple[float, ...], part: float) -> tuple[float, ...]:
    """The point at ``part`` (0 to 1) of the straight line from ``start`` to ``end``, no weight below 0."""
    if part == 1.0:
        return end
    return tuple(max(0.0, at + part * (to - at)) for at, to in zip(start, end, strict=True))


def the_target(position: VaultPosition, _urgency: Urgency) -> tuple[float, ...]:
    return position.target.weights


def edge_of_region(position: VaultPosition, urgency: Urgency) -> tuple[float, ...]:
    """The point where a little more trading costs as much as it is worth.

    Gas is not part of it: gas does not depend on the size of a trade, so ``benefit_exceeds_cost`` weighs it. The
    flash loan's premium is not part of it either, as it depends on the sum of the changes. Where the pools' depth is
    known, a trade's impact is the square that costs as much for all of the distance to the target.

    The aim is the target from out of band, and where the edge is still beyond an outer band, because outer bands limit
    risk at any cost.
    """
    target = position.target.weights
    if urgency is Urgency.OUT_OF_BAND:
        return target
    aim = _edge(position, adding=False)
    if adds_risk(position, aim):
        aim = _edge(position, adding=True)
    return target if is_out_of_band(position, aim) else aim


def inside_ellipsoid(position: VaultPosition, urgency: Urgency) -> tuple[float, ...]:
    """The point on the straight line to the target where the tracking error is ``tracking_error_left`` of its band.

    This answers a fixed cost per trade (Dybvig and Pezzo): the trade goes far enough that the next one is not due at
    once, and does not pay for the last, least useful part. From out of band the aim is the target: of so long a
    distance the last part is small, and the position was not one to stay near. Otherwise a trade that is large for
    its pools stops where going further costs more than it is worth.
    """
    decision = position.policy.decision
    if urgency is Urgency.OUT_OF_BAND:
        return position.target.weights
    part = measures.part_to_ellipsoid(
        position.tracking_error, decision.tracking_error_band, decision.tracking_error_left
    )
    return interpolated(
        position.current.weights, position.target.weights, min(part, _worthwhile_part(position))
    )


AIMS: Mapping[str, Aim] = {
    "target": the_target,
    "boundary": edge_of_region,
    "ellipsoid": inside_ellipsoid,
}


def _edge(position: VaultPosition, *, adding: bool) -> tuple[float, ...]:
    edge = edge_of_no_trade_region(
        position.current.weights,
        position.target.weights,
        position.model.covariance,
        strength=variance_price(position, adds_risk=adding),
        costs=[cost.linear_bps / BPS for cost in position.costs],
        impacts=_impacts(position),
    )
    return tuple(edge.tolist())


def _worthwhile_part(position: VaultPosition) -> float:
    """The part s of the straight line D to the target at which a little more costs as much as it is worth, the maximum
    of ``g d^2 (s - s^2 / 2) - s sum c_i |D_i| - s^2 sum q_i D_i^2 / 2``.

    It is 1 without the pools' depth. It is 1 too where no trade pays, because ``benefit_exceeds_cost`` judges that.
    """
    impacts = _impacts(position)
    if not any(impacts):
        return 1.0
    strength = variance_price(position, adds_risk=adds_risk(position, position.target.weights))
    worth = strength * position.tracking_error**2
    changes = [abs(to - at) for at, to in zip(position.current.weights, position.target.weights, strict=True)]
    paid = math.fsum(
        cost.linear_bps / BPS * change for cost, change in zip(position.costs, changes, strict=True)
    )
    impact = math.fsum(q * change * change for q, change in zip(impacts, changes, strict=True))
    return min(1.0, (worth - paid) / (worth + impact)) if worth > paid else 1.0


def _impacts(position: VaultPosition) -> list[float]:
    """Per asset, NAVs lost for half the square of the NAVs traded."""
    nav, sizes = max(0.0, position.held.nav_usd), position.sizes_usd(position.target.weights)
    return [cost.curvature(size) * nav for cost, size in zip(position.costs, sizes, strict=True)]
