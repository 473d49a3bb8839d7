"""What holds the keeper back beside the market: pauses that somebody ordered, and what the day has used up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DAY_S = 86_400


class PausedBy(StrEnum):
    """Where a pause is kept. FILE: the pause file exists. JOURNAL: a row that survives restarts. The vault's own pause
    is read from the chain and is not one of these."""

    FILE = "FILE"
    JOURNAL = "JOURNAL"


@dataclass(frozen=True, slots=True)
class Pause:
    """``cause`` is "operator", or the name of what tripped it (docs/exit-codes.md); ``since`` is Unix seconds."""

    by: PausedBy
    cause: str
    reason: str
    since: int


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """Of the last 24 hours by the chain's time: NAV lost (fractions, summed over calls), value sold (in NAVs), gas paid
    (wei), calls that were mined and reverted."""

    loss: float
    turnover: float
    gas_wei: int
    failures: int


@dataclass(frozen=True, slots=True)
class PauseState:
    """An input of ``decide``. Any pause stops levering and routine rebalancing; deleveraging may still run."""

    pauses: tuple[Pause, ...]
    spent: DailyUsage


@dataclass(frozen=True, slots=True)
class DeleverageRequest:
    """A deleveraging asked for by hand: like a RIPCORD, up to this health factor (infinite: repay everything)."""

    health_factor: float
    reason: str
