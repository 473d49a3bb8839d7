"""What the keeper remembers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keeper.domain.information import (
    Fact,
    InformationMemory,
    InformedLook,
    MissingFact,
    WorstLoss,
)
from keeper.domain.model import Bound
from tests.factories.constants import HOUR, NOW, RISK_SYMBOLS
from tests.factories.evidence import a_model


def an_informed_look(**changes: Any) -> InformedLook:
    """An hour ago: the factory's model, equal weights, leverage 1.2."""
    look = InformedLook(
        as_of=NOW - HOUR,
        symbols=RISK_SYMBOLS,
        facts=(Fact("bars:WBTC", 2_880.0), Fact("depth:WBTC", 1.0), Fact("borrow_cap", 1.0)),
        gaps=(),
        implied=(),
        covariance=a_model().covariance,
        unit_weights=(0.25, 0.25, 0.25, 0.25),
        binding_caps=(),
        bounds=(Bound("target_volatility", 1.2, "80 %"), Bound("policy_cap", 2.0, "size.max_leverage")),
        leverage=1.2,
        unqueued_leverage=1.2,
        pending_shares=0,
    )
    return replace(look, **changes)


def a_memory(**changes: Any) -> InformationMemory:
    """Of an informed look, after which WBTC's pools were no longer read."""
    memory = InformationMemory(
        look=an_informed_look(),
        missing=(MissingFact("depth:WBTC", 0.0, NOW - 600),),
        accepted=(),
        acceptance=0,
        worst_losses=(WorstLoss(RISK_SYMBOLS, (0.2, 0.2, 0.2, 0.2), NOW - HOUR),),
    )
    return replace(memory, **changes)
