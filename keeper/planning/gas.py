"""What a plan's transaction costs: gas from constants per step, and on a rollup bytes.

The constants are fitted to transactions of random vaults on the local chain (`make states`): the median takes 1 % less
than estimated, nine in ten at most 4 % more. A first rebalance takes 9 % more, because each reserve is used for the
first time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from keeper.domain.fee_replacement import after_replacements, raised
from keeper.domain.market import Block, MarketSnapshot
from keeper.domain.native_coin import estimated_usd
from keeper.domain.plan import Route, Step, StepKind
from keeper.domain.policy import PlanPolicy

CALL = 480_000
"""The vault's own work: it reads every holding twice and every price once, checks, and stores. It includes what the
first step on the lending market touches first."""
FLASH_LOAN = 150_000
HOP = 55_000
PER_STEP = {
    StepKind.SUPPLY: 80_000,
    StepKind.WITHDRAW: 100_000,
    StepKind.BORROW: 125_000,
    StepKind.REPAY: 55_000,
    StepKind.SWAP_EXACT_IN: 45_000,
    StepKind.SWAP_EXACT_OUT: 90_000,
}
TYPICAL_BYTES = 3_000
"""Size of a rebalance into four assets, assumed before there is a plan to measure. Four swaps of two hops, four
supplies, a borrow and a repay are 2.9 kB of calldata; the rest of the transaction is 0.1 kB."""
ENVELOPE_BYTES = 110
"""A transaction without its calldata: fees, nonce, signature, RLP."""
LARGEST_TRANSACTION = 2**24
"""EIP-7825."""
MAX_HOPS = 2
PART_OF_BLOCK = (9, 10)
"""A transaction that needs the whole block waits until no other transaction wants a part of it."""
SAFE_HOP = 117_000
"""What Roles modifier and Safe add to a vault call, measured on the local chain."""
KEPT_BACK, HOP_CALLS = 64, 4
"""EIP-150: a call leaves a 64th of the gas to its caller. Four calls lead to the vault: the modifier's proxy calls the
modifier's code, that the Safe, the Safe's proxy the Safe's code, and that the vault."""
_WORD = 32
_PER_PART = PER_STEP[StepKind.SWAP_EXACT_IN] + MAX_HOPS * HOP
_PER_SALE = PER_STEP[StepKind.WITHDRAW] + _PER_PART
_PER_TRADE = _PER_SALE + PER_STEP[StepKind.SUPPLY]
_WITHOUT_SALES = CALL + FLASH_LOAN + 2 * PER_STEP[StepKind.REPAY]
_WITHOUT_TRADES = _WITHOUT_SALES + PER_STEP[StepKind.BORROW]


def gas_of(steps: Iterable[Step], flash_amount: int) -> int:
    """Gas of one vault call with these steps."""
    total = CALL + (FLASH_LOAN if flash_amount else 0)
    for step in steps:
        total += PER_STEP[step.kind] + HOP * (len(step.route.fees) if step.route else 0)
    return total


def sent_gas(gas: int, *, by_safe: bool) -> int:
    """What the transaction of a vault call needs that uses ``gas``; ``by_safe`` where the key acts as a Safe."""
    return with_reserve(gas + SAFE_HOP) if by_safe else gas


