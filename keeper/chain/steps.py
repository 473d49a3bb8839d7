"""A plan's steps as the vault's contract takes them, and what its events say that each moved.

A swap of the plan may pass through two pools. The contract swaps in one pool per step, so such a swap is two steps, of
which the second sells what the first brought.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from keeper.chain.abi import DecodeError, decode_values
from keeper.chain.contracts.vault import RawFlash, RawStep, calldata
from keeper.chain.listed_pools import ZERO_ADDRESS
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan, Step, StepKind
from keeper.domain.units import UINT256_MAX
from keeper.jsonrpc.answers import Log

PREVIOUS = UINT256_MAX - 1
"""Amounts.PREVIOUS: what the step before brought."""
STEP_EXECUTED = "0x4ccaaa3bdcfe6cf7795887b22c4709bdea932f1d06bfaecd9689baa6c6a5abe5"
"""StepExecuted(uint256 indexed index, uint256 amountIn, uint256 amountOut): the first topic."""
DATA = ("uint256", "uint256")


def encoded_call(plan: RebalancePlan, snapshot: MarketSnapshot) -> bytes:
    """The rebalancer's rebalance or deleverage with the plan's steps."""
    flash = RawFlash(plan.account, snapshot.debt_token.address, plan.flash_amount)
    steps = [raw for step in plan.steps for raw in _raw_steps(step, snapshot)]
    return calldata(plan.call, plan.epoch, plan.deadline, flash=flash, steps=steps)


def step_amounts(
    portfolio: str, steps: Sequence[Step], logs: Sequence[Log]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """By step of the plan what came into the vault and what left it, raw: for a swap, what the last pool returned and
    the first took. Both are empty where ``logs`` (of a receipt, or of a simulated call) do not tell it of each step."""
    amounts: dict[int, tuple[int, int]] = {}
    for log in logs:
        if log.address != portfolio.lower() or log.topics[:1] != (STEP_EXECUTED,):
            continue
        try:
            (place,) = log.topics[1:]
            went, came = decode_values(DATA, log.data)
        except (DecodeError, ValueError):
            return (), ()
        amounts[int(place, 16)] = (came, went)
    ends = [0, *accumulate(_count(step) for step in steps)]
    if sorted(amounts) != list(range(ends[-1])):
        return (), ()
    outs = tuple(amounts[end - 1][0] for end in ends[1:])
    return outs, tuple(amounts[first][1] for first in ends[:-1])


def _count(step: Step) -> int:
    return len(step.route.fees) if step.route is not None else 1


def _raw_steps(step: Step, snapshot: MarketSnapshot) -> list[RawStep]:
    def raw(symbol: str, pool: str, amount: int, limit: int) -> RawStep:
        return RawStep(
            kind=step.kind,
            account=step.account,
            token=snapshot.token(symbol).address,
            pool=pool,
            amount=amount,
            limit=limit,
        )

    route = step.route
    if route is None:
        return [raw(step.symbol, ZERO_ADDRESS, step.amount, step.limit)]
    pools = [
        _pool(sold, bought, fee, snapshot=snapshot)
        for sold, bought, fee in zip(route.symbols[:-1], route.symbols[1:], route.fees, strict=True)
    ]
    if step.kind is StepKind.SWAP_EXACT_OUT:
        assert len(pools) == 1, "the contract has no exact output along two pools"
        return [raw(step.symbol, pools[0], step.amount, step.limit)]
    last = len(pools) - 1
    return [
        raw(
            symbol,
            pool,
            step.amount if place == 0 else PREVIOUS,
            step.limit if place == last else 0,
        )
        for place, (symbol, pool) in enumerate(zip(route.symbols[:-1], pools, strict=True))
    ]


def _pool(sold: str, bought: str, fee: int, snapshot: MarketSnapshot) -> str:
    for pool in snapshot.vault.pools:
        if pool.fee == fee and set(pool.symbols) == {sold, bought}:
            return pool.address
    raise NothingFeasible(
        f"the vault lists no pool of {sold} and {bought} with a fee of {fee / 100:g} bps",
        remedy="Have the vault's admin list it, or wait for the next cycle.",
    )
