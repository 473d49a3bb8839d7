"""Every gate by name: what it means, when it is looked at, and the exit code when it holds back a trade.

A trigger is a reason to trade. A limit must hold for any trade, a levering gate for one that raises leverage.
An EMERGENCY is not held back by what the vault's ``deleverage`` allows anyway, nor by what only saves money.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keeper.decision import limits, pause_rules, triggers
from keeper.decision.gate_result import GateResult
from keeper.decision.trade_context import Position, TradeContext
from keeper.domain.decision import Gate
from keeper.domain.urgency import Urgency

TRIGGER, LIMIT, LEVERING = "trigger", "limit", "levering"
ALWAYS = frozenset(Urgency)
PLANNED = frozenset({Urgency.ROUTINE, Urgency.OUT_OF_BAND})
ROUTINE_ONLY = frozenset({Urgency.ROUTINE})
ALWAYS_LOOKED_AT = ("health_factor_act", "health_factor_alert")
ORDERED = "ordered"
REDEMPTIONS = "redemptions"
"""Only looked at where there is a redemption queue."""
HEAD_AGE = "head_age"
"""Only looked at where the chain keeps the world's time."""
OF_STANDING = ("not_paused", "day_loss", "day_failures", "day_turnover", "day_gas")
"""Limits that are only looked at where pauses and the day's budgets are known: live, not in a backtest."""


