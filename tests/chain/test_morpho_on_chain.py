"""The keeper's Morpho in exact integers against Morpho's own contract, through an account of the vault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import pytest
from eth_abi.abi import encode
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError

from keeper.chain.contracts import morpho as reading
from keeper.chain.contracts import vault
from keeper.chain.reverts import explain
from keeper.chain.rpc.blocks import latest_block
from keeper.chain.rpc.client import Rpc
from keeper.chain.rpc.multicall import Multicall
from keeper.chain.steps import PREVIOUS
from keeper.devnet import morpho as devnet
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at
from keeper.domain.errors import WrongContract
from keeper.domain.units import UINT256_MAX, WAD
from keeper.lending.adaptive_curve import FIRST_RATE, HIGHEST_RATE, LOWEST_RATE, AdaptiveCurve
from keeper.lending.morpho import INTEREST_TIME_S, MorphoBlue
from keeper.lending.venues import morpho_blue
from tests.chain.node_scene import CHAIN_ID, MULTICALL, node_of
from tests.chain.vault_scene import BORROW, NO_ADDRESS, REPAY, SUPPLY, WITHDRAW, Scene, Step, scene_on

USDC = 10**6
ACCOUNT = 2
"""PolicyRegistry's Listing."""
HERE = 1
"""Place of the account on Morpho among the vault's."""
DAY = 86_400
SUPPLIED = 1_000_003


@dataclass(frozen=True)
class MorphoScene:
    """``at`` is what the keeper found of the account."""

    vault: Scene
    morpho: devnet.Morpho
    account: Contract
    at: reading.MorphoMarket
    rpc: Rpc

    def step(self, kind: int, symbol: str, amount: int) -> Step:
        return (kind, HERE, self.vault.address(symbol), NO_ADDRESS, amount, 0)

    def rebalance(self, *steps: Step) -> None:
        self.vault.send(self.vault.rebalance(steps), self.vault.people.keeper)

    def read(self) -> tuple[MorphoBlue, dict[str, int], int, int]:
        """The venue, what the account has supplied and owes, and its health factor, of one batched read."""
        block = latest_block(self.rpc, CHAIN_ID)
        tokens = [token.address for token in self.vault.tokens.values()]
        account = self.account.address
        answers = Multicall(self.rpc, MULTICALL).read(
            [vault.position(account, tokens), vault.health_factor(account), *reading.calls(self.at)],
            block.hash,
        )
        position = answers.of(vault.position(account, tokens))
        supplied = dict(zip(self.vault.tokens, position.supplied, strict=True))
        symbols = {token.address.lower(): symbol for symbol, token in self.vault.tokens.items()}
        venue = morpho_blue(reading.state(self.at, symbols, block.timestamp, answers), "USDC")
        return venue, supplied, position.owed[0], answers.of(vault.health_factor(account))

    def as_the_vault(self, call: ContractFunction) -> None:
        """At the time of the newest block, as a read of it is."""
        portfolio = self.vault.w3.to_checksum_address(self.vault.world.portfolio.address)
        call.call({"from": portfolio, "gas": 9_000_000}, "latest")


@pytest.fixture
def scene(chain: LocalChain) -> Iterator[MorphoScene]:
    """The vault's second account is on Morpho's market of WETH."""
    here, w3 = scene_on(chain), chain.w3
    tokens = {symbol: chain.tokens[symbol] for symbol in ("USDC", "WETH")}
    made = devnet.deploy_morpho(w3, chain.owner, tokens, chain.feeds, lambda _: None)
    devnet.lend_and_borrow(w3, chain.accounts[-1], chain.owner, made, tokens, chain.feeds)
    implementation = devnet.account_implementation(w3, chain.owner, made, "WETH")
    registry, data = chain.registry.functions, encode(["address", "uint8"], [implementation.address, 0])
    here.send(registry.propose(ACCOUNT, data), here.people.admin)
    chain.pass_time(2 * DAY)
    here.send(registry.activate(ACCOUNT, data), here.people.stranger)
    address = registry.accounts().call()[HERE]
    with Rpc(chain.deployment.rpc_url) as rpc:
        block = latest_block(rpc, CHAIN_ID)
        answers = Multicall(rpc, MULTICALL).read(reading.terms(address), block.hash)
        at = reading.market(address, answers)
        yield MorphoScene(here, made, contract_at(w3, "MorphoBlueAccount", address), at, rpc)


