"""The health factor that the bounds on leverage ask of the held weights."""

from __future__ import annotations

import math

from keeper.decision.position import VaultPosition
from keeper.domain.units import BPS
from keeper.sizing.bounds import Basis, health_factor, health_factor_at, stress


def asked_health_factor(position: VaultPosition) -> tuple[float, str]:
    """The health factor at the lower of the bounds ``health_factor`` and ``stress`` of the held weights, and that
    bound's name. Needs a risk asset with a weight.

    The target's bounds are those of other weights: an asset that lost much may be held in a part that the target does
    not have. At ``stress`` it is ``h LT / LT'``: the threshold LT' is left after the loss, and h the factor then.
    """
    basis = _basis(position)
    bound = min((health_factor(basis), stress(basis)), key=lambda bound: bound.leverage)
    asked = health_factor_at(bound.leverage, basis.liquidation_threshold, basis.size.idle_buffer)
    return asked, bound.name


def _basis(position: VaultPosition) -> Basis:
    weights = position.current.weights
    leverage = math.fsum(weights)
    unit = tuple(weight / leverage for weight in weights)
    reserves = {reserve.symbol: reserve for reserve in position.snapshot.reserves}
    ltvs = (reserves[symbol].ltv_bps / BPS for symbol in position.model.symbols)
    return Basis(
        model=position.model,
        snapshot=position.snapshot,
        policy=position.policy,
        nav_usd=position.held.nav_usd,
        unit_weights=unit,
        unit_volatility=position.current.volatility / leverage,
        liquidation_thresholds=position.liquidation_thresholds,
        ltv=math.fsum(weight * ltv for weight, ltv in zip(unit, ltvs, strict=True)),
    )
