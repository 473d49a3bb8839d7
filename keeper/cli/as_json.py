"""A decision record as one JSON object: stable keys, no NaN and no Infinity (both are null)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from keeper.cli.costs import expected_objects
from keeper.cli.pause_state import standing_object
from keeper.domain.errors import KeeperError
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Check, PostState, RebalancePlan, SimulationReport, Step
from keeper.domain.portfolio import portfolio
from keeper.domain.prices import Opinion
from keeper.domain.record import Conclusions, DecisionRecord, Failure, NodeUse
from keeper.oracle.twap import twap_opinions
from keeper.sizing.redemptions import missing_usd, queued_usd


def dumped(value: Any) -> str:
    """JSON text; a number that JSON cannot say is null."""
    return json.dumps(finite(value), indent=2, allow_nan=False, ensure_ascii=False)


def error_object(error: KeeperError | Failure) -> dict[str, Any]:
    """What went wrong, for machines."""
    return {
        "name": error.name,
        "message": error.message,
        "remedy": error.remedy,
        "exit_code": error.exit_code,
    }


def record_object(record: DecisionRecord) -> dict[str, Any]:
    """All keys are always there; what the cycle did not reach is null or empty."""
    snapshot = record.inputs.snapshot if record.inputs is not None else None
    conclusions = record.conclusions
    now = portfolio(snapshot) if snapshot is not None else None
    target = conclusions.target if conclusions is not None else None
    decision = conclusions.decision if conclusions is not None else None
    plan = conclusions.plan if conclusions is not None else None
    return {
        "action": decision.action.value if decision is not None else None,
        "reason": record.summary or (decision.reason if decision is not None else ""),
        "mode": record.mode.value,
        "outcome": record.outcome.value,
        "exit_code": record.exit_code,
        "record_id": record.record_id,
        "block": _block(snapshot),
        "nav_usd": now.nav_usd if now is not None else None,
        "redemptions": redemptions_object(snapshot),
        "leverage": now.leverage if now is not None else None,
        "target_leverage": target.leverage if target is not None else None,
        "binding": target.binding if target is not None else None,
        "binding_caps": list(target.binding_caps) if target is not None else [],
        "bounds": [
            {"name": bound.name, "leverage": bound.leverage, "detail": bound.detail}
            for bound in (target.bounds if target is not None else ())
        ],
        "health_factor": now.health_factor if now is not None else None,
        "target_health_factor": target.health_factor if target is not None else None,
        "volatility": decision.current.volatility if decision is not None else None,
        "target_volatility": target.volatility if target is not None else None,
        "assets": _assets(snapshot, conclusions),
        "covariance": _covariance(conclusions),
        "gates": [
            {
                "name": gate.name,
                "value": gate.value,
                "limit": gate.limit,
                "passed": gate.passed,
                "urgency": gate.urgency.value,
                "kind": gate.kind,
                "detail": gate.detail,
            }
            for gate in (decision.gates if decision is not None else ())
        ],
        "plan": _plan(plan),
        "simulation": _simulation(record.simulation),
        "checks": [_check(check) for check in (record.verdict.checks if record.verdict is not None else ())],
        "pause_state": _standing(record),
        "receipt": _receipt(record),
        "realised": _post_state(record.realised),
        "executed_swaps": [_leg(swap) for swap in record.executed_swaps],
        "post_trade": [_check(check) for check in record.post_trade],
        "benefit_usd": decision.benefit_usd if decision is not None else None,
        "expected_cost_usd": decision.expected_cost_usd if decision is not None else None,
        "remaining": decision.remaining if decision is not None else None,
        "trade_costs": expected_objects(record.inputs, decision) if record.inputs is not None else [],
        "error": error_object(record.failure) if record.failure is not None else None,
        "opinions": [
            {
                "symbol": one.symbol,
                "source": one.source,
                "price_usd": one.price_usd,
                "observed_at": one.observed_at,
                "reason": one.reason,
            }
            for one in opinions_of(record)
        ],
        "nodes": nodes_object(record.nodes),
        "quorum": record.quorum,
        "read_round_trips": record.read_round_trips,
        "rpc_round_trips": record.rpc_round_trips,
        "compute_ms": record.compute_ms,
    }


def nodes_object(nodes: Sequence[NodeUse]) -> list[dict[str, Any]]:
    """One entry for each node, its address masked."""
    return [
        {
            "endpoint": node.endpoint,
            "round_trips": node.round_trips,
            "bytes_received": node.bytes_received,
            "note": node.note,
        }
        for node in nodes
    ]


def redemptions_object(snapshot: MarketSnapshot | None) -> dict[str, Any] | None:
    """What waits in the queue; null without one."""
    if snapshot is None or snapshot.redemptions is None:
        return None
    found = snapshot.redemptions
    return {
        "pending_shares": str(found.pending_shares),
        "value_usd": queued_usd(snapshot),
        "missing_usd": missing_usd(snapshot),
        "since": found.since or None,
    }


def opinions_of(record: DecisionRecord) -> tuple[Opinion, ...]:
    """Pools' and exchanges' words on the prices of a cycle."""
    if record.inputs is None or record.inputs.policy.oracle is None:
        return ()
    pools = twap_opinions(record.inputs.snapshot, record.inputs.policy.oracle)
    return (*pools, *record.inputs.opinions)


def finite(value: Any) -> Any:
    """The same structure with every NaN and infinity replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    return value


