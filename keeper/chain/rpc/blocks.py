"""The latest block, as the anchor that every read of a cycle is pinned to."""

from __future__ import annotations

from typing import Any

from keeper.chain.rpc.client import Reads
from keeper.domain.errors import NodeUntrusted, WrongChain
from keeper.domain.market import Block

ELASTICITY = 2
BASE_FEE_CHANGE = 8  # EIP-1559: at most one eighth a block


def latest_block(rpc: Reads, chain_id: int) -> Block:
    """The head, one round trip to each node. Raises WrongChain, NodeUnavailable, NodeUntrusted."""
    told_id, head = rpc.head()
    return block_of(chain_id, told_id, head)


def block_of(chain_id: int, told_id: Any, head: Any) -> Block:
    """From the answers to eth_chainId and eth_getBlockByNumber."""
    told = quantity(told_id, "eth_chainId")
    if told != chain_id:
        raise WrongChain(
            f"chain_id: the settings say {chain_id}, the node is on chain {told}",
            remedy="Point KEEPER_RPC_URL to the right chain, or correct chain_id. Nothing was read or sent.",
        )
    if not isinstance(head, dict) or not isinstance(head.get("hash"), str):
        raise NodeUntrusted(
            "eth_getBlockByNumber: the node gives no latest block",
            remedy="The node may still be syncing: wait, or use another.",
        )
    return Block(
        chain_id=told,
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
        remedy="Do not trust this node until it is explained; point KEEPER_RPC_URL to another.",
    )
