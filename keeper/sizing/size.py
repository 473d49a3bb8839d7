"""From a risk model to a target: risk-budget weights, levered until the first bound binds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.policy import AssetPolicy, Policy, SizePolicy
from keeper.domain.units import BPS
from keeper.risk.allocations import Allocated, allocate
from keeper.risk.caps import caps_of
from keeper.risk.contributions import risk_shares, volatility
from keeper.sizing.account_bounds import bounds_of_several
from keeper.sizing.bounds import Basis, all_bounds, health_factor_at
from keeper.sizing.redemptions import queued_share
from keeper.sizing.restraint import Restraint


def size(
    model: RiskModel, observation: Observation, policy: Policy, *, restraint: Restraint | None = None
) -> TargetPortfolio:
    """Weights of the policy's allocation within its caps, times the largest leverage that every bound allows.

    Above leverage 1 the rest is debt, below it cash. The bounds apply to the NAV that is left after the line of
    redemptions; weights, leverage and volatility of the result are parts of the whole NAV. ``policy`` is already
    tightened by the vault's own. A ``restraint`` keeps weights and bounds at those of the last informed look, or at
    what the vault holds. Raises InvalidCovariance, InvalidBudgets, SolverFailed, InvalidSetting.
    """
    snapshot, nav_usd = observation.snapshot, observation.held.nav_usd
    covariance = np.array(model.covariance)
    by_symbol = {asset.symbol: asset for asset in policy.assets}
    assets = tuple(by_symbol[symbol] for symbol in model.symbols)
    total = math.fsum(asset.budget for asset in assets)
    budgets = tuple(asset.budget / total for asset in assets)
    if restraint is not None and restraint.unit_weights is not None:
        unit = np.array(restraint.unit_weights)
        binding_caps = restraint.look.binding_caps if restraint.look is not None else ()
    else:
        unit, binding_caps = _allocated(assets, budgets, covariance, policy=policy.size)
    by_token = {reserve.symbol: reserve for reserve in snapshot.reserves}
    reserves = [by_token[symbol] for symbol in model.symbols]
    unit_weights = tuple(unit.tolist())
    unit_volatility = volatility(unit, covariance)
    unqueued = 1.0 - queued_share(snapshot, nav_usd)
    if restraint is not None:
        unqueued = restraint.unqueued(unqueued)
    basis = Basis(
        model=model,
        snapshot=snapshot,
        policy=policy,
        nav_usd=nav_usd * unqueued,
        unit_weights=unit_weights,
        unit_volatility=unit_volatility,
        liquidation_thresholds=tuple(reserve.liquidation_threshold_bps / BPS for reserve in reserves),
        ltv=float(unit @ [reserve.ltv_bps / BPS for reserve in reserves]),
    )
    bounds = bounds_of_several(basis) if snapshot.others else all_bounds(basis)
    if restraint is not None:
        bounds = restraint.restrained(bounds, unqueued)
    binding = min(bounds, key=lambda bound: bound.leverage)
    leverage = binding.leverage * unqueued
    return TargetPortfolio(
        symbols=model.symbols,
        budgets=budgets,
        unit_weights=unit_weights,
        weights=tuple((leverage * unit).tolist()),
        risk_shares=tuple(risk_shares(unit, covariance).tolist()),
        unit_volatility=unit_volatility,
        volatility=leverage * unit_volatility,
        leverage=leverage,
        health_factor=health_factor_at(
            binding.leverage, basis.liquidation_threshold, policy.size.idle_buffer
        ),
        binding=binding.name,
        bounds=bounds,
        binding_caps=binding_caps,
        missing=restraint.missing if restraint is not None else (),
    )


def _allocated(
    assets: Sequence[AssetPolicy],
    budgets: Sequence[float],
    covariance: NDArray[np.float64],
    *,
    policy: SizePolicy,
) -> Allocated:
    """The allocation over the assets with a budget; 0 for the others."""
    places = [place for place, asset in enumerate(assets) if asset.budget != 0.0]
    named = [assets[place] for place in places]
    weights, binding = allocate(
        policy.allocation,
        covariance if len(places) == len(assets) else covariance[np.ix_(places, places)],
        [budgets[place] for place in places],
        symbols=[asset.symbol for asset in named],
        caps=caps_of(named, policy.groups),
        factors=policy.factors,
    )
    unit = np.zeros(len(assets))
    unit[places] = weights
    return Allocated(unit, binding)
