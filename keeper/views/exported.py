"""Records, swaps, attempts and costs as rows of a table. A record gives its scalars and a few columns per asset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.record import DecisionRecord
from keeper.domain.tx import SignedTransaction
from keeper.domain.units import USD, WAD
from keeper.views.decision import asset_rows
from keeper.views.period_costs import PERIOD_COSTS, PeriodCosts
from keeper.views.record import RECORD

RECORD_PATHS = (
    *("record_id", "started_at", "mode", "outcome", "reason", "exit_code", "action", "urgency", "triggers"),
    *(
        "failed_gates",
        "missing",
        "paused_by",
        "block.number",
        "block.timestamp",
        "epoch",
        "nav_usd",
        "cash_usd",
    ),
    *("debt_usd", "leverage", "target_leverage", "binding", "health_factor", "health_factor_floor"),
    *("volatility", "target_volatility", "benefit_usd", "expected_cost_usd", "plan.cost_usd.total"),
    *("receipt.tx_hash", "next_look_at", "rpc_round_trips", "compute_ms", "code_version", "settings_hash"),
)
"""Fields of docs/json.md. A column is named as its field, with an underscore for each dot."""
ASSET_COLUMNS = ("price_usd", "weight", "target_weight", "risk_share", "volatility")
SWAP_COLUMNS = (
    *(
        "at",
        "sold",
        "bought",
        "route",
        "value_usd",
        "fees_bps",
        "quoted_bps",
        "simulated_bps",
        "realised_bps",
    ),
    *("fair_out", "realised_out"),
)

ATTEMPT_COLUMNS = (
    *("tx_hash", "intent_id", "place", "kind", "status", "nonce", "to", "epoch", "decided_at", "signed_at"),
    *("broadcast_at", "gas_limit", "max_fee_per_gas_wei", "max_priority_fee_per_gas_wei", "block_number"),
    *("succeeded", "gas_used", "effective_gas_price_wei", "rollup_fee_wei", "cost_eth"),
    *("nav_before_usd", "nav_after_usd"),
)
"""``status`` is the intent's, not the attempt's."""
COST_COLUMNS = tuple(PERIOD_COSTS.fields)


def record_columns(symbols: Sequence[str]) -> tuple[str, ...]:
    """``ASSET_COLUMNS`` of each symbol come last: weight_WETH."""
    return (
        *(path.replace(".", "_") for path in RECORD_PATHS),
        *(f"{column}_{symbol}" for symbol in symbols for column in ASSET_COLUMNS),
    )


def record_row(record: DecisionRecord, symbols: Sequence[str]) -> tuple[Any, ...]:
    """None where the cycle did not get so far, for an infinite number, and for an asset that it did not know. Lists are
    joined by blanks."""
    by_symbol = {
        row.holding.feed.symbol: (
            row.holding.feed.price_usd,
            row.holding.weight,
            row.conclusions.target.weights[row.place],
            row.risk_share,
            row.risk.blended,
        )
        for row in asset_rows(record)
    }
    unknown = (None,) * len(ASSET_COLUMNS)
    return (
        *(_cell(RECORD.at(record, path)[1]) for path in RECORD_PATHS),
        *(value for symbol in symbols for value in by_symbol.get(symbol, unknown)),
    )


def swap_row(swap: ExecutedSwap) -> tuple[Any, ...]:
    """Raw amounts are texts, because readers round large numbers."""
    return (
        *(swap.at, swap.sold, swap.bought, " ".join(swap.route.symbols), swap.value_usd, swap.fees_bps),
        *(swap.quoted_bps, swap.simulated_bps, swap.realised_bps, str(swap.fair_out), str(swap.realised_out)),
    )


def attempt_row(signed: SignedTransaction) -> tuple[Any, ...]:
    """Prices in wei are texts, because readers round large numbers. None where it was not sent or not mined."""
    intent, attempt, receipt = signed.intent, signed.attempt, signed.receipt
    mined: tuple[Any, ...] = (None,) * 8
    if receipt is not None:
        mined = (
            *(receipt.block_number, receipt.succeeded, receipt.gas_used),
            *(str(receipt.effective_gas_price_wei), str(receipt.rollup_fee_wei), receipt.cost_wei / WAD),
            *(None if nav is None else nav / USD for nav in (receipt.nav_before, receipt.nav_after)),
        )
    return (
        *(attempt.tx_hash, attempt.intent_id, signed.place, str(attempt.kind), str(signed.status)),
        *(intent.nonce, intent.payload.to, intent.payload.epoch, intent.payload.as_of, signed.signed_at),
        *(signed.broadcast_at, intent.payload.gas_limit, str(attempt.max_fee_per_gas_wei)),
        *(str(attempt.max_priority_fee_per_gas_wei), *mined),
    )


def cost_row(period: PeriodCosts) -> tuple[Any, ...]:
    return tuple(PERIOD_COSTS.json(period).values())


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return " ".join(str(entry) for entry in value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, str) else value