def test_what_the_keeper_counts_is_what_morpho_allows(scene: MorphoScene) -> None:
    chain, weth = scene.vault.world, scene.vault.address("WETH")
    usdc = scene.vault.address("USDC")
    node_of(scene.vault, scene.rpc).read({}, 0)  # an empty account on another venue is in nobody's way
    scene.rebalance(
        scene.vault.sell(100_000 * USDC, "USDC", 500, "WETH"),
        scene.step(SUPPLY, "WETH", PREVIOUS),
        scene.step(BORROW, "USDC", 30_000 * USDC),
    )
    chain.pass_time(2 * DAY)
    chain.set_price("WETH", 1.07 * chain.spot("WETH"))
    venue, supplied, owed, health = scene.read()

    assert venue.debt_symbol == "USDC"
    assert owed > 30_006 * USDC
    assert venue.health(supplied, owed) == health
    functions, market_id = scene.morpho.contract(chain.w3).functions, scene.morpho.markets["WETH"]
    params = functions.idToMarketParams(market_id).call()

    # Up to the last raw unit, and not one more.
    capacity = venue.borrowing_capacity(supplied) - owed
    scene.as_the_vault(scene.account.functions.borrow(usdc, capacity))
    with pytest.raises(ContractLogicError, match="insufficient collateral"):
        scene.as_the_vault(scene.account.functions.borrow(usdc, capacity + 2))
    free = venue.withdrawable("WETH", supplied, owed, 1.0)
    scene.as_the_vault(scene.account.functions.withdraw(weth, free))
    with pytest.raises(ContractLogicError, match="insufficient collateral"):
        scene.as_the_vault(scene.account.functions.withdraw(weth, free + 1))

    # After our own action, and after half of the time until a plan is mined at the highest rate.
    more = venue.debt_at(supplied, 1.5) - owed
    expected = venue.borrow_rate(more)
    scene.rebalance(scene.step(BORROW, "USDC", more))
    venue, supplied, owed, health = scene.read()
    assert health / WAD == pytest.approx(1.5, rel=1e-6)  # some seconds of interest later
    assert venue.borrow_rate(0) == pytest.approx(expected, rel=1e-4)
    lender = chain.accounts[-1]
    state = functions.market(market_id).call()
    scene.vault.send(functions.withdraw(params, state[0] - state[2], 0, lender, lender), lender)
    venue, supplied, owed, health = scene.read()
    assert venue.available == 0
    assert venue.borrow_rate(0) == pytest.approx(4 * expected, rel=0.2)
    bound = owed + venue.interest_until_mined(owed)
    chain.pass_time(INTEREST_TIME_S // 2)
    _, _, after, _ = scene.read()
    assert owed < after <= bound

    # Nothing is left over.
    chain.fund("USDC", chain.portfolio.address, 80_000 * USDC)
    scene.rebalance(scene.step(REPAY, "USDC", UINT256_MAX), scene.step(WITHDRAW, "WETH", UINT256_MAX))
    venue, supplied, owed, health = scene.read()
    assert (sum(supplied.values()), owed, health) == (0, 0, UINT256_MAX)


def test_the_curve_in_python_is_the_contracts_to_the_last_digit(scene: MorphoScene) -> None:
    chain = scene.vault.world
    rates = contract_at(chain.w3, "AdaptiveCurve", scene.morpho.rates).functions
    params = scene.morpho.contract(chain.w3).functions.idToMarketParams(scene.morpho.markets["WETH"]).call()
    stored = rates.rateAtTarget(scene.morpho.markets["WETH"]).call()
    assert LOWEST_RATE <= stored <= HIGHEST_RATE
    assert [name().call() for name in (rates.FIRST_RATE, rates.LOWEST_RATE, rates.HIGHEST_RATE)] == [
        FIRST_RATE,
        LOWEST_RATE,
        HIGHEST_RATE,
    ]
    now = chain.now()
    for elapsed_s, borrowed in product(
        (0, 1, 12, 3_607, 5 * DAY, 90 * DAY), (0, 1, 123_457, 900_000, 987_654, SUPPLIED)
    ):
        market = (SUPPLIED, 0, borrowed, 0, now - elapsed_s, 0)
        told = rates.borrowRateView(params, market).call(block_identifier=chain.w3.eth.block_number)
        assert told == AdaptiveCurve(stored).mean_rate(borrowed, SUPPLIED, elapsed_s), market


def test_a_rate_model_that_does_not_answer_is_told_and_an_unlisted_token_refused(scene: MorphoScene) -> None:
    chain = scene.vault.world
    block = latest_block(scene.rpc, CHAIN_ID)
    other = replace(scene.at, rates=chain.deployment.contracts["aave_pool"].lower())
    answers = Multicall(scene.rpc, MULTICALL).read(reading.calls(other), block.hash)
    symbols = {other.loan: "USDC", other.collateral: "WETH"}
    assert reading.state(other, symbols, block.timestamp, answers).rate_at_target is None
    answers = Multicall(scene.rpc, MULTICALL).read(reading.calls(scene.at), block.hash)
    with pytest.raises(WrongContract, match=scene.at.loan):
        reading.state(scene.at, {}, block.timestamp, answers)
    error = scene.account.functions.setCategory(1)
    with pytest.raises(Exception, match="0x") as caught:
        error.call({"from": chain.w3.to_checksum_address(chain.portfolio.address)})
    data = str(getattr(caught.value, "data", ""))
    assert explain(bytes.fromhex(data[2:])) == "UnknownCategory(category=1)"
