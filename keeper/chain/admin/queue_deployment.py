"""Deploys a RedemptionQueue for a vault in one transaction, and serves it. Any account may do both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keeper.chain.admin.transactions import VaultDeployment, contract_at, deploy, mined

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3
    from web3.contract import Contract


def deploy_queue(w3: Web3, sender: LocalAccount | str, vault: str) -> VaultDeployment:
    """``sender`` as for ``mined``. Raises WrongContract if there is no vault, and the errors of ``mined``."""
    return deploy(w3, sender, "queue", argument=contract_at(w3, "vault", vault).address)


def servable(queue: Contract, max_requests: int) -> tuple[int, int]:
    """Shares and raw assets that ``serve`` would pay now, for at most ``max_requests`` requests."""
    shares, assets = queue.functions.serve(max_requests).call()
    return int(shares), int(assets)


def serve(w3: Web3, sender: LocalAccount | str, queue: Contract, max_requests: int) -> str:
    """Returns the hash of the mined transaction. Raises the errors of ``mined``."""
    receipt = mined(w3, sender, queue.functions.serve(max_requests), what="serving the queue")
    return receipt["transactionHash"].to_0x_hex()
