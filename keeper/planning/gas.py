"""What a plan's transaction costs in gas, from amounts per step, and on a rollup in bytes.

Gas is fitted to transactions on the local chain: first rebalances of three and four assets, with and without a flash
loan, come out within 3 %, nine in ten plans of random vaults that already hold assets within 10 % (`make states`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from keeper.domain.errors import InvalidSetting
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Route, Step, StepKind
from keeper.domain.units import USD, WAD

CALL = 400_000
"""The vault's own call: reading every holding twice and every price once, checks, storage; and what the market's first
step touches first."""
FLASH_LOAN = 100_000
HOP = 70_000
PER_STEP = {
    StepKind.SUPPLY: 120_000,
    StepKind.WITHDRAW: 100_000,
    StepKind.BORROW: 120_000,
    StepKind.REPAY: 90_000,
    StepKind.SWAP_EXACT_IN: 30_000,
    StepKind.SWAP_EXACT_OUT: 30_000,
}
TYPICAL_BYTES = 3_000
"""Of a rebalance into four assets, before there is one to measure: four swaps of two hops, four supplies, a borrow
and a repay are 2.8 kB of calldata, the transaction around them 0.1 kB."""
ENVELOPE_BYTES = 110
"""A transaction without its calldata: fees, nonce, signature, RLP."""
_WORD = 32
LARGEST_TRANSACTION = 2**24
"""EIP-7825."""
MOST_HOPS = 2
PART_OF_BLOCK = 0.9
"""A transaction that needs the whole block waits for one that nobody else wants a part of."""


def gas_of(steps: Iterable[Step], flash_amount: int) -> int:
    """Gas of one vault call with these steps."""
    total = CALL + (FLASH_LOAN if flash_amount else 0)
    for step in steps:
        total += PER_STEP[step.kind] + HOP * (len(step.route.fees) if step.route else 0)
    return total


def swap_usd(route: Route, snapshot: MarketSnapshot, symbol: str) -> float:
    """What one more swap along a route adds to a transaction: its gas at the block's base fee and, on a rollup, its
    part of what publishing costs. Raises InvalidSetting as ``usd_of_wei``."""
    gas = PER_STEP[StepKind.SWAP_EXACT_IN] + HOP * len(route.fees)
    published = _published(_step_bytes(route), snapshot)
    return usd_of_wei(gas * snapshot.block.base_fee_wei + published, snapshot, symbol)


def published_wei(steps: Iterable[Step], snapshot: MarketSnapshot) -> int:
    """What a rollup charges for publishing a vault call with these steps, from what it charges for TYPICAL_BYTES."""
    return _published(ENVELOPE_BYTES + calldata_bytes(steps), snapshot)


def calldata_bytes(steps: Iterable[Step]) -> int:
    """Of ``RiskParityVault.rebalance`` or ``deleverage``: selector, epoch, deadline, flash amount, the array's offset
    and length, then the steps."""
    return 4 + 5 * _WORD + sum(_step_bytes(step.route) for step in steps)


def _step_bytes(route: Route | None) -> int:
    """Offset, five words, the path's length and the path: a token, then a fee of 3 bytes and a token for each hop."""
    path = 20 + 23 * len(route.fees) if route else 0
    return 7 * _WORD + -(-path // _WORD) * _WORD


def _published(size: int, snapshot: MarketSnapshot) -> int:
    return -(-snapshot.l1_fee_wei * size // TYPICAL_BYTES)


def most_trades(block_gas_limit: int, margin: float) -> int:
    """How many trades one transaction certainly has room for, each with the most that it can take: collateral
    withdrawn, two hops, collateral supplied."""
    return max(0, math.floor(_room(block_gas_limit, margin) / _PER_TRADE))


def most_further_parts(block_gas_limit: int, margin: float, trades: int) -> int:
    """How many swaps, each with the most hops, there certainly is room for beside one for each of ``trades``."""
    left = _room(block_gas_limit, margin) - trades * _PER_TRADE
    return max(0, math.floor(left / _PER_PART))


_PER_PART = PER_STEP[StepKind.SWAP_EXACT_IN] + MOST_HOPS * HOP
_PER_TRADE = PER_STEP[StepKind.WITHDRAW] + _PER_PART + PER_STEP[StepKind.SUPPLY]
_AROUND = CALL + FLASH_LOAN + PER_STEP[StepKind.BORROW] + 2 * PER_STEP[StepKind.REPAY]


def most_gas(block_gas_limit: int) -> float:
    """The largest gas limit of a transaction."""
    return min(LARGEST_TRANSACTION, block_gas_limit * PART_OF_BLOCK)


def _room(block_gas_limit: int, margin: float) -> float:
    """Gas for trades."""
    return most_gas(block_gas_limit) / margin - _AROUND


def gas_limit_for(gas: int, margin: float) -> int:
    return min(math.ceil(gas * margin), LARGEST_TRANSACTION)


def usd_per_gas(snapshot: MarketSnapshot, symbol: str) -> float:
    """One unit of gas at the block's base fee. Raises InvalidSetting as ``usd_of_wei``."""
    return usd_of_wei(snapshot.block.base_fee_wei, snapshot, symbol)


def usd_of_wei(wei: int, snapshot: MarketSnapshot, symbol: str) -> float:
    """At the price of ``plan.gas_usd_price_symbol``. Raises InvalidSetting when the vault has no such token."""
    prices = [feed.price for feed in snapshot.feeds if feed.symbol == symbol]
    if not prices:
        raise InvalidSetting(
            f"plan.gas_usd_price_symbol is {symbol!r}, which is not one of the vault's tokens",
            remedy=f"Set it to one of: {', '.join(token.symbol for token in snapshot.tokens)}.",
        )
    return wei / WAD * prices[0] / USD
