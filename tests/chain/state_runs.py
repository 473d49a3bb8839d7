"""One random state after the other: planned, carried out, judged, and measured against reference costs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from keeper.devnet.local_chain import BASE_FEE_WEI
from keeper.domain.decision import Action, Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.native_coin import usd_of_wei
from keeper.domain.plan import Quote, QuoteRequest, RebalancePlan
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import SECONDS_PER_YEAR, WAD
from keeper.oracle.vault_rules import call_limits
from keeper.planning.gas import CALL, gas_of
from keeper.planning.min_health_factor import EMERGENCY_WITH_FLASH_LOAN
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.planning.verify import verify
from tests.chain.least import Curve, changes_usd, curves, least_gas, least_loss
from tests.chain.least_lending import least_lending_usd
from tests.chain.least_swaps import least_swaps_usd
from tests.chain.naive import Ask, Naive, naive
from tests.chain.random_states import State, draw
from tests.chain.state_scene import MINED_AFTER_S, Execution, Stage
from tests.factories import a_decision_policy, a_policy, a_size_policy
from tests.servers.raw_request import raw_request

POLICY = a_policy(size=a_size_policy(max_leverage=2.5), decision=a_decision_policy(trade_cost_bps=60))
INTEREST = 5e-6
"""More than ``MINED_AFTER_S`` at 400 % a year, as on a reserve that is all lent out."""

Planner = Callable[[Decision, MarketSnapshot, Ask, Policy], RebalancePlan]


def a_plan(decision: Decision, snapshot: MarketSnapshot, ask: Ask, policy: Policy) -> RebalancePlan:
    """Today's planner."""
    quotes = ask(quote_requests(netting(decision, snapshot, policy).trades, snapshot))
    return route(decision, snapshot, tuple(quotes), policy)


def shares_a_pool(plan: RebalancePlan) -> bool:
    """Whether two of its swaps go through the same pool the same way: their quotes do not know of each other."""
    hops = Counter(
        (route.symbols[place], fee, route.symbols[place + 1])
        for route in (step.route for step in plan.steps if step.route is not None)
        for place, fee in enumerate(route.fees)
    )
    return any(count > 1 for count in hops.values())


@dataclass(frozen=True, slots=True)
class Costs:
    """USD. What a plan lost on the chain and the least that it could have lost, of NAV, each with its gas at
    ``BASE_FEE_WEI``; ``without`` is a lower bound in which splits, further hops and loans cost nothing and any turnover
    is allowed. The naive way at the same block, None where it gets nowhere, in one route or (``direct``) one pool a
    trade; the vault's limits may not allow it."""

    plan: float
    naive: float | None
    direct: float | None
    least: float
    without: float
    swaps: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """``wrong``: what must not be. ``refusal``: why there is no plan. ``gas`` used, as parts of the plan's estimate."""

    state: State
    plan: RebalancePlan | None = None
    refusal: str = ""
    wrong: tuple[str, ...] = ()
    costs: Costs | None = None
    gas: float = 0.0


def run(
    stage: Stage, seed: int, numbers: Iterable[int], planner: Planner, *, measured: bool
) -> Iterator[Outcome]:
    """The states with these numbers, each put on the chain as it was before."""
    untouched, moves = stage.rpc.send(raw_request("evm_snapshot", [])), None
    for number in numbers:
        state = draw(seed, number)
        if state.price_moves != moves:
            stage.rpc.send(raw_request("evm_revert", [untouched]))
            untouched, moves = stage.rpc.send(raw_request("evm_snapshot", [])), state.price_moves
            stage.move_prices(state.price_moves)
        before = stage.rpc.send(raw_request("evm_snapshot", []))
        yield outcome(stage, state, planner, measured=measured)
        stage.rpc.send(raw_request("evm_revert", [before]))
    stage.rpc.send(raw_request("evm_revert", [untouched]))


def outcome(stage: Stage, state: State, planner: Planner, *, measured: bool) -> Outcome:
    """The state must stand on the stage's prices."""
    snapshot = stage.put(state)
    decision = stage.decision(state, snapshot, POLICY)

    def ask(requests: Sequence[QuoteRequest]) -> Sequence[Quote]:
        return stage.node.quote(requests, snapshot)

    try:
        plan = planner(decision, snapshot, ask, POLICY)
    except NothingFeasible as refused:
        return Outcome(state, refusal=refused.message)
    if not measured or decision.action is Action.RIPCORD:
        done = stage.execute(plan, snapshot)
        return _judged(state, plan, done, snapshot, decision, None)
    naives = [naive(decision, snapshot, ask, direct=direct) for direct in (False, True)]
    world = stage.world
    most = max(plan.turnover_usd, 100.0)
    found = curves(world.uniswap.pools, most, snapshot, world.uniswap.quoter, stage.rpc)
    done = stage.execute(plan, snapshot)
    costs = None
    if done.after is not None:
        costs = _costs(plan, snapshot, done.after, naives, found)
    return _judged(state, plan, done, snapshot, decision, costs)


