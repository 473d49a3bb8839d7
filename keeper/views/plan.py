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
    (
        Field("name", unit.TEXT, "Name of the check (exit-codes.md)."),
        Field("value", unit.NUMBER, "The number that was checked."),
        Field("limit", unit.NUMBER, "The number that it was compared with."),
        Field("passed", unit.FLAG, "Whether the value respects the limit."),
        Field("detail", unit.TEXT, "What the numbers are."),
        Field("verdict", unit.TEXT, "On the screen: pass, WARN (reported only) or STOP.", source=_verdict),
    ),
)
ROUTE = View[Route](
    "route",
    (
        Field("symbols", unit.TEXTS, "Tokens from the one sold to the one bought."),
        Field("fees", unit.NUMBERS, "Fee tier of each pool between them, in millionths."),
    ),
)
STEP = View[Step](
    "steps",
    (
        Field("kind", unit.TEXT, "SUPPLY, WITHDRAW, BORROW, REPAY, SWAP_EXACT_IN or SWAP_EXACT_OUT."),
        Field("symbol", unit.TEXT, "Token of `amount`."),
        Field("amount", unit.RAW, "Exact amount; 2^256 - 1 is everything."),
        Field("limit", unit.RAW, "Of a swap: the minimum bought or the maximum sold."),
        Field("expected_in", unit.RAW, "What is expected to leave the vault."),
        Field("expected_out", unit.RAW, "What is expected to enter the vault."),
        Field("route", nested(ROUTE), "Pools of a swap; null for other steps."),
    ),
)
COST = View[Cost](
    "cost_usd",
    (
        Field("gas", unit.USD, "Gas; on a rollup with the fee for publishing."),
        Field("fees", unit.USD, "Fees of the pools."),
        Field("slippage", unit.USD, "Price impact beyond the fees, against the feeds."),
        Field("flash", unit.USD, "Premium of the flash loan."),
        Field("total", unit.USD, "The sum of these."),
    ),
)
POST_STATE = View[PostState](
    "expected, realised",
    (
        Field("nav_usd", unit.USD, "Net asset value after the call."),
        Field("leverage", unit.RATIO, "Leverage after the call."),
        Field("health_factor", unit.RATIO, "Health factor after the call; null without debt."),
        Field("weights", unit.NUMBERS, "Value / NAV of each asset, in the order of `assets`."),
    ),
)
PLAN = View[RebalancePlan](
    "plan",
    (
        Field("call", unit.TEXT, "Function of the vault: rebalance or deleverage."),
        Field("epoch", unit.INTEGER, "Epoch of the vault that the call requires."),
        Field("deadline", unit.TIME, "The call reverts after this time."),
        Field("flash_amount", unit.RAW, "Flash loan of the debt asset."),
        Field("steps", nested_list(STEP), "Steps of the one transaction."),
        Field("cost_usd", nested(COST), "Expected cost.", source="cost"),
        Field("expected", nested(POST_STATE), "The vault that is expected after it."),
        Field("gas_limit", unit.COUNT, "Gas limit of the transaction."),
        Field("turnover_usd", unit.USD, "Value sold."),
        Field("postponed_usd", unit.USD, "Trades left to later cycles because of the block's gas limit."),
    ),
)
SIMULATION = View[SimulationReport](
    "simulation",
    (
        Field("success", unit.FLAG, "Whether the call succeeds."),
        Field("revert", unit.TEXT, "The decoded revert; null on success."),
        Field("gas", unit.COUNT, "Gas used."),
        *lifted(POST_STATE, "post"),
        Field("method", unit.TEXT, "The RPC method that simulated it."),
    ),
)
RECEIPT = View[Receipt](
    "receipt",
    (
        Field("tx_hash", unit.TEXT, "Hash of the transaction."),
        Field("block_number", unit.COUNT, "Block in which it was mined."),
        Field("block_hash", unit.TEXT, "Hash of that block."),
        Field("succeeded", unit.FLAG, "Whether it succeeded."),
        Field("gas_used", unit.COUNT, "Gas used."),
        Field("effective_gas_price_wei", unit.COUNT, "Price of the gas, wei."),
    ),
)
SWAP = View[ExecutedSwap](
    "executed_swaps",
    (
        Field("sold", unit.TEXT, "Token sold."),
        Field("bought", unit.TEXT, "Token bought."),
        Field("route", nested(ROUTE), "Pools that it went through."),
        Field("value_usd", unit.USD, "Value sold, at the feeds' prices."),
        Field("fair_out", unit.RAW, "Output at the feeds' prices, without any cost."),
        Field("quoted_out", unit.RAW, "Output that the quoter returned."),
        Field("simulated_out", unit.RAW, "Output in the simulation; null if the node did not report it."),
        Field("realised_out", unit.RAW, "Output on chain."),
        Field("realised_bps", unit.BPS, "Cost on chain, against the feeds."),
        Field("fees_bps", unit.BPS, "Fees of the pools."),
    ),
)
