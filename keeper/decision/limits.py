"""What must hold for a trade: one function per limit."""

from __future__ import annotations

import math

from keeper.decision import exits, measures
from keeper.decision.gate_result import GateResult, hours
from keeper.decision.horizon import NOISE
from keeper.decision.overshoot import worst_overshoot
from keeper.decision.trade_context import TradeContext
from keeper.domain.accounts import showing, to_lower
from keeper.domain.fire_drill import first_hindered, largest_survived, survives
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.placement import Unplaced
from keeper.domain.policy import Policy
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency
from keeper.lending.vault_gap import vault_gap
from keeper.lending.venues import price_ratio
from keeper.oracle.vault_refusals import keeper_words, levering_refusal, pause_refusal, role_refusal
from keeper.oracle.vault_rules import in_emergency, levering_closed_s, rebalance_refusal, sequencer_is_up
from keeper.risk.contributions import volatility
from keeper.sizing.redemptions import missing_usd

GWEI = 10**9


def price_to_sell_at(trade: TradeContext) -> GateResult:
    """Selling one asset needs only the price of that asset."""
    symbols = trade.position.snapshot.risk_symbols
    sellable = exits.sellable(trade.position, trade.urgency)
    detail = f"{len(sellable)} of {len(symbols)} assets have a price to sell at"
    return GateResult(len(sellable), 1, bool(sellable), detail=detail)


def second_opinions(trade: TradeContext) -> GateResult:
    """A feed alone is one source. The asset that is bought with the fewest other sources counts."""
    required, counts = trade.position.policy.oracle.min_opinions, trade.position.observation.second_opinions
    assert counts is not None, "judged only where opinions are kept"
    fewest, symbol = min(
        ((counts.get(symbol, 0), symbol) for symbol in trade.bought), default=(required, "no asset")
    )
    detail = f"bought with the fewest second opinions: {symbol}, {fewest}, at least {required}"
    return GateResult(fewest, required, fewest >= required, detail=detail)


def head_age(trade: TradeContext) -> GateResult:
    """Difference between the block's time and the keeper's clock. Either of the two may be wrong."""
    oracle, observation = trade.position.policy.oracle, trade.position.observation
    assert observation.read_at is not None, "judged only where the clocks are compared"
    difference = observation.read_at - observation.snapshot.block.timestamp
    limit = oracle.max_head_age_s if oracle.max_head_age_s is not None else math.inf
    side = "behind" if difference >= 0 else "ahead of"
    detail = f"the newest block is {abs(difference):,.0f} s {side} this machine's clock, at most {limit:,.0f}"
    return GateResult(abs(difference), limit, abs(difference) <= limit, detail=detail)


def sequencer_up(trade: TradeContext) -> GateResult:
    sequencer = trade.position.snapshot.sequencer
    if sequencer is None:
        return GateResult(0, 0, passed=True, detail="not an L2: there is no sequencer feed")
    now = trade.position.snapshot.block.timestamp
    since = now - sequencer.status_since
    if not sequencer.up or sequencer.status_since == 0:
        return GateResult(0, sequencer.grace_s, passed=False, detail="the sequencer is down")
    detail = f"the sequencer is up for {since} s, must be for more than {sequencer.grace_s} s"
    return GateResult(since, sequencer.grace_s, sequencer_is_up(sequencer, now), detail=detail)


def oracle_gap(trade: TradeContext) -> GateResult:
    """At the first account's venue of every token, and at each other one of what secures its account. No trade is
    stopped by an account that holds and owes nothing, nor a change of accounts by one whose debt it lowers."""
    snapshot, limit = trade.position.snapshot, trade.position.policy.decision.max_oracle_gap_bps
    gaps = [
        (_gap_bps(feed.price, reserve.market_price), feed.symbol, "the lending market's oracle")
        for feed, reserve in zip(snapshot.feeds, snapshot.reserves, strict=True)
    ]
    for account in snapshot.others:
        market, place = account.venue.market, account.venue.place
        used = any(account.supplied) or any(account.owed)
        if market is not None and used and account not in trade.relieved:
            theirs = price_ratio(showing(snapshot, place), market.collateral)
            gaps.append((_gap_bps(1.0, theirs), market.collateral, f"the oracle of account {place}"))
    gap, symbol, oracle = max(gaps)
    detail = f"{symbol}: feed and {oracle} are {gap:.1f} bps apart, at most {limit}"
    return GateResult(gap, limit, gap <= limit, detail=detail)


def vault_agrees(trade: TradeContext) -> GateResult:
    """The vault counts every asset that it lists, in all of its accounts. A count that differs misses something."""
    widest, limit = vault_gap(trade.position.snapshot), trade.position.policy.decision.max_vault_gap_bps
    assert widest is not None, "judged only where the vault was asked"
    gap = widest.gap * BPS
    return GateResult(gap, limit, gap <= limit, detail=f"{widest}: {gap:.1f} bps apart, at most {limit}")


