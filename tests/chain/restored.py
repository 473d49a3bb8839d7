"""A chain that is put back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keeper.devnet.anvil import rpc


@contextmanager
def restored(url: str) -> Iterator[None]:
    """Whatever happens to the Anvil at ``url`` meanwhile is undone, also what a revert of Anvil keeps."""
    block: Any = rpc(url, "eth_getBlockByNumber", "latest", False)
    history: Any = rpc(url, "eth_feeHistory", "0x1", "latest", [])
    before = rpc(url, "evm_snapshot")
    try:
        yield
    finally:
        rpc(url, "evm_revert", before)
        rpc(url, "evm_setBlockGasLimit", block["gasLimit"])
        # A call sees the base fee of the block that was mined last, whether or not it was reverted.
        newest = rpc(url, "evm_snapshot")
        rpc(url, "anvil_setNextBlockBaseFeePerGas", block["baseFeePerGas"])
        rpc(url, "evm_mine")
        rpc(url, "evm_revert", newest)
        rpc(url, "anvil_setNextBlockBaseFeePerGas", history["baseFeePerGas"][-1])
