"""From a decision and the pools' quotes to one vault call: ordered typed steps, their expected effect and cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain

from keeper.domain.decision import Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.native_coin import estimated_usd
from keeper.domain.plan import Cost, Quote, RebalancePlan, StepKind
from keeper.domain.policy import Policy
from keeper.planning.across_accounts import across_accounts, changed_by, plans_across
from keeper.planning.calls import calls_of
from keeper.planning.candidates import CandidatePlan, expected_state
from keeper.planning.context import PlanningContext, planning_context
from keeper.planning.deleverage_loop import deleverage_loop
from keeper.planning.exact_output import with_exact_output
from keeper.planning.execution_order import fills_of, idle_repays
from keeper.planning.feasibility import require_feasible, require_gas, require_within_limits
from keeper.planning.fills import Fill
from keeper.planning.flash_loan import around_flash_loan
from keeper.planning.gas import SAFE_HOP, gas_limit_for, gas_of, published_wei, sent_gas
from keeper.planning.generate import hub_plans, matched_plans
from keeper.planning.min_health_factor import of_emergency
from keeper.planning.netting import Netting, Trade, netting
from keeper.planning.split import Answers, by_route
from keeper.sizing.redemptions import missing_usd


def route(
    decision: Decision, snapshot: MarketSnapshot, quotes: Sequence[Quote], policy: Policy
) -> RebalancePlan:
    """The cheapest feasible plan of a decision that has a goal.

    What redemptions wait for stays idle; where nothing needs trading for it, it is only borrowed. A goal with
    less debt that cannot be reached whole is reached in part. A deleverage leaves out the sales that cannot be made
    now; where nothing can be sold, idle cash repays. Raises NothingFeasible naming the trade or reserve that is in the
    way.
    """
    netted, answers = netting(decision, snapshot, policy), by_route(quotes)
    *others, last = calls_of(decision, snapshot)
    for call in others:
        with suppress(NothingFeasible):
            return _by_call(netted, answers, planning_context(decision, snapshot, policy, call=call))
    return _by_call(netted, answers, planning_context(decision, snapshot, policy, call=last))


def _by_call(netted: Netting, answers: Answers, context: PlanningContext) -> RebalancePlan:
    if context.deleverages:
        candidate = _deleverage_plan(fills_of(netted.trades, answers, context), context)
    else:
        candidate = _rebalance_plan(netted.trades, answers, context)
    _require_purpose(candidate, context)
    return _plan(candidate, netted.postponed_usd, context)


def _rebalance_plan(trades: Sequence[Trade], answers: Answers, context: PlanningContext) -> CandidatePlan:
    """The cheapest feasible candidate. Where none is, only the part of the fills that lowers the debt.

    Where a placement is decided, the candidates over all accounts come first. One of a single account only stands in
    for them where it borrows nothing: nobody judged that account by what it would owe then.

    A pool that refuses the last of several trades may take all of them in one swap, so a trade that finds no pool does
    not stop the candidates through the hub."""
    try:
        fills = fills_of(trades, answers, context)
    except NothingFeasible:
        candidate = _cheapest(_allowed(hub_plans(trades, answers, context, matched=None), context), context)
        if candidate is None:
            raise
        return candidate
    placed = _placed(trades, answers, context, fills=fills)
    if placed is not None:
        return placed
    candidates = chain(matched_plans(fills, context), hub_plans(trades, answers, context, matched=fills))
    return _cheapest(_allowed(candidates, context), context) or _debt_part(fills, context)


def _allowed(candidates: Iterable[CandidatePlan], context: PlanningContext) -> Iterator[CandidatePlan]:
    """Of the candidates in one account those that may stand in for a placement."""
    return (candidate for candidate in candidates if context.placement is None or not _borrows(candidate))


def _borrows(candidate: CandidatePlan) -> bool:
    return any(step.kind is StepKind.BORROW for step in candidate.steps)


def _placed(
    trades: Sequence[Trade], answers: Answers, context: PlanningContext, *, fills: Sequence[Fill]
) -> CandidatePlan | None:
    """As the placement has it. Where that changes a single account, plans of that account end there as well, and may
    cost less without a flash loan or through the hub."""
    if context.placement is None:
        return None
    across = tuple(plans_across(fills, context.placement, context))
    places = changed_by(context.placement, context)
    if len(places) != 1 or not fills:
        return _cheapest(across, context)
    alone = context.at(places.pop())
    through_hub = hub_plans(trades, answers, alone, matched=fills)
    return _cheapest((*across, *matched_plans(fills, alone), *through_hub), alone)


def _cheapest(candidates: Iterable[CandidatePlan], context: PlanningContext) -> CandidatePlan | None:
    for candidate in sorted(candidates, key=partial(_total_usd, context=context)):
        with suppress(NothingFeasible):
            return _accepted(candidate, context)
    return None


def _debt_part(fills: Sequence[Fill], context: PlanningContext) -> CandidatePlan:
    """The sales into the debt token, where they lower the debt or what has to be borrowed for redemptions. Else raises
    why there is no plan around a flash loan, which could go farthest."""
    try:
        if context.placement is not None:
            return _accepted(across_accounts(fills, context.placement, context), context)
        return _accepted(around_flash_loan(fills, context), context)
    except NothingFeasible:
        sales = [fill for fill in fills if fill.trade.buy == context.cash]
        alone = context.of_sales_alone()
        for build in (around_flash_loan, deleverage_loop):
            with suppress(NothingFeasible):
                part = _accepted(build(sales, alone), alone)
                repays = any(step.kind is StepKind.REPAY for step in part.steps)
                if part.fills and (repays or _redemptions_lack_cash(context)) and not _borrows(part):
                    return _leaving_rest(part, fills)
        raise


def _deleverage_plan(fills: Sequence[Fill], context: PlanningContext) -> CandidatePlan:
    """Around a flash loan wherever that is feasible, because it goes all the way. Else in a loop."""
    try:
        candidate = around_flash_loan(fills, context)
        # A planned deleverage sells all of its goal. What is left when the debt is repaid stays idle.
        return _accepted(with_exact_output(candidate, context) if context.emergency else candidate, context)
    except NothingFeasible:
        without_loan = replace(context, min_health_factor=of_emergency(flash_loan=False))
        with suppress(NothingFeasible):
            return _accepted(_leaving_rest(deleverage_loop(fills, without_loan), fills), without_loan)
        raise


def _leaving_rest(candidate: CandidatePlan, fills: Sequence[Fill]) -> CandidatePlan:
    """The candidate, which makes only a part of the fills."""
    return replace(candidate, unfilled_usd=max(0.0, _traded_usd(fills) - _traded_usd(candidate.fills)))


def _traded_usd(fills: Sequence[Fill]) -> float:
    return math.fsum(fill.trade.value_usd for fill in fills)


def _accepted(candidate: CandidatePlan, context: PlanningContext) -> CandidatePlan:
    """The candidate. Raises NothingFeasible where the lending market, the block or the vault would refuse it."""
    require_feasible(candidate, context)
    require_gas(candidate, context)
    require_within_limits(candidate, context)
    return candidate


def _require_purpose(candidate: CandidatePlan, context: PlanningContext) -> None:
    """A plan trades, borrows what redemptions wait for, or repays with idle cash in an emergency."""
    if context.deleverages and context.snapshot.holdings[0].owed == 0:
        raise NothingFeasible(
            "the vault owes nothing, so there is nothing to deleverage",
            remedy="Withdraw the order (keeper deleverage), or lower leverage by a rebalance.",
        )
    serves_queue = _borrows(candidate) and _redemptions_lack_cash(context)
    moves = context.placement is not None and bool(candidate.steps)
    if (
        not candidate.fills
        and not serves_queue
        and not moves
        and not (context.deleverages and idle_repays(context))
    ):
        raise NothingFeasible(
            "the goal differs from the vault by less than dust in every asset",
            remedy="Lower plan.dust_usd, or widen the bands so that such a difference is no reason to trade.",
        )


def _redemptions_lack_cash(context: PlanningContext) -> bool:
    return missing_usd(context.snapshot) > context.policy.plan.dust_usd


def _plan(candidate: CandidatePlan, postponed_usd: float, context: PlanningContext) -> RebalancePlan:
    snapshot, policy = context.snapshot, context.policy
    gas = sent_gas(gas_of(candidate.steps, candidate.flash), by_safe=bool(snapshot.acts_as))
    return RebalancePlan(
        call=context.call,
        epoch=snapshot.vault.epoch,
        deadline=snapshot.block.timestamp + policy.plan.deadline_s,
        flash_amount=candidate.flash,
        steps=candidate.steps,
        expected=expected_state(candidate, context),
        cost=_cost(candidate, context),
        gas_limit=gas_limit_for(gas, policy.plan.gas_limit_margin),
        turnover_usd=_traded_usd(candidate.fills),
        postponed_usd=postponed_usd + candidate.unfilled_usd,
        account=context.lender.account if candidate.flash else context.snapshot.venue.place,
    )


def _total_usd(candidate: CandidatePlan, context: PlanningContext) -> float:
    """Cost less what fills gain against the oracle."""
    gained = math.fsum(max(0.0, -fill.impact_usd) for fill in candidate.fills)
    return _cost(candidate, context).total - gained


def _cost(candidate: CandidatePlan, context: PlanningContext) -> Cost:
    snapshot, wrapped = context.snapshot, context.policy.plan.gas_usd_price_symbol
    gas = gas_of(candidate.steps, candidate.flash) + (SAFE_HOP if snapshot.acts_as else 0)
    return Cost(
        gas=gas * context.swap_terms.costs.per_gas
        + estimated_usd(published_wei(candidate.steps, snapshot), snapshot, wrapped),
        fees=math.fsum(fill.fees_usd for fill in candidate.fills),
        slippage=math.fsum(max(0.0, fill.impact_usd) for fill in candidate.fills),
        flash=snapshot.value_usd(context.cash, candidate.premium),
    )