def assets_named(trade: TradeContext) -> GateResult:
    """An asset without a budget would be sold. It is more likely that somebody forgot to name it."""
    policy, held = trade.position.policy, trade.position.held
    if not policy.unnamed:
        return GateResult(0, 0, passed=True, detail="the settings name every asset that the vault holds")
    share, limit = held.share_of(policy.unnamed), policy.decision.max_unnamed
    detail = (
        f"the vault holds {', '.join(policy.unnamed)}, {share:.2%} of NAV, which no [[assets]] table names, "
        f"at most {limit:.2%}"
    )
    return GateResult(share, limit, share <= limit, detail=detail)


def vault_accepts(trade: TradeContext) -> GateResult:
    """The vault's own checks of data. Where ``rebalance`` reverts, ``deleverage`` takes a trade that only sells."""
    snapshot = trade.position.snapshot
    refusal = rebalance_refusal(snapshot, (*trade.bought, *trade.sold))
    if not refusal:
        return GateResult(0, 0, passed=True, detail="the vault's rebalance accepts prices and sequencer")
    if not trade.move.sells_only:
        return GateResult(1, 0, passed=False, detail=f"the vault's rebalance reverts: {refusal}")
    owes = to_lower(snapshot).holdings[0].owed > 0
    can = (
        "its deleverage takes sales that repay debt"
        if owes
        else "there is no debt for its deleverage to lower"
    )
    return GateResult(
        float(not owes), 0, owes, detail=f"the vault's rebalance reverts ({refusal}), and {can}"
    )


def levering_open(trade: TradeContext) -> GateResult:
    """After an emergency the vault lends nothing for a day, so that the same debt is not repaid at a loss again."""
    snapshot = trade.position.snapshot
    closed = levering_refusal(snapshot)
    detail = closed.detail if closed else "the vault may borrow"
    return GateResult(levering_closed_s(snapshot), 0, closed is None, detail=detail)


def accounts_placed(trade: TradeContext) -> GateResult:
    """What only lowers risk is made in the account in need where all accounts together cannot hold the goal."""
    where = trade.placing
    if isinstance(where, Unplaced):
        return GateResult(0, 1, passed=False, detail=f"no account is found for the goal: {where.why}")
    over_share = where.placement.over_share if where is not None else ""
    return GateResult(1, 1, passed=True, detail=over_share or "the accounts hold the goal")


def survivable_fall(trade: TradeContext) -> GateResult:
    """The fire drill of the vault as it is and as the trade leaves it; the worse counts. An unknown drill stops what
    it cannot judge, but not a trade without debt before and after.

    A trade that does not raise leverage passes where it leaves no smaller fall survivable than before: to hold it back
    would leave the vault where it is."""
    position = trade.position
    drill, limit = position.observation.drill, position.policy.drill.min_fall
    assert drill is not None, "judged only where a fire drill is held"
    if not drill.outcomes:
        owes = position.held.debt_usd > 0.0 or trade.goal.leverage > 1.0 - position.policy.size.idle_buffer
        judged = owes and trade.raises_leverage
        why = "" if judged else ", and no debt is added"
        return GateResult(0.0, limit, not judged, detail=f"the fire drill is unknown ({drill.note}){why}")
    outcomes = min((drill.outcomes, drill.after_trade or drill.outcomes), key=largest_survived)
    detail = f"an emergency call is enough up to a joint fall of {largest_survived(outcomes):.0%}, at least {limit:.0%}"
    hindered = first_hindered(outcomes)
    if hindered is not None:
        after = " after the trade" if outcomes is drill.after_trade else ""
        detail = (
            f"{detail}; {hindered.hindrance} is in the way{after} at {hindered.fall:.0%}: {hindered.detail}"
        )
    no_worse = largest_survived(drill.after_trade or drill.outcomes) >= largest_survived(drill.outcomes)
    passed = survives(outcomes, limit) or (no_worse and not trade.raises_leverage)
    return GateResult(largest_survived(outcomes), limit, passed, detail=detail)


def in_flight(trade: TradeContext) -> GateResult:
    intent = trade.position.observation.in_flight
    if intent is None:
        return GateResult(0, 0, passed=True, detail="no transaction is in flight")
    detail = f"intent {intent.intent_id} of epoch {intent.epoch} is {intent.status.value}"
    return GateResult(1, 0, passed=False, detail=detail)


def vault_not_paused(trade: TradeContext) -> GateResult:
    paused = pause_refusal(trade.position.snapshot)
    detail = paused.detail if paused else "the vault is not paused"
    return GateResult(float(paused is not None), 0, paused is None, detail=detail)


