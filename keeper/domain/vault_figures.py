"""What the vault counts of itself, and how far another count is from it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VaultFigures:
    """NAV in USD, leverage, and health factor, which is inf without debt. The vault's own are of every asset that it
    lists, in all of its accounts, at the prices of its price book."""

    nav_usd: float
    leverage: float
    health_factor: float


@dataclass(frozen=True, slots=True)
class FigureGap:
    """How far ``ours`` is from the vault's own figure: ``gap`` is of NAV for ``nav``, of the larger of 1 and the
    leverage for ``leverage``, and of the secured collateral for ``health_factor``."""

    figure: str
    ours: float
    vaults: float
    gap: float

    def __str__(self) -> str:
        digits = ",.0f" if self.figure == "NAV" else ".4f"
        unit = " USD" if self.figure == "NAV" else ""
        return (
            f"{self.figure} is {self.ours:{digits}}{unit} by the keeper's count "
            f"and {self.vaults:{digits}}{unit} by the vault's"
        )


def widest_gap(ours: VaultFigures, vaults: VaultFigures) -> FigureGap:
    """The figure that is furthest off. Health factors are compared as debt per secured collateral, so that a speck of
    debt makes no difference."""
    gaps = (
        FigureGap("NAV", ours.nav_usd, vaults.nav_usd, gap=_relative(ours.nav_usd, vaults.nav_usd)),
        FigureGap(
            "leverage",
            ours.leverage,
            vaults.leverage,
            gap=abs(ours.leverage - vaults.leverage) / max(1.0, vaults.leverage),
        ),
        FigureGap(
            "health factor",
            ours.health_factor,
            vaults.health_factor,
            gap=_apart(_debt_part(ours.health_factor), _debt_part(vaults.health_factor)),
        ),
    )
    return max(gaps, key=lambda gap: gap.gap)


def _relative(ours: float, vaults: float) -> float:
    if ours == vaults:
        return 0.0
    return abs(ours - vaults) / vaults if vaults > 0.0 else math.inf


def _debt_part(health_factor: float) -> float:
    return 1.0 / health_factor if health_factor > 0.0 else math.inf


def _apart(ours: float, vaults: float) -> float:
    return 0.0 if ours == vaults else abs(ours - vaults)
