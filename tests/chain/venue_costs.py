"""What plans over several accounts cost, beside the least that any could cost and beside a vault with one account."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from keeper.devnet.local_chain import BASE_FEE_WEI
from keeper.domain.accounts import accounts
from keeper.domain.decision import Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import Holding, LendingAccount, MarketSnapshot
from keeper.domain.native_coin import usd_of_wei
from keeper.domain.plan import Quote, RebalancePlan, StepKind
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.lending.venues import account_of
from keeper.planning.gas import CALL, PER_STEP, gas_of
from keeper.planning.route import route
from tests.chain.least import DUST_USD, Curve, changes_usd
from tests.chain.least_swaps import least_swaps_usd
from tests.chain.state_table import quantiles


@dataclass(frozen=True, slots=True)
class VenueCosts:
    """USD, gas at ``BASE_FEE_WEI``. ``plan`` was lost on the chain, ``least`` could have been lost at least. By the
    planner's estimate ``expected`` is the plan's, and ``single`` that of the same goal in a vault that has all in one
    account on Aave; None where that one has no plan. ``state`` is its number."""

    state: int
    plan: float
    least: float
    expected: float
    single: float | None


@dataclass(frozen=True, slots=True)
class Carried:
    """A plan that was carried out, ``state`` by number. ``pools`` and ``quotes`` are those of the block ``before``."""

    state: int
    decision: Decision
    plan: RebalancePlan
    before: MarketSnapshot
    after: MarketSnapshot
    pools: tuple[Curve, ...]
    quotes: tuple[Quote, ...]


def costs_of(carried: Carried, policy: Policy) -> VenueCosts:
    plan, before, after = carried.plan, carried.before, carried.after
    per_gas, cash = usd_of_wei(BASE_FEE_WEI, before, "WETH"), before.debt_token.symbol
    lost_usd = portfolio(before).nav_usd - portfolio(after).nav_usd
    changes = changes_usd(in_one_account(before), in_one_account(after))
    steps = sum(PER_STEP[kind] for kind in _changed(before, after))
    return VenueCosts(
        state=carried.state,
        plan=lost_usd + gas_of(plan.steps, plan.flash_amount) * per_gas,
        least=least_swaps_usd(carried.pools, changes, cash, per_gas) + (CALL + steps) * per_gas,
        expected=plan.cost.total,
        single=_single_usd(carried, policy),
    )


def in_one_account(snapshot: MarketSnapshot) -> MarketSnapshot:
    """The same vault, with all that it holds and owes in its first account."""
    holdings = tuple(
        Holding(here.symbol, here.idle, here.supplied + other.supplied, owed=here.owed + other.owed)
        for here, other in zip(snapshot.holdings, snapshot.elsewhere, strict=True)
    )
    supplied = {holding.symbol: holding.supplied for holding in holdings}
    alone = replace(snapshot, holdings=holdings, others=())
    return replace(alone, account=account_of(alone, supplied, holdings[0].owed))


def venue_table(costs: Sequence[VenueCosts], states: int, seed: int) -> str:
    ratios = (
        ("of the least possible", [(cost.plan / cost.least, cost.state) for cost in costs]),
        (
            "of a vault with one account, both as planned",
            [(cost.expected / cost.single, cost.state) for cost in costs if cost.single],
        ),
    )
    lines = [
        f"{states} states of seed {seed}: {len(costs)} plans over several accounts, all as expected",
        f"{'a plan costs, gas at 20 gwei':<48}{'min':>8}{'median':>8}{'90 %':>8}{'max':>8}{'of state':>10}{'states':>8}",
    ]
    return "\n".join([*lines, *(quantiles(name, values) for name, values in ratios)])


def _single_usd(carried: Carried, policy: Policy) -> float | None:
    try:
        decision = replace(carried.decision, placement=None)
        plan = route(decision, in_one_account(carried.before), carried.quotes, policy)
    except NothingFeasible:
        return None
    return plan.cost.total


def _changed(before: MarketSnapshot, after: MarketSnapshot) -> Iterator[StepKind]:
    """The steps that there must be: one for each of an account's amounts that changes. What changes by less than a
    dollar is interest. No flash loan is counted: on Morpho it has no premium, and its gas may be avoided."""
    then = {account.venue.place: account for account in accounts(after)}
    for account in accounts(before):
        changes = _changes(before, account, then[account.venue.place])
        for place, change in enumerate(changes):
            more, less = (
                (StepKind.BORROW, StepKind.REPAY) if place == 0 else (StepKind.SUPPLY, StepKind.WITHDRAW)
            )
            if abs(change) > DUST_USD and math.isfinite(change):
                yield more if change > 0.0 else less


def _changes(snapshot: MarketSnapshot, old: LendingAccount, new: LendingAccount) -> Iterator[float]:
    """USD of the debt, then of each asset's collateral."""
    now, before = (new.owed[0], *new.supplied[1:]), (old.owed[0], *old.supplied[1:])
    for symbol, amount, was in zip(snapshot.symbols, now, before, strict=True):
        yield math.copysign(snapshot.value_usd(symbol, abs(amount - was)), amount - was)
