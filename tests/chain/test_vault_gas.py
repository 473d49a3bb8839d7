"""What the vault's calls cost, and what they add to the protocols' own gas. `pytest tests/chain/test_vault_gas.py -s`
prints both tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keeper.devnet.local_chain import LocalChain
from tests.chain.direct_gas import spent_by_operation, spent_table
from tests.chain.vault_scene import GAS_PER_TRANSACTION, Scene
from tests.chain.vault_setup import vault_scene

USDC = 10**6
MOST_ADDED = 0.15
"""By the vault to a whole call, as a part of what the same operations cost when called directly."""


@pytest.fixture(scope="module")
def pause_state(fork: LocalChain) -> Scene:
    return vault_scene(fork)


@pytest.fixture
def scene(pause_state: Scene, chain: LocalChain) -> Scene:
    """``pause_state``, put back as it was after the test."""
    assert chain.w3 is pause_state.w3
    return pause_state


def test_every_call_fits_into_a_transaction(scene: Scene, show: Callable[[str], None]) -> None:
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
    show("\n".join(f"{name:<48}{gas:>12,}" for name, gas in rows))
    assert all(gas < GAS_PER_TRANSACTION for _, gas in rows)


def test_a_whole_call_adds_little_to_the_protocols_own_gas(scene: Scene, show: Callable[[str], None]) -> None:
    """And each operation costs less as one more step than called directly."""
    found = spent_by_operation(scene)
    show(spent_table(found))
    whole = [one for one in found if one.alone is None]
    assert len(whole) == 2
    assert all(one.added <= MOST_ADDED for one in whole), whole
    assert all(one.added < 0.0 for one in found if one.alone is not None), found
