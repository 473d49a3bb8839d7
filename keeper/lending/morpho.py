"""Morpho Blue in exact integers: one account on one market of one collateral and one loan token.

Source: Morpho.sol of morpho-blue 1.0.0. The base currency is the loan token, raw. Like the contract, a value of
collateral is rounded down. The contract counts a debt in shares, and rounds up: after a borrowing or a repayment it may
be a raw unit more than the sum of both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from keeper.domain.account_venue import PRICE_SCALE
from keeper.domain.units import BPS, SECONDS_PER_DAY, SECONDS_PER_YEAR, UINT256_MAX, WAD, wad_ceil
from keeper.lending.adaptive_curve import AdaptiveCurve

ROUNDING = 1
"""By which shares may make a debt more."""
INTEREST_TIME_S = SECONDS_PER_DAY
"""The longest that ``execution.deadline_s`` lets a plan live."""


@dataclass(frozen=True, slots=True)
class MorphoBlue:
    """``price``: of a raw unit of collateral in raw units of the loan token, 36 decimals; 0 where the oracle has none.
    ``lltv`` has 18 decimals. ``total_supply`` and ``total_borrow`` are the market's, raw, and ``curve`` its
    curve, as of the last update, ``elapsed_s`` before the block. ``interest`` is what Morpho has not added yet to both
    sums."""

    debt_symbol: str
    collateral_symbol: str
    lltv: int
    price: int
    total_supply: int
    total_borrow: int
    curve: AdaptiveCurve
    interest: int = 0
    elapsed_s: int = 0

    # ------------------------------------------------------------- the account

    def collateral_value(self, supplied: Mapping[str, int]) -> int:
        """Nothing but the market's collateral counts."""
        return supplied.get(self.collateral_symbol, 0) * self.price // PRICE_SCALE

    def cash_value(self, amount: int) -> int:
        return amount

    def secured_value(self, supplied: Mapping[str, int]) -> int:
        return self._most_owed(supplied) * BPS

    def health(self, supplied: Mapping[str, int], owed: int) -> int:
        """MorphoBlueAccount.healthFactor: 18 decimals, UINT256_MAX without debt."""
        return self._most_owed(supplied) * WAD // owed if owed else UINT256_MAX

    def health_factor(self, supplied: Mapping[str, int], owed: int) -> float:
        return self._most_owed(supplied) / owed if owed else math.inf

    def borrowing_capacity(self, supplied: Mapping[str, int]) -> int:
        """Morpho._isHealthy: what may be borrowed may be liquidated with the next interest."""
        return max(0, self._most_owed(supplied) - ROUNDING)

    def debt_at(self, supplied: Mapping[str, int], health_factor: float) -> int:
        """Morpho._isHealthy, solved for the debt."""
        return max(0, self._most_owed(supplied) * WAD // wad_ceil(health_factor) - ROUNDING)

    def withdrawable(self, symbol: str, supplied: Mapping[str, int], owed: int, health_factor: float) -> int:
        """Morpho._isHealthy, solved for the collateral that stays."""
        if owed == 0 or symbol != self.collateral_symbol:
            return UINT256_MAX
        if self.price == 0:
            return 0
        most_owed = _divided_up(owed * wad_ceil(health_factor), WAD)
        value = _divided_up(most_owed * WAD, self.lltv)
        stays = _divided_up(value * PRICE_SCALE, self.price)
        return max(0, supplied.get(symbol, 0) - stays)

    def withdrawable_part(
        self, leaving: Mapping[str, int], supplied: Mapping[str, int], owed: int, health_factor: float
    ) -> Fraction:
        """Of the collateral alone: what else leaves secures nothing here."""
        amount = leaving.get(self.collateral_symbol, 0)
        if owed == 0 or amount == 0:
            return Fraction(UINT256_MAX)
        return Fraction(
            self.withdrawable(self.collateral_symbol, supplied, owed, health_factor=health_factor), amount
        )

    def must_leave_first(self, supplied: Mapping[str, int], owed: int) -> tuple[str, ...]:
        """A market has one collateral."""
        return ()

    def interest_until_mined(self, owed: int) -> int:
        """Morpho charges the mean rate of the whole time since the last update, and not that of each second: a later
        update makes the time before it dearer as well. Whoever makes it may then borrow everything there is. Both are
        charged for the whole time. ``owed`` has the interest so far."""
        if owed == 0:
            return 0
        then = self.elapsed_s + INTEREST_TIME_S
        so_far, mean = (self._mean_rate(elapsed_s) for elapsed_s in (self.elapsed_s, then))
        before = _growth(so_far * self.elapsed_s)
        idle = _growth(max(so_far, mean) * then)
        dearest = max((self._curve_after(elapsed_s) for elapsed_s in (self.elapsed_s, then)), key=_at_target)
        full = _growth(dearest.after(WAD, WAD, INTEREST_TIME_S).highest_rate * INTEREST_TIME_S)
        return _divided_up(owed * (WAD + idle) * (WAD + full), WAD * (WAD + before)) - owed + ROUNDING

    # -------------------------------------------------------------- the market

    @property
    def available(self) -> int:
        """What the market can lend now."""
        return self.total_supply - self.total_borrow

    def borrow_rate(self, more: int) -> float:
        """A fraction a year, not compounded, once this account has borrowed ``more`` or repaid as much where it is
        negative."""
        curve = self._curve_after(self.elapsed_s)
        return curve.rate(*self._sums_after(more)) * SECONDS_PER_YEAR / WAD

    def rate_growth(self, more: int, horizon_s: int) -> float:
        """What the curve multiplies that rate by in this time, with every other hand still: below 1 where less than its
        target is borrowed, above 1 where more is."""
        curve = self._curve_after(self.elapsed_s)
        return curve.after(*self._sums_after(more), horizon_s).rate_at_target / curve.rate_at_target

    def _sums_after(self, more: int) -> tuple[int, int]:
        """Borrowed and supplied."""
        supplied = self.total_supply + self.interest
        return min(max(0, self.total_borrow + self.interest + more), supplied), supplied

    def _mean_rate(self, elapsed_s: int) -> int:
        return self.curve.mean_rate(self.total_borrow, self.total_supply, elapsed_s)

    def _curve_after(self, elapsed_s: int) -> AdaptiveCurve:
        return self.curve.after(self.total_borrow, self.total_supply, elapsed_s)

    # ------------------------------------------------------------------ values

    def _most_owed(self, supplied: Mapping[str, int]) -> int:
        return self.collateral_value(supplied) * self.lltv // WAD


def _at_target(curve: AdaptiveCurve) -> int:
    return curve.rate_at_target


def _growth(x: int) -> int:
    """MathLib.wTaylorCompounded: e^x - 1 by three terms, as Morpho charges it."""
    square = x * x // (2 * WAD)
    return x + square + square * x // (3 * WAD)


def _divided_up(number: int, by: int) -> int:
    return -(-number // by)
