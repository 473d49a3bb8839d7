"""What a look that misses something may not exceed: what the last fully informed look allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from keeper.domain.information import InformedLook
from keeper.domain.model import AssetRisk, Bound, RiskModel, TargetPortfolio
from keeper.domain.observation import Observation

NAME = "informed_look"
"""Of the bound that holds leverage at what the last informed look allowed."""
MEANING = "it is that of the last fully informed look; only while something is missing (docs/information.md)"


@dataclass(frozen=True, slots=True)
class Restraint:
    """``missing`` are the names of what is missing. ``held_leverage`` is the vault's own, of the whole NAV.

    ``look`` is the last informed look at these assets. Without one, the target is at most what the vault holds, at the
    weights it holds: towards other weights it would sell at each look, and never buy. ``unit_weights`` (n,) sum to 1;
    they are None for a vault without a look and without risk assets. ``pending_shares`` is what waits now.
    """

    missing: tuple[str, ...]
    held_leverage: float
    unit_weights: tuple[float, ...] | None
    look: InformedLook | None
    pending_shares: int

    def unqueued(self, now: float) -> float:
        """The part of NAV that is left after the line of redemptions: not more than at the informed look, unless
        redemptions were paid since. A false price moves the line's part of NAV, not the number of its shares."""
        look = self.look
        if look is None or look.unqueued_leverage <= 0.0:
            return now
        if self.pending_shares < look.pending_shares:
            return now
        return min(now, look.leverage / look.unqueued_leverage)

    def restrained(self, bounds: tuple[Bound, ...], unqueued: float) -> tuple[Bound, ...]:
        """The bounds, each not above that of the informed look, and the bound ``informed_look``. They apply to the part
        ``unqueued`` of NAV, so that a redemption which is paid in between forces no sale."""
        before = {bound.name: bound.leverage for bound in self.look.bounds} if self.look is not None else {}
        if self.look is not None:
            limit = self.look.unqueued_leverage
        else:
            limit = self.held_leverage / unqueued if unqueued > 0.0 else math.inf
        detail = f"{', '.join(self.missing)} missing"
        return (*(_at_most(bound, before) for bound in bounds), Bound(NAME, limit, detail))

    def tightened(self, model: RiskModel, target: TargetPortfolio) -> InformedLook | None:
        """The remembered look with this look's estimate and bounds: until the information is back, what is allowed only
        falls. None without a remembered look."""
        if self.look is None:
            return None
        bounds = tuple(bound for bound in target.bounds if bound.name != NAME)
        return replace(
            self.look,
            covariance=model.covariance,
            bounds=bounds,
            leverage=target.leverage,
            unqueued_leverage=target.unqueued_leverage,
            pending_shares=self.pending_shares,
        )


def restraint(observation: Observation, missing: tuple[str, ...]) -> Restraint | None:
    """None where nothing is missing. A remembered look at other assets says nothing about this vault's weights."""
    if not missing:
        return None
    look, held, line = observation.information.look, observation.held, observation.snapshot.redemptions
    if look is not None and look.symbols != observation.snapshot.risk_symbols:
        look = None
    if look is not None:
        unit_weights: tuple[float, ...] | None = look.unit_weights
    else:
        unit_weights = (
            tuple(weight / held.leverage for weight in held.weights) if held.leverage > 0.0 else None
        )
    return Restraint(
        missing=missing,
        held_leverage=held.leverage,
        unit_weights=unit_weights,
        look=look,
        pending_shares=line.pending_shares,
    )


def _at_most(bound: Bound, before: Mapping[str, float]) -> Bound:
    limit = before.get(bound.name, math.inf)
    if bound.leverage <= limit:
        return bound
    return replace(bound, leverage=limit, detail=f"{bound.detail}; not above the last informed look's")


def remembered_model(
    look: InformedLook, as_of: int, worst_losses: tuple[tuple[float, ...], ...], *, why: str
) -> RiskModel:
    """The informed look's estimate, where this look allows none. ``why`` becomes the provenance."""
    deviations = np.sqrt(np.array(look.covariance).diagonal()).tolist()
    return RiskModel(
        as_of=as_of,
        symbols=look.symbols,
        covariance=look.covariance,
        assets=tuple(
            AssetRisk.without_bars(symbol, deviation, f"last informed look: {why}")
            for symbol, deviation in zip(look.symbols, deviations, strict=True)
        ),
        worst_losses=worst_losses,
    )
