"""Putting a vault on a chain, and reading it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from typer.testing import CliRunner
from web3.types import RPCEndpoint

from keeper.chain.admin.transactions import artifact_of, contract_at
from keeper.chain.admin.vault_deployment import deploy_vault
from keeper.chain.admin.vault_parameters import PolicyParameters, VaultParameters
from keeper.chain.admin.vault_state import read_vault_state
from keeper.cli.vault import app
from keeper.devnet.local_chain import LocalChain
from keeper.domain.errors import InvalidSetting, Refused, WrongContract
from tests.chain.node_scene import url_of
from tests.chain.vault_scene import RISKY, Scene
from tests.chain.vault_setup import vault_parameters, vault_scene

LARGEST_CONTRACT = 24_576  # EIP-170
NOBODY = "0x" + "00" * 20


@pytest.fixture(scope="module")
def pause_state(fork: LocalChain) -> Scene:
    return vault_scene(fork)


@pytest.fixture
def scene(pause_state: Scene, chain: LocalChain) -> Scene:
    """``pause_state``, put back as it was after the test."""
    assert chain.w3 is pause_state.w3
    return pause_state


@pytest.fixture
def parameters(chain: LocalChain) -> VaultParameters:
    return vault_parameters(chain)


def test_the_runtime_code_fits_a_contract(scene: Scene) -> None:
    assert len(scene.w3.eth.get_code(scene.vault.address)) <= LARGEST_CONTRACT


def test_the_deployer_ends_without_any_role(scene: Scene) -> None:
    deployer, call = scene.w3.eth.accounts[0], scene.read
    for role in (call.DEFAULT_ADMIN_ROLE(), call.KEEPER_ROLE(), call.GUARDIAN_ROLE()):
        assert not call.hasRole(role.call(), deployer).call()


def test_the_vault_is_what_its_parameters_say(scene: Scene, parameters: VaultParameters) -> None:
    state = read_vault_state(scene.w3, scene.vault.address)
    people = scene.people
    assert parameters.policy == state.policy
    assert parameters.assets == state.assets
    assert parameters.fee_tiers == state.fee_tiers
    assert state.roles == {
        "DEFAULT_ADMIN_ROLE": (people.admin,),
        "KEEPER_ROLE": (people.keeper,),
        "GUARDIAN_ROLE": (people.guardian,),
    }
    assert (0, 0, False) == (state.epoch, state.last_rebalance, state.paused)
    assert (0, 0, 0, 0, 2**256 - 1) == scene.read.position().call()


def test_an_account_that_signs_here_deploys_as_well(scene: Scene, parameters: VaultParameters) -> None:
    signer = Account.create()
    scene.w3.provider.make_request(RPCEndpoint("anvil_setBalance"), [signer.address, hex(10**20)])
    deployment = deploy_vault(scene.w3, signer, parameters)
    assert parameters.keeper != signer.address
    assert contract_at(scene.w3, "vault", deployment.address).functions.asset().call() == parameters.asset
    assert 1 == scene.w3.eth.get_transaction_count(signer.address)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"admin": NOBODY}, "admin"),
        ({"lending_pool": "0x12"}, "lending_pool"),
        ({"assets": ()}, "assets"),
        ({"fee_tiers": ()}, "fee_tiers"),
        ({"policy": replace(PolicyParameters(), max_loss_bps=-1)}, "max_loss_bps"),
    ],
)
def test_parameters_that_cannot_be_right_are_named_before_anything_is_sent(
    scene: Scene, parameters: VaultParameters, changes: dict[str, Any], field: str
) -> None:
    block = scene.w3.eth.block_number
    with pytest.raises(InvalidSetting, match=field):
        deploy_vault(scene.w3, scene.people.stranger, replace(parameters, **changes))
    assert block == scene.w3.eth.block_number


def test_the_keeper_may_not_be_the_admin(scene: Scene, parameters: VaultParameters) -> None:
    with pytest.raises(InvalidSetting, match="admin"):
        deploy_vault(scene.w3, scene.people.stranger, replace(parameters, keeper=parameters.admin))


def test_what_the_constructor_refuses_is_reported_by_name(scene: Scene, parameters: VaultParameters) -> None:
    loose = replace(parameters, policy=replace(PolicyParameters(), min_health_factor=10**18))
    with pytest.raises(Refused, match=r"InvalidPolicy\(field=minHealthFactor\)"):
        deploy_vault(scene.w3, scene.people.stranger, loose)
    twisted = replace(parameters, swap_factory=parameters.lending_pool)
    with pytest.raises(Refused, match=r"InvalidPolicy\(field=swapFactory\)"):
        deploy_vault(scene.w3, scene.people.stranger, twisted)


def test_an_address_without_a_vault_is_named(scene: Scene) -> None:
    with pytest.raises(WrongContract, match=scene.people.stranger):
        read_vault_state(scene.w3, scene.people.stranger)
    with pytest.raises(WrongContract):
        read_vault_state(scene.w3, scene.tokens["WETH"].address)


def test_the_artifact_names_source_and_compiler() -> None:
    artifact = artifact_of("vault")
    assert "deploy/contracts/RiskParityVault.sol" == artifact["source"]
    assert "0.8.27" == artifact["compiler"]["version"]


def test_show_prints_position_limits_and_roles(scene: Scene) -> None:
    scene.deposit(100_000 * 10**6)
    scene.lever(1.8)
    arguments = ["show", scene.vault.address, "--rpc-url", url_of(scene)]
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False).stdout
    assert "of at most 2.5000" in shown
    assert scene.people.guardian in shown
    assert all(scene.tokens[symbol].address in shown for symbol in RISKY)
