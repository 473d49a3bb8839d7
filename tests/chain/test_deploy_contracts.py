"""Putting the vault's contracts on a chain: one after another, started again, and refused before anything is sent."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract
from web3.types import RPCEndpoint

from keeper.chain.abi import artifact_of
from keeper.chain.admin.deployment import (
    DeployedVault,
    deploy_vault,
    prepared,
    rehearsed,
    send_plan,
    timelock_delay,
    unsent,
)
from keeper.chain.admin.vault_blueprint import SHIPPED_POLICY, VaultBlueprint, VaultRoles
from keeper.devnet.compile import deployable, described
from keeper.devnet.local_chain import LocalChain
from keeper.domain.errors import InvalidSetting, Refused, WrongContract
from tests.chain.blueprints import blueprint

LARGEST = 16_000


class PowerCut(Exception):
    """What stops a deployment half way."""


@pytest.fixture
def wanted(aged_chain: LocalChain) -> VaultBlueprint:
    return blueprint(aged_chain)


def deployer(chain: LocalChain) -> LocalAccount:
    signer: LocalAccount = Account.create()
    chain.w3.provider.make_request(RPCEndpoint("anvil_setBalance"), [signer.address, hex(10**20)])
    return signer


def at(chain: LocalChain, name: str, address: str) -> Contract:
    return chain.w3.eth.contract(address=Web3.to_checksum_address(address), abi=artifact_of(name)["abi"])


@pytest.mark.parametrize("name", deployable())
def test_the_committed_contract_is_a_fresh_compile_of_its_source(name: str) -> None:
    assert described(name) == artifact_of(name)


def test_every_contract_of_the_vault_is_small_enough_to_audit() -> None:
    sizes = {
        name: artifact_of(name)["runtime_bytes"]
        for name in deployable()
        if artifact_of(name)["source"].startswith("deploy/contracts/portfolio")
    }
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def test_a_vault_is_deployed_whole_and_is_what_its_blueprint_says(
    aged_chain: LocalChain, wanted: VaultBlueprint
) -> None:
    made = deploy_vault(aged_chain.w3, deployer(aged_chain), wanted).contracts
    registry = at(aged_chain, "PolicyRegistry", made.registry).functions
    assert (
        VaultRoles(registry.keeper().call(), registry.guardian().call(), registry.operations().call())
        == wanted.roles
    )
    assert registry.policy().call() == tuple(
        getattr(wanted.policy, field.name) for field in fields(wanted.policy)
    )
    assert [entry[0] for entry in registry.assets().call()] == [one.token for one in wanted.assets]
    assert all(registry.pool(pool).call()[2] for pool in wanted.pools)
    (account,) = registry.accounts().call()
    assert at(aged_chain, "AaveV3Account", account).functions.vault().call() == made.portfolio
    shares = at(aged_chain, "VaultShares", made.shares).functions
    assert (shares.REGISTRY().call(), shares.PORTFOLIO().call(), shares.PRICER().call()) == (
        made.registry,
        made.portfolio,
        made.pricer,
    )
    assert (registry.rebalancer().call(), registry.shares().call()) == (made.rebalancer, made.shares)
    assert shares.totalAssets().call() == 0
    assert shares.terms().call()[0] == wanted.terms.cap
    seen = at(aged_chain, "VaultLens", made.lens).functions.look(made.shares).call()
    assert len(seen[1]) == len(wanted.assets)


def test_the_timelock_belongs_to_its_proposers_alone(aged_chain: LocalChain, wanted: VaultBlueprint) -> None:
    signer = deployer(aged_chain)
    made = deploy_vault(aged_chain.w3, signer, wanted).contracts
    timelock = at(aged_chain, "TimelockController", made.admin).functions
    proposers, executors, admins = (
        timelock[f"{role}_ROLE"]().call() for role in ("PROPOSER", "EXECUTOR", "DEFAULT_ADMIN")
    )
    person = aged_chain.deployment.accounts["admin"]
    assert timelock.hasRole(proposers, person).call()
    assert timelock.hasRole(executors, person).call()
    for role in (proposers, executors, admins):
        assert not timelock.hasRole(role, signer.address).call()
    assert timelock_delay(aged_chain.w3, made.admin) == 86_400


def test_a_timelock_that_exists_can_be_the_admin(aged_chain: LocalChain, wanted: VaultBlueprint) -> None:
    first = deploy_vault(aged_chain.w3, deployer(aged_chain), wanted).contracts
    another = replace(wanted, roles=replace(wanted.roles, admin=first.admin), timelock=None)
    second = deploy_vault(aged_chain.w3, deployer(aged_chain), another).contracts
    assert at(aged_chain, "PolicyRegistry", second.registry).functions.admin().call() == first.admin


@pytest.mark.parametrize("place", ["person", "other code"])
def test_an_admin_without_openzeppelins_timelock_is_refused_before_anything_is_sent(
    aged_chain: LocalChain, wanted: VaultBlueprint, place: str
) -> None:
    admin = (
        aged_chain.deployment.accounts["admin"]
        if place == "person"
        else aged_chain.deployment.contracts["aave_pool"]
    )
    loose = replace(wanted, roles=replace(wanted.roles, admin=admin), timelock=None)
    block = aged_chain.w3.eth.block_number
    with pytest.raises(WrongContract, match=admin):
        deploy_vault(aged_chain.w3, deployer(aged_chain), loose)
    assert aged_chain.w3.eth.block_number == block


def test_a_deployment_that_stops_half_way_goes_on_where_it_stopped(
    aged_chain: LocalChain, wanted: VaultBlueprint
) -> None:
    whole = len(prepared(aged_chain.w3, deployer(aged_chain).address, wanted).transactions)
    for stop in (1, 7, whole - 1):
        signer, lines = deployer(aged_chain), list[str]()
        plan = prepared(aged_chain.w3, signer.address, wanted)

        def until_the_power_goes(line: str, sent: list[str] = lines, stop: int = stop) -> None:
            if len(sent) == stop:
                raise PowerCut
            sent.append(line)

        with pytest.raises(PowerCut):
            send_plan(aged_chain.w3, signer, plan, progress=until_the_power_goes)
        again = prepared(aged_chain.w3, signer.address, wanted, first_nonce=0)
        assert again == plan
        done = send_plan(aged_chain.w3, signer, again)
        assert len(done.transactions) == whole - stop
        assert shares_of(aged_chain, done) == done.contracts.shares
        assert send_plan(aged_chain.w3, signer, plan).transactions == ()


def test_a_set_up_that_was_refused_can_be_repeated(aged_chain: LocalChain, wanted: VaultBlueprint) -> None:
    signer = deployer(aged_chain)
    plan = prepared(aged_chain.w3, signer.address, wanted)
    feeds = {address: aged_chain.w3.eth.get_code(address) for address in aged_chain.feeds.addresses.values()}
    for address in feeds:
        aged_chain.w3.provider.make_request(RPCEndpoint("anvil_setCode"), [address, "0x"])
    with pytest.raises(Refused, match="setUp reverts: FeedRefused"):
        send_plan(aged_chain.w3, signer, plan)
    for address, code in feeds.items():
        aged_chain.w3.provider.make_request(RPCEndpoint("anvil_setCode"), [address, code.to_0x_hex()])
    aged_chain.w3.provider.make_request(
        RPCEndpoint("anvil_setNonce"), [signer.address, hex(len(plan.transactions) + 2)]
    )
    done = send_plan(aged_chain.w3, signer, plan)
    assert len(done.transactions) == 1
    assert shares_of(aged_chain, done) == done.contracts.shares


def shares_of(chain: LocalChain, deployed: DeployedVault) -> str:
    return str(at(chain, "PolicyRegistry", deployed.contracts.registry).functions.shares().call())


def test_nonces_that_went_elsewhere_are_named(aged_chain: LocalChain, wanted: VaultBlueprint) -> None:
    signer = deployer(aged_chain)
    aged_chain.w3.provider.make_request(RPCEndpoint("anvil_setNonce"), [signer.address, hex(3)])
    for first, reason in ((0, "nonce 0 of .* made no PolicyBounds"), (4, "is at nonce 3, before 4")):
        plan = prepared(aged_chain.w3, signer.address, wanted, first_nonce=first)
        with pytest.raises(Refused, match=reason):
            send_plan(aged_chain.w3, signer, plan)


def test_the_rehearsal_runs_all_of_it_and_changes_nothing(
    aged_chain: LocalChain, wanted: VaultBlueprint
) -> None:
    signer = deployer(aged_chain)
    plan = prepared(aged_chain.w3, signer.address, wanted)
    block = aged_chain.w3.eth.block_number
    gas = rehearsed(aged_chain.w3, plan)
    assert len(gas) == len(plan.transactions)
    assert aged_chain.w3.eth.block_number == block
    assert unsent(aged_chain.w3, plan) == plan.transactions
    spent = deploy_vault(aged_chain.w3, signer, wanted).gas
    assert sum(gas) == pytest.approx(spent, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"policy": replace(SHIPPED_POLICY, daily_loss_bps=200)}, r"PolicyOutOfBounds\(field=dailyLossBps\)"),
        ({"silence_s": 60}, r"PolicyOutOfBounds\(field=silence\)"),
        ({"batch_interval_s": 0, "pools": ("USDC",)}, r"setUp would revert"),
    ],
)
def test_what_a_contract_would_refuse_is_known_before_anything_is_sent(
    aged_chain: LocalChain, wanted: VaultBlueprint, changes: dict[str, Any], reason: str
) -> None:
    if "pools" in changes:
        changes = {"pools": (aged_chain.deployment.contracts["aave_pool"],)}
    plan = prepared(aged_chain.w3, deployer(aged_chain).address, replace(wanted, **changes))
    with pytest.raises(Refused, match=reason):
        rehearsed(aged_chain.w3, plan)


@pytest.mark.parametrize("other", ["guardian", "operations"])
def test_roles_of_one_account_are_refused(aged_chain: LocalChain, wanted: VaultBlueprint, other: str) -> None:
    twice = replace(wanted, roles=replace(wanted.roles, **{other: wanted.roles.keeper}))
    with pytest.raises(InvalidSetting, match=f"keeper and {other} are both"):
        deploy_vault(aged_chain.w3, deployer(aged_chain), twice)
