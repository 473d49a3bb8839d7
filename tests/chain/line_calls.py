"""Calls of the line that anybody may make."""

from __future__ import annotations

from eth_typing import HexStr

from keeper.chain.rpc.blocks import latest_block
from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import mined
from keeper.domain.line import LineCall
from tests.chain.node_scene import node_in


def settle(chain: LocalChain, call: LineCall) -> None:
    """A stranger makes the call, with the hints that anybody finds."""
    with Rpc(chain.deployment.rpc_url) as rpc:
        reading = node_in(chain, rpc).read_line(latest_block(rpc, chain.deployment.chain_id))
    assert reading.rehearsal.reverts[call] == ""
    stranger = chain.w3.to_checksum_address(chain.deployment.accounts["stranger"])
    sent = chain.w3.eth.send_transaction(
        {
            "from": stranger,
            "to": chain.shares.address,
            "data": HexStr(reading.calldata[call]),
            "gas": 2_000_000,
        }
    )
    mined(chain.w3, sent, call.value)
