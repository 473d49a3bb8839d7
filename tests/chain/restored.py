"""A chain that is put back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keeper.devnet.anvil import rpc


@contextmanager
def restored(url: str) -> Iterator[None]:
    """Whatever happens to the Anvil at ``url`` meanwhile is undone. A revert keeps the next base fee and the gas limit
    that it finds, so these are set again."""
    history: Any = rpc(url, "eth_feeHistory", "0x1", "latest", [])
    block: Any = rpc(url, "eth_getBlockByNumber", "latest", False)
    snapshot = rpc(url, "evm_snapshot")
    try:
        yield
    finally:
        rpc(url, "evm_revert", snapshot)
        rpc(url, "anvil_setNextBlockBaseFeePerGas", history["baseFeePerGas"][-1])
        rpc(url, "evm_setBlockGasLimit", block["gasLimit"])
