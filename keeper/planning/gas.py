"""What a plan's transaction costs in gas, from measured amounts per step."""

from __future__ import annotations

import math
from collections.abc import Iterable

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Step, StepKind
from keeper.domain.units import USD

CALL = 330_000
"""The vault's own call: reading prices twice, checks, storage, events."""
FLASH_LOAN = 130_000
HOP = 130_000
PER_STEP = {
    StepKind.SUPPLY: 230_000,
    StepKind.WITHDRAW: 200_000,
    StepKind.BORROW: 270_000,
    StepKind.REPAY: 170_000,
    StepKind.SWAP_EXACT_IN: 60_000,
    StepKind.SWAP_EXACT_OUT: 60_000,
}
LARGEST_TRANSACTION = 2**24
"""EIP-7825."""
WETH = "WETH"


def gas_of(steps: Iterable[Step], flash_amount: int) -> int:
    """Gas of one vault call with these steps."""
    total = CALL + (FLASH_LOAN if flash_amount else 0)
    for step in steps:
        total += PER_STEP[step.kind] + HOP * (len(step.route.fees) if step.route else 0)
    return total


def gas_limit_for(gas: int, margin: float) -> int:
    return min(math.ceil(gas * margin), LARGEST_TRANSACTION)


def gas_usd(gas: int, snapshot: MarketSnapshot) -> float:
    """At the block's base fee and WETH's price; 0 where the vault has no WETH to price it with."""
    prices = [feed.price for feed in snapshot.feeds if feed.symbol == WETH]
    return gas * snapshot.block.base_fee_wei / 1e18 * prices[0] / USD if prices else 0.0
