"""Transactions of a deployer or of whoever serves the redemption queue. The keeper's own calls use keeper/tx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast

from keeper.chain.abi import FOLDER
from keeper.chain.reverts import explain
from keeper.domain.errors import NodeUnavailable, Refused, WrongContract

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3
    from web3.contract import Contract
    from web3.exceptions import ContractLogicError
    from web3.types import TxParams, TxReceipt

RECEIPT_TIMEOUT_S = 300
GAS_MARGIN = 1.2
"""On estimated gas: the block that mines a transaction is not the one that estimated it."""
_KEPT = ("data", "gas", "to", "value")
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
    """Sends a contract's constructor or function and waits for its receipt. ``sender`` and errors are those of
    ``mined_transaction``."""
    from web3.exceptions import ContractLogicError

    account = sender if isinstance(sender, str) else sender.address
    try:
        fields = call.build_transaction({"from": w3.to_checksum_address(account)})
    except ContractLogicError as error:
        raise _refused(what, error) from error
    return mined_transaction(
        w3, sender, {name: fields[name] for name in _KEPT if fields.get(name)}, what=what
    )


def mined_transaction(
    w3: Web3, sender: LocalAccount | str, fields: Mapping[str, Any], what: str
) -> TxReceipt:
    """Sends a transaction and waits for its receipt. ``fields`` may leave out gas, fees and nonce.

    ``sender`` is a local account that signs, or the address of an account that the node has unlocked. ``what`` names
    the transaction in messages. Raises Refused if it reverts, NodeUnavailable if no receipt comes.
    """
    from web3.exceptions import ContractLogicError, TimeExhausted

    account = w3.to_checksum_address(sender if isinstance(sender, str) else sender.address)
    complete = {**fields, "from": account}
    try:
        complete.setdefault("gas", int(w3.eth.estimate_gas(cast("TxParams", complete)) * GAS_MARGIN))
        if isinstance(sender, str):
            transaction_hash = w3.eth.send_transaction(cast("TxParams", complete))
        else:
            complete.setdefault("nonce", w3.eth.get_transaction_count(account))
            signed = sender.sign_transaction({**complete, **fees(w3), "chainId": w3.eth.chain_id})
            transaction_hash = w3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = w3.eth.wait_for_transaction_receipt(transaction_hash, RECEIPT_TIMEOUT_S)
    except ContractLogicError as error:
        raise _refused(what, error) from error
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


def fees(w3: Web3) -> dict[str, int]:
    """What a wallet offers: the node's tip, and twice the present base fee."""
    tip, base = w3.eth.max_priority_fee, w3.eth.get_block("latest").get("baseFeePerGas", 0)
    return {"maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * base + tip, "type": 2}


def _refused(what: str, error: ContractLogicError) -> Refused:
    data = str(error.data)
    reason = explain(bytes.fromhex(data[2:])) if data.startswith("0x") else data
    return Refused(f"{what} reverts: {reason}", remedy="Compare its arguments with the chain.")
