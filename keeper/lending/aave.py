"""Aave V3 in exact integers. Every health factor that the keeper computes itself comes from this file.

Sources are contracts of aave-v3-origin. Base currency is USD with 8 decimals. Like the contracts, a value of collateral
is rounded down and a value of debt is rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from keeper.domain.market import Account, MarketSnapshot, Reserve, Token
from keeper.domain.units import BPS, UINT256_MAX, WAD, unit, wad_ceil
from keeper.lending.venue import ReserveTerms

INTEREST_UNTIL_MINED_BPS = 1
"""At 100 % a year the debt grows by this in 53 minutes. A plan expires sooner."""


@dataclass(frozen=True)
class AaveV3:
    """One pool in one eMode. The first of ``terms`` is the debt token's."""

    terms: tuple[ReserveTerms, ...]

    @classmethod
    def of(cls, snapshot: MarketSnapshot) -> AaveV3:
        """The terms on which the vault's account stands now."""
        return cls.on(snapshot.tokens, snapshot.reserves)

    @classmethod
    def on(cls, tokens: Sequence[Token], reserves: Sequence[Reserve]) -> AaveV3:
        terms = tuple(
            ReserveTerms(
                symbol=token.symbol,
                unit=unit(token.decimals),
                price=reserve.market_price,
                ltv_bps=reserve.ltv_bps,
                liquidation_threshold_bps=reserve.liquidation_threshold_bps,
            )
            for token, reserve in zip(tokens, reserves, strict=True)
        )
        return cls(terms)

    @property
    def debt_symbol(self) -> str:
        return self.terms[0].symbol

    def account(self, supplied: Mapping[str, int], owed: int) -> Account:
        """GenericLogic.calculateUserAccountData."""
        debt = self._debt_value(owed)
        factor = UINT256_MAX if debt == 0 else _wad_div(self.secured_value(supplied), debt) // BPS
        return Account(self.collateral_value(supplied), debt, factor)

    def collateral_value(self, supplied: Mapping[str, int]) -> int:
        return sum(value for value, _ in self._values(supplied))

    def cash_value(self, amount: int) -> int:
        return amount * self.terms[0].price // self.terms[0].unit

    def secured_value(self, supplied: Mapping[str, int]) -> int:
        """Sum of value times liquidation threshold in bps, avgLiquidationThreshold before the division."""
        return sum([value * terms.liquidation_threshold_bps for value, terms in self._values(supplied)])

    def health_factor(self, supplied: Mapping[str, int], owed: int) -> float:
        """GenericLogic.calculateUserAccountData, without its last rounding to 1e-18."""
        return health_factor(self.secured_value(supplied), BPS * self._debt_value(owed))

    def borrowing_capacity(self, supplied: Mapping[str, int]) -> int:
        """ValidationLogic.validateHFAndLtv. The mean loan to value is in whole bps, rounded down."""
        total = weighted = 0
        for value, terms in self._values(supplied):
            total += value
            weighted += value * terms.ltv_bps
        if total == 0:
            return 0
        return self._debt_of(total * (weighted // total) // BPS)

    def debt_at(self, supplied: Mapping[str, int], health_factor: float) -> int:
        """GenericLogic.calculateUserAccountData, solved for the debt."""
        return self._debt_of(self.secured_value(supplied) * WAD // (BPS * wad_ceil(health_factor)))

    def withdrawable(self, symbol: str, supplied: Mapping[str, int], owed: int, health_factor: float) -> int:
        """ValidationLogic.validateHFAndLtvzero, solved for the amount."""
        terms = self._by_symbol(symbol)
        if owed == 0 or terms.liquidation_threshold_bps == 0:
            return UINT256_MAX
        spare = self._spare(supplied, owed, health_factor)
        per_unit = terms.price * terms.liquidation_threshold_bps
        # One unit of value less, because the value of what stays is rounded down.
        value = spare - terms.liquidation_threshold_bps
        return max(0, value * terms.unit // per_unit)

    def withdrawable_part(
        self, leaving: Mapping[str, int], supplied: Mapping[str, int], owed: int, health_factor: float
    ) -> Fraction:
        """ValidationLogic.validateHFAndLtvzero, solved for the part."""
        secured = self.secured_value(leaving)
        if owed == 0 or secured == 0:
            return Fraction(UINT256_MAX)
        return max(Fraction(0), Fraction(self._spare(supplied, owed, health_factor), secured))

    def must_leave_first(self, supplied: Mapping[str, int], owed: int) -> tuple[str, ...]:
        """ValidationLogic.validateHFAndLtvzero: beside debt, collateral of loan to value 0 leaves before any other."""
        if owed == 0:
            return ()
        return tuple(
            terms.symbol
            for terms in self.terms
            if terms.ltv_bps == 0 and terms.liquidation_threshold_bps and supplied.get(terms.symbol, 0)
        )

    def interest_until_mined(self, owed: int) -> int:
        return -(-owed * INTEREST_UNTIL_MINED_BPS // BPS)

    # ------------------------------------------------------------------- values

    def _spare(self, supplied: Mapping[str, int], owed: int, health_factor: float) -> int:
        """What ``secured_value`` has more than this health factor needs."""
        return self.secured_value(supplied) - -(
            -wad_ceil(health_factor) * self._debt_value(owed) * BPS // WAD
        )

    def _values(self, supplied: Mapping[str, int]) -> Iterable[tuple[int, ReserveTerms]]:
        for terms in self.terms:
            amount = supplied.get(terms.symbol, 0)
            if amount:
                yield amount * terms.price // terms.unit, terms

    def _debt_value(self, owed: int) -> int:
        terms = self.terms[0]
        return -(-owed * terms.price // terms.unit)

    def _debt_of(self, value: int) -> int:
        terms = self.terms[0]
        return value * terms.unit // terms.price

    def _by_symbol(self, symbol: str) -> ReserveTerms:
        return next(terms for terms in self.terms if terms.symbol == symbol)


def health_factor(secured: float, debt: float) -> float:
    """Collateral times liquidation threshold, divided by debt, both in one currency. inf without debt."""
    return secured / debt if debt > 0 else math.inf


def _wad_div(value: int, by: int) -> int:
    """WadRayMath.wadDiv: rounded half up."""
    return (value * WAD + by // 2) // by
