"""Aave V3's parameters on Ethereum mainnet for the reserves of the local chain and of a backtest.

As of 2023-10-31: reserve configurations and rate strategies as read from the chain in the "after" report of proposal
UpgradeAaveV3ETHPoolWETHParameters (github.com/bgd-labs/aave-proposals-v3, commit 4d6a3d98, folder reports). One thing
differs on purpose: UNI then had a debt ceiling of 17 million USD, which isolates it from other collateral; here it has
none, as a vault could not hold it beside the others. What other people have supplied and owe is an order of magnitude,
chosen so that USDC is lent to three quarters.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

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


_LISTED: dict[str, tuple[tuple[int, ...], ...]] = {
    "USDC": (
        (7_700, 8_000, 450, 1_000),
        (1_760_000_000, 1_580_000_000),
        (9_000, 0, 350, 6_000),
        (400_000_000, 300_000_000),
    ),
    "WBTC": ((7_300, 7_800, 500, 2_000), (43_000, 28_000), (4_500, 0, 400, 30_000), (4_000, 200)),
    "WETH": ((8_050, 8_300, 500, 1_500), (1_800_000, 1_400_000), (8_000, 0, 280, 8_000), (200_000, 100_000)),
    "LINK": (
        (5_300, 6_800, 700, 2_000),
        (15_000_000, 13_000_000),
        (4_500, 0, 700, 30_000),
        (1_000_000, 20_000),
    ),
    "UNI": ((6_500, 7_700, 1_000, 2_000), (4_000_000, 500_000), (4_500, 0, 700, 30_000), (500_000, 10_000)),
}
"""By symbol the fields of ``ReserveParameters`` in their order: limits, caps, rate curve, other people."""

RESERVES = tuple(ReserveParameters(symbol, *chain(*fields)) for symbol, fields in _LISTED.items())