def with_reserve(gas: int) -> int:
    """Gas, and what modifier and Safe keep back of it from the calls that they make."""
    for _ in range(HOP_CALLS):
        gas = -(-gas * KEPT_BACK // (KEPT_BACK - 1))
    return gas


def gas_limit_for(gas: int, margin: float) -> int:
    return min(math.ceil(gas * margin), LARGEST_TRANSACTION)


def max_gas(block: Block, policy: PlanPolicy) -> int:
    """The largest gas limit of a transaction: the protocol's, the block's, and the most at which a bid for the block
    after the next costs at most ``policy.max_fee_wei``."""
    return min(max_gas_of_block(block), policy.max_fee_wei // max(1, raised(block.base_fee_wei)))


def max_gas_of_block(block: Block) -> int:
    part, whole = PART_OF_BLOCK
    return min(LARGEST_TRANSACTION, block.gas_limit * part // whole)


def max_trades(block: Block, policy: PlanPolicy, *, only_sales: bool = False, by_safe: bool = False) -> int:
    """How many trades certainly fit into one transaction whose fee can be raised. Each is counted with all that it can
    need: a withdrawal, two hops, a supply. Where the fee leaves no room for replacements, one trade fits that can be
    paid for without them. ``only_sales`` are into the debt token, as in a deleverage. ``by_safe`` as ``sent_gas``."""
    fixed, each = (_WITHOUT_SALES, _PER_SALE) if only_sales else (_WITHOUT_TRADES, _PER_TRADE)

    def fit(limit: int) -> int:
        return max(0, (_gas_within(limit, policy, by_safe=by_safe) - fixed) // each)

    return max(fit(_replaceable_gas(block, policy)), min(1, fit(max_gas(block, policy))))


def max_further_parts(block: Block, policy: PlanPolicy, trades: int, *, by_safe: bool = False) -> int:
    """How many more swaps of two hops certainly fit into one transaction with ``trades`` trades of one swap each."""
    gas = _gas_within(_replaceable_gas(block, policy), policy, by_safe=by_safe)
    return max(0, (gas - _WITHOUT_TRADES - trades * _PER_TRADE) // _PER_PART)


def _gas_within(limit: int, policy: PlanPolicy, *, by_safe: bool) -> int:
    """The most gas of a vault call for which ``gas_limit_for`` asks at most ``limit``. In exact numbers: a float could
    round up to a trade that the check of the plan then refuses."""
    gas = math.floor(limit / Fraction(policy.gas_limit_margin))
    if not by_safe:
        return gas
    for _ in range(HOP_CALLS):
        gas = gas * (KEPT_BACK - 1) // KEPT_BACK
    return gas - SAFE_HOP


def _replaceable_gas(block: Block, policy: PlanPolicy) -> int:
    """``max_gas`` of a bid that can still be replaced."""
    price = after_replacements(raised(block.base_fee_wei))
    return min(max_gas_of_block(block), policy.max_fee_wei // max(1, price))


@dataclass(frozen=True, slots=True)
class SwapCosts:
    """USD of one unit of gas, and of one more swap in a transaction by its number of hops."""

    per_gas: float
    by_hops: tuple[float, ...]

    def of(self, route: Route) -> float:
        """What one more swap along a route adds to a transaction."""
        return self.by_hops[len(route.fees)]


def swap_costs(snapshot: MarketSnapshot, wrapped: str) -> SwapCosts:
    """At the block's base fee and, on a rollup, with the swap's part of the publishing fee. ``wrapped`` as in
    ``estimated_usd``."""
    base_fee_wei = snapshot.block.base_fee_wei
    swaps_wei = [
        (PER_STEP[StepKind.SWAP_EXACT_IN] + HOP * hops) * base_fee_wei
        + _published(_step_bytes(hops), snapshot)
        for hops in range(MAX_HOPS + 1)
    ]
    return SwapCosts(
        per_gas=estimated_usd(base_fee_wei, snapshot, wrapped),
        by_hops=tuple(estimated_usd(wei, snapshot, wrapped) for wei in swaps_wei),
    )


def published_wei(steps: Iterable[Step], snapshot: MarketSnapshot) -> int:
    """A rollup's fee for publishing a vault call with these steps, in proportion to its fee for TYPICAL_BYTES. 0 on
    other chains."""
    if not snapshot.l1_fee_wei:
        return 0
    return _published(ENVELOPE_BYTES + calldata_bytes(steps), snapshot)


def calldata_bytes(steps: Iterable[Step]) -> int:
    """Length of the calldata of ``Rebalancer.rebalance`` or ``deleverage``: selector; epoch and deadline; account,
    token and amount of the flash loan; offset and length of the array; the steps."""
    return 4 + 7 * _WORD + sum(_step_bytes(len(step.route.fees) if step.route else 0) for step in steps)


def _step_bytes(hops: int) -> int:
    """Six words; every hop of a swap is a step of its own."""
    return 6 * _WORD * max(1, hops)


def _published(size: int, snapshot: MarketSnapshot) -> int:
    return -(-snapshot.l1_fee_wei * size // TYPICAL_BYTES)
