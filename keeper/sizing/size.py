"""From a risk model to a target: risk-budget weights, levered until the first bound binds."""

from __future__ import annotations

import math

import numpy as np

from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS
from keeper.risk.allocations import allocation
from keeper.risk.contributions import risk_shares, volatility
from keeper.sizing.bounds import Basis, all_bounds, health_factor_at


def size(model: RiskModel, snapshot: MarketSnapshot, policy: Policy) -> TargetPortfolio:
    """Weights of the policy's allocation times the largest leverage that every bound allows; the rest is cash
    or debt.

    Below leverage 1 the remainder is cash. ``policy`` is already tightened by the vault's own. Raises
    InvalidCovariance, InvalidBudgets, SolverFailed, InvalidSetting.
    """
    covariance = np.array(model.covariance)
    assets = tuple(policy.asset(symbol) for symbol in model.symbols)
    total = math.fsum(asset.budget for asset in assets)
    budgets = tuple(asset.budget / total for asset in assets)
    unit = allocation(policy.size.allocation)(covariance, budgets, model.symbols)
    reserves = [snapshot.reserve(symbol) for symbol in model.symbols]
    unit_volatility = volatility(unit, covariance)
    threshold = float(unit @ [reserve.liquidation_threshold_bps / BPS for reserve in reserves])
    bounds = all_bounds(
        Basis(
            model=model,
            snapshot=snapshot,
            policy=policy,
            held=portfolio(snapshot),
            unit_weights=tuple(unit.tolist()),
            unit_volatility=unit_volatility,
            liquidation_threshold=threshold,
            ltv=float(unit @ [reserve.ltv_bps / BPS for reserve in reserves]),
        )
    )
    binding = min(bounds, key=lambda bound: bound.leverage)
    leverage = binding.leverage
    return TargetPortfolio(
        symbols=model.symbols,
        budgets=budgets,
        unit_weights=tuple(unit.tolist()),
        weights=tuple((leverage * unit).tolist()),
        risk_shares=tuple(risk_shares(unit, covariance).tolist()),
        unit_volatility=unit_volatility,
        volatility=leverage * unit_volatility,
        leverage=leverage,
        health_factor=health_factor_at(leverage, threshold, policy.size.idle_buffer),
        binding=binding.name,
        bounds=bounds,
    )
