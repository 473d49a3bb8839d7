"""From a decision and the pools' quotes to one vault call: ordered typed steps, their expected effect and
cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from keeper.domain.decision import Action, Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Cost, Quote, RebalancePlan, VaultCall
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import WAD, raw_from_usd_floor, usd
from keeper.planning.exact_output import with_exact_output
from keeper.planning.expected import expected_state
from keeper.planning.fills import guarded
from keeper.planning.flash import with_flash
from keeper.planning.funding import idle_buffer
from keeper.planning.gas import gas_limit_for, gas_of, most_gas, published_wei, usd_of_wei, usd_per_gas
from keeper.planning.netting import postponed_usd, trades
from keeper.planning.obstacles import require_within_limits
from keeper.planning.sequence import fills_of, idle_repays
from keeper.planning.way import Way
from keeper.planning.ways import Terms, ways
from keeper.planning.without_flash import without_flash
from keeper.sizing.redemptions import missing_usd, queued_share

LEAST_IN_AN_EMERGENCY = 1.10
"""Down to here an emergency withdraws collateral before its proceeds repay: at more, more must be flash-borrowed."""


def route(
    decision: Decision, snapshot: MarketSnapshot, quotes: Sequence[Quote], policy: Policy
) -> RebalancePlan:
    """The plan of a decision that has a goal: around one flash loan, in rounds without one, or swap by swap with a part
    of one, whichever is cheapest of those that lead all the way.

    What the redemption queue waits for stays idle; where nothing needs trading for it, it is only borrowed. Raises
    NothingFeasible naming the trade or reserve that is in the way. A RIPCORD goes without the sales that cannot be
    made now, and takes a flash loan wherever it can have one; where nothing can be sold, what lies idle repays.
    """
    emergency = decision.action is Action.RIPCORD
    wanted = trades(decision, snapshot, policy)
    dust = raw_from_usd_floor(policy.plan.dust_usd, snapshot.debt_token.decimals, snapshot.feeds[0].price)
    fills = fills_of(wanted, quotes, snapshot, policy, decision.urgency, dust, only_possible=emergency)
    if emergency:
        fills = tuple(guarded(fill, policy.plan.public_tolerance_bps) for fill in fills)
    held = portfolio(snapshot)
    stays = held.nav_usd * (1.0 - queued_share(snapshot, held.nav_usd))
    buffer = 0 if emergency else idle_buffer(stays, policy.size.idle_buffer, snapshot)
    floor = snapshot.vault.policy.min_health_factor / WAD
    least = LEAST_IN_AN_EMERGENCY if emergency else min(floor, held.health_factor)

    def around_a_loan() -> Way:
        lowest = policy.size.min_health_factor
        loan = with_flash(fills, snapshot, buffer, dust, least, lowest, emergency=emergency)
        return with_exact_output(loan, decision, snapshot, policy)

    def in_rounds() -> Way:
        least_of_rounds = max(floor, policy.size.min_health_factor)
        if snapshot.redemptions is not None and snapshot.redemptions.value and not emergency:
            raise NothingFeasible(
                "rounds repay with what they sell, and the redemption queue waits for cash",
                remedy="Wait until the lending market gives a flash loan.",
            )
        found = without_flash(fills, snapshot, buffer, least_of_rounds, emergency=emergency)
        _require_gas(found, snapshot, policy)
        return found

    def cost(way: Way) -> float:
        return _cost(way, snapshot, policy).total - math.fsum(
            max(0.0, -fill.impact_usd) for fill in way.fills
        )

    def others() -> Iterator[Way]:
        if emergency or (snapshot.redemptions is not None and snapshot.redemptions.value):
            return iter(())
        slippage, gas_symbol = (
            policy.decision.at(decision.urgency).max_slippage_bps,
            policy.plan.gas_usd_price_symbol,
        )
        found = ways(fills, wanted, quotes, Terms(snapshot, buffer, dust, least, slippage, gas_symbol))
        return (one for one in found if _is_allowed(one, snapshot, policy))

    way = _chosen(around_a_loan, in_rounds, others, cost, emergency=emergency) if fills else around_a_loan()
    makes_room = bool(way.funded.borrow) and missing_usd(snapshot) > policy.plan.dust_usd
    if not fills and not makes_room and not (emergency and idle_repays(snapshot, dust)):
        raise NothingFeasible(
            "the goal differs from the vault by less than dust in every asset",
            remedy="Lower plan.dust_usd, or widen the bands so that such a difference is no reason to trade.",
        )
    expected = expected_state(way.fills, way.funded, snapshot, way.collateral)
    require_within_limits(held.nav_usd, expected, snapshot, emergency=emergency)
    gas = gas_of(way.steps, way.funded.flash)
    return RebalancePlan(
        call=VaultCall.DELEVERAGE if emergency else VaultCall.REBALANCE,
        epoch=snapshot.vault.epoch,
        deadline=snapshot.block.timestamp + policy.plan.deadline_s,
        flash_amount=way.funded.flash,
        steps=way.steps,
        expected=expected,
        cost=_cost(way, snapshot, policy),
        gas_limit=gas_limit_for(gas, policy.plan.gas_limit_margin),
        turnover_usd=math.fsum(fill.trade.value_usd for fill in way.fills),
        postponed_usd=postponed_usd(decision, snapshot, policy) + way.left_usd,
    )


def _chosen(
    around_a_loan: Callable[[], Way],
    in_rounds: Callable[[], Way],
    others: Callable[[], Iterator[Way]],
    cost: Callable[[Way], float],
    *,
    emergency: bool,
) -> Way:
    """The cheapest of those that lead all the way. Raises the loan's refusal when there is none at all."""
    found, refusal = [], None
    try:
        found.append(around_a_loan())
    except NothingFeasible as why:
        refusal = why
    if refusal or (found[0].funded.flash and not emergency):
        with suppress(NothingFeasible):
            found.append(in_rounds())
    found += others()
    if not found:
        assert refusal is not None
        raise refusal
    whole = [way for way in found if not way.left_usd]
    return min(whole or found, key=cost)


def _is_allowed(way: Way, snapshot: MarketSnapshot, policy: Policy) -> bool:
    """By a block's gas, and by the vault's limits once it is carried out."""
    nav_usd = portfolio(snapshot).nav_usd
    expected = expected_state(way.fills, way.funded, snapshot, way.collateral)
    try:
        _require_gas(way, snapshot, policy)
        require_within_limits(nav_usd, expected, snapshot, emergency=False)
    except NothingFeasible:
        return False
    return True


def _require_gas(way: Way, snapshot: MarketSnapshot, policy: Policy) -> None:
    needed = gas_limit_for(gas_of(way.steps, way.funded.flash), policy.plan.gas_limit_margin)
    most = most_gas(snapshot.block.gas_limit)
    if needed > most:
        raise NothingFeasible(
            f"{len(way.steps)} steps without a flash loan take {needed:,} gas, a transaction may have {most:,.0f}",
            remedy="Lower max_trade so that less moves at once.",
        )


def _cost(way: Way, snapshot: MarketSnapshot, policy: Policy) -> Cost:
    symbol = policy.plan.gas_usd_price_symbol
    gas = gas_of(way.steps, way.funded.flash) * usd_per_gas(snapshot, symbol)
    return Cost(
        gas=gas + usd_of_wei(published_wei(way.steps, snapshot), snapshot, symbol),
        fees=math.fsum(fill.fees_usd for fill in way.fills),
        slippage=math.fsum(max(0.0, fill.impact_usd) for fill in way.fills),
        flash=usd(way.funded.premium, snapshot.debt_token.decimals, snapshot.feeds[0].price),
    )
