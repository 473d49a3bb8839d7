"""What must hold whatever is missing: a look with less information never takes more risk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a look allows that knows everything, and the look at the same state that does not.

    ``true_value`` (n,) turns each asset's weight at the prices that were seen, of which one may lie, into its true
    weight.
    """

    informed: Assessment
    partial: Assessment
    true_value: NDArray[np.float64]

    @property
    def rise(self) -> float:
        """Of the target's leverage, relative; 0 where none is allowed."""
        before = self.informed.target.leverage
        return self.partial.target.leverage / before - 1.0 if before > 0.0 else 0.0

    @property
    def violations(self) -> tuple[str, ...]:
        """What the degraded look raises above the informed one; empty if nothing."""
        return (*self._raised_targets(), *self._raised_trade())

    def _raised_targets(self) -> Iterator[str]:
        before, now = self.informed.target, self.partial.target
        if _above(now.leverage, before.leverage):
            yield f"target leverage {now.leverage:.6f}, informed {before.leverage:.6f}"
        limits = {bound.name: bound.leverage for bound in before.bounds}
        limits[restraint.NAME] = before.unqueued_leverage
        for bound in now.bounds:
            if _above(bound.leverage, limits[bound.name]):
                yield f"bound {bound.name} {bound.leverage:.6f}, informed {limits[bound.name]}"
        for symbol, weight, allowed in zip(now.symbols, now.weights, before.weights, strict=True):
            if _above(weight, allowed):
                yield f"target weight of {symbol} {weight:.6f}, informed {allowed:.6f}"
        target = _volatility(now.weights, self.informed.model)
        if _above(target, before.volatility):
            yield f"volatility of the target {target:.6f}, informed {before.volatility:.6f}"

    def _raised_trade(self) -> Iterator[str]:
        """A look that trades less than the informed one may leave the risk that is there, not add to it."""
        model, held = self.informed.model, self.informed.decision.current.weights
        after = _volatility(held, model)
        if self.partial.decision.goal is not None:
            weights = np.array(self.partial.decision.goal.weights) * self.true_value
            after = _volatility(tuple(weights.tolist()), model)
        goal = self.informed.decision.goal
        allowed = max(_volatility(weights, model) for weights in (held, goal.weights if goal else held))
        if _above(after, allowed):
            yield f"volatility after the trade {after:.6f}, informed and before it at most {allowed:.6f}"


def informed_look_at(state: MarketState) -> Assessment:
    informed = state.assessed()
    assert informed.target.missing == (), "the state itself misses something"
    return informed


def compared(
    state: MarketState, degradations: Sequence[Degradation], informed: Assessment | None = None
) -> Comparison:
    """``informed`` is ``informed_look_at(state)``, where that was made already."""
    informed = informed or informed_look_at(state)
    seen = degraded(state, degradations)
    return Comparison(
        informed, seen.assessed(informed.information), _true_value(state.snapshot, seen.snapshot)
    )


def violations(state: MarketState, degradations: Sequence[Degradation]) -> tuple[str, ...]:
    return compared(state, degradations).violations


def _true_value(true: MarketSnapshot, seen: MarketSnapshot) -> NDArray[np.float64]:
    prices = [true.price(symbol) / seen.price(symbol) for symbol in true.risk_symbols]
    return np.array(prices) * portfolio(seen).nav_usd / portfolio(true).nav_usd


def _volatility(weights: tuple[float, ...], model: RiskModel) -> float:
    return volatility(np.array(weights), np.array(model.covariance))


def _above(value: float, limit: float) -> bool:
    return value > limit * (1.0 + ROUNDING) + ROUNDING
