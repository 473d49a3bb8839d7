"""What a lending venue must answer about an account. Every number the keeper uses of one comes through here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ReserveTerms:
    """One token on the venue. ``price`` is the venue's own, in its base currency, for ``unit`` raw."""

    symbol: str
    unit: int
    price: int
    ltv_bps: int
    liquidation_threshold_bps: int


class LendingVenue(Protocol):
    """Amounts are raw: ``supplied`` by symbol, ``owed`` of the debt token. Results are rounded against the account."""

    @property
    def debt_symbol(self) -> str: ...

    def collateral_value(self, supplied: Mapping[str, int]) -> int:
        """In the base currency."""
        ...

    def cash_value(self, amount: int) -> int:
        """Of the debt token, in the base currency."""
        ...

    def secured_value(self, supplied: Mapping[str, int]) -> int:
        """Collateral value times liquidation threshold in bps: debt up to it is not liquidated."""
        ...

    def health_factor(self, supplied: Mapping[str, int], owed: int) -> float:
        """Below 1 the account can be liquidated. inf without debt."""
        ...

    def borrowing_capacity(self, supplied: Mapping[str, int]) -> int:
        """Largest debt that the venue lets the account borrow up to."""
        ...

    def debt_at(self, supplied: Mapping[str, int], health_factor: float) -> int:
        """Largest debt with at least this health factor."""
        ...

    def withdrawable(self, symbol: str, supplied: Mapping[str, int], owed: int, health_factor: float) -> int:
        """Largest amount of the token that can leave with at least this health factor. It may exceed what is there."""
        ...

    def withdrawable_part(
        self, leaving: Mapping[str, int], supplied: Mapping[str, int], owed: int, health_factor: float
    ) -> Fraction:
        """Largest part of ``leaving`` that can leave at once with at least this health factor. It may exceed 1."""
        ...

    def must_leave_first(self, supplied: Mapping[str, int], owed: int) -> tuple[str, ...]:
        """Collateral that must leave before any other collateral may. Empty without debt."""
        ...

    def interest_until_mined(self, owed: int) -> int:
        """More than the debt grows until a transaction sent now is mined."""
        ...
