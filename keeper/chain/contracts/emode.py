"""Aave's eModes: categories of collateral with their own limits. A borrower uses one category, or none (0)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from keeper.chain.abi import load
from keeper.chain.calls import Answers, Call, call, mapped
from keeper.chain.contracts.lending import ReserveConfiguration

_POOL = load("Pool")
MAX_CATEGORY = 255
"""The largest category number (uint8). Aave does not say which numbers are in use."""


@dataclass(frozen=True, slots=True)
class EModeLimits:
    """Pool.getEModeCategoryCollateralConfig. All values are 0 if the category does not exist."""

    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int


@dataclass(frozen=True, slots=True)
class EModeConfiguration:
    """Bitmaps by reserve id. ``ltv_zero`` marks collateral that backs no new debt."""

    limits: EModeLimits
    collateral: int
    borrowable: int
    ltv_zero: int

    def applied(self, configuration: ReserveConfiguration, reserve_id: int) -> ReserveConfiguration:
        """The reserve as a borrower in this category sees it. Collateral of the category gets the category's limits,
        other collateral keeps its own (ValidationLogic.getUserReserveLtv, GenericLogic.calculateUserAccountData). The
        category alone decides what may be borrowed (ValidationLogic.validateBorrow, V3.6)."""

        def has_bit(bitmap: int) -> bool:
            return bool(bitmap >> reserve_id & 1)

        inside = replace(configuration, borrowing_enabled=has_bit(self.borrowable))
        if not has_bit(self.collateral):
            return inside
        return replace(
            inside,
            ltv_bps=0 if has_bit(self.ltv_zero) else self.limits.ltv_bps,
            liquidation_threshold_bps=self.limits.liquidation_threshold_bps,
        )


def chosen(pool: str, user: str) -> Call[int]:
    """The user's category; 0 is none."""
    return call("lending pool", pool, _POOL["getUserEMode"], user)


def limits(pool: str, number: int) -> Call[EModeLimits]:
    return mapped(
        "lending pool",
        pool,
        _POOL["getEModeCategoryCollateralConfig"],
        lambda members: EModeLimits(*members),
        number,
    )


def label(pool: str, number: int) -> Call[str]:
    return call("lending pool", pool, _POOL["getEModeCategoryLabel"], number)


def calls(pool: str, number: int) -> list[Call[Any]]:
    """The calls that ``category`` needs."""
    return [
        limits(pool, number),
        *(_bitmap(pool, number, of) for of in ("Collateral", "Borrowable", "Ltvzero")),
    ]


def category(pool: str, number: int, answers: Answers) -> EModeConfiguration:
    """Only V3.6 and later have a bitmap of what backs no new debt."""
    return EModeConfiguration(
        limits=answers.of(limits(pool, number)),
        collateral=answers.of(_bitmap(pool, number, "Collateral")),
        borrowable=answers.of(_bitmap(pool, number, "Borrowable")),
        ltv_zero=answers.maybe(_bitmap(pool, number, "Ltvzero")) or 0,
    )


def _bitmap(pool: str, number: int, of: str) -> Call[int]:
    return call("lending pool", pool, _POOL[f"getEModeCategory{of}Bitmap"], number)
