"""Vaults off their target, and policies with an aim of their own."""

from __future__ import annotations

from typing import Any

from keeper.decision.position import VaultPosition
from keeper.domain.model import TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.domain.urgency import Urgency
from keeper.sizing.size import size
from tests.decision.positions import a_position
from tests.factories import a_decision_policy, a_model, a_policy, a_snapshot

ROUTINE = Urgency.ROUTINE


def aiming_at(name: str, **changes: Any) -> Policy:
    return a_policy(decision=a_decision_policy(rebalance_to=name, **changes))


def holding(
    weights: tuple[float, ...], policy: Policy, target: TargetPortfolio | None = None
) -> VaultPosition:
    return a_position(a_snapshot(weights=weights), policy, target=target)


def due() -> tuple[float, ...]:
    return size(a_model(), Observation(a_snapshot()), a_policy()).weights


def off_by(*changes: float) -> tuple[float, ...]:
    return tuple(weight + change for weight, change in zip(due(), changes, strict=True))
