"""The health factor that the bounds on leverage ask of the held weights."""

from __future__ import annotations

import math

import numpy as np

from keeper.decision.position import VaultPosition
from keeper.domain.accounts import accounts
from keeper.domain.market import LendingAccount
from keeper.domain.units import BPS, health_factor_of
from keeper.risk.contributions import volatility
from keeper.sizing.bounds import Basis, health_factor, health_factor_at, stress


def farthest_below(position: VaultPosition) -> tuple[float, float, str]:
    """The health factor, what is asked of it, and the bound that asks: of several accounts with debt that one which is
    the farthest below, each by what it holds itself. Needs a risk asset with a weight."""
    owing = [account for account in accounts(position.snapshot) if account.owed[0]]
    if not position.snapshot.others or not owing:
        return position.held.health_factor, *asked_health_factor(position)
    return min((_of_account(position, account) for account in owing), key=lambda asked: asked[0] / asked[1])


def asked_health_factor(position: VaultPosition) -> tuple[float, str]:
    """The health factor at the lower of the bounds ``health_factor`` and ``stress`` of the held weights, and that
    bound's name. Needs a risk asset with a weight.

    The target's bounds are those of other weights: an asset that lost much may be held in a part that the target does
    not have. At ``stress`` it is ``h LT / LT'``: the threshold LT' is left after the loss, and h the factor then.
    """
    weights = position.current.weights
    leverage = math.fsum(weights)
    unit = tuple(weight / leverage for weight in weights)
    return _asked(position, unit, position.current.volatility / leverage, position.liquidation_thresholds)


def _of_account(position: VaultPosition, account: LendingAccount) -> tuple[float, float, str]:
    snapshot, symbols = position.snapshot, position.model.symbols
    places = [snapshot.index(symbol) for symbol in symbols]
    values = [
        snapshot.value_usd(symbol, account.supplied[place])
        for symbol, place in zip(symbols, places, strict=True)
    ]
    factor, total = health_factor_of(account.account.health_factor), math.fsum(values)
    if total <= 0.0:
        # Cash secures the debt, and no fall of an asset touches it.
        return factor, factor, "health_factor"
    unit = tuple(value / total for value in values)
    thresholds = tuple(account.reserves[place].liquidation_threshold_bps / BPS for place in places)
    deviation = volatility(unit, np.array(position.model.covariance))
    return factor, *_asked(position, unit, deviation, thresholds)


def _asked(
    position: VaultPosition,
    unit_weights: tuple[float, ...],
    unit_volatility: float,
    thresholds: tuple[float, ...],
) -> tuple[float, str]:
    basis = Basis(
        model=position.model,
        snapshot=position.snapshot,
        policy=position.policy,
        nav_usd=position.held.nav_usd,
        unit_weights=unit_weights,
        unit_volatility=unit_volatility,
        liquidation_thresholds=thresholds,
        ltv=0.0,
    )
    bound = min((health_factor(basis), stress(basis)), key=lambda bound: bound.leverage)
    asked = health_factor_at(bound.leverage, basis.liquidation_threshold, basis.size.idle_buffer)
    return asked, bound.name
