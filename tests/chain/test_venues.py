"""A vault over Aave, an eMode of it and two markets of Morpho Blue on the real contracts: it is built up over them, its debt moves when
rates change, and a walk of random prices, rates and goals goes through and ends where each plan said.

``KEEPER_STATES`` says how many steps the walk has, ``KEEPER_SEED`` which; ``make venue-states`` takes three hundred.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from eth_abi.abi import encode

from keeper.chain.rpc.client import Rpc
from keeper.decision.placing import TRADE_MARGIN
from keeper.devnet import local_chain as devnet
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.venues import Venues, with_morpho
from keeper.domain.accounts import accounts
from keeper.domain.decision import Action, Decision, Goal
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan
from keeper.domain.portfolio import portfolio
from keeper.domain.units import SECONDS_PER_DAY, WAD, health_factor_of
from keeper.planning.context import planning_context
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.planning.verify import verify
from keeper.sizing.account_bounds import account_floors
from keeper.sizing.account_terms import terms_of
from keeper.sizing.placing import STAYING, placed
from tests.chain.desk import BOLD, HOUR, MODEST, Desk
from tests.chain.emode_category import make_category
from tests.chain.least import Curve, curves
from tests.chain.node_scene import node_in
from tests.chain.vault_scene import RISKY, scene_on
from tests.chain.venue_costs import Carried, VenueCosts, costs_of, venue_table
from tests.factories import a_model
from tests.planning.ledger import a_decision

pytestmark = pytest.mark.slow

STATES = int(os.environ.get("KEEPER_STATES", "3"))
SEED = int(os.environ.get("KEEPER_SEED", "20231"))
ACCOUNT = 2
"""PolicyRegistry's Listing."""
MARKETS = ("WETH", "WBTC")
CHEAP_BPS, EXPENSIVE_BPS = 2_000, 9_950
WINDOWS_FREE_S = 2 * SECONDS_PER_DAY
POLICY = replace(BOLD, size=replace(BOLD.size, max_leverage=1.9))
COST = 0.007
"""Of what is traded, assumed."""
MODEL = a_model(symbols=RISKY)


@dataclass(frozen=True)
class Book:
    venues: Venues
    desk: Desk
    rpc: Rpc

    def read(self) -> MarketSnapshot:
        return self.desk.node.read({}, 0).snapshot

    def pass_windows(self) -> None:
        self.venues.chain.pass_time(WINDOWS_FREE_S)


@pytest.fixture(scope="module")
def book(world: LocalChain) -> Iterator[Book]:
    with (
        devnet.forked(world, put_back=True) as (_, copy),
        Rpc(copy.deployment.rpc_url, timeout_s=60.0) as rpc,
    ):
        venues = with_morpho(copy, MARKETS)
        with_emode(copy)
        for symbol in MARKETS:
            venues.set_utilisation(symbol, CHEAP_BPS)
        yield Book(venues, Desk(copy, node_in(copy, rpc)), rpc)


def with_emode(chain: LocalChain) -> None:
    """A second account on Aave, in an eMode of WETH."""
    make_category(chain, 1, "WETH", collateral="WETH")
    here, registry = scene_on(chain), chain.registry.functions
    data = encode(["address", "uint8"], [here.account_implementation(), 1])
    here.send(registry.propose(ACCOUNT, data), here.people.admin)
    chain.pass_time(WINDOWS_FREE_S)
    here.send(registry.activate(ACCOUNT, data), here.people.stranger)
    chain.refresh_feeds()


def health_factors(snapshot: MarketSnapshot) -> list[float]:
    return [health_factor_of(account.account.health_factor) for account in accounts(snapshot)]


def owed(snapshot: MarketSnapshot) -> list[float]:
    return [snapshot.value_usd("USDC", account.owed[0]) for account in accounts(snapshot)]


def test_it_is_built_up_over_several_accounts_and_its_debt_moves_when_rates_change(book: Book) -> None:
    book.desk.cycle(MODEST)
    book.pass_windows()
    built = book.desk.cycle(BOLD)
    after = book.read()
    assert portfolio(after).leverage == pytest.approx(built.assessment.decision.goal.leverage, rel=0.02)  # type: ignore[union-attr]
    assert health_factors(after) == pytest.approx(built.plan.expected.health_factors, rel=1e-3)
    assert min(health_factors(after)) >= BOLD.size.min_health_factor * 0.997
    assert sum(debt > 1_000.0 for debt in owed(after)) >= 3

    for symbol in MARKETS:
        book.venues.set_utilisation(symbol, EXPENSIVE_BPS)
    book.venues.chain.pass_time(7 * SECONDS_PER_DAY)
    before = book.read()
    moved = book.desk.cycle(BOLD)
    now = book.read()
    assert sum(owed(now)[1:3]) < 0.2 * sum(owed(before)[1:3])
    decision = moved.assessment.decision
    assert decision.action in (Action.REBALANCE, Action.ITERATE)
    assert decision.benefit_usd > decision.expected_cost_usd
    for symbol in MARKETS:
        book.venues.set_utilisation(symbol, CHEAP_BPS)


