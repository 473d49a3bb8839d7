"""Transactions of a deployer or of whoever serves the redemption queue. The keeper's own calls use keeper/tx."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from keeper.chain.abi import FOLDER
from keeper.chain.reverts import explain
from keeper.domain.errors import NodeUnavailable, Refused, WrongContract

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3
    from web3.contract import Contract
    from web3.types import TxReceipt

RECEIPT_TIMEOUT_S = 300
Kind = Literal["vault", "queue"]
_FILES: dict[Kind, str] = {"vault": "RiskParityVault.json", "queue": "RedemptionQueue.json"}


@dataclass(frozen=True, slots=True)
class VaultDeployment:
    """Address and cost of a deployed vault or queue. ``gas`` is the gas used by all ``transactions``."""

    address: str
    transactions: tuple[str, ...]
    gas: int
    block: int


@cache
def artifact_of(kind: Kind) -> dict[str, Any]:
    """The compiled contract of contracts_abi/: contract, source, compiler, abi, bytecode."""
    artifact: dict[str, Any] = json.loads((FOLDER / _FILES[kind]).read_text())
    return artifact


def contract_at(w3: Web3, kind: Kind, address: str) -> Contract:
    """The contract at ``address``. Raises WrongContract when nothing is deployed there."""
    from eth_utils.address import to_checksum_address

    checksummed = to_checksum_address(address)
    if not w3.eth.get_code(checksummed):
        raise WrongContract(
            f"no contract at {checksummed}", remedy=f"Check the {kind}'s address and the chain."
        )
    return w3.eth.contract(address=checksummed, abi=artifact_of(kind)["abi"])


def deploy(w3: Web3, sender: LocalAccount | str, kind: Kind, argument: object) -> VaultDeployment:
    """Sends the constructor and waits for its receipt. ``sender`` and errors are those of ``mined``."""
    artifact = artifact_of(kind)
    factory = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    receipt = mined(w3, sender, factory.constructor(argument), what=f"the {kind}'s constructor")
    address = receipt["contractAddress"]
    if address is None:
        raise Refused("the transaction made no contract", remedy="Look at the node's log.")
    return VaultDeployment(
        address=address,
        transactions=(receipt["transactionHash"].to_0x_hex(),),
        gas=receipt["gasUsed"],
        block=receipt["blockNumber"],
    )


def mined(w3: Web3, sender: LocalAccount | str, call: Any, what: str) -> TxReceipt:
    """Sends a contract's constructor or function and waits for its receipt.

    ``sender`` is a local account that signs, or the address of an account that the node has unlocked. ``what`` names
    the transaction in messages. Raises Refused if it reverts, NodeUnavailable if no receipt comes.
    """
    from eth_utils.address import to_checksum_address
    from web3.exceptions import ContractLogicError, TimeExhausted

    try:
        if isinstance(sender, str):
            transaction_hash = call.transact({"from": to_checksum_address(sender)})
        else:
            transaction = call.build_transaction(
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
        data = str(error.data)
        reason = explain(bytes.fromhex(data[2:])) if data.startswith("0x") else data
        raise Refused(f"{what} reverts: {reason}", remedy="Compare its arguments with the chain.") from error
    except TimeExhausted as error:
        raise NodeUnavailable(
            f"no receipt for {what}, {transaction_hash.to_0x_hex()}, after {RECEIPT_TIMEOUT_S} s",
            remedy="Look this transaction up before you send it again.",
        ) from error
    if receipt["status"] != 1:
        raise Refused(
            f"{what}, {transaction_hash.to_0x_hex()}, was mined and reverted",
            remedy="Compare its arguments with the chain before you send it again.",
        )
    return receipt
