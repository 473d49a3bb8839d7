"""Positions and moves for tests of the decision."""

from __future__ import annotations

import math
from typing import Any

from keeper.decision.move import Move
from keeper.decision.position import VaultPosition, take_position
from keeper.domain.decision import Goal
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.sizing.size import size
from keeper.sizing.tighten import Tightened
from tests.factories import RISK_SYMBOLS, a_model, a_policy, a_snapshot


def a_position(
    snapshot: MarketSnapshot | None = None,
    policy: Policy | None = None,
    *,
    model: RiskModel | None = None,
    target: TargetPortfolio | None = None,
    tightened: tuple[Tightened, ...] = (),
    **observed: Any,
) -> VaultPosition:
    """``observed`` are further fields of the observation."""
    observation = Observation(snapshot or a_snapshot(), **observed)
    risk, rules = model or a_model(), policy or a_policy()
    due = target or size(risk, observation, rules)
    return take_position(observation, risk, due, policy=rules, tightened=tightened)


def a_move(weights: tuple[float, ...], aim: tuple[float, ...] | None = None) -> Move:
    """To ``weights``, on the line to ``aim``; without one, it ends where it aims."""
    return Move(
        Goal(RISK_SYMBOLS, weights, math.fsum(weights)), aim or weights, "" if aim is None else "it is long"
    )