def wanted(generator: np.random.Generator) -> tuple[float, ...]:
    shares = generator.dirichlet(np.ones(len(RISKY)))
    return tuple((generator.uniform(0.3, 1.7) * shares).tolist())


def towards(snapshot: MarketSnapshot, weights: tuple[float, ...], *, stays: bool) -> Decision | None:
    """The part of the way that the vault lets a day sell and lose, in the cheapest accounts or those of today."""
    held = portfolio(snapshot)
    turnover = sum(abs(to - at) for to, at in zip(weights, held.weights, strict=True))
    part = min(1.0, 0.9 / turnover)
    goal = tuple(at + part * (to - at) for to, at in zip(weights, held.weights, strict=True))
    terms = terms_of(snapshot, RISKY, POLICY.size)
    values = [weight * held.nav_usd for weight in goal]
    cost_usd = COST * part * turnover * held.nav_usd
    debt_usd = max(0.0, sum(values) - held.nav_usd + cost_usd)
    floors = account_floors(MODEL, snapshot, POLICY.size).times(TRADE_MARGIN)
    found = placed(terms, values, debt_usd, floors, move_cost=STAYING if stays else 1e-3)
    if found is None:
        return None
    return replace(
        a_decision(snapshot, goal, Action.REBALANCE), goal=Goal(RISKY, goal, sum(goal)), placement=found
    )


def on_the_way(plan: RebalancePlan, snapshot: MarketSnapshot, decision: Decision) -> float:
    """The lowest health factor of any account after any step, at the worst fills."""
    context = planning_context(decision, snapshot, POLICY)
    books = context.books([a.venue.place for a in accounts(snapshot)], plan.flash_amount, mined=True)
    lowest = min(book.health_factor() for book in books.values())
    for step in plan.steps:
        books[step.account].apply(step)
        lowest = min(lowest, *(book.health_factor() for book in books.values()))
    return lowest


def pool_curves(book: Book, plan: RebalancePlan, snapshot: MarketSnapshot) -> tuple[Curve, ...]:
    uniswap = book.desk.world.uniswap
    return curves(uniswap.pools, max(plan.turnover_usd, 100.0), snapshot, uniswap.quoter, book.rpc)


def test_a_walk_of_random_goals_over_several_accounts_ends_where_each_plan_said(
    book: Book, show: Callable[[str], None]
) -> None:
    generator = np.random.default_rng(SEED)
    touched: set[int] = set()
    costs: list[VenueCosts] = []
    for state in range(STATES):
        named = f"seed {SEED}, state {state}"
        for symbol in RISKY:
            book.venues.chain.set_price(
                symbol, book.venues.chain.spot(symbol) * generator.uniform(0.93, 1.07)
            )
        for symbol in MARKETS:
            book.venues.set_utilisation(symbol, int(generator.integers(1_000, 9_700)))
        book.pass_windows()
        snapshot = book.read()
        decision = towards(snapshot, wanted(generator), stays=bool(generator.random() < 0.3))
        if decision is None:
            continue
        asked = quote_requests(netting(decision, snapshot, POLICY).trades, snapshot)
        quotes = book.desk.node.quote(asked, snapshot)
        plan = route(decision, snapshot, quotes, POLICY)
        floor = snapshot.vault.policy.min_health / WAD
        assert on_the_way(plan, snapshot, decision) >= min(floor, *health_factors(snapshot)) * 0.999, named
        report = book.desk.node.simulate(plan, snapshot)
        verdict = verify(plan, report, snapshot, decision, POLICY)
        failed = [check.detail for check in verdict.checks if not check.passed]
        assert verdict.passed, f"{named}: {failed}"
        pools = pool_curves(book, plan, snapshot)
        book.desk.send(plan, snapshot)
        after = book.read()
        carried = Carried(
            state,
            decision=decision,
            plan=plan,
            before=snapshot,
            after=after,
            pools=pools,
            quotes=quotes,
        )
        costs.append(costs_of(carried, POLICY))
        assert portfolio(after).leverage == pytest.approx(plan.expected.leverage, abs=0.01), named
        assert health_factors(after) == pytest.approx(plan.expected.health_factors, rel=2e-3), named
        assert min(health_factors(after)) >= floor, named
        touched |= {step.account for step in plan.steps if step.route is None}
    show(venue_table(costs, STATES, SEED))
    assert len(costs) >= 0.6 * STATES
    # Else the bound is none. Interest of the block between is a little.
    assert all(cost.plan >= cost.least * (1.0 - 1e-3) for cost in costs), costs
    assert len(touched) >= 2
    book.venues.chain.pass_time(HOUR)
