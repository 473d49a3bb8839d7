"""Every metric by name: its meaning, its labels, and its values in the daemon's state.

Gauges of the vault are those of the newest cycle that read it, so ``keeper_read_timestamp_seconds`` says how old they
are. Names follow Prometheus' rules: base units, ``_ratio`` for fractions, ``_total`` for counters.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.record import CycleOutcome
from keeper.domain.units import WAD
from keeper.monitoring import samples as read
from keeper.monitoring.samples import Reader
from keeper.sizing.redemptions import missing_usd, queued_usd
from keeper.views.record import health_factor_floor

PREFIX = "keeper_"
GWEI = 10**9


@dataclass(frozen=True, slots=True)
class Metric:
    """``name`` is without its prefix. ``labels`` are names, ``samples`` gives their values in the same order."""

    name: str
    meaning: str
    samples: Reader
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return PREFIX + self.name

    @property
    def counts(self) -> bool:
        """Whether it is a counter; else it is a gauge."""
        return self.name.endswith("_total")


METRICS = (
    # ------------------------------------------------------------------ the vault
    Metric("nav_usd", "Net asset value of the vault.", read.of_inputs(lambda it: it.held.nav_usd)),
    Metric("cash_usd", "Value of its cash, idle or supplied.", read.of_inputs(lambda it: it.held.cash_usd)),
    Metric("debt_usd", "Value of its debt.", read.of_inputs(lambda it: it.held.debt_usd)),
    Metric("share_price_ratio", "Raw accounting asset per raw share.", read.of_inputs(read.share_price)),
    Metric("leverage_ratio", "Value of the risk assets / NAV.", read.of_inputs(lambda it: it.held.leverage)),
    Metric(
        "target_leverage_ratio",
        "Leverage of the target.",
        read.of_conclusions(lambda it: read.single(it.target.leverage)),
    ),
    Metric(
        "health_factor_ratio",
        "Health factor; infinite without debt.",
        read.of_inputs(lambda it: it.held.health_factor),
    ),
    Metric(
        "health_factor_floor_ratio",
        "Floor of the health factor by settings and vault.",
        read.of_read(lambda it: read.single(health_factor_floor(it))),
    ),
    Metric(
        "fall_to_liquidation_ratio",
        "Joint fall of all collateral at which the health factor is 1.",
        read.of_inputs(lambda it: read.fall_to_liquidation(it.held.health_factor)),
    ),
    Metric(
        "survivable_fall_ratio",
        "Largest joint fall of the assets for which one emergency call is enough, by the fire drill.",
        read.of_inputs(lambda it: it.drill.survivable_fall if it.drill is not None else None),
    ),
    Metric(
        "volatility_ratio",
        "Volatility a year by the estimate: of what is held, and of the target.",
        read.of_conclusions(read.volatilities),
        labels=("of",),
    ),
    Metric(
        "weight_ratio",
        "Value / NAV of an asset: held, and of the target.",
        read.of_read(read.weights),
        labels=("asset", "of"),
    ),
    Metric(
        "risk_share_ratio",
        "Share of the portfolio's risk of an asset: held, and of the target.",
        read.of_read(read.risk_shares),
        labels=("asset", "of"),
    ),
    Metric(
        "bound_leverage_ratio",
        "Leverage at which a bound binds.",
        read.of_conclusions(lambda it: [((bound.name,), bound.leverage) for bound in it.target.bounds]),
        labels=("bound",),
    ),
    Metric(
        "redemptions_usd",
        "Value of the line of redemptions.",
        read.of_inputs(lambda it: queued_usd(it.snapshot)),
    ),
    Metric(
        "redemptions_missing_usd",
        "Part of it that is not idle in the vault.",
        read.of_inputs(lambda it: missing_usd(it.snapshot)),
    ),
    Metric("epoch", "Epoch of the vault.", read.of_inputs(lambda it: it.snapshot.vault.epoch)),
    # ------------------------------------------------------------------ data
    Metric("price_usd", "Price of a feed.", read.of_feeds(lambda feed, _: feed.price_usd), labels=("asset",)),
    Metric(
        "price_age_seconds",
        "Age of that price at the block.",
        read.of_feeds(lambda feed, now: now - feed.round.updated_at),
        labels=("asset",),
    ),
    Metric(
        "price_trust_level",
        "3 FRESH or the last of a closed market, 2 STALE, 1 SUSPECT, 0 DEAD.",
        read.of_feeds(lambda feed, _: read.trust_level(feed)),
        labels=("asset",),
    ),
    Metric(
        "missing_facts",
        "Facts that a fully informed look had and this one misses.",
        read.of_conclusions(lambda it: read.single(len(it.target.missing))),
    ),
    Metric(
        "head_age_seconds",
        "Age of the block when it was read, by this machine's clock.",
        read.of_inputs(read.head_age),
    ),
    Metric("block_number", "Block of the newest read.", read.of_inputs(lambda it: it.snapshot.block.number)),
    Metric(
        "base_fee_gwei",
        "Base fee of the next block.",
        read.of_inputs(lambda it: it.snapshot.block.base_fee_wei / GWEI),
    ),
    Metric("nodes", "Nodes that were asked.", read.of_last(lambda it: read.single(len(it.nodes)))),
    Metric(
        "nodes_left_out",
        "Nodes that were not believed.",
        read.of_last(lambda it: read.single(sum(bool(node.note) for node in it.nodes))),
    ),
    Metric("quorum", "Nodes that must agree.", read.of_last(lambda it: read.single(it.quorum))),
    # ------------------------------------------------------------------ the decision
    Metric(
        "trigger_fired",
        "1 for a trigger that fired in the newest decision.",
        read.of_conclusions(read.triggers),
        labels=("trigger",),
    ),
    Metric(
        "gate_failing",
        "1 for a gate that does not hold in the newest decision.",
        read.of_conclusions(read.limits),
        labels=("gate", "kind"),
    ),
    Metric(
        "gate_value",
        "The number that a trigger or gate judged, in the unit of its detail.",
        read.of_conclusions(lambda it: [((gate.name,), gate.value) for gate in it.decision.gates]),
        labels=("gate",),
    ),
    Metric(
        "gate_limit",
        "The number that it was compared with.",
        read.of_conclusions(lambda it: [((gate.name,), gate.limit) for gate in it.decision.gates]),
        labels=("gate",),
    ),
    Metric(
        "check_failing",
        "1 for a check of the newest cycle's simulation that failed.",
        read.of_last(read.checks),
        labels=("check",),
    ),
    Metric(
        "post_trade_check_failing",
        "1 for a check after the newest cycle's transaction that failed.",
        read.of_last(read.post_trade),
        labels=("check",),
    ),
    Metric("paused", "1 for a cause that pauses the keeper.", read.of_read(read.pauses), labels=("cause",)),
    Metric(
        "vault_paused",
        "1 if the vault is paused on chain.",
        read.of_inputs(lambda it: it.snapshot.vault.paused),
    ),
    Metric(
        "day_budget_used_ratio", "Used part of a daily limit.", read.of_read(read.budgets), labels=("budget",)
    ),
    # ------------------------------------------------------------------ sending
    Metric(
        "gas_balance_eth",
        "Balance of the keeper's key.",
        read.of_inputs(lambda it: it.snapshot.keeper_balance_wei / WAD),
    ),
    Metric(
        "keeper_role",
        "1 if the key may rebalance the vault.",
        read.of_inputs(lambda it: it.snapshot.keeper_has_role),
    ),
    Metric(
        "attempt_age_seconds",
        "Age of the transaction in flight; 0 without one.",
        read.of_last(read.attempt_age),
    ),
    Metric(
        "plan_cost_usd",
        "Planned cost of the newest trade.",
        read.of_conclusions(read.plan_costs),
        labels=("part",),
    ),
    Metric(
        "gas_paid_eth_total",
        "Gas paid by mined transactions since the start.",
        lambda it: read.single(it.gas_eth),
    ),
    Metric(
        "traded_usd_total",
        "Value sold by mined transactions since the start.",
        lambda it: read.single(it.traded_usd),
    ),
    # ------------------------------------------------------------------ the daemon
    Metric(
        "cycles_total",
        "Cycles by outcome since the start; LOST has no record.",
        lambda it: [
            *(((outcome.value,), float(it.outcomes.get(outcome, 0))) for outcome in CycleOutcome),
            (("LOST",), float(it.lost)),
        ],
        labels=("outcome",),
    ),
    Metric(
        "decisions_total",
        "Decisions since the start, with the trigger that gave the urgency.",
        lambda it: [
            ((decision.action, decision.urgency, decision.trigger), float(count))
            for decision, count in it.decisions.items()
        ],
        labels=("action", "urgency", "trigger"),
    ),
    Metric(
        "stage_seconds",
        "Time of each stage of the newest cycle.",
        read.of_last(lambda it: [((time.stage,), time.seconds) for time in it.stages]),
        labels=("stage",),
    ),
    Metric(
        "compute_seconds",
        "Time in the pure functions.",
        read.of_last(lambda it: read.single(it.compute_ms / 1e3)),
    ),
    Metric(
        "rpc_round_trips",
        "Round trips of the newest cycle.",
        read.of_last(lambda it: read.single(it.rpc_round_trips)),
    ),
    Metric("exit_code", "Exit code of the newest cycle.", read.of_last(lambda it: read.single(it.exit_code))),
    Metric(
        "journal_writable",
        "0 if the newest record could not be kept.",
        lambda it: read.single(it.journal_writable),
    ),
    Metric(
        "leader",
        "1 if this keeper leads and may send, 0 if it may not; absent without --standby.",
        lambda it: read.single(it.lease.held if it.lease is not None else None),
    ),
    Metric(
        "lease_age_seconds",
        "Time since the journal's database answered this leader; absent on a standby.",
        lambda it: read.single(it.lease.age_s if it.lease is not None else None),
    ),
    Metric(
        "standby_eligible",
        "1 if this standby could take over now, 0 if not; absent on a leader.",
        lambda it: read.single(not it.stands_by.trouble if it.stands_by is not None else None),
    ),
    Metric(
        "head_sockets",
        "WebSockets of KEEPER_WS_URL by whether they tell new blocks.",
        read.head_sockets,
        labels=("state",),
    ),
    Metric(
        "head_heard_timestamp_seconds",
        "When one of them last told a new block; absent before the first.",
        read.head_heard_at,
    ),
    Metric(
        "read_timestamp_seconds",
        "When the newest cycle that read the vault began.",
        read.of_read(lambda it: read.single(it.started_at)),
    ),
    Metric(
        "cycle_begin_timestamp_seconds",
        "When the running cycle began; absent between cycles.",
        lambda it: read.single(it.began_at if it.in_cycle else None),
    ),
    Metric(
        "cycle_end_timestamp_seconds", "When the newest cycle ended.", lambda it: read.single(it.ended_at)
    ),
    Metric(
        "next_look_timestamp_seconds",
        "When the schedule looks next.",
        lambda it: read.single(it.next_look_at),
    ),
    Metric(
        "alerts_total",
        "Alerts since the start: sent, failed on every channel, or dropped because too many waited.",
        lambda it: [
            (("sent",), float(it.deliveries.sent)),
            (("failed",), float(it.deliveries.failed)),
            (("dropped",), float(it.deliveries.dropped)),
        ],
        labels=("result",),
    ),
    Metric(
        "dead_man_pings_total",
        "Pings of the dead man's switch since the start.",
        lambda it: [
            (("sent",), float(it.deliveries.pings)),
            (("failed",), float(it.deliveries.failed_pings)),
        ],
        labels=("result",),
    ),
    Metric(
        "reloads_total",
        "Readings of the settings after a hang-up since the start: applied, or refused.",
        lambda it: [(("applied",), float(it.reloads)), (("refused",), float(it.refused_reloads))],
        labels=("result",),
    ),
    Metric(
        "chat_messages_total",
        "Messages of the chat since the start: answered, from strangers, too late, too many, or unreadable.",
        lambda it: [
            (("answered",), float(it.chat.counts.answered)),
            (("stranger",), float(it.chat.counts.strangers)),
            (("late",), float(it.chat.counts.late)),
            (("limited",), float(it.chat.counts.limited)),
            (("unreadable",), float(it.chat.counts.unreadable)),
        ],
        labels=("result",),
    ),
    Metric(
        "chat_failures_total",
        "Requests to the chat's service that failed since the start.",
        lambda it: read.single(it.chat.counts.failures),
    ),
    Metric(
        "chat_heard_timestamp_seconds",
        "When the chat's service last answered; absent without a chat.",
        lambda it: read.single(it.chat.heard_at),
    ),
    Metric(
        "info",
        "1, with version and mode.",
        lambda it: [] if it.started is None else [((it.started.code_version, it.started.mode.value), 1.0)],
        labels=("version", "mode"),
    ),
)
