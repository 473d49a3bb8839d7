"""What must hold for a trade: one function per limit."""

from __future__ import annotations

import math

from keeper.decision import measures
from keeper.decision.gate_result import GateResult, hours
from keeper.decision.overshoot import worst_overshoot
from keeper.decision.trade_context import TradeContext
from keeper.domain.market import MarketSnapshot, Trust, lowest_trust
from keeper.domain.policy import Policy
from keeper.domain.units import BPS
from keeper.domain.urgency import Urgency
from keeper.sizing.redemptions import missing_usd

GWEI = 10**9


def prices_fresh(situation: TradeContext) -> GateResult:
    feeds = situation.position.snapshot.feeds
    doubtful = [feed for feed in feeds if feed.trust is not Trust.FRESH]
    if situation.urgency is Urgency.EMERGENCY:
        # Selling one asset needs its price; the others and the debt asset need none for it.
        sellable = [feed for feed in feeds[1:] if feed.trust is not Trust.DEAD]
        detail = f"{len(sellable)} of {len(feeds) - 1} assets have a price to sell at"
        return GateResult(len(sellable), 1, bool(sellable), detail)
    if not doubtful:
        return GateResult(0, 0, passed=True, detail=f"all {len(feeds)} prices are fresh")
    worst = lowest_trust(feeds)
    return GateResult(
        len(doubtful),
        0,
        passed=False,
        detail=f"the price of {worst.symbol} is {worst.trust.value}: {worst.reason}",
    )


def head_age(situation: TradeContext) -> GateResult:
    """Looked at where the clocks are compared. Which of the two is wrong is not known, and need not be."""
    oracle, block = situation.position.policy.oracle, situation.position.snapshot.block
    assert situation.read_at is not None, "only asked where the keeper's clock is known"
    apart = situation.read_at - block.timestamp
    limit = oracle.max_head_age_s if oracle is not None and oracle.max_head_age_s is not None else math.inf
    which = "behind" if apart >= 0 else "ahead of"
    return GateResult(
        abs(apart),
        limit,
        abs(apart) <= limit,
        f"the newest block is {abs(apart):,.0f} s {which} this machine's clock, at most {limit:,.0f}",
    )


def sequencer_up(situation: TradeContext) -> GateResult:
    sequencer = situation.position.snapshot.sequencer
    if sequencer is None:
        return GateResult(0, 0, passed=True, detail="not an L2: there is no sequencer feed")
    since = situation.position.snapshot.block.timestamp - sequencer.status_since
    if not sequencer.up or sequencer.status_since == 0:
        return GateResult(0, sequencer.grace_s, passed=False, detail="the sequencer is down")
    detail = f"the sequencer is up for {since} s, must be for more than {sequencer.grace_s} s"
    return GateResult(since, sequencer.grace_s, since > sequencer.grace_s, detail)


def oracle_gap(situation: TradeContext) -> GateResult:
    snapshot, limit = situation.position.snapshot, situation.position.policy.decision.max_oracle_gap_bps
    gap, symbol = max(
        (_gap_bps(feed.price, reserve.market_price), feed.symbol)
        for feed, reserve in zip(snapshot.feeds, snapshot.reserves, strict=True)
    )
    detail = f"{symbol}: feed and lending market's oracle are {gap:.1f} bps apart, at most {limit}"
    return GateResult(gap, limit, gap <= limit, detail)


def in_flight(situation: TradeContext) -> GateResult:
    intent = situation.in_flight
    if intent is None:
        return GateResult(0, 0, passed=True, detail="no transaction is in flight")
    return GateResult(
        1,
        0,
        passed=False,
        detail=f"intent {intent.intent_id} of epoch {intent.epoch} is {intent.status.value}",
    )


def vault_not_paused(situation: TradeContext) -> GateResult:
    paused = situation.position.snapshot.vault.paused
    return GateResult(
        float(paused), 0, not paused, "the vault is paused" if paused else "the vault is not paused"
    )


def keeper_role(situation: TradeContext) -> GateResult:
    snapshot = situation.position.snapshot
    has = snapshot.keeper_has_role
    detail = f"{snapshot.keeper_address} {'has' if has else 'lacks'} the keeper role"
    return GateResult(float(has), 1, has, detail)


def settings_within_vault(situation: TradeContext) -> GateResult:
    if not situation.tightened:
        return GateResult(0, 0, passed=True, detail="no setting is looser than the vault's policy")
    listed = "; ".join(
        f"{one.field} is {one.ours:g}, the vault's is {one.vaults:g}" for one in situation.tightened
    )
    return GateResult(
        len(situation.tightened), 0, passed=False, detail=f"settings looser than the vault's policy: {listed}"
    )


def gas_balance(situation: TradeContext) -> GateResult:
    snapshot, decision = situation.position.snapshot, situation.position.policy.decision
    left = snapshot.keeper_balance_wei - situation.gas_cost_wei
    reserve = decision.gas_reserve_wei if situation.raises_risk else 0
    detail = f"{left / 1e18:.4f} ETH left for gas after this trade, at least {reserve / 1e18:.4f} must be"
    return GateResult(left / 1e18, reserve / 1e18, left >= reserve, detail)


