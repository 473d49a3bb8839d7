"""A decision record: the JSON of a cycle, the fields of its screen and of the daemon's log line."""

from __future__ import annotations

from typing import Any

from keeper.domain.errors import KeeperError
from keeper.domain.record import DecisionRecord, Failure, Mode, StageTime
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
from keeper.views.drill import DRILL
from keeper.views.information import INFORMATION, information_line
from keeper.views.plan import CHECK, PLAN, POST_STATE, RECEIPT, SIMULATION, SWAP
from keeper.views.vault import NODE, PAUSE_STATE, VAULT, PauseReport
from keeper.views.view import Field, View, lifted, nested, nested_list

SUMMARY = ("record_id", "started_at", "mode", "outcome", "reason", "exit_code")
"""The fields of ``keeper journal list``."""
LOGGED = (
    *("reason", "record_id", "exit_code", "action", "urgency", "block.number", "nav_usd", "leverage"),
    *("target_leverage", "binding", "health_factor", "triggers", "failed_gates", "missing", "paused_by"),
    "drill.survivable_fall",
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


def record_information_line(record: DecisionRecord) -> str:
    """What is missing, in one line."""
    missing = record.conclusions.target.missing if record.conclusions is not None else ()
    return information_line(record.information, missing)


def log_line(record: DecisionRecord) -> dict[str, Any]:
    """The numbers of a cycle for one log line; fields without a value are left out."""
    return RECORD.selected(record, LOGGED)


def health_factor_floor(record: DecisionRecord) -> float | None:
    """The higher of settings' and vault's; None if the cycle ended before it read the vault."""
    if record.inputs is None:
        return None
    of_vault = record.inputs.snapshot.vault.policy.min_health / WAD
    return max(of_vault, record.inputs.policy.size.min_health_factor)


def _paused_by(record: DecisionRecord) -> list[str]:
    report = pause_report(record)
    return [pause.cause for pause in report.pause_state.pauses] if report is not None else []


ERROR = View[KeeperError | Failure](
    "error",
    name=Field(unit.TEXT, "Name of the error (exit-codes.md)."),
    message=Field(unit.TEXT, "What happened."),
    remedy=Field(unit.TEXT, "What to do."),
    exit_code=Field(unit.COUNT, "Exit code of the command."),
)
STAGE = View[StageTime](
    "stages",
    stage=Field(unit.TEXT, "settle, read, drill, assess, plan, simulate, verify, send or read_back."),
    seconds=Field(unit.SECONDS, "How long it took."),
)
RECORD = View[DecisionRecord](
    "record",
    record_id=Field(
        unit.TEXT,
        "Id in the journal; null for a simulation, which is not kept.",
        lambda record: None if record.mode is Mode.SIMULATE else record.record_id,
    ),
    started_at=Field(unit.TIME, "When the cycle began, by the keeper's clock."),
    mode=Field(unit.TEXT, "simulate, dry-run, execute or live."),
    outcome=Field(unit.TEXT, "HELD, DECLINED, WOULD_SEND, SENT or FAILED."),
    reason=Field(unit.TEXT, "The outcome in one sentence.", "summary"),
    exit_code=Field(unit.COUNT, "Exit code of the command."),
    **lifted(VAULT, "inputs.snapshot"),
    health_factor_floor=Field(unit.RATIO, "Floor of settings and vault.", health_factor_floor),
    assets=Field(nested_list(ASSET), "Every risk asset.", asset_rows),
    covariance=Field(nested(COVARIANCE), "The covariance forecast.", "conclusions.model"),
    **lifted(TARGET, "conclusions.target"),
    **lifted(DECISION, "conclusions.decision"),
    trade_costs=Field(nested_list(COUNTED_COST), "Costs that the decision counted with.", trade_costs),
    plan=Field(nested(PLAN), "The transaction; null if none was planned.", "conclusions.plan"),
    simulation=Field(nested(SIMULATION), "The simulation of the exact transaction."),
    checks=Field(nested_list(CHECK), "Checks of the simulation.", "verdict.checks"),
    pause_state=Field(nested(PAUSE_STATE), "Pauses and daily budgets.", pause_report),
    paused_by=Field(unit.TEXTS, "Causes of the pauses.", _paused_by),
    drill=Field(nested(DRILL), "The fire drill; null if none was held.", "inputs.drill"),
    information=Field(nested(INFORMATION), "What the next cycle remembers."),
    receipt=Field(nested(RECEIPT), "The mined transaction."),
    realised=Field(nested(POST_STATE), "The vault read back after it."),
    executed_swaps=Field(nested_list(SWAP), "Swaps of the mined transaction."),
    post_trade=Field(nested_list(CHECK), "Checks after the mined transaction."),
    error=Field(nested(ERROR), "The error that ended the cycle.", "failure"),
    opinions=Field(nested_list(OPINION), "What other sources say of the prices.", opinion_rows),
    nodes=Field(nested_list(NODE), "What was asked of each node."),
    nodes_left_out=Field(
        unit.TEXTS,
        "Nodes that were not believed.",
        lambda record: [node.endpoint for node in record.nodes if node.note],
    ),
    quorum=Field(unit.COUNT, "How many nodes must agree."),
    read_round_trips=Field(unit.COUNT, "Round trips of the read at one block."),
    rpc_round_trips=Field(unit.COUNT, "Round trips of the whole cycle."),
    bytes_received=Field(
        unit.BYTES, "Bytes of all answers.", lambda record: sum(node.bytes_received for node in record.nodes)
    ),
    stages=Field(nested_list(STAGE), "How long each stage took."),
    next_look_at=Field(unit.TIME, "When the schedule looks next; null for a cycle by hand."),
    compute_ms=Field(unit.MILLISECONDS, "Time spent in the pure functions."),
    code_version=Field(unit.TEXT, "Version of the keeper."),
    settings_hash=Field(unit.TEXT, "Hash of the settings."),
)
