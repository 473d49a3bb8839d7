"""The bounds on leverage of a vault with several accounts."""

from __future__ import annotations

import math

import numpy as np

from keeper.domain.errors import SolverFailed
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import Bound, RiskModel
from keeper.domain.policy import SizePolicy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS, WAD
from keeper.sizing.account_floors import Floors, floors_of
from keeper.sizing.account_terms import terms_of
from keeper.sizing.bounds import (
    Basis,
    gaussian_loss,
    policy_cap,
    target_volatility,
    vault_leverage,
    weight_caps,
    yield_of_collateral,
)
from keeper.sizing.placing import most_leverage


def bounds_of_several(basis: Basis) -> tuple[Bound, ...]:
    """As ``all_bounds``, where ``accounts`` stands for all that depends on an account or its market."""
    return (
        target_volatility(basis),
        policy_cap(basis),
        vault_leverage(basis),
        *weight_caps(basis),
        accounts_bound(basis),
    )


def accounts_bound(basis: Basis) -> Bound:
    """Where no leverage keeps every floor, or the programme is not solved, no more than now: nothing is levered for
    it, and nothing is sold."""
    if basis.nav_usd <= 0.0:
        return Bound("accounts", math.inf, "the vault is empty")
    reward = basis.size.reward_per_risk
    worth = reward * basis.unit_volatility + yield_of_collateral(basis) if reward else math.inf
    symbols, decision = basis.model.symbols, basis.policy.decision
    try:
        highest = most_leverage(
            terms_of(basis.snapshot, symbols, basis.size, horizon_s=decision.carry_horizon_s),
            [weight * basis.nav_usd for weight in basis.unit_weights],
            account_floors(basis.model, basis.snapshot, basis.size),
            own_usd=basis.nav_usd * (1.0 - basis.size.idle_buffer),
            worth=worth,
            most=basis.size.max_leverage,
        )
    except SolverFailed as failed:
        return Bound("accounts", _held_leverage(basis), f"no more than now: {failed.message}")
    if highest is None:
        detail = "no more than now: the accounts keep their floors at no leverage"
        return Bound("accounts", _held_leverage(basis), detail)
    leverage, binding = highest
    return Bound("accounts", leverage, binding or "size.max_leverage")


def _held_leverage(basis: Basis) -> float:
    """Of the NAV to which bounds apply."""
    return math.fsum(portfolio(basis.snapshot).values_usd) / basis.nav_usd


def account_floors(model: RiskModel, snapshot: MarketSnapshot, size: SizePolicy) -> Floors:
    """What each account must keep. An account may hold a single asset, so each asset's own standard deviations count,
    all at once: no account is spared by what another holds."""
    deviations = np.sqrt(np.array(model.covariance).diagonal()).tolist()
    vault = snapshot.vault.policy
    return floors_of(
        size,
        vault_floor=vault.min_health / WAD,
        largest_loss=vault.max_loss_bps / BPS,
        losses=(
            [gaussian_loss(size, deviation) for deviation in deviations],
            *model.worst_losses,
            *(scenario.of(model.symbols) for scenario in size.scenarios),
        ),
    )
