"""``keeper vault deploy --safe``: what the owners sign makes the vault, and lets the keeper's key do two things."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from typer.testing import CliRunner, Result
from web3.exceptions import ContractCustomError

from keeper.chain.admin.safe_batches import CREATE2_FACTORY, MAX_BATCH_GAS, SafeCall, deployer_of
from keeper.chain.reverts import explain
from keeper.cli.vault import app
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.safe import behind_safe, execute
from keeper.devnet.transactions import contract_at
from keeper.domain.errors import InvalidSetting, Refused, Reverted, WrongContract
from tests.chain.blueprints import DAY_S, blueprint
from tests.chain.test_deploy_command import written

WIDTH = 110


@pytest.fixture
def chain(aged_chain: LocalChain) -> LocalChain:
    """With a Safe that has a Roles modifier."""
    return behind_safe(aged_chain)


@pytest.fixture
def toml(chain: LocalChain, tmp_path: Path) -> Path:
    made = blueprint(chain)
    roles = replace(made.roles, keeper=chain.deployment.contracts["safe"])
    path = tmp_path / "vault.toml"
    path.write_text(written(replace(made, roles=roles)))
    return path


def run(chain: LocalChain, toml: Path, *more: str) -> Result:
    url, chain_id = chain.deployment.rpc_url, str(chain.w3.eth.chain_id)
    arguments = ["deploy", str(toml), "--rpc-url", url, "--chain-id", chain_id, "--timelock", str(DAY_S)]
    return CliRunner(env={"COLUMNS": str(WIDTH)}).invoke(
        app, [*arguments, "--safe", chain.deployment.contracts["safe"], *more], catch_exceptions=False
    )


def signed(chain: LocalChain, content: dict[str, Any]) -> None:
    """A batch as the Safe's owners sign and send it."""
    safe = contract_at(chain.w3, "Safe", chain.deployment.contracts["safe"])
    calls = [
        SafeCall("", entry["to"], bytes.fromhex(entry["data"][2:]), gas=0)
        for entry in content["transactions"]
    ]
    execute(chain, safe, calls)


def test_the_batches_make_the_vault_and_the_keys_role(chain: LocalChain, toml: Path, tmp_path: Path) -> None:
    key, modifier = chain.deployment.accounts["keeper"], chain.deployment.contracts["roles_modifier"]
    block, folder = chain.w3.eth.block_number, tmp_path / "queue"
    options = ["--modifier", modifier, "--key", key, "--role", "agent", "--json", str(folder)]
    shown = run(chain, toml, *options).stdout
    other_key, again = chain.deployment.accounts["stranger"], tmp_path / "again"
    twice = ["--modifier", modifier, "--key", other_key, "--role", "agent", "--json", str(again)]
    run(chain, toml, *twice)
    assert chain.w3.eth.block_number == block
    (shares,) = re.findall(r"^KEEPER_VAULT=(0x\w+)$", shown, re.MULTILINE)
    for words in ("the Safe's deployer", "PolicyRegistry", "setUp", "allowFunction deleverage"):
        assert words in shown
    files = sorted(folder.glob("*.json"))
    assert [file.name for file in files] == [
        f"batch-{n}-of-{len(files)}.json" for n in range(1, len(files) + 1)
    ]

    signed(chain, json.loads(files[0].read_text()))
    (first,) = re.findall(r"--first-nonce (\d+)", shown)
    rest = run(chain, toml, "--first-nonce", first, *options).stdout
    assert f"KEEPER_VAULT={shares}" in rest
    assert "the Safe's deployer" not in rest
    for file in files[1:]:
        signed(chain, json.loads(file.read_text()))
    vault = contract_at(chain.w3, "VaultShares", shares)
    registry = contract_at(chain.w3, "PolicyRegistry", vault.functions.REGISTRY().call())
    assert registry.functions.keeper().call() == chain.deployment.contracts["safe"]
    roles = contract_at(chain.w3, "RolesV2", modifier)
    rebalancer = registry.functions.rebalancer().call()
    role = b"agent".ljust(32, b"\0")
    call = contract_at(chain.w3, "Rebalancer", rebalancer).encode_abi(
        "rebalance", [1, 2**40, (0, key, 0), []]
    )
    asked = [rebalancer, 0, call, 0, role, False]
    assert roles.functions.execTransactionWithRole(*asked).call({"from": to_checksum_address(key)}) is False
    deployer = contract_at(chain.w3, "SafeDeployer", deployer_of(chain.deployment.contracts["safe"]))
    with pytest.raises(ContractCustomError) as caught:
        deployer.functions.create(b"", shares).call({"from": to_checksum_address(key)})
    assert explain(bytes.fromhex(str(caught.value.data)[2:])).startswith("NotAllowed")
    for file in sorted(again.glob("*.json"))[1:]:
        with pytest.raises(Reverted):
            signed(chain, json.loads(file.read_text()))
    assert not roles.functions.isModuleEnabled(to_checksum_address(other_key)).call()
    largest = max(receipt["gasUsed"] for receipt in _receipts(chain, block))
    assert largest < MAX_BATCH_GAS * 1.1


def _receipts(chain: LocalChain, since: int) -> list[Any]:
    return [
        chain.w3.eth.get_transaction_receipt(tx)  # type: ignore[arg-type]
        for number in range(since + 1, chain.w3.eth.block_number + 1)
        for tx in chain.w3.eth.get_block(number)["transactions"]
    ]


def test_what_would_not_work_is_refused_before_anybody_signs(
    chain: LocalChain, toml: Path, tmp_path: Path
) -> None:
    modifier, key = chain.deployment.contracts["roles_modifier"], chain.deployment.accounts["keeper"]
    with pytest.raises(InvalidSetting, match="one of --modifier and --key is missing"):
        run(chain, toml, "--modifier", modifier)
    with pytest.raises(InvalidSetting, match="--role is given without --modifier"):
        run(chain, toml, "--role", "agent")
    with pytest.raises(InvalidSetting, match="--safe is given with --execute"):
        run(chain, toml, "--execute")
    with pytest.raises(WrongContract, match="it is no Roles modifier"):
        run(chain, toml, "--modifier", chain.deployment.vault, "--key", key)
    another = tmp_path / "another.toml"
    safe, stranger = chain.deployment.contracts["safe"], chain.deployment.accounts["market"]
    another.write_text(toml.read_text().replace(safe, stranger))
    with pytest.raises(InvalidSetting, match="not the Safe"):
        run(chain, another, "--modifier", modifier, "--key", key)
    another.write_text(toml.read_text().replace("[roles]", "silence_s = 60\n[roles]"))
    with pytest.raises(Refused, match="PolicyRegistry would revert: PolicyOutOfBounds"):
        run(chain, another)
    chain.w3.provider.make_request("anvil_setCode", [CREATE2_FACTORY, "0x"])  # type: ignore[arg-type]
    with pytest.raises(WrongContract, match="no deterministic deployment proxy"):
        run(chain, toml)
