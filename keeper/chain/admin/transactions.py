"""Transactions of a deployer. The keeper's own calls use keeper/tx."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from keeper.chain.reverts import explain
from keeper.domain.errors import NodeUnavailable, Refused

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3
    from web3.exceptions import ContractLogicError
    from web3.types import TxParams, TxReceipt

RECEIPT_TIMEOUT_S = 300
GAS_MARGIN = 1.2
"""On estimated gas: the block that mines a transaction is not the one that estimated it."""


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
