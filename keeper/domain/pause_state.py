"""Pauses of the keeper, usage of the daily budgets, and a deleveraging requested by hand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DAY_S = 86_400


class PausedBy(StrEnum):
    """Where a pause is kept. FILE: the pause file exists. JOURNAL: a row that survives restarts.

    The vault's own pause is read from the chain; it is ``Vault.paused``."""

    FILE = "FILE"
    JOURNAL = "JOURNAL"


@dataclass(frozen=True, slots=True)
class Pause:
    """``cause`` is "operator" or the name of the circuit breaker (docs/exit-codes.md); ``since`` is Unix seconds."""

    by: PausedBy
    cause: str
    reason: str
    since: int


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """Usage of the last 24 hours by the chain's time.

    ``loss``: NAV lost, the sum of each call's fraction. ``turnover``: value sold, in NAVs. ``gas_wei``: gas paid.
    ``failures``: calls that were mined and reverted."""

    loss: float
    turnover: float
    gas_wei: int
    failures: int


@dataclass(frozen=True, slots=True)
class PauseState:
    """An input of ``decide``. Any pause stops levering and routine rebalancing; deleveraging stays possible."""

    pauses: tuple[Pause, ...]
    usage: DailyUsage


@dataclass(frozen=True, slots=True)
class DeleverageRequest:
    """A RIPCORD requested by hand, up to this health factor; infinite repays all debt."""

    health_factor: float
    reason: str
