"""A vault with three accounts: two on Aave and one on Morpho Blue, read, counted and lowered by the keeper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_abi.abi import encode

from keeper.chain.block_look import BlockWatcher
from keeper.chain.rpc.client import Rpc
from keeper.devnet import morpho as devnet
from keeper.devnet.local_chain import LocalChain
from keeper.domain.account_venue import VenueKind
from keeper.domain.accounts import accounts
from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot
from keeper.domain.portfolio import portfolio
from keeper.domain.units import health_factor_of
from keeper.lending.vault_gap import vault_gap
from tests.chain.desk import BOLD, HOUR, Desk, Ran
from tests.chain.node_scene import MULTICALL, node_in
from tests.chain.vault_scene import BORROW, NO_ADDRESS, SUPPLY, Scene, scene_on

USDC = 10**6
ACCOUNT = 2
"""PolicyRegistry's Listing."""
DAY = 86_400
AAVE, MORPHO = 1, 2


@dataclass(frozen=True)
class Venues:
    scene: Scene
    desk: Desk
    morpho: devnet.Morpho
    rpc: Rpc

    def read(self) -> MarketSnapshot:
        return self.desk.node.read({}, 0).snapshot

    def lower(self) -> tuple[Ran, MarketSnapshot]:
        self.scene.world.pass_time(HOUR)
        self.scene.world.refresh_feeds()
        return self.desk.cycle(BOLD), self.read()

    def empty_the_market(self) -> None:
        """Whoever lends takes out all that is not lent."""
        functions, market = self.morpho.contract(self.scene.w3).functions, self.morpho.markets["WETH"]
        lender = self.scene.world.accounts[-1]
        params, state = functions.idToMarketParams(market).call(), functions.market(market).call()
        self.scene.send(functions.withdraw(params, state[0] - state[2], 0, lender, lender), lender)

    def lend_again(self) -> None:
        functions, lender = self.morpho.contract(self.scene.w3).functions, self.scene.world.accounts[-1]
        params = functions.idToMarketParams(self.morpho.markets["WETH"]).call()
        self.scene.send(functions.supply(params, 1_000_000 * USDC, 0, lender, b""), lender)


@pytest.fixture
def venues(chain: LocalChain) -> Iterator[Venues]:
    """60,000 USD of WETH in each of two more accounts, which owe 35,000 and 37,000. All cash is in the first."""
    here, w3, registry = scene_on(chain), chain.w3, chain.registry.functions
    tokens = {symbol: chain.tokens[symbol] for symbol in ("USDC", "WETH")}
    made = devnet.deploy_morpho(w3, chain.owner, tokens, chain.feeds, lambda _: None)
    devnet.lend_and_borrow(w3, chain.accounts[-1], chain.owner, made, tokens, chain.feeds)
    on_morpho = devnet.account_implementation(w3, chain.owner, made, "WETH").address
    listed = [encode(["address", "uint8"], [at, 0]) for at in (here.account_implementation(), on_morpho)]
    for data in listed:
        here.send(registry.propose(ACCOUNT, data), here.people.admin)
    chain.pass_time(2 * DAY)
    for data in listed:
        here.send(registry.activate(ACCOUNT, data), here.people.stranger)
    chain.refresh_feeds()
    weth, usdc = here.address("WETH"), here.address("USDC")
    bought = here.sell(120_000 * USDC, "USDC", 500, "WETH")
    here.send(here.rebalance([bought]), here.people.keeper)
    half = here.balance("WETH") // 2
    chain.pass_time(HOUR)
    steps = [
        (SUPPLY, AAVE, weth, NO_ADDRESS, half, 0),
        (SUPPLY, MORPHO, weth, NO_ADDRESS, half, 0),
        (BORROW, AAVE, usdc, NO_ADDRESS, 35_000 * USDC, 0),
        (BORROW, MORPHO, usdc, NO_ADDRESS, 37_000 * USDC, 0),
        here.supply("USDC"),
    ]
    here.send(here.rebalance(steps), here.people.keeper)
    with Rpc(chain.deployment.rpc_url) as rpc:
        yield Venues(here, Desk(chain, node_in(chain, rpc)), made, rpc)


def test_every_account_is_counted_and_lowered_the_lowest_first(venues: Venues) -> None:
    before, act = venues.read(), BOLD.decision.act_health_factor
    kinds = [account.venue.kind for account in accounts(before)]
    assert kinds == [VenueKind.AAVE_V3, VenueKind.AAVE_V3, VenueKind.MORPHO_BLUE]
    gap, held = vault_gap(before), portfolio(before)
    assert gap is not None
    assert gap.gap < 1e-4, str(gap)
    assert held.debt_usd == pytest.approx(72_000, rel=1e-3)
    keeper = venues.scene.people.keeper
    look = BlockWatcher(venues.rpc, MULTICALL, keeper, deployment=venues.desk.node.deployment).look()
    assert look is not None
    assert list(look.health_factors.values()) == pytest.approx(health_factors(before), rel=1e-6)

    # Prices fall, and all that Morpho's market has is lent: no loan there, but collateral leaves.
    venues.empty_the_market()
    venues.desk.fall(1.0 - 0.97 * act / health_factors(before)[AAVE])
    fallen = health_factors(venues.read())
    assert fallen[MORPHO] < fallen[AAVE] < act
    ran, after = venues.lower()
    first = health_factors(after)
    assert changed(ran) == {MORPHO}
    assert ran.plan.account != MORPHO
    assert first == pytest.approx(ran.plan.expected.health_factors, rel=1e-3)
    assert first[MORPHO] > act
    assert first[AAVE] == pytest.approx(fallen[AAVE], rel=1e-3)

    # Once somebody lends there again, the loan for the other account costs nothing.
    venues.lend_again()
    ran, after = venues.lower()
    assert (changed(ran), ran.plan.account, ran.plan.cost.flash) == ({AAVE}, MORPHO, 0.0)
    assert health_factors(after) == pytest.approx(ran.plan.expected.health_factors, rel=1e-3)
    assert min(health_factors(after)) > act


def health_factors(snapshot: MarketSnapshot) -> list[float]:
    return [health_factor_of(account.account.health_factor) for account in accounts(snapshot)]


def changed(ran: Ran) -> set[int]:
    assert ran.assessment.decision.action is Action.RIPCORD
    assert ran.plan.flash_amount > 0
    return {step.account for step in ran.plan.steps if step.route is None}
