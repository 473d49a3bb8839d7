"""The latest block. Every read of a cycle is pinned to it."""

from __future__ import annotations

from keeper.chain.rpc.reads import Reads
from keeper.domain.errors import WrongChain
from keeper.domain.market import Block
from keeper.jsonrpc.answers import Header, next_base_fee


def latest_block(rpc: Reads, chain_id: int) -> Block:
    """The head, one round trip to each node. Raises WrongChain, NodeUnavailable, NodeUntrusted."""
    reported, head = rpc.head()
    return block_of(chain_id, reported, head)


def block_of(chain_id: int, reported: int, head: Header) -> Block:
    """From the chain id that the node reports and its head. Raises WrongChain."""
    if reported != chain_id:
        raise WrongChain(
            f"KEEPER_CHAIN_ID is {chain_id}, but the node is on chain {reported}",
            remedy="Use a node of the right chain, or correct KEEPER_CHAIN_ID. Nothing was read or sent.",
        )
    return Block(
        chain_id=reported,
        number=head.number,
        hash=head.hash,
        timestamp=head.timestamp,
        base_fee_wei=next_base_fee(head.base_fee_wei, head.gas_used, head.gas_limit),
        gas_limit=head.gas_limit,
    )
