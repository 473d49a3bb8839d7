"""Puts a RedemptionQueue beside a vault: one transaction, no roles, no compiler."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keeper.chain.vault_deployment import RECEIPT_TIMEOUT_S, VaultDeployment, vault_at
from keeper.domain.errors import NodeUnavailable, Refused

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3

ARTIFACT = Path(__file__).parents[2] / "contracts_abi" / "RedemptionQueue.json"


def deploy_queue(w3: Web3, sender: LocalAccount | str, vault: str) -> VaultDeployment:
    """Sends the deployment and waits for its receipt; ``sender`` as for ``deploy_vault``.

    Raises WrongContract where no vault is, Refused when it reverts, NodeUnavailable when no receipt comes.
    """
    from eth_utils.address import to_checksum_address
    from web3.exceptions import ContractLogicError, TimeExhausted

    artifact = queue_artifact()
    factory = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    constructor = factory.constructor(vault_at(w3, vault).address)
    try:
        if isinstance(sender, str):
            transaction_hash = constructor.transact({"from": to_checksum_address(sender)})
        else:
            transaction = constructor.build_transaction(
                {
                    "from": sender.address,
                    "nonce": w3.eth.get_transaction_count(sender.address),
                    "chainId": w3.eth.chain_id,
                }
            )
            signed = sender.sign_transaction(transaction)
            transaction_hash = w3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = w3.eth.wait_for_transaction_receipt(transaction_hash, RECEIPT_TIMEOUT_S)
    except ContractLogicError as error:
        raise Refused(
            f"the queue's constructor reverts: {vault} is no vault", remedy="check the vault's address"
        ) from error
    except TimeExhausted as error:
        raise NodeUnavailable(
            f"no receipt for the deployment {transaction_hash.to_0x_hex()} after {RECEIPT_TIMEOUT_S} s",
            remedy="look that transaction up before deploying again",
        ) from error
    address = receipt["contractAddress"]
    if receipt["status"] != 1 or address is None:
        raise Refused(
            f"the deployment {transaction_hash.to_0x_hex()} was mined and reverted",
            remedy="check the vault's address, then deploy again",
        )
    return VaultDeployment(
        address=address,
        transactions=(transaction_hash.to_0x_hex(),),
        gas=receipt["gasUsed"],
        block=receipt["blockNumber"],
    )


@cache
def queue_artifact() -> dict[str, Any]:
    """contracts_abi/RedemptionQueue.json: contract, source, compiler, abi, bytecode."""
    artifact: dict[str, Any] = json.loads(ARTIFACT.read_text())
    return artifact
