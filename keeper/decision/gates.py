"""Every gate by name: what it means, when it is judged, and the exit code when it holds back a trade.

A trigger is a reason to trade. A limit must hold for any trade, a levering gate only for one that buys risk: what is
doubtful about data must not block the way down. What the vault's ``deleverage`` allows anyway does not hold back an
EMERGENCY, nor does what only saves money.
"""

from __future__ import annotations

from keeper.decision import gate_rules, limits, pause_rules, reach, triggers
from keeper.decision.data_limits import DATA_LIMITS
from keeper.decision.gate_result import GateResult
from keeper.decision.gate_rules import LEVERING, PLANNED, LimitRule, TriggerRule, enabled
from keeper.decision.placing import accounts_urgency, cheaper_accounts
from keeper.decision.position import VaultPosition
from keeper.decision.trade_context import TradeContext
from keeper.domain.decision import Gate
from keeper.domain.urgency import Urgency

DELEVERAGE_REQUEST = "deleverage_request"
CHEAPER_ACCOUNTS = "cheaper_accounts"

TRIGGERS = (
    TriggerRule(
        DELEVERAGE_REQUEST,
        triggers.deleverage_request,
        triggers.emergency,
        condition=gate_rules.WITH_REQUEST,
        meaning="a person asked for a deleveraging (`keeper deleverage`)",
    ),
    TriggerRule(
        "health_factor_act",
        triggers.health_factor_act,
        triggers.emergency,
        condition=gate_rules.ALWAYS,
        meaning="the health factor is below the level at which the keeper deleverages at once",
    ),
    TriggerRule(
        "health_factor_alert",
        triggers.health_factor_alert,
        triggers.out_of_band,
        condition=gate_rules.WITHOUT_REQUEST,
        meaning="the health factor is below the alert level",
    ),
    TriggerRule(
        "redemptions",
        triggers.redemptions,
        triggers.by_wait,
        condition=gate_rules.WITHOUT_REQUEST,
        meaning="more is asked for in redemptions than lies idle, by more than dust",
    ),
    TriggerRule(
        "risk_share",
        triggers.risk_share,
        triggers.by_outer_band,
        condition=enabled("risk_share"),
        meaning="an asset's share of risk is off its target share by more than the band",
    ),
    TriggerRule(
        "tracking_error",
        triggers.tracking_error,
        triggers.by_outer_band,
        condition=enabled("tracking_error"),
        meaning="the yearly tracking error against the target is more than the band",
    ),
    TriggerRule(
        "volatility",
        triggers.volatility,
        triggers.by_outer_band,
        condition=enabled("volatility"),
        meaning="portfolio volatility is off its target by more than the band",
    ),
    TriggerRule(
        "leverage",
        triggers.leverage,
        triggers.by_outer_band,
        condition=enabled("leverage"),
        meaning="leverage is off its target by more than the band",
    ),
    TriggerRule(
        "health_bound",
        triggers.health_bound,
        triggers.out_of_band,
        condition=enabled("health_bound"),
        meaning="with debt, the health factor is below what the bounds `health_factor` and `stress` ask of the held "
        "weights, by more than the band",
    ),
    TriggerRule(
        "age",
        triggers.age,
        triggers.routine,
        condition=enabled("age"),
        meaning="the last rebalance is longer ago than `decision.max_age_s`",
    ),
    TriggerRule(
        CHEAPER_ACCOUNTS,
        cheaper_accounts,
        accounts_urgency,
        condition=gate_rules.WITH_ACCOUNTS,
        meaning="collateral and debt in other accounts save `decision.min_saving` times what the change costs, or one "
        "account holds more than its floors or `size.max_venue_share` allow",
    ),
)

