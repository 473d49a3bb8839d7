"""The latest block. Every read of a cycle is pinned to it."""

from __future__ import annotations

from typing import Any

from keeper.chain.rpc.client import Reads
from keeper.domain.errors import NodeUntrusted, WrongChain
from keeper.domain.market import Block

ELASTICITY = 2
BASE_FEE_CHANGE = 8  # EIP-1559: the base fee changes by at most one eighth per block


def latest_block(rpc: Reads, chain_id: int) -> Block:
    """The head, one round trip to each node. Raises WrongChain, NodeUnavailable, NodeUntrusted."""
    chain_id_answer, head = rpc.head()
    return block_of(chain_id, chain_id_answer, head)


def block_of(chain_id: int, chain_id_answer: Any, head: Any) -> Block:
    """From the answers to eth_chainId and eth_getBlockByNumber."""
    reported = quantity(chain_id_answer, "eth_chainId")
    if reported != chain_id:
        raise WrongChain(
            f"KEEPER_CHAIN_ID is {chain_id}, but the node is on chain {reported}",
            remedy="Use a node of the right chain, or correct KEEPER_CHAIN_ID. Nothing was read or sent.",
        )
    if not isinstance(head, dict) or not isinstance(head.get("hash"), str):
        raise NodeUntrusted(
            "eth_getBlockByNumber: the node gives no latest block",
            remedy="The node may still be syncing. Wait, or use another node.",
        )
    return Block(
        chain_id=reported,
        number=quantity(head.get("number"), "block number"),
        hash=head["hash"],
        timestamp=quantity(head.get("timestamp"), "block timestamp"),
        base_fee_wei=next_base_fee(
            quantity(head.get("baseFeePerGas", "0x0"), "baseFeePerGas"),
            quantity(head.get("gasUsed"), "gasUsed"),
            quantity(head.get("gasLimit"), "gasLimit"),
        ),
        gas_limit=quantity(head.get("gasLimit"), "gasLimit"),
    )


def next_base_fee(base_fee: int, gas_used: int, gas_limit: int) -> int:
    """EIP-1559 with Ethereum's constants; wei. Rollups with others move less per block."""
    target = gas_limit // ELASTICITY
    if target == 0 or base_fee == 0:
        return base_fee
    change = base_fee * abs(gas_used - target) // target // BASE_FEE_CHANGE
    if gas_used > target:
        return base_fee + max(change, 1)
    return base_fee - change


def quantity(value: Any, what: str) -> int:
    """An Ethereum JSON-RPC QUANTITY. Raises NodeUntrusted for anything else."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise NodeUntrusted(
        f"{what}: {value!r:.60} is not a hexadecimal quantity",
        remedy="Do not trust this node until its operator explains the answer. Or set KEEPER_RPC_URL to another node.",
    )
