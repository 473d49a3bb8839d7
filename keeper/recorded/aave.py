"""Aave V3's parameters on Ethereum mainnet for the reserves of the local chain and of a backtest.

As of 2023-10-31: reserve configurations and rate strategies as read from the chain in the "after" report of proposal
UpgradeAaveV3ETHPoolWETHParameters (github.com/bgd-labs/aave-proposals-v3, commit 4d6a3d98, folder reports). One thing
differs on purpose: UNI then had a debt ceiling of 17 million USD, which isolates it from other collateral; here it has
none, as a vault could not hold it beside the others. What other people have supplied and owe is an order of magnitude,
chosen so that USDC is lent to three quarters.
"""

from __future__ import annotations

from dataclasses import dataclass

AS_OF = "2023-10-31"
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
        symbol="USDC",
        ltv=7_700,
        liquidation_threshold=8_000,
        liquidation_bonus=450,
        reserve_factor=1_000,
        supply_cap=1_760_000_000,
        borrow_cap=1_580_000_000,
        optimal=9_000,
        base=0,
        slope1=350,
        slope2=6_000,
        supplied=400_000_000,
        borrowed=300_000_000,
    ),
    ReserveParameters(
        symbol="WBTC",
        ltv=7_300,
        liquidation_threshold=7_800,
        liquidation_bonus=500,
        reserve_factor=2_000,
        supply_cap=43_000,
        borrow_cap=28_000,
        optimal=4_500,
        base=0,
        slope1=400,
        slope2=30_000,
        supplied=4_000,
        borrowed=200,
    ),
    ReserveParameters(
        symbol="WETH",
        ltv=8_050,
        liquidation_threshold=8_300,
        liquidation_bonus=500,
        reserve_factor=1_500,
        supply_cap=1_800_000,
        borrow_cap=1_400_000,
        optimal=8_000,
        base=0,
        slope1=280,
        slope2=8_000,
        supplied=200_000,
        borrowed=100_000,
    ),
    ReserveParameters(
        symbol="LINK",
        ltv=5_300,
        liquidation_threshold=6_800,
        liquidation_bonus=700,
        reserve_factor=2_000,
        supply_cap=15_000_000,
        borrow_cap=13_000_000,
        optimal=4_500,
        base=0,
        slope1=700,
        slope2=30_000,
        supplied=1_000_000,
        borrowed=20_000,
    ),
    ReserveParameters(
        symbol="UNI",
        ltv=6_500,
        liquidation_threshold=7_700,
        liquidation_bonus=1_000,
        reserve_factor=2_000,
        supply_cap=4_000_000,
        borrow_cap=500_000,
        optimal=4_500,
        base=0,
        slope1=700,
        slope2=30_000,
        supplied=500_000,
        borrowed=10_000,
    ),
)
