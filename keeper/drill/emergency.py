"""The emergency call that the keeper would send in a scene, by the functions that it uses itself."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.decision.decide import decide
from keeper.domain.decision import Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.hindrances import Hindrance
from keeper.domain.model import TargetPortfolio
from keeper.domain.plan import RebalancePlan
from keeper.domain.units import WAD
from keeper.drill.pool_quotes import pool_quotes
from keeper.drill.scene import Scene
from keeper.oracle.vault_rules import in_emergency
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.planning.verify import filled_as_planned, verify
from keeper.risk.fallback_model import fallback_model

OF_GATES = {
    "price_to_sell_at": Hindrance.PRICES,
    "account_in_reach": Hindrance.RESERVE,
    "gas_balance": Hindrance.GAS,
    "gas_price": Hindrance.GAS,
    "keeper_role": Hindrance.VAULT_LIMITS,
    "cooldown": Hindrance.VAULT_LIMITS,
    "daily_loss_budget": Hindrance.VAULT_LIMITS,
    "daily_turnover_budget": Hindrance.VAULT_LIMITS,
}
"""What a gate of an emergency that fails is about."""


@dataclass(frozen=True, slots=True)
class EmergencyCall:
    """``plan`` is None where no call is needed or none can be made. ``hindrance`` is None where the vault is safe by
    itself or by that call. ``detail`` is one sentence."""

    plan: RebalancePlan | None
    hindrance: Hindrance | None
    detail: str


def emergency_call(scene: Scene) -> EmergencyCall:
    """Raises what ``decide`` raises, such as InvalidSetting."""
    held, act = scene.observation.held, scene.policy.decision.act_health_factor
    factor = held.health_factor
    if held.debt_usd == 0.0:
        return EmergencyCall(None, None, "there is no debt")
    if factor >= act:
        return EmergencyCall(None, None, f"health factor {factor:.3f}: no call is needed above {act:.3f}")
    if factor < 1.0:
        return EmergencyCall(None, Hindrance.LIQUIDATION, f"health factor {factor:.3f}")
    decision = _decision(scene)
    if decision.goal is None:
        why = decision.reason.removeprefix(f"{decision.action.value}: ").removesuffix(".")
        return EmergencyCall(None, _held_by(decision), why)
    try:
        plan = _plan(decision, scene)
    except NothingFeasible as refusal:
        return EmergencyCall(None, Hindrance.NO_PLAN, refusal.message)
    failed = _failed_checks(plan, decision, scene)
    if failed:
        return EmergencyCall(plan, Hindrance.VAULT_LIMITS, failed)
    level, ends_at = recovered_at(scene), plan.expected.health_factor
    if ends_at < level:
        detail = f"one call ends at a health factor of {ends_at:.3f}, at least {level:.3f} is needed"
        return EmergencyCall(plan, Hindrance.SINGLE_CALL, detail)
    return EmergencyCall(plan, None, f"one call raises the health factor from {factor:.3f} to {ends_at:.3f}")


def recovered_at(scene: Scene) -> float:
    """The health factor from which no further emergency call follows. An emergency call of the vault may not end far
    above the vault's own level, which may be the lower one."""
    act = scene.policy.decision.act_health_factor
    if not in_emergency(scene.snapshot):
        return act
    return min(act, scene.snapshot.vault.policy.emergency_health / WAD)


def _decision(scene: Scene) -> Decision:
    """An emergency needs neither an estimate nor a target."""
    snapshot = scene.snapshot
    symbols = snapshot.risk_symbols
    nothing = (0.0,) * len(symbols)
    target = TargetPortfolio(
        symbols=symbols,
        budgets=nothing,
        unit_weights=nothing,
        weights=nothing,
        risk_shares=nothing,
        unit_volatility=0.0,
        volatility=0.0,
        leverage=0.0,
        health_factor=0.0,
        binding="",
        bounds=(),
        binding_caps=(),
    )
    model = fallback_model(symbols, snapshot.block.timestamp, "fire drill")
    return decide(scene.observation, model, target, policy=scene.policy, tightened=scene.tightened)


def _held_by(decision: Decision) -> Hindrance:
    failing = (gate.name for gate in decision.gates if gate.kind != "trigger" and not gate.passed)
    return next((OF_GATES[name] for name in failing if name in OF_GATES), Hindrance.NO_PLAN)


def _plan(decision: Decision, scene: Scene) -> RebalancePlan:
    snapshot, policy = scene.snapshot, scene.policy
    requests = quote_requests(netting(decision, snapshot, policy).trades, snapshot)
    return route(decision, snapshot, pool_quotes(requests, snapshot), policy=policy)


def _failed_checks(plan: RebalancePlan, decision: Decision, scene: Scene) -> str:
    """What the checks before a transaction say of the plan's expected state; empty if all pass."""
    verdict = verify(plan, filled_as_planned(plan), scene.snapshot, decision=decision, policy=scene.policy)
    return "; ".join(check.detail for check in verdict.checks if not check.passed)
