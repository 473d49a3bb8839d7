"""Deploying and calling contracts from an account that the local node has unlocked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from keeper.devnet.compile import Artifact, artifact
from keeper.domain.errors import Reverted

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.contract import Contract
    from web3.contract.contract import ContractFunction
    from web3.types import TxParams, TxReceipt

GAS = 16_000_000  # EIP-7825 lets one transaction use 16.8 M
NO_ADDRESS = "0x" + "00" * 20


def deployed(
    w3: Web3,
    deployer: ChecksumAddress,
    name: str,
    *arguments: object,
    libraries: Mapping[str, str] | None = None,
) -> Contract:
    """Deploys the named contract, linked with ``libraries`` (name to address). Raises Reverted."""
    compiled = artifact(name)
    factory = w3.eth.contract(abi=compiled.abi, bytecode=linked(compiled, libraries or {}))
    sent = factory.constructor(*arguments).transact({"from": deployer, "gas": GAS})
    receipt = mined(w3, sent, f"deploying {name}")
    address = receipt["contractAddress"]
    if address is None:
        raise Reverted(f"deploying {name} made no contract", remedy="Look at the node's log.")
    return w3.eth.contract(address=address, abi=compiled.abi)


def linked(compiled: Artifact, libraries: Mapping[str, str]) -> str:
    """The bytecode with the libraries' addresses in their places."""
    code = compiled.bytecode
    for places in compiled.links.values():
        for library, spots in places.items():
            for spot in spots:
                start = 2 + 2 * spot["start"]
                code = code[:start] + libraries[library][2:].lower() + code[start + 2 * spot["length"] :]
    return code


@lru_cache(maxsize=512)
def contract_at(w3: Web3, name: str, address: str) -> Contract:
    """The named contract at an address. Kept, because web3 takes milliseconds to make one of a long ABI."""
    return w3.eth.contract(address=w3.to_checksum_address(address), abi=artifact(name).abi)


def send(w3: Web3, call: ContractFunction, sender: ChecksumAddress, value: int = 0) -> TxReceipt:
    """Sends the call, with ``value`` wei, and waits until it is mined. Raises Reverted."""
    from web3.types import Wei

    transaction: TxParams = {"from": sender, "gas": GAS}
    if value:
        transaction["value"] = Wei(value)
    return mined(w3, call.transact(transaction), call.fn_name)


def mined(w3: Web3, transaction: bytes, what: str = "a transaction") -> TxReceipt:
    from hexbytes import HexBytes

    receipt = w3.eth.wait_for_transaction_receipt(HexBytes(transaction), timeout=60, poll_latency=0.01)
    if receipt["status"] != 1:
        raise Reverted(
            f"{what} reverted on the local chain",
            remedy="Replay the transaction with debug_traceTransaction.",
        )
    return receipt
