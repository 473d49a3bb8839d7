"""Lending terms and pools of the all-weather universe: orders of magnitude from memory, about 2023."""

from __future__ import annotations

from keeper.recorded.aave import ReserveParameters
from keeper.recorded.pools import MEMORY, PoolDepth

RESERVES = (
    ReserveParameters(
        "wstETH",
        ltv=7_850,
        liquidation_threshold=8_100,
        liquidation_bonus=600,
        reserve_factor=1_500,
        supply_cap=650_000,
        borrow_cap=48_000,
        optimal=4_500,
        base=0,
        slope1=450,
        slope2=8_000,
        supplied=300_000,
        borrowed=5_000,
    ),
    ReserveParameters(
        "XAUt",
        ltv=7_000,
        liquidation_threshold=7_500,
        liquidation_bonus=600,
        reserve_factor=2_000,
        supply_cap=50_000,
        borrow_cap=5_000,
        optimal=4_500,
        base=0,
        slope1=700,
        slope2=30_000,
        supplied=5_000,
        borrowed=10,
    ),
    ReserveParameters(
        "sDAI",
        ltv=7_500,
        liquidation_threshold=7_800,
        liquidation_bonus=500,
        reserve_factor=2_000,
        supply_cap=200_000_000,
        borrow_cap=10_000_000,
        optimal=4_500,
        base=0,
        slope1=700,
        slope2=30_000,
        supplied=10_000_000,
        borrowed=10_000,
    ),
)
"""Gold is collateral outside its eMode too, unlike on mainnet."""

POOL_DEPTHS = (
    PoolDepth("XAUt", "USDC", 500, tvl_usd=17e6, virtual_usd=50e6, source=MEMORY),
    PoolDepth(
        "wstETH", "USDC", 500, tvl_usd=100e6, virtual_usd=300e6, source=f"{MEMORY}; two hops over WETH"
    ),
    PoolDepth("sDAI", "USDC", 500, tvl_usd=17e6, virtual_usd=50e6, source=MEMORY),
)
