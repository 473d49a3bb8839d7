"""One way to carry a plan's fills out, with everything that is to be said of it."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.plan import Step
from keeper.planning.fills import Fill
from keeper.planning.funding import Funding


@dataclass(frozen=True, slots=True)
class Way:
    """``fills`` as far as these steps make them; ``collateral`` is the change of each asset's, raw; ``left_usd`` the
    value of trades that are left to later cycles."""

    steps: tuple[Step, ...]
    funded: Funding
    fills: tuple[Fill, ...]
    collateral: dict[str, int]
    left_usd: float = 0.0
