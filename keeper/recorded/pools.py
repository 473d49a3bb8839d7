"""How deep pools are: Ethereum mainnet's Uniswap V3, each row with its day and where the number
comes from.

``virtual_usd`` is what prices a trade: the value, on each side, of the reserves that the liquidity in range
at the spot price stands for (L·√P). Selling S dollars costs about S / ``virtual_usd`` beyond the fee. A
full-range pool has half of its TVL there; concentrated ones have more.

Where only the TVL is recorded, the ratio of ``virtual_usd`` to it is an estimate: 3 in the 5 bps tier, 2 at
30 bps, 1 at 100 bps. Rows marked MEMORY are orders of magnitude without a record. One check of the whole: a
trade of 5 M$ between ETH and dollars had an average impact of about 0.5 % from June 2021 to March 2022 (Liao
and Robinson, "The Dominance of Uniswap v3 Liquidity", May 2022), which is 1,000 M$ over all dollar pools; the
two rows WETH/USDC below make 936 M$.
"""

from __future__ import annotations

from dataclasses import dataclass

AUDIT_2023 = "February 2023, TVL on info.uniswap.org as quoted in a public audit finding"
GAUNTLET_2024 = "7 October 2024, Gauntlet's table of LINK pools, Compound governance forum (topic 5876)"
SUBGRAPH_2026 = "May 2026, liquidity 1799891365784170516 at 2,306.88 USDC, answer of the Uniswap V3 subgraph"
MEMORY = "about 2023, from memory, order of magnitude only"


@dataclass(frozen=True, slots=True)
class PoolDepth:
    """One pool: ``fee`` in hundredths of a bp (500 = 5 bps), ``tvl_usd`` and ``virtual_usd`` in USD."""

    symbol: str
    quote: str
    fee: int
    tvl_usd: float
    virtual_usd: float
    source: str


POOL_DEPTHS = (
    PoolDepth("WETH", "USDC", 500, tvl_usd=284e6, virtual_usd=850e6, source=AUDIT_2023),
    PoolDepth(
        "WETH",
        "USDC",
        3_000,
        tvl_usd=88e6,
        virtual_usd=86e6,
        source=f"{AUDIT_2023}; virtual: {SUBGRAPH_2026}",
    ),
    PoolDepth("WBTC", "USDC", 500, tvl_usd=10e6, virtual_usd=30e6, source=MEMORY),
    PoolDepth("WBTC", "USDC", 3_000, tvl_usd=50e6, virtual_usd=100e6, source=MEMORY),
    PoolDepth("WBTC", "WETH", 500, tvl_usd=60e6, virtual_usd=180e6, source=MEMORY),
    PoolDepth("WBTC", "WETH", 3_000, tvl_usd=227e6, virtual_usd=450e6, source=AUDIT_2023),
    PoolDepth("LINK", "USDC", 3_000, tvl_usd=0.77e6, virtual_usd=1.5e6, source=GAUNTLET_2024),
    PoolDepth("LINK", "USDC", 10_000, tvl_usd=0.3e6, virtual_usd=0.3e6, source=MEMORY),
    PoolDepth("LINK", "WETH", 3_000, tvl_usd=22.39e6, virtual_usd=45e6, source=GAUNTLET_2024),
    PoolDepth("LINK", "WETH", 10_000, tvl_usd=2e6, virtual_usd=2e6, source=MEMORY),
    PoolDepth("UNI", "USDC", 3_000, tvl_usd=2e6, virtual_usd=4e6, source=MEMORY),
    PoolDepth("UNI", "USDC", 10_000, tvl_usd=0.5e6, virtual_usd=0.5e6, source=MEMORY),
    PoolDepth("UNI", "WETH", 3_000, tvl_usd=20e6, virtual_usd=40e6, source=MEMORY),
    PoolDepth("UNI", "WETH", 10_000, tvl_usd=4e6, virtual_usd=4e6, source=MEMORY),
)
