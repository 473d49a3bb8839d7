"""Aave V3's parameters on Ethereum mainnet for the reserves of the local chain.

As of November 2025, written down from memory of the governance forum and the market's own pages, not read
from the chain: right in kind and magnitude, to be compared with ``keeper vault show`` on a fork of mainnet
before relying on a digit. Cap figures are whole tokens. Supplies and borrows are the order of magnitude of
that month, which sets utilisation.
"""

from __future__ import annotations

from dataclasses import dataclass

AS_OF = "2025-11"
FLASH_LOAN_PREMIUM_BPS = 5


@dataclass(frozen=True, slots=True)
class ReserveParameters:
    """Ratios in bps; ``optimal``, ``base``, ``slope1``, ``slope2`` are the rate curve in bps; ``supplied``
    and ``borrowed`` by others, in whole tokens."""

    symbol: str
    ltv: int
    liquidation_threshold: int
    liquidation_bonus: int
    reserve_factor: int
    supply_cap: int
    borrow_cap: int
    optimal: int
    base: int
    slope1: int
    slope2: int
    supplied: int
    borrowed: int


RESERVES = (
    ReserveParameters(
        "USDC",
        7_500,
        7_800,
        450,
        1_000,
        6_000_000_000,
        5_400_000_000,
        9_200,
        0,
        550,
        4_000,
        400_000_000,
        300_000_000,
    ),
    ReserveParameters("WBTC", 7_300, 7_800, 500, 5_000, 43_000, 2_000, 8_000, 0, 400, 30_000, 4_000, 200),
    ReserveParameters(
        "WETH", 8_050, 8_300, 500, 1_500, 3_000_000, 2_700_000, 9_200, 0, 270, 8_000, 200_000, 100_000
    ),
    ReserveParameters(
        "LINK", 6_600, 7_100, 700, 2_000, 15_000_000, 13_000_000, 4_500, 0, 700, 30_000, 1_000_000, 20_000
    ),
    ReserveParameters(
        "UNI", 6_500, 7_400, 1_000, 2_000, 2_000_000, 500_000, 4_500, 0, 700, 30_000, 500_000, 10_000
    ),
)
