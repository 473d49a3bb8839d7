"""Transactions of a deployer or of whoever serves the redemption queue. The keeper's own calls use keeper/tx."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keeper.domain.errors import NodeUnavailable, Refused

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3
    from web3.types import TxReceipt

RECEIPT_TIMEOUT_S = 300


def mined(
    w3: Web3, sender: LocalAccount | str, call: Any, what: str, reason: Callable[[object], str]
) -> TxReceipt:
    """Sends a contract's constructor or function and waits for its receipt.

    ``sender`` is a local account that signs, or the address of an account that the node has unlocked. ``what`` names
    the transaction in messages, ``reason`` decodes revert data. Raises Refused if it reverts, NodeUnavailable if no
    receipt comes.
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
        raise Refused(
            f"{what} reverts: {reason(error.data)}",
            remedy="Compare its arguments with the chain.",
        ) from error
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