def cooldown(situation: TradeContext) -> GateResult:
    since, limit = situation.position.since_rebalance_s, situation.limits.cooldown_s
    detail = f"{situation.position.last_rebalance_text}, at least {hours(limit)} must pass"
    return GateResult(since, limit, since >= limit, detail)


def gas_price(situation: TradeContext) -> GateResult:
    """On a rollup the fee for publishing the transaction is spread over its gas: the limit is on what gas costs all in
    all."""
    position = situation.position
    decision, block = position.policy.decision, position.snapshot.block
    publishing = position.snapshot.l1_fee_wei // decision.rebalance_gas
    price = block.base_fee_wei + publishing
    limit, note = highest_gas_price_wei(position.snapshot, situation.urgency, position.policy), ""
    if limit > situation.limits.max_gas_price_wei:
        note = f" (waited longer than the patience of {hours(decision.patience_s)})"
    what = (
        f"gas costs {price / GWEI:.2f} gwei with its L1 part"
        if publishing
        else f"base fee {price / GWEI:.2f} gwei"
    )
    detail = f"{what}, at most {limit / GWEI:.2f}{note}"
    return GateResult(price / GWEI, limit / GWEI, price <= limit, detail)


def highest_gas_price_wei(snapshot: MarketSnapshot, urgency: Urgency, policy: Policy) -> int:
    """What a trade may pay for gas; the transaction's fee cap as well.

    ROUTINE waits for its cheap limit until the last rebalance is ``max_age_s + patience_s`` old; from then on its limit
    is that of OUT_OF_BAND, the highest that a planned trade ever pays. It is the longest delay between two rebalances,
    as in Yearn's harvest triggers, and not one since a trigger fired: when a drift began is in no snapshot, and a
    delay counted from the cool-down would be over before most drifts begin. Whether a dear trade is worth it
    is for ``benefit_exceeds_cost``, which counts the gas.
    """
    decision = policy.decision
    limit = decision.at(urgency).max_gas_price_wei
    if urgency is not Urgency.ROUTINE:
        return limit
    return int(
        measures.gas_price_limit(
            snapshot.block.timestamp - snapshot.vault.last_rebalance,
            decision.max_age_s,
            decision.patience_s,
            limit,
            decision.at(Urgency.OUT_OF_BAND).max_gas_price_wei,
        )
    )


def daily_loss_budget(situation: TradeContext) -> GateResult:
    vault, nav = situation.position.snapshot.vault, situation.position.held.nav_usd
    expected = situation.trade_cost_usd / nav if nav > 0.0 else 0.0
    used, limit = vault.used_daily_loss + expected, vault.policy.max_daily_loss_bps / BPS
    detail = (
        f"{vault.used_daily_loss:.3%} of NAV lost today, {expected:.3%} expected now, at most {limit:.3%}"
    )
    return GateResult(used, limit, used <= limit, detail)


def daily_turnover_budget(situation: TradeContext) -> GateResult:
    vault = situation.position.snapshot.vault
    used, limit = vault.used_daily_turnover + situation.turnover, vault.policy.max_daily_turnover_bps / BPS
    detail = (
        f"{vault.used_daily_turnover:.3f} NAVs traded today, {situation.turnover:.3f} now, limit {limit:.3f}"
    )
    return GateResult(used, limit, used <= limit, detail)


def min_trade(situation: TradeContext) -> GateResult:
    position, limit = situation.position, situation.position.policy.decision.min_trade_usd
    size, missing = situation.turnover * position.held.nav_usd, missing_usd(position.snapshot)
    wanted = max(size, missing)
    what = f"{size:,.2f} USD to trade" if size >= missing else f"{missing:,.2f} USD of cash to find"
    return GateResult(wanted, limit, wanted >= limit and wanted > 0.0, f"{what}, at least {limit:,.2f}")


def benefit_exceeds_cost(situation: TradeContext) -> GateResult:
    """Risk brought nearer to the target, in USD, against assumed fees and slippage, flash premium and gas, in USD.

    Asked of ROUTINE alone. The outer bands and the alert level are limits on risk that the operator set, not an
    optimum: what keeps them from being dear are the limits of slippage, gas and daily loss. An EMERGENCY is about
    liquidation, which the benefit does not price.
    """
    benefit, cost = situation.benefit_usd, situation.cost_usd
    return GateResult(benefit, cost, benefit > cost, f"worth {benefit:,.2f} USD, costs about {cost:,.2f} USD")


def improves(situation: TradeContext) -> GateResult:
    before, after = situation.position.tracking_error, situation.tracking_error
    detail = f"tracking error against the target from {before:.2%} to {after:.2%} a year"
    missing = missing_usd(situation.position.snapshot)
    if missing > situation.position.policy.plan.dust_usd:
        return GateResult(
            after, before, after <= before, f"{detail}, and {missing:,.0f} USD for redemptions found"
        )
    return GateResult(after, before, after < before, detail)


def no_overshoot(situation: TradeContext) -> GateResult:
    """Judges where the trade ends: a part of the way that a size limit cut short only leads there."""
    worst = worst_overshoot(situation.position, situation.aim)
    return GateResult(worst.of_band, 1.0, worst.of_band <= 1.0, worst.detail)


def _gap_bps(ours: int, theirs: int) -> float:
    return abs(ours - theirs) / theirs * BPS if theirs > 0 else math.inf
