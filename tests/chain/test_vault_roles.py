"""Who may do what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from web3.contract.contract import ContractFunction

from keeper.devnet.local_chain import LocalChain
from tests.chain.vault_scene import Scene
from tests.chain.vault_setup import vault_scene

USDC = 10**6
NOBODY = "0x" + "00" * 20


@pytest.fixture(scope="module")
def pause_state(fork: LocalChain) -> Scene:
    return vault_scene(fork)


@pytest.fixture
def scene(pause_state: Scene, chain: LocalChain) -> Scene:
    """``pause_state``, put back as it was after the test."""
    assert chain.w3 is pause_state.w3
    return pause_state


def admins_calls(scene: Scene) -> Iterator[ContractFunction]:
    call = scene.read
    yield call.setPolicy(call.policy().call())
    yield call.setAsset(call.assets().call()[1])
    yield call.setFeeTier(10_000, True)
    yield call.setSequencerFeed(NOBODY, 0)
    yield call.setCollateralCategory(0)
    yield call.revokeRole(call.GUARDIAN_ROLE().call(), scene.people.guardian)
    yield call.grantRole(call.KEEPER_ROLE().call(), scene.people.stranger)
    yield call.grantRole(call.DEFAULT_ADMIN_ROLE().call(), scene.people.stranger)


def test_only_the_admin_changes_limits_and_roles(scene: Scene) -> None:
    people = scene.people
    for call in admins_calls(scene):
        for caller in (people.keeper, people.guardian, people.depositor, people.stranger):
            assert scene.refusal(call, caller).startswith("AccessControlUnauthorizedAccount")
        scene.send(call, people.admin)


def test_only_the_keeper_rebalances(scene: Scene) -> None:
    scene.deposit(10_000 * USDC)
    steps, flash = scene.levering(1.2)
    for caller in (scene.people.admin, scene.people.guardian, scene.people.stranger):
        refused = scene.refusal(scene.rebalance(steps, flash), caller)
        assert refused.startswith("AccessControlUnauthorizedAccount")


def test_the_guardian_pauses_and_only_the_admin_ends_it(scene: Scene) -> None:
    people = scene.people
    scene.deposit(10_000 * USDC)
    steps, flash = scene.levering(1.2)
    for caller in (people.keeper, people.stranger, people.depositor):
        assert scene.refusal(scene.read.pause(), caller).startswith("CallerNotGuardianOrAdmin")
    scene.send(scene.read.pause(), people.guardian)
    assert scene.refusal(scene.rebalance(steps, flash), people.keeper) == "EnforcedPause()"
    for caller in (people.guardian, people.keeper):
        assert scene.refusal(scene.read.unpause(), caller).startswith("AccessControlUnauthorizedAccount")
    scene.send(scene.read.unpause(), people.admin)
    scene.send(scene.rebalance(steps, flash), people.keeper)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("minHealthFactor", {"min_health_factor": 101 * 10**16 - 1}),
        ("maxLeverage", {"max_leverage": 0}),
        ("ripcordHealthFactor", {"ripcord_health_factor": 135 * 10**16}),
        ("ripcordTargetHealthFactor", {"ripcord_target_health_factor": 115 * 10**16}),
        ("maxDailyLossBps", {"max_daily_loss_bps": 10_001}),
        ("maxLossBps", {"max_loss_bps": 151}),
        ("maxDailyEmergencyLossBps", {"max_daily_emergency_loss_bps": 10_001}),
        ("maxEmergencyLossBps", {"max_emergency_loss_bps": 901}),
        ("maxOracleGapBps", {"max_oracle_gap_bps": 10_001}),
    ],
)
def test_a_policy_without_sense_is_refused_by_its_field(
    scene: Scene, field: str, changes: dict[str, int]
) -> None:
    assert scene.refusal(scene.policy_change(**changes), scene.people.admin) == f"InvalidPolicy({field})"


def test_an_asset_that_cannot_be_valued_or_supplied_is_refused(scene: Scene) -> None:
    admin, weth, usdc = scene.people.admin, scene.tokens["WETH"].address, scene.tokens["USDC"].address
    feed = next(entry[1] for entry in scene.read.assets().call() if entry[0] == weth)
    eighteen = scene.deploy("LooseFeed", 18, 10**18, scene.now()).address
    foreign = scene.deploy("StickyToken").address
    wrong = {
        "token": (NOBODY, feed, 60, 1, True),
        "maxAge": (weth, feed, 0, 1, True),
        "feed": (weth, eighteen, 60, 1, True),
        "reserve": (foreign, feed, 60, 1, True),
        "enabled": (usdc, feed, 60, 1, False),
    }
    for field, config in wrong.items():
        refused = scene.refusal(scene.read.setAsset(config), admin)
        assert refused == f"InvalidAsset({config[0].lower()}, {field})"
    refused = scene.refusal(scene.read.setAsset((weth, scene.people.stranger, 60, 1, True)), admin)
    assert refused == f"InvalidAsset({weth.lower()}, feed)"