LIMITS = (
    *DATA_LIMITS,
    LimitRule(
        "account_in_reach",
        reach.account_in_reach,
        gate_rules.EMERGENCY_ONLY,
        exit_code=5,
        meaning="the account that a call can lower is one in need",
        condition=gate_rules.WITH_OTHER_ACCOUNTS,
    ),
    LimitRule(
        "levering_open",
        limits.levering_open,
        PLANNED,
        exit_code=0,
        meaning="the last emergency is a day ago, so that the vault may borrow",
        kind=LEVERING,
    ),
    LimitRule(
        "accounts_placed",
        limits.accounts_placed,
        PLANNED,
        exit_code=5,
        meaning="the accounts hold what the trade ends at, each within its floors",
        kind=LEVERING,
        condition=gate_rules.WITH_ACCOUNTS,
    ),
    LimitRule(
        "survivable_fall",
        limits.survivable_fall,
        PLANNED,
        exit_code=5,
        meaning="before and after the trade one emergency call is enough for a joint fall of the assets by "
        "`drill.min_fall`, by the fire drill; or the trade does not raise leverage and leaves no smaller fall "
        "survivable",
        condition=gate_rules.WITH_DRILL,
        kind=LEVERING,
    ),
    LimitRule(
        "in_flight",
        limits.in_flight,
        PLANNED,
        exit_code=6,
        meaning="the outcome of every earlier transaction is known",
    ),
    LimitRule(
        "keeper_role",
        limits.keeper_role,
        gate_rules.EVERY_URGENCY,
        exit_code=5,
        meaning="the keeper's key may rebalance the vault",
    ),
    LimitRule(
        "vault_not_paused",
        limits.vault_not_paused,
        PLANNED,
        exit_code=5,
        meaning="the vault is not paused",
    ),
    LimitRule(
        "assets_named",
        limits.assets_named,
        PLANNED,
        exit_code=5,
        meaning="what the vault holds and no `[[assets]]` table names is at most `decision.max_unnamed` of NAV",
    ),
    LimitRule(
        "settings_within_vault",
        limits.settings_within_vault,
        PLANNED,
        exit_code=5,
        meaning="no setting is looser than the vault's own policy",
        kind=LEVERING,
    ),
    LimitRule(
        "gas_balance",
        limits.gas_balance,
        gate_rules.EVERY_URGENCY,
        exit_code=5,
        meaning="the keeper can pay the gas, and keeps a reserve when it raises leverage",
    ),
    LimitRule(
        "cooldown",
        limits.cooldown,
        gate_rules.EVERY_URGENCY,
        exit_code=0,
        meaning="the minimum time since the last rebalance has passed; for a ROUTINE trade that no redemption asks for "
        "it is `decision.routine_every_s`",
    ),
    LimitRule(
        "gas_price",
        limits.gas_price,
        gate_rules.EVERY_URGENCY,
        exit_code=0,
        meaning="the base fee is within the urgency's limit",
    ),
    LimitRule(
        "daily_loss_budget",
        limits.daily_loss_budget,
        gate_rules.EVERY_URGENCY,
        exit_code=0,
        meaning="what the vault counts as lost fits its limit for any 24 hours; not for the vault's emergency",
    ),
    LimitRule(
        "daily_turnover_budget",
        limits.daily_turnover_budget,
        gate_rules.EVERY_URGENCY,
        exit_code=0,
        meaning="what is sold fits the vault's limit for any 24 hours; not for the vault's emergency",
    ),
    LimitRule(
        "min_trade",
        limits.min_trade,
        PLANNED,
        exit_code=0,
        meaning="the trade is at least `decision.min_trade_usd`, or out of band and worth more than it costs",
    ),
    LimitRule(
        "gas_priced",
        limits.gas_priced,
        gate_rules.ROUTINE_ONLY,
        exit_code=4,
        meaning="the native coin has a FRESH price in USD, so that it is known what gas costs",
        kind=LEVERING,
        condition=gate_rules.WITH_NATIVE_COIN,
    ),
    LimitRule(
        "benefit_exceeds_cost",
        limits.benefit_exceeds_cost,
        gate_rules.ROUTINE_ONLY,
        exit_code=0,
        meaning="the trade is worth more than it costs",
    ),
    LimitRule(
        "improves",
        limits.improves,
        PLANNED,
        exit_code=0,
        meaning="the trade leads nearer to the target; one that only sells lowers leverage and raises no volatility",
    ),
    LimitRule(
        "no_overshoot",
        limits.no_overshoot,
        PLANNED,
        exit_code=0,
        meaning="the trade ends where no trigger fires that does not fire already",
        whole_only=True,
    ),
    LimitRule(
        "not_paused",
        pause_rules.not_paused,
        PLANNED,
        exit_code=7,
        meaning="no person and no alarm paused the keeper",
        condition=gate_rules.WITH_PAUSE_STATE,
    ),
    LimitRule(
        "day_loss",
        pause_rules.day_loss,
        PLANNED,
        exit_code=7,
        meaning="trades lost less in 24 hours than `daily.max_loss`; more pauses the keeper",
        condition=gate_rules.WITH_PAUSE_STATE,
    ),
    LimitRule(
        "day_failures",
        pause_rules.day_failures,
        PLANNED,
        exit_code=7,
        meaning="fewer calls reverted in 24 hours than `daily.max_failures`; as many pause the keeper",
        condition=gate_rules.WITH_PAUSE_STATE,
    ),
    LimitRule(
        "day_turnover",
        pause_rules.day_turnover,
        PLANNED,
        exit_code=5,
        meaning="turnover of 24 hours, with this trade, is at most `daily.max_turnover`",
        condition=gate_rules.WITH_PAUSE_STATE,
    ),
    LimitRule(
        "day_gas",
        pause_rules.day_gas,
        PLANNED,
        exit_code=5,
        meaning="gas paid in 24 hours, with this trade, is at most `daily.max_gas_eth`",
        condition=gate_rules.WITH_PAUSE_STATE,
    ),
)


def judged_triggers(position: VaultPosition) -> tuple[Gate, ...]:
    """Every trigger whose condition holds. A gate's urgency is the one that it gives, or would give if it fired."""
    gates = []
    for rule in TRIGGERS:
        if rule.condition.holds(position):
            result = rule.judge(position)
            gates.append(_gate(rule, result, rule.urgency(position, result)))
    return tuple(gates)


def judged_limits(trade: TradeContext) -> tuple[Gate, ...]:
    """Every limit that is judged on this trade."""
    return tuple(_gate(rule, rule.judge(trade), trade.urgency) for rule in LIMITS if rule.is_judged(trade))


def holds_back(gate: Gate, trade: TradeContext) -> bool:
    """Whether this gate stops this trade. A levering gate stops only a trade that buys risk."""
    return not gate.passed and (gate.kind != LEVERING or trade.buys_risk)


def _gate(rule: TriggerRule | LimitRule, result: GateResult, urgency: Urgency) -> Gate:
    return Gate(
        name=rule.name,
        kind=rule.kind,
        value=float(result.value),
        limit=float(result.limit),
        passed=bool(result.passed),
        urgency=urgency,
        detail=result.detail,
        exit_code=rule.exit_code,
    )
