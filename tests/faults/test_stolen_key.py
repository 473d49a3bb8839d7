"""What a thief does with the keeper's key. ``make thief`` searches for the best plan; these are two of the plainest."""

from __future__ import annotations

import pytest
from web3.exceptions import ContractCustomError

from keeper.chain.reverts import explain
from keeper.chain.steps import PREVIOUS
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import read_vault
from keeper.domain.market import VaultPolicy
from keeper.domain.units import BPS
from tests.chain.vault_scene import DIRECT_FEE, Scene, scene_on

HOUR = 3_600


@pytest.fixture
def scene(chain: LocalChain) -> Scene:
    levered = scene_on(chain)
    levered.lever(1.5)
    return levered


def _supplied(scene: Scene, symbol: str) -> int:
    return int(scene.world.account.functions.positions([scene.address(symbol)], False).call()[0][0])


def _reason(error: ContractCustomError) -> str:
    return explain(bytes.fromhex(str(error.data)[2:]))


def test_row_63_no_allowance_is_left_after_any_call(scene: Scene) -> None:
    world = scene.world
    contracts = (world.portfolio.address, world.account.address, world.rebalancer.address)
    pools = [pool.address for pool in world.deployment.pools]
    spenders = [*contracts, world.pool.address, world.shares.address, scene.uniswap.router, *pools]
    part = _supplied(scene, "WETH") // 10
    steps = [
        scene.withdraw("WETH", part),
        scene.sell(part, "WETH", DIRECT_FEE["WETH"], "USDC"),
        scene.repay(PREVIOUS),
    ]
    scene.send(scene.deleverage(steps), scene.people.keeper)
    for symbol in scene.tokens:
        for owner in contracts:
            for spender in spenders:
                assert scene.erc20(symbol).functions.allowance(owner, spender).call() == 0


def test_row_64_a_swap_into_a_moved_pool_is_refused(scene: Scene) -> None:
    """The accomplice has made WETH more expensive in the pool."""
    scene.world.pass_time(HOUR)
    scene.push_pool("USDC", 50_000_000 * 10**6, "WETH")
    steps = [
        scene.borrow(5_000 * 10**6),
        scene.sell(PREVIOUS, "USDC", DIRECT_FEE["WETH"], "WETH"),
        scene.supply("WETH", PREVIOUS),
    ]
    with pytest.raises(ContractCustomError) as caught:
        scene.send(scene.rebalance(steps), scene.people.keeper)
    assert "SwapBelowOracle" in _reason(caught.value)


def test_row_64_churning_all_day_ends_at_the_vaults_window(scene: Scene) -> None:
    """The keeper's key sells and buys back as fast as the vault lets it. Everything is at the pools' own prices."""
    world = scene.world
    policy = VaultPolicy(*world.registry.functions.policy().call())
    before = read_vault(world).nav_usd
    refused = None
    while refused is None:
        world.pass_time(policy.min_interval + 1)
        held = _supplied(scene, "WETH") // 2
        steps = [
            scene.withdraw("WETH", held),
            scene.sell(held, "WETH", DIRECT_FEE["WETH"], "USDC"),
            scene.sell(PREVIOUS, "USDC", DIRECT_FEE["WETH"], "WETH"),
            scene.supply("WETH"),
        ]
        try:
            scene.send(scene.rebalance(steps), scene.people.keeper)
        except ContractCustomError as error:
            refused = _reason(error)
    assert "WindowExhausted" in refused
    lost = 1 - read_vault(world).nav_usd / before
    assert 0 < lost < policy.daily_loss_bps / BPS
