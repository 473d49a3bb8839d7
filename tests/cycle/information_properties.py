"""What must hold whatever is missing: a look with less information never takes more risk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from keeper.cycle.pipeline import Assessment
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel
from keeper.domain.portfolio import portfolio
from keeper.risk.contributions import volatility
from keeper.sizing import restraint
from tests.cycle.degradations import Degradation, degraded
from tests.cycle.market_states import MarketState

ROUNDING = 1e-9
WEIGHTS_ROUNDING = 1e-4
"""Relative. A timestamp that is wrong by seconds is no missing fact. It moves the weights, and the bounds that follow from
them, in the fifth digit."""


def violations(state: MarketState, degradations: Sequence[Degradation]) -> tuple[str, ...]:
    """What a degraded look raises above the informed look at the same state; empty if nothing."""
    informed = state.assessed()
    assert informed.target.missing == (), "the state itself misses something"
    seen = degraded(state, degradations)
    partial = seen.assessed(informed.information)
    scale = _true_value(state.snapshot, seen.snapshot)
    return (*_raised_targets(informed, partial), *_raised_trade(informed, partial, scale))


def _true_value(true: MarketSnapshot, seen: MarketSnapshot) -> NDArray[np.float64]:
    """What turns each asset's weight at the prices that were seen, of which one may lie, into its true weight."""
    prices = [true.price(symbol) / seen.price(symbol) for symbol in true.risk_symbols]
    return np.array(prices) * portfolio(seen).nav_usd / portfolio(true).nav_usd


def _raised_targets(informed: Assessment, partial: Assessment) -> Iterator[str]:
    before, now = informed.target, partial.target
    if _above(now.leverage, before.leverage):
        yield f"target leverage {now.leverage:.6f}, informed {before.leverage:.6f}"
    limits = {bound.name: bound.leverage for bound in before.bounds}
    for bound in now.bounds:
        if bound.name == restraint.NAME:
            limits[bound.name] = before.unqueued_leverage
        if _above(bound.leverage, limits[bound.name] * (1.0 + WEIGHTS_ROUNDING)):
            yield f"bound {bound.name} {bound.leverage:.6f}, informed {limits[bound.name]}"
    for symbol, weight, allowed in zip(now.symbols, now.weights, before.weights, strict=True):
        if _above(weight, allowed):
            yield f"target weight of {symbol} {weight:.6f}, informed {allowed:.6f}"
    target = _volatility(now.weights, informed.model)
    if _above(target, before.volatility):
        yield f"volatility of the target {target:.6f}, informed {before.volatility:.6f}"


def _raised_trade(informed: Assessment, partial: Assessment, scale: NDArray[np.float64]) -> Iterator[str]:
    """A look that trades less than the informed one may leave the risk that is there, not add to it."""
    held = informed.decision.current.weights
    after = _volatility(held, informed.model)
    if partial.decision.goal is not None:
        after = _volatility(tuple((np.array(partial.decision.goal.weights) * scale).tolist()), informed.model)
    goal = informed.decision.goal
    allowed = max(_volatility(weights, informed.model) for weights in (held, goal.weights if goal else held))
    if _above(after, allowed):
        yield f"volatility after the trade {after:.6f}, informed and before it at most {allowed:.6f}"


def _volatility(weights: tuple[float, ...], model: RiskModel) -> float:
    return volatility(np.array(weights), np.array(model.covariance))


def _above(value: float, limit: float) -> bool:
    return value > limit * (1.0 + ROUNDING) + ROUNDING
