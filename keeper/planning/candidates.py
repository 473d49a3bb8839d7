"""A candidate plan: one way to carry the trades of a decision out in one call."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.plan import Step
from keeper.planning.fills import Fill


@dataclass(frozen=True, slots=True)
class CandidatePlan:
    """``flash`` and its ``premium`` are raw of the debt token. ``fills`` are what the steps swap, ``unfilled_usd`` is
    the value of trades that they leave to later cycles."""

    steps: tuple[Step, ...]
    flash: int
    premium: int
    fills: tuple[Fill, ...]
    unfilled_usd: float = 0.0
