"""Deploys a RiskParityVault in one transaction.

The constructor grants the roles, so the deployer holds none unless it is the admin. The compiled contract is in
contracts_abi/RiskParityVault.json, so deploying needs no compiler.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keeper.chain.admin.transactions import mined
from keeper.chain.admin.vault_parameters import AssetParameters, PolicyParameters, VaultParameters, check
from keeper.domain.errors import Refused, WrongContract

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3
    from web3.contract import Contract
    from web3.types import TxReceipt

ARTIFACT = Path(__file__).parents[3] / "contracts_abi" / "RiskParityVault.json"

__all__ = [
    "AssetParameters",
    "PolicyParameters",
    "VaultDeployment",
    "VaultParameters",
    "constructor_argument",
    "deploy_vault",
    "deployment_of",
    "revert_name",
    "vault_artifact",
    "vault_at",
]


@dataclass(frozen=True, slots=True)
class VaultDeployment:
    """Address and cost of a deployed vault or queue. ``gas`` is the gas used by all ``transactions``."""

    address: str
    transactions: tuple[str, ...]
    gas: int
    block: int


def deploy_vault(w3: Web3, sender: LocalAccount | str, parameters: VaultParameters) -> VaultDeployment:
    """Sends the deployment and waits for its receipt.

    ``sender`` as for ``mined``. Raises InvalidSetting before anything is sent, Refused if the constructor reverts,
    NodeUnavailable if no receipt comes.
    """
    constructor = vault_factory(w3).constructor(constructor_argument(parameters))
    return deployment_of(mined(w3, sender, constructor, what="the vault's constructor", reason=revert_name))


def deployment_of(receipt: TxReceipt) -> VaultDeployment:
    """Raises Refused for a transaction that made no contract."""
    address = receipt["contractAddress"]
    if address is None:
        raise Refused("the transaction made no contract", remedy="Look at the node's log.")
    return VaultDeployment(
        address=address,
        transactions=(receipt["transactionHash"].to_0x_hex(),),
        gas=receipt["gasUsed"],
        block=receipt["blockNumber"],
    )


def constructor_argument(parameters: VaultParameters) -> tuple[Any, ...]:
    """RiskParityVault.Deployment, in its order. Raises InvalidSetting for values that are wrong on every chain."""
    check(parameters)
    policy = tuple(getattr(parameters.policy, field.name) for field in fields(PolicyParameters))
    return (
        parameters.asset,
        parameters.name,
        parameters.symbol,
        parameters.lending_pool,
        parameters.swap_router,
        parameters.swap_factory,
        parameters.admin,
        parameters.keeper,
        parameters.guardian,
        policy,
        tuple(
            (entry.token, entry.feed, entry.max_age_s, entry.max_weight_bps, entry.enabled)
            for entry in parameters.assets
        ),
        parameters.fee_tiers,
        parameters.sequencer_feed,
        parameters.sequencer_grace_s,
    )


def vault_factory(w3: Web3) -> type[Contract]:
    """The contract class with ABI and bytecode, without an address."""
    artifact = vault_artifact()
    return w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])


def vault_at(w3: Web3, address: str) -> Contract:
    """The vault at ``address``. Raises WrongContract when nothing is deployed there."""
    from eth_utils.address import to_checksum_address

    checksummed = to_checksum_address(address)
    if not w3.eth.get_code(checksummed):
        raise WrongContract(
            f"no contract at {checksummed}", remedy="Check the vault's address and the chain."
        )
    return w3.eth.contract(address=checksummed, abi=vault_artifact()["abi"])


@cache
def vault_artifact() -> dict[str, Any]:
    """contracts_abi/RiskParityVault.json: contract, source, compiler, abi, bytecode."""
    artifact: dict[str, Any] = json.loads(ARTIFACT.read_text())
    return artifact


def revert_name(data: object) -> str:
    """A custom error of the vault as ``Name(arguments)``, or the raw data of any other error."""
    from eth_abi.abi import decode
    from eth_utils.crypto import keccak

    text = str(data)
    if not text.startswith("0x"):
        return text
    for entry in vault_artifact()["abi"]:
        if entry["type"] != "error":
            continue
        types = [parameter["type"] for parameter in entry["inputs"]]
        selector = keccak(text=f"{entry['name']}({','.join(types)})")[:4]
        if text.startswith("0x" + selector.hex()):
            values = decode(types, bytes.fromhex(text[10:]))
            return f"{entry['name']}({', '.join(_readable(value) for value in values)})"
    return text


def _readable(value: object) -> str:
    return value.rstrip(b"\0").decode("ascii", "replace") if isinstance(value, bytes) else str(value)
