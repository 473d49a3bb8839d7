"""The minimum health factor between two steps of one call, and at its end. The vault itself checks only the end."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.market import MarketSnapshot
from keeper.domain.policy import Policy
from keeper.domain.units import BPS, WAD
from keeper.lending.book import LendingBook

EMERGENCY_WITH_FLASH_LOAN = 1.10
"""A flash loan in an emergency is as large as keeps this health factor: prices may fall by 9 % until the transaction
is mined, and no withdrawal reverts. A lower minimum would save a part of the loan's premium."""
EMERGENCY_WITHOUT_FLASH_LOAN = 1.02
"""Without a flash loan only collateral above the minimum can be withdrawn and sold, so a low minimum deleverages
faster. Prices may fall by 2 % until the transaction is mined."""
AAVE_MINIMUM = 1.0
"""Aave ValidationLogic.validateHealthFactor refuses any withdrawal that ends below it."""


@dataclass(frozen=True, slots=True)
class MinHealthFactor:
    """``sized_for`` is what loans and withdrawals are sized for. A plan that certainly falls below ``enforced`` is
    refused."""

    sized_for: float
    enforced: float


def of_rebalance(vault_minimum_wad: int, book: LendingBook) -> MinHealthFactor:
    """The vault's floor, or the present health factor where that is lower already."""
    minimum = min(vault_minimum_wad / WAD, book.health_factor())
    return MinHealthFactor(sized_for=minimum, enforced=minimum)


def at_end(before: float, snapshot: MarketSnapshot, policy: Policy) -> float:
    """What a rebalance must leave: the vault's floor, and the settings' floor, or the health factor ``before`` where
    that is lower already. So a rebalance that only raises it is never refused because it does not raise it enough.

    A target may lie exactly on the settings' floor, and the costs of the plan then end slightly below it. The vault's
    floor has no tolerance.
    """
    settings_floor = policy.size.min_health_factor * (1.0 - policy.plan.nav_tolerance_bps / BPS)
    return max(min(settings_floor, before), snapshot.vault.policy.min_health / WAD)


def of_emergency(*, flash_loan: bool) -> MinHealthFactor:
    """A flash loan covers no more than what the sales certainly return, so it may leave the health factor anywhere
    above Aave's own minimum. Close to liquidation that is better than doing nothing."""
    if flash_loan:
        return MinHealthFactor(EMERGENCY_WITH_FLASH_LOAN, enforced=AAVE_MINIMUM)
    return MinHealthFactor(EMERGENCY_WITHOUT_FLASH_LOAN, enforced=EMERGENCY_WITHOUT_FLASH_LOAN)