@dataclass(frozen=True, slots=True)
class TriggerRule:
    """A reason to trade; ``urgency`` is how pressing it is when it fires."""

    name: str
    judge: Callable[[Position], GateResult]
    urgency: Callable[[Position, GateResult], Urgency]
    meaning: str
    kind: str = TRIGGER
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A condition on a trade, looked at for the urgencies in ``applies_to``."""

    name: str
    kind: str
    exit_code: int
    applies_to: frozenset[Urgency]
    judge: Callable[[TradeContext], GateResult]
    meaning: str


TRIGGERS = (
    TriggerRule(
        ORDERED,
        triggers.ordered,
        triggers.emergency,
        "somebody asked for a deleveraging by hand (`keeper deleverage`)",
    ),
    TriggerRule(
        "health_factor_act",
        triggers.health_factor_act,
        triggers.emergency,
        "the health factor is below the level at which the keeper deleverages at once",
    ),
    TriggerRule(
        "health_factor_alert",
        triggers.health_factor_alert,
        triggers.out_of_band,
        "the health factor is below the alert level",
    ),
    TriggerRule(
        REDEMPTIONS,
        triggers.redemptions,
        triggers.by_wait,
        "more waits in the redemption queue than lies idle, by more than dust",
    ),
    TriggerRule(
        "risk_share",
        triggers.risk_share,
        triggers.by_outer_band,
        "an asset's share of risk is off its target share by more than the band",
    ),
    TriggerRule(
        "tracking_error",
        triggers.tracking_error,
        triggers.by_outer_band,
        "the yearly tracking error against the target is more than the band",
    ),
    TriggerRule(
        "volatility",
        triggers.volatility,
        triggers.by_outer_band,
        "portfolio volatility is off its target by more than the band",
    ),
    TriggerRule(
        "leverage",
        triggers.leverage,
        triggers.by_outer_band,
        "leverage is off its target by more than the band",
    ),
    TriggerRule("age", triggers.age, triggers.routine, "the last rebalance is too long ago"),
)

LIMITS = (
    LimitRule(
        "prices_fresh",
        LIMIT,
        4,
        ALWAYS,
        limits.prices_fresh,
        "every price may be traded on; in an EMERGENCY: at least one asset has a price to sell at",
    ),
    LimitRule(
        HEAD_AGE,
        LIMIT,
        4,
        PLANNED,
        limits.head_age,
        "the newest block is of about now: neither chain nor node stands still, and this machine's clock is right",
    ),
    LimitRule(
        "sequencer_up",
        LIMIT,
        4,
        PLANNED,
        limits.sequencer_up,
        "the L2 sequencer is up, and has been for longer than its grace period",
    ),
    LimitRule(
        "oracle_gap",
        LIMIT,
        4,
        PLANNED,
        limits.oracle_gap,
        "the vault's feeds and the lending market's oracle agree",
    ),
    LimitRule(
        "in_flight",
        LIMIT,
        6,
        PLANNED,
        limits.in_flight,
        "the outcome of no earlier transaction is open",
    ),
    LimitRule(
        "keeper_role", LIMIT, 5, ALWAYS, limits.keeper_role, "the keeper's key may rebalance the vault"
    ),
    LimitRule("vault_not_paused", LIMIT, 5, PLANNED, limits.vault_not_paused, "the vault is not paused"),
    LimitRule(
        "settings_within_vault",
        LEVERING,
        5,
        PLANNED,
        limits.settings_within_vault,
        "no setting is looser than the vault's own policy",
    ),
    LimitRule(
        "gas_balance",
        LIMIT,
        5,
        ALWAYS,
        limits.gas_balance,
        "the keeper can pay the gas, and keeps a reserve when it raises leverage",
    ),
    LimitRule(
        "cooldown", LIMIT, 0, ALWAYS, limits.cooldown, "the least time since the last rebalance has passed"
    ),
    LimitRule("gas_price", LIMIT, 0, ALWAYS, limits.gas_price, "the base fee is within the urgency's limit"),
    LimitRule(
        "daily_loss_budget",
        LIMIT,
        0,
        PLANNED,
        limits.daily_loss_budget,
        "the vault's daily budget for losses has room",
    ),
    LimitRule(
        "daily_turnover_budget",
        LIMIT,
        0,
        PLANNED,
        limits.daily_turnover_budget,
        "the vault's daily budget for turnover has room",
    ),
    LimitRule("min_trade", LIMIT, 0, PLANNED, limits.min_trade, "the trade is large enough to make"),
    LimitRule(
        "benefit_exceeds_cost",
        LIMIT,
        0,
        ROUTINE_ONLY,
        limits.benefit_exceeds_cost,
        "the trade is worth more than it costs",
    ),
    LimitRule("improves", LIMIT, 0, PLANNED, limits.improves, "the trade leads nearer to the target"),
    LimitRule(
        "no_overshoot",
        LIMIT,
        0,
        PLANNED,
        limits.no_overshoot,
        "the trade ends where no trigger fires that does not fire already",
    ),
    LimitRule(
        "not_paused", LIMIT, 7, PLANNED, pause_rules.not_paused, "nobody, and no alarm, paused the keeper"
    ),
    LimitRule(
        "day_loss",
        LIMIT,
        7,
        PLANNED,
        pause_rules.day_loss,
        "trades lost less in 24 hours than `daily.max_loss`; more pauses the keeper",
    ),
    LimitRule(
        "day_failures",
        LIMIT,
        7,
        PLANNED,
        pause_rules.day_failures,
        "fewer calls reverted in 24 hours than `daily.max_failures`; as many pause the keeper",
    ),
    LimitRule(
        "day_turnover",
        LIMIT,
        5,
        PLANNED,
        pause_rules.day_turnover,
        "with this trade no more is traded in 24 hours than `daily.max_turnover`",
    ),
    LimitRule(
        "day_gas",
        LIMIT,
        5,
        PLANNED,
        pause_rules.day_gas,
        "with this trade no more is paid for gas in 24 hours than `daily.max_gas_eth`",
    ),
)


def judged_triggers(position: Position) -> tuple[Gate, ...]:
    """The health factor's triggers and those that the policy names; the urgency is the one it gives, or would give had
    it fired."""
    judged = []
    for rule in TRIGGERS:
        if not _looked_at(rule.name, position):
            continue
        finding = rule.judge(position)
        judged.append(_gate(rule, finding, rule.urgency(position, finding)))
    return tuple(judged)


def _looked_at(name: str, position: Position) -> bool:
    """What is ordered by hand is a deleveraging and nothing else: no other reason to trade counts beside it."""
    if position.deleverage_request is not None:
        return name in (ORDERED, "health_factor_act")
    if name == ORDERED:
        return False
    if name == REDEMPTIONS:
        return position.snapshot.redemptions is not None
    return name in ALWAYS_LOOKED_AT or name in position.policy.decision.triggers


def judged_limits(situation: TradeContext) -> tuple[Gate, ...]:
    """Every limit that this urgency respects."""
    return tuple(
        _gate(rule, rule.judge(situation), situation.urgency)
        for rule in LIMITS
        if situation.urgency in rule.applies_to
        and (situation.pause_state is not None or rule.name not in OF_STANDING)
        and (situation.read_at is not None or rule.name != HEAD_AGE)
    )


def holds_back(gate: Gate, situation: TradeContext) -> bool:
    """Whether this gate stops this trade: a levering gate lets pass what does not raise leverage."""
    return not gate.passed and (gate.kind != LEVERING or situation.raises_risk)


def _gate(rule: TriggerRule | LimitRule, finding: GateResult, urgency: Urgency) -> Gate:
    return Gate(
        name=rule.name,
        kind=rule.kind,
        value=float(finding.value),
        limit=float(finding.limit),
        passed=bool(finding.passed),
        urgency=urgency,
        detail=finding.detail,
        exit_code=rule.exit_code,
    )
