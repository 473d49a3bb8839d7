"""Deploys a RedemptionQueue for a vault in one transaction, and serves it. Any account may do both."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keeper.chain.admin.transactions import mined
from keeper.chain.admin.vault_deployment import VaultDeployment, deployment_of, revert_name, vault_at
from keeper.domain.errors import WrongContract

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3
    from web3.contract import Contract

ARTIFACT = Path(__file__).parents[3] / "contracts_abi" / "RedemptionQueue.json"


def deploy_queue(w3: Web3, sender: LocalAccount | str, vault: str) -> VaultDeployment:
    """``sender`` as for ``mined``. Raises WrongContract if there is no vault, and the errors of ``mined``."""
    artifact = queue_artifact()
    factory = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    constructor = factory.constructor(vault_at(w3, vault).address)
    return deployment_of(mined(w3, sender, constructor, what="the queue's constructor", reason=revert_name))


def queue_at(w3: Web3, address: str) -> Contract:
    """Raises WrongContract when nothing is deployed there."""
    if not w3.eth.get_code(w3.to_checksum_address(address)):
        raise WrongContract(f"no contract at {address}", remedy="Check the queue's address and the chain.")
    return w3.eth.contract(address=w3.to_checksum_address(address), abi=queue_artifact()["abi"])


def servable(queue: Contract, max_requests: int) -> tuple[int, int]:
    """Shares and raw assets that ``serve`` would pay now, for at most ``max_requests`` requests."""
    shares, assets = queue.functions.serve(max_requests).call()
    return int(shares), int(assets)


def serve(w3: Web3, sender: LocalAccount | str, queue: Contract, max_requests: int) -> str:
    """Returns the hash of the mined transaction. Raises the errors of ``mined``."""
    receipt = mined(
        w3, sender, queue.functions.serve(max_requests), what="serving the queue", reason=revert_name
    )
    return receipt["transactionHash"].to_0x_hex()


@cache
def queue_artifact() -> dict[str, Any]:
    """contracts_abi/RedemptionQueue.json: contract, source, compiler, abi, bytecode."""
    artifact: dict[str, Any] = json.loads(ARTIFACT.read_text())
    return artifact