def _costs(
    plan: RebalancePlan,
    before: MarketSnapshot,
    after: MarketSnapshot,
    naives: Sequence[Naive | None],
    found: Sequence[Curve],
) -> Costs:
    per_gas = usd_of_wei(BASE_FEE_WEI, before, "WETH")
    changes, cash = changes_usd(before, after), before.debt_token.symbol
    floor = _floor_on_the_way(before, emergency=False)
    one_route, one_pool = (None if one is None else one.lost_usd + one.gas * per_gas for one in naives)
    return Costs(
        plan=portfolio(before).nav_usd
        - portfolio(after).nav_usd
        + _earned_usd(before)
        + gas_of(plan.steps, plan.flash_amount) * per_gas,
        naive=one_route,
        direct=one_pool,
        least=CALL * per_gas
        + least_swaps_usd(found, changes, cash, per_gas, _turnover_usd(before))
        + least_lending_usd(before, after, found, floor, per_gas, _lending_usd(plan, before, per_gas)),
        without=least_loss(found, changes, cash) + least_gas(before, after) * per_gas,
        swaps=sum(step.route is not None for step in plan.steps),
    )


def _turnover_usd(before: MarketSnapshot) -> float:
    """What the vault lets a call sell, and a little more: it counts every pool, at no lower prices."""
    return 1.001 * call_limits(before, lowering=False).turnover * portfolio(before).nav_usd


def _earned_usd(snapshot: MarketSnapshot) -> float:
    """Interest on all collateral until a plan is mined. It is no gain of the plan, and much where a reserve is lent
    out."""
    a_year = math.fsum(
        reserve.supply_rate * snapshot.value_usd(holding.symbol, holding.supplied)
        for reserve, holding in zip(snapshot.reserves, snapshot.holdings, strict=True)
    )
    return a_year * MINED_AFTER_S / SECONDS_PER_YEAR


def _lending_usd(plan: RebalancePlan, snapshot: MarketSnapshot, per_gas: float) -> float:
    """Gas of its steps at the lending market, gas and premium of its loan."""
    steps = [step for step in plan.steps if step.route is None]
    return (gas_of(steps, plan.flash_amount) - CALL) * per_gas + plan.cost.flash


def _judged(
    state: State,
    plan: RebalancePlan,
    done: Execution,
    snapshot: MarketSnapshot,
    decision: Decision,
    costs: Costs | None,
) -> Outcome:
    wrong = tuple(_wrong(plan, done, snapshot, decision))
    gas = done.report.gas / gas_of(plan.steps, plan.flash_amount)
    return Outcome(state, plan, wrong=wrong, costs=costs, gas=gas)


def _wrong(
    plan: RebalancePlan, done: Execution, snapshot: MarketSnapshot, decision: Decision
) -> Iterator[str]:
    if not done.report.success:
        yield f"reverts with {done.report.revert}"
        return
    verdict = verify(plan, done.report, snapshot, decision, POLICY)
    yield from (check.detail for check in verdict.checks if not check.passed)
    if done.allowances:
        yield f"allowances left: {done.allowances}"
    post = done.report.post
    assert post is not None
    ended_at = done.health_factors[-1] if done.health_factors else post.health_factor
    if math.isfinite(post.health_factor) and abs(ended_at / post.health_factor - 1.0) > _interest(
        done, snapshot
    ):
        yield f"health factor {ended_at} by the pool's events, {post.health_factor} by its own word"
    lowest, floor = (
        min(done.health_factors, default=math.inf),
        _floor_on_the_way(snapshot, emergency=decision.action is Action.RIPCORD),
    )
    if lowest < floor * (1.0 - INTEREST):
        yield f"health factor {lowest:.4f} on the way, floor {floor:.4f}"


def _interest(done: Execution, snapshot: MarketSnapshot) -> float:
    """On both sides of the health factor; that on all the debt there was counts for more where little of it is left."""
    left = done.after.holdings[0].owed if done.after is not None else 0
    return INTEREST * (1.0 + snapshot.holdings[0].owed / max(1, left))


def _floor_on_the_way(snapshot: MarketSnapshot, *, emergency: bool) -> float:
    """The vault's floor, or where the vault stands if that is lower. An emergency can only use what its sales return,
    so it may go down to ``EMERGENCY_WITH_FLASH_LOAN``, and from below that down to 1, where Aave's limit is."""
    stands = portfolio(snapshot).health_factor
    if emergency:
        return EMERGENCY_WITH_FLASH_LOAN if stands >= EMERGENCY_WITH_FLASH_LOAN else 1.0
    return min(snapshot.vault.policy.min_health / WAD, stands)