def keeper_role(trade: TradeContext) -> GateResult:
    snapshot = trade.position.snapshot
    refusal = role_refusal(snapshot)
    detail = refusal.detail if refusal else keeper_words(snapshot)
    return GateResult(float(refusal is None), 1, refusal is None, detail=detail)


def settings_within_vault(trade: TradeContext) -> GateResult:
    tightened = trade.position.tightened
    if not tightened:
        return GateResult(0, 0, passed=True, detail="no setting is looser than the vault's policy")
    detail = f"settings looser than the vault's policy: {'; '.join(str(setting) for setting in tightened)}"
    return GateResult(len(tightened), 0, passed=False, detail=detail)


def gas_balance(trade: TradeContext) -> GateResult:
    balance = trade.position.snapshot.keeper_balance_wei - trade.gas_cost_wei
    reserve = trade.position.policy.decision.gas_reserve_wei if trade.raises_leverage else 0
    detail = (
        f"{balance / WAD:.4f} ETH left for gas after this trade, at least {reserve / WAD:.4f} must be left"
    )
    return GateResult(balance / WAD, reserve / WAD, balance >= reserve, detail=detail)


def cooldown(trade: TradeContext) -> GateResult:
    """A ROUTINE trade waits longer, unless it lowers leverage or redeemers wait for a trade's worth of cash: a drift of
    hours is often undone by itself."""
    decision, limit = trade.position.policy.decision, trade.limits.cooldown_s
    since = trade.position.since_rebalance_s
    missing = missing_usd(trade.position.snapshot)
    redeemers_wait = missing > 0.0 and missing >= decision.min_trade_usd
    if trade.urgency is Urgency.ROUTINE and not (trade.lowers_leverage or redeemers_wait):
        limit = max(limit, decision.routine_every_s)
    detail = f"{trade.position.last_rebalance_text}, at least {hours(limit)} must pass"
    return GateResult(since, limit, since >= limit, detail=detail)


def gas_price(trade: TradeContext) -> GateResult:
    """On a rollup the L1 fee is spread over the transaction's gas, so the limit is on the total price of gas."""
    position = trade.position
    decision = position.policy.decision
    l1_price = position.snapshot.l1_fee_wei // decision.rebalance_gas
    price = position.snapshot.block.base_fee_wei + l1_price
    limit = highest_gas_price_wei(position.snapshot, trade.urgency, position.policy)
    raised = limit > trade.limits.max_gas_price_wei
    note = f" (waited longer than the patience of {hours(decision.patience_s)})" if raised else ""
    cost = f"{price / GWEI:.2f} gwei"
    subject = f"gas costs {cost} with its L1 part" if l1_price else f"base fee {cost}"
    detail = f"{subject}, at most {limit / GWEI:.2f}{note}"
    return GateResult(price / GWEI, limit / GWEI, price <= limit, detail=detail)


def gas_priced(trade: TradeContext) -> GateResult:
    """Only ROUTINE is judged: other trades are made for more than what they save. Sales pay for themselves at the last
    price (``domain.native_coin``)."""
    coin = trade.position.snapshot.native_coin
    assert coin is not None, "judged only where the native coin's feed was read"
    if coin.trust is Trust.FRESH:
        return GateResult(1, 1, passed=True, detail=f"the native coin costs {coin.price_usd:,.2f} USD")
    why = f"{coin.trust.value}: {coin.reason}" if coin.feed else "of no known feed"
    detail = f"what gas costs in USD is uncertain: the native coin's price is {why}"
    return GateResult(0, 1, passed=False, detail=detail)


