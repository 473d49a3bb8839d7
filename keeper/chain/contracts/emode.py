"""Aave's eModes: categories of collateral with limits of their own, of which a borrower chooses one or none (0)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from keeper.chain.abi import load
from keeper.chain.calls import Answers, Call, call, mapped
from keeper.chain.contracts.lending import ReserveConfiguration

_POOL = load("Pool")
MOST = 255
"""The largest number a category can have (uint8); their gaps are not told."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Pool.getEModeCategoryCollateralConfig; all 0 where there is no such category."""

    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int


@dataclass(frozen=True, slots=True)
class Category:
    """The bitmaps are by reserve id. ``ltv_zero``: collateral that backs no new debt."""

    limits: Limits
    collateral: int
    borrowable: int
    ltv_zero: int

    def applied(self, configuration: ReserveConfiguration, reserve_id: int) -> ReserveConfiguration:
        """The reserve for a borrower inside: the category's limits where it is collateral of the category, its own
        else (ValidationLogic.getUserReserveLtv, GenericLogic.calculateUserAccountData). What may be borrowed is the
        category's alone to say, whatever the reserve's own flag (ValidationLogic.validateBorrow, V3.6)."""

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


def limits(pool: str, number: int) -> Call[Limits]:
    return mapped(
        "lending pool",
        pool,
        _POOL["getEModeCategoryCollateralConfig"],
        lambda members: Limits(*members),
        number,
    )


def label(pool: str, number: int) -> Call[str]:
    return call("lending pool", pool, _POOL["getEModeCategoryLabel"], number)


def calls(pool: str, number: int) -> list[Call[Any]]:
    """Those that ``category`` looks up."""
    return [
        limits(pool, number),
        *(_bitmap(pool, number, of) for of in ("Collateral", "Borrowable", "Ltvzero")),
    ]


def category(pool: str, number: int, answers: Answers) -> Category:
    """Only V3.6 and later have a bitmap of what backs no new debt."""
    return Category(
        limits=answers.of(limits(pool, number)),
        collateral=answers.of(_bitmap(pool, number, "Collateral")),
        borrowable=answers.of(_bitmap(pool, number, "Borrowable")),
        ltv_zero=answers.maybe(_bitmap(pool, number, "Ltvzero")) or 0,
    )


def _bitmap(pool: str, number: int, of: str) -> Call[int]:
    return call("lending pool", pool, _POOL[f"getEModeCategory{of}Bitmap"], number)
