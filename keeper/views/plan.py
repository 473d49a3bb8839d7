"""A plan, its simulation, its checks, and what became of it on chain."""

from __future__ import annotations

from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.plan import Check, Cost, PostState, RebalancePlan, Route, SimulationReport, Step
from keeper.domain.tx import Receipt
from keeper.planning.checks import MUST_HOLD, POST_TRADE_CHECKS
from keeper.views import formats as unit
from keeper.views.view import Field, View, lifted, nested, nested_list

MAY_FAIL = frozenset(POST_TRADE_CHECKS) - frozenset(MUST_HOLD)


def _verdict(check: Check) -> str:
    if check.passed:
        return "pass"
    return "WARN" if check.name in MAY_FAIL else "STOP"


CHECK = View[Check](
    "checks",
    name=Field(unit.TEXT, "Name of the check (exit-codes.md)."),
    value=Field(unit.NUMBER, "The number that was checked."),
    limit=Field(unit.NUMBER, "The number that it was compared with."),
    passed=Field(unit.FLAG, "Whether the value respects the limit."),
    detail=Field(unit.TEXT, "What the numbers are."),
    verdict=Field(unit.TEXT, "On the screen: pass, WARN (reported only) or STOP.", _verdict),
)
ROUTE = View[Route](
    "route",
    symbols=Field(unit.TEXTS, "Tokens from the one sold to the one bought."),
    fees=Field(unit.NUMBERS, "Fee tier of each pool between them, in millionths."),
)
STEP = View[Step](
    "steps",
    kind=Field(unit.TEXT, "SUPPLY, WITHDRAW, BORROW, REPAY, SWAP_EXACT_IN or SWAP_EXACT_OUT."),
    symbol=Field(unit.TEXT, "Token of `amount`."),
    amount=Field(unit.RAW, "Exact amount; 2^256 - 1 is everything."),
    limit=Field(unit.RAW, "Of a swap: the minimum bought or the maximum sold."),
    expected_in=Field(unit.RAW, "What is expected to leave the vault."),
    expected_out=Field(unit.RAW, "What is expected to enter the vault."),
    route=Field(nested(ROUTE), "Pools of a swap; null for other steps."),
    account=Field(
        unit.INTEGER, "Place of the account in the vault's list that supplies, withdraws, borrows or repays."
    ),
)
COST = View[Cost](
    "cost_usd",
    gas=Field(unit.USD, "Gas; on a rollup with the fee for publishing."),
    fees=Field(unit.USD, "Fees of the pools."),
    slippage=Field(unit.USD, "Price impact beyond the fees, against the feeds."),
    flash=Field(unit.USD, "Premium of the flash loan."),
    total=Field(unit.USD, "The sum of these."),
)
POST_STATE = View[PostState](
    "expected, realised",
    nav_usd=Field(unit.USD, "Net asset value after the call."),
    leverage=Field(unit.RATIO, "Leverage after the call."),
    health_factor=Field(unit.RATIO, "Health factor after the call; null without debt."),
    weights=Field(unit.NUMBERS, "Value / NAV of each asset, in the order of `assets`."),
)
PLAN = View[RebalancePlan](
    "plan",
    call=Field(unit.TEXT, "Function of the vault: rebalance or deleverage."),
    epoch=Field(unit.INTEGER, "Epoch of the vault that the call requires."),
    deadline=Field(unit.TIME, "The call reverts after this time."),
    flash_amount=Field(unit.RAW, "Flash loan of the debt asset."),
    steps=Field(nested_list(STEP), "Steps of the one transaction."),
    cost_usd=Field(nested(COST), "Expected cost.", "cost"),
    expected=Field(nested(POST_STATE), "The vault that is expected after it."),
    gas_limit=Field(unit.COUNT, "Gas limit of the transaction."),
    turnover_usd=Field(unit.USD, "Value sold."),
    postponed_usd=Field(unit.USD, "Trades left to later cycles by gas or health factor."),
)
SIMULATION = View[SimulationReport](
    "simulation",
    success=Field(unit.FLAG, "Whether the call succeeds."),
    revert=Field(unit.TEXT, "The decoded revert; null on success."),
    gas=Field(unit.COUNT, "Gas that the call needs, before refunds."),
    **lifted(POST_STATE, "post"),
    method=Field(unit.TEXT, "The RPC method that simulated it."),
)
RECEIPT = View[Receipt](
    "receipt",
    tx_hash=Field(unit.TEXT, "Hash of the transaction."),
    block_number=Field(unit.COUNT, "Block in which it was mined."),
    block_hash=Field(unit.TEXT, "Hash of that block."),
    succeeded=Field(unit.FLAG, "Whether it succeeded."),
    gas_used=Field(unit.COUNT, "Gas used."),
    effective_gas_price_wei=Field(unit.COUNT, "Price of the gas, wei."),
    rollup_fee_wei=Field(unit.COUNT, "What a rollup charged besides the gas, wei; 0 elsewhere."),
)
SWAP = View[ExecutedSwap](
    "executed_swaps",
    sold=Field(unit.TEXT, "Token sold."),
    bought=Field(unit.TEXT, "Token bought."),
    route=Field(nested(ROUTE), "Pools that it went through."),
    value_usd=Field(unit.USD, "Value sold, at the feeds' prices."),
    fair_out=Field(unit.RAW, "Output at the feeds' prices, without any cost."),
    quoted_out=Field(unit.RAW, "Output that the quoter returned."),
    simulated_out=Field(unit.RAW, "Output in the simulation; null if the node did not report it."),
    realised_out=Field(unit.RAW, "Output on chain."),
    realised_bps=Field(unit.BPS, "Cost on chain, against the feeds."),
    fees_bps=Field(unit.BPS, "Fees of the pools."),
)