def highest_gas_price_wei(snapshot: MarketSnapshot, urgency: Urgency, policy: Policy) -> int:
    """The highest price of gas at which a trade begins, and the most that its first bid offers. Replacements may offer
    more (``domain.fee_replacement``).

    ROUTINE waits for its own low limit until the last rebalance is ``max_age_s + patience_s`` old. From then on its
    limit is that of OUT_OF_BAND, the highest that a planned trade ever pays. The delay counts from the last rebalance,
    as in Yearn's harvest triggers, and not from a trigger: no snapshot knows when a drift began, and a delay counted
    from the cool-down would be over before most drifts begin. Whether an expensive trade pays is for
    ``benefit_exceeds_cost``, which counts the gas.
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
            limit=limit,
            limit_after=decision.at(Urgency.OUT_OF_BAND).max_gas_price_wei,
        )
    )


def daily_loss_budget(trade: TradeContext) -> GateResult:
    """A move is cut to what is left, so this holds back where nothing is left."""
    snapshot, expected = trade.position.snapshot, trade.counted_loss
    lost, limit = snapshot.vault.used_daily_loss, snapshot.vault.policy.daily_loss_bps / BPS
    used = lost + expected
    detail = f"{lost:.3%} of NAV lost in 24 hours, {expected:.3%} counted now, at most {limit:.3%}"
    if trade.urgency is Urgency.EMERGENCY and in_emergency(snapshot):
        return GateResult(used, limit, passed=True, detail=f"{detail}: not for an emergency")
    return GateResult(used, limit, lost < limit and used <= limit * (1.0 + NOISE), detail=detail)


def daily_turnover_budget(trade: TradeContext) -> GateResult:
    """As ``daily_loss_budget``."""
    snapshot = trade.position.snapshot
    sold, limit = snapshot.vault.used_daily_turnover, snapshot.vault.policy.daily_turnover_bps / BPS
    used = sold + trade.turnover
    detail = f"{sold:.3f} NAVs sold in 24 hours, {trade.turnover:.3f} now, limit {limit:.3f}"
    if trade.urgency is Urgency.EMERGENCY and in_emergency(snapshot):
        return GateResult(used, limit, passed=True, detail=f"{detail}: not for an emergency")
    return GateResult(used, limit, sold < limit and used <= limit * (1.0 + NOISE), detail=detail)


def min_trade(trade: TradeContext) -> GateResult:
    """The minimum keeps out trades whose gas costs more than they are worth. So out of band, where the benefit is not
    judged otherwise, a smaller trade passes if it is worth more than it costs."""
    position, limit = trade.position, trade.position.policy.decision.min_trade_usd
    if trade.moves is not None:
        moved = trade.moves.placement.moved_usd
        return GateResult(
            moved, limit, moved >= limit, detail=f"{moved:,.2f} USD change account, at least {limit:,.2f}"
        )
    size, missing = trade.turnover * position.held.nav_usd, missing_usd(position.snapshot)
    needed = max(size, missing)
    subject = f"{size:,.2f} USD to trade" if size >= missing else f"{missing:,.2f} USD of cash to raise"
    detail = f"{subject}, at least {limit:,.2f}"
    if trade.urgency is Urgency.OUT_OF_BAND and needed < limit and trade.benefit_usd > trade.cost_usd:
        return GateResult(
            needed, limit, passed=True, detail=f"{detail} unless it is worth more than it costs"
        )
    return GateResult(needed, limit, needed >= limit and needed > 0.0, detail=detail)


def benefit_exceeds_cost(trade: TradeContext) -> GateResult:
    """The value of less tracking error against the expected fees, slippage, flash premium and gas, all in USD.

    Only ROUTINE is judged. Outer bands and the alert level are the operator's limits on risk, not an optimum, and the
    limits on slippage, gas and daily loss bound what keeping them costs. An EMERGENCY prevents a liquidation, which
    the benefit does not price.
    """
    benefit, cost = trade.benefit_usd, trade.cost_usd
    costs = "an unknown sum" if math.isinf(cost) else f"about {cost:,.2f} USD"
    detail = f"worth {benefit:,.2f} USD, costs {costs}"
    return GateResult(benefit, cost, benefit > cost, detail=detail)


def improves(trade: TradeContext) -> GateResult:
    """The tracking error falls. A trade that raises cash for redemptions only must not increase it.

    The selling half alone may lead away from the target, whose other half waits. It must lower leverage and must not
    raise volatility."""
    if trade.move.sells_only:
        return _lowers_risk(trade)
    if trade.moves is not None:
        error = trade.tracking_error
        return GateResult(
            error, error, passed=True, detail="the weights stay, collateral and debt change account"
        )
    before, after = trade.position.tracking_error, trade.tracking_error
    detail = f"tracking error against the target from {before:.2%} to {after:.2%} a year"
    missing = missing_usd(trade.position.snapshot)
    if missing > trade.position.policy.plan.dust_usd:
        detail = f"{detail}, and {missing:,.0f} USD raised for redemptions"
        return GateResult(after, before, after <= before, detail=detail)
    return GateResult(after, before, after < before, detail=detail)


def no_overshoot(trade: TradeContext) -> GateResult:
    """Judges the aim. A trade that a size limit cuts short ends on the line to it."""
    worst = worst_overshoot(trade.position, trade.move.aim)
    return GateResult(worst.of_band, 1.0, worst.of_band <= 1.0, detail=worst.detail)


def _lowers_risk(trade: TradeContext) -> GateResult:
    position = trade.position
    before, after = position.current.volatility, volatility(trade.goal.weights, position.model.covariance)
    detail = (
        f"leverage from {position.held.leverage:.3f} to {trade.goal.leverage:.3f}, "
        f"volatility from {before:.2%} to {after:.2%} a year"
    )
    falls = trade.goal.leverage < position.held.leverage and after <= before
    return GateResult(after, before, falls, detail=detail)


def _gap_bps(ours: float, theirs: float) -> float:
    return abs(ours - theirs) / theirs * BPS if theirs > 0 else math.inf