def _block(snapshot: MarketSnapshot | None) -> dict[str, Any] | None:
    if snapshot is None:
        return None
    block = snapshot.block
    return {
        "chain_id": block.chain_id,
        "number": block.number,
        "hash": block.hash,
        "timestamp": block.timestamp,
    }


def _assets(snapshot: MarketSnapshot | None, conclusions: Conclusions | None) -> list[dict[str, Any]]:
    if snapshot is None or conclusions is None:
        return []
    target, current = conclusions.target, conclusions.decision.current
    entries = []
    for index, risk in enumerate(conclusions.model.assets):
        feed = snapshot.feeds[snapshot.index(risk.symbol)]
        entries.append(
            {
                "symbol": risk.symbol,
                "price_usd": feed.price_usd,
                "price_age_s": snapshot.block.timestamp - feed.round.updated_at,
                "price_trust": feed.trust.value,
                "price_rule": feed.rule,
                "volatility": {"ewma": risk.ewma, "implied": risk.implied, "blended": risk.blended},
                "provenance": risk.provenance,
                "weight": current.weights[index],
                "target_weight": target.weights[index],
                "risk_share": current.risk_shares[index],
                "target_risk_share": target.risk_shares[index],
                "budget": target.budgets[index],
            }
        )
    return entries


def _covariance(conclusions: Conclusions | None) -> dict[str, Any]:
    if conclusions is None:
        return {"symbols": [], "matrix": []}
    return {"symbols": list(conclusions.model.symbols), "matrix": conclusions.model.covariance}


def _plan(plan: RebalancePlan | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    cost = plan.cost
    return {
        "call": plan.call.value,
        "epoch": plan.epoch,
        "deadline": plan.deadline,
        "flash_amount": str(plan.flash_amount),
        "steps": [_step(step) for step in plan.steps],
        "cost_usd": {"gas": cost.gas, "fees": cost.fees, "slippage": cost.slippage, "flash": cost.flash},
        "expected": _post_state(plan.expected),
        "turnover_usd": plan.turnover_usd,
    }


def _step(step: Step) -> dict[str, Any]:
    """Raw amounts are strings: they do not fit the doubles that JSON readers use."""
    route = step.route
    return {
        "kind": step.kind.value,
        "symbol": step.symbol,
        "amount": str(step.amount),
        "limit": str(step.limit),
        "expected_in": str(step.expected_in),
        "expected_out": str(step.expected_out),
        "route": None if route is None else {"symbols": list(route.symbols), "fees": list(route.fees)},
    }


def _simulation(report: SimulationReport | None) -> dict[str, Any] | None:
    if report is None:
        return None
    post = report.post
    return {
        "success": report.success,
        "revert": report.revert,
        "gas": report.gas,
        "nav_usd": post.nav_usd if post is not None else None,
        "leverage": post.leverage if post is not None else None,
        "health_factor": post.health_factor if post is not None else None,
        "weights": list(post.weights) if post is not None else None,
        "method": report.method,
    }


def _post_state(post: PostState | None) -> dict[str, Any] | None:
    if post is None:
        return None
    return {
        "nav_usd": post.nav_usd,
        "leverage": post.leverage,
        "health_factor": post.health_factor,
        "weights": list(post.weights),
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "value": check.value,
        "limit": check.limit,
        "passed": check.passed,
        "detail": check.detail,
    }


def _leg(swap: ExecutedSwap) -> dict[str, Any]:
    return {
        "sold": swap.sold,
        "bought": swap.bought,
        "route": {"symbols": list(swap.route.symbols), "fees": list(swap.route.fees)},
        "value_usd": swap.value_usd,
        "fair_out": str(swap.fair_out),
        "quoted_out": str(swap.quoted_out),
        "simulated_out": None if swap.simulated_out is None else str(swap.simulated_out),
        "realised_out": str(swap.realised_out),
        "realised_bps": swap.realised_bps,
        "fees_bps": swap.fees_bps,
    }


def _standing(record: DecisionRecord) -> dict[str, Any] | None:
    if record.inputs is None:
        return None
    inputs = record.inputs
    return standing_object(inputs.pause_state, inputs.policy.daily, vault_paused=inputs.snapshot.vault.paused)


def _receipt(record: DecisionRecord) -> dict[str, Any] | None:
    receipt = record.receipt
    if receipt is None:
        return None
    return {
        "tx_hash": receipt.tx_hash,
        "block_number": receipt.block_number,
        "block_hash": receipt.block_hash,
        "succeeded": receipt.succeeded,
        "gas_used": receipt.gas_used,
        "effective_gas_price_wei": receipt.effective_gas_price_wei,
    }
