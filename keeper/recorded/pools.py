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
    PoolDepth("WETH", "USDC", 500, 284e6, 850e6, AUDIT_2023),
    PoolDepth("WETH", "USDC", 3_000, 88e6, 86e6, f"{AUDIT_2023}; virtual: {SUBGRAPH_2026}"),
    PoolDepth("WBTC", "USDC", 500, 10e6, 30e6, MEMORY),
    PoolDepth("WBTC", "USDC", 3_000, 50e6, 100e6, MEMORY),
    PoolDepth("WBTC", "WETH", 500, 60e6, 180e6, MEMORY),
    PoolDepth("WBTC", "WETH", 3_000, 227e6, 450e6, AUDIT_2023),
    PoolDepth("LINK", "USDC", 3_000, 0.77e6, 1.5e6, GAUNTLET_2024),
    PoolDepth("LINK", "USDC", 10_000, 0.3e6, 0.3e6, MEMORY),
    PoolDepth("LINK", "WETH", 3_000, 22.39e6, 45e6, GAUNTLET_2024),
    PoolDepth("LINK", "WETH", 10_000, 2e6, 2e6, MEMORY),
    PoolDepth("UNI", "USDC", 3_000, 2e6, 4e6, MEMORY),
    PoolDepth("UNI", "USDC", 10_000, 0.5e6, 0.5e6, MEMORY),
    PoolDepth("UNI", "WETH", 3_000, 20e6, 40e6, MEMORY),
    PoolDepth("UNI", "WETH", 10_000, 4e6, 4e6, MEMORY),
)
