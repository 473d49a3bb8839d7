"""A decision record: the JSON of a cycle, the fields of its screen and of the daemon's log line."""

from __future__ import annotations

from typing import Any

from keeper.domain.errors import KeeperError
from keeper.domain.record import DecisionRecord, Failure, Mode
from keeper.domain.units import WAD
from keeper.views import formats as unit
from keeper.views.costs import COUNTED_COST, CountedCost, counted_costs
from keeper.views.decision import (
    ASSET,
    COVARIANCE,
    DECISION,
    OPINION,
    TARGET,
    asset_rows,
    opinion_rows,
)
from keeper.views.plan import CHECK, PLAN, POST_STATE, RECEIPT, SIMULATION, SWAP
from keeper.views.vault import NODE, PAUSE_STATE, VAULT, PauseReport
from keeper.views.view import Field, View, lifted, nested, nested_list

SUMMARY = ("record_id", "started_at", "mode", "outcome", "reason", "exit_code")
"""The fields of ``keeper journal list``."""
LOGGED = (
    *("reason", "record_id", "exit_code", "action", "urgency", "block.number", "nav_usd", "leverage"),
    *("target_leverage", "binding", "health_factor", "triggers", "failed_gates", "paused_by"),
    *("plan.cost_usd.total", "receipt.tx_hash", "nodes_left_out", "quorum", "rpc_round_trips", "compute_ms"),
)
"""The fields of the daemon's log line."""


def pause_report(record: DecisionRecord) -> PauseReport | None:
    """None if the cycle ended before it read the vault."""
    inputs = record.inputs
    if inputs is None or inputs.pause_state is None:
        return None
    return PauseReport(inputs.pause_state, inputs.policy.daily, inputs.snapshot.vault.paused)


def trade_costs(record: DecisionRecord) -> tuple[CountedCost, ...]:
    """What the decision counted with for each asset; empty if the cycle ended before it read the vault."""
    if record.inputs is None:
        return ()
    return counted_costs(record.inputs, record.conclusions.decision if record.conclusions else None)


def log_line(record: DecisionRecord) -> dict[str, Any]:
    """The numbers of a cycle for one log line; fields without a value are left out."""
    return RECORD.selected(record, LOGGED)


def _health_factor_floor(record: DecisionRecord) -> float | None:
    if record.inputs is None:
        return None
    of_vault = record.inputs.snapshot.vault.policy.min_health_factor / WAD
    return max(of_vault, record.inputs.policy.size.min_health_factor)


def _paused_by(record: DecisionRecord) -> list[str]:
    report = pause_report(record)
    return [pause.cause for pause in report.pause_state.pauses] if report is not None else []


ERROR = View[KeeperError | Failure](
    "error",
    (
        Field("name", unit.TEXT, "Name of the error (exit-codes.md)."),
        Field("message", unit.TEXT, "What happened."),
        Field("remedy", unit.TEXT, "What to do."),
        Field("exit_code", unit.COUNT, "Exit code of the command."),
    ),
)
RECORD = View[DecisionRecord](
    "record",
    (
        Field(
            "record_id",
            unit.TEXT,
            "Id in the journal; null for a simulation, which is not kept.",
            source=lambda record: None if record.mode is Mode.SIMULATE else record.record_id,
        ),
        Field("started_at", unit.TIME, "When the cycle began, by the keeper's clock."),
        Field("mode", unit.TEXT, "simulate, dry-run, execute or live."),
        Field("outcome", unit.TEXT, "HELD, DECLINED, WOULD_SEND, SENT or FAILED."),
        Field("reason", unit.TEXT, "The outcome in one sentence.", source="summary"),
        Field("exit_code", unit.COUNT, "Exit code of the command."),
        *lifted(VAULT, "inputs.snapshot"),
        Field("health_factor_floor", unit.RATIO, "Floor of settings and vault.", source=_health_factor_floor),
        Field("assets", nested_list(ASSET), "Every risk asset.", source=asset_rows),
        Field("covariance", nested(COVARIANCE), "The covariance forecast.", source="conclusions.model"),
        *lifted(TARGET, "conclusions.target"),
        *lifted(DECISION, "conclusions.decision"),
        Field(
            "trade_costs",
            nested_list(COUNTED_COST),
            "Costs that the decision counted with.",
            source=trade_costs,
        ),
        Field("plan", nested(PLAN), "The transaction; null if none was planned.", source="conclusions.plan"),
        Field("simulation", nested(SIMULATION), "The simulation of the exact transaction."),
        Field("checks", nested_list(CHECK), "Checks of the simulation.", source="verdict.checks"),
        Field("pause_state", nested(PAUSE_STATE), "Pauses and daily budgets.", source=pause_report),
        Field("paused_by", unit.TEXTS, "Causes of the pauses.", source=_paused_by),
        Field("receipt", nested(RECEIPT), "The mined transaction."),
        Field("realised", nested(POST_STATE), "The vault read back after it."),
        Field("executed_swaps", nested_list(SWAP), "Swaps of the mined transaction."),
        Field("post_trade", nested_list(CHECK), "Checks after the mined transaction."),
        Field("error", nested(ERROR), "The error that ended the cycle.", source="failure"),
        Field("opinions", nested_list(OPINION), "What other sources say of the prices.", source=opinion_rows),
        Field("nodes", nested_list(NODE), "What was asked of each node."),
        Field(
            "nodes_left_out",
            unit.TEXTS,
            "Nodes that were not believed.",
            source=lambda record: [node.endpoint for node in record.nodes if node.note],
        ),
        Field("quorum", unit.COUNT, "How many nodes must agree."),
        Field("read_round_trips", unit.COUNT, "Round trips of the read at one block."),
        Field("rpc_round_trips", unit.COUNT, "Round trips of the whole cycle."),
        Field(
            "bytes_received",
            unit.BYTES,
            "Bytes of all answers.",
            source=lambda record: sum(node.bytes_received for node in record.nodes),
        ),
        Field("compute_ms", unit.MILLISECONDS, "Time spent in the pure functions."),
        Field("code_version", unit.TEXT, "Version of the keeper."),
        Field("settings_hash", unit.TEXT, "Hash of the settings."),
    ),
)
