"""What the vault's calls cost. `pytest tests/chain/test_vault_gas.py -s` prints the table."""

from __future__ import annotations

import pytest

from keeper.devnet.world import World
from tests.chain.vault_scene import GAS_PER_TRANSACTION, Scene, vault_scene

USDC = 10**6


@pytest.fixture(scope="module")
def standing(fork: World) -> Scene:
    return vault_scene(fork)


@pytest.fixture
def scene(standing: Scene, chain: World) -> Scene:
    """``standing``, put back as it was after the test."""
    assert chain.w3 is standing.w3
    return standing


def test_gas_table(scene: Scene) -> None:
    depositor = scene.people.depositor
    rows = [("deploy", scene.deployment.gas)]
    rows.append(("first deposit", scene.deposit(100_000 * USDC)["gasUsed"]))
    rows.append(("rebalance, four assets, flash loan, from cash", scene.lever(1.8)["gasUsed"]))
    rows.append(("deposit into four assets", scene.deposit(1_000 * USDC)["gasUsed"]))
    withdrawal = scene.read.withdraw(500 * USDC, depositor, depositor)
    rows.append(("withdraw out of four assets", scene.send(withdrawal, depositor)["gasUsed"]))
    scene.set_policy(min_interval=0)
    again = scene.rebalance(*scene.shifting(2_000 * USDC))
    rows.append(("rebalance, four assets, two swaps", scene.send(again, scene.people.keeper)["gasUsed"]))
    lower = scene.deleverage(*scene.lowering(10_000 * USDC))
    rows.append(("deleverage, one asset, flash loan", scene.send(lower, scene.people.guardian)["gasUsed"]))
    print()
    for name, gas in rows:
        print(f"{name:<48}{gas:>12,}")
    assert all(gas < GAS_PER_TRANSACTION for _, gas in rows)
