"""``ports.Node`` over a JSON-RPC endpoint that somebody else opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keeper.domain.tx import Receipt
from keeper.tx.ports import FeeMarket

Call = Callable[[str, Sequence[Any]], Any]
FEE_BLOCKS = 5
MEDIAN = 50


class RpcNode:
    """``request`` may retry, ``send`` must not."""

    def __init__(self, request: Call, send: Call) -> None:
        self._request = request
        self._send = send

    def chain_id(self) -> int:
        return int(self._request("eth_chainId", ()), 16)

    def mined_nonce(self, account: str) -> int:
        return int(self._request("eth_getTransactionCount", (account, "latest")), 16)

    def pending_nonce(self, account: str) -> int:
        return int(self._request("eth_getTransactionCount", (account, "pending")), 16)

    def balance(self, account: str) -> int:
        return int(self._request("eth_getBalance", (account, "latest")), 16)

    def block_number(self) -> int:
        return int(self._request("eth_blockNumber", ()), 16)

    def fee_market(self) -> FeeMarket:
        history = self._request("eth_feeHistory", (hex(FEE_BLOCKS), "latest", [MEDIAN]))
        tips = sorted(int(rewards[0], 16) for rewards in history.get("reward") or () if rewards)
        paid = [tip for tip in tips if tip > 0]
        return FeeMarket(
            base_fee_wei=int(history["baseFeePerGas"][-1], 16), tip_wei=paid[len(paid) // 2] if paid else 0
        )

    def send_raw(self, raw: str) -> None:
        self._send("eth_sendRawTransaction", (raw,))

    def receipt(self, intent_id: str, tx_hash: str) -> Receipt | None:
        found = self._request("eth_getTransactionReceipt", (tx_hash,))
        if found is None:
            return None
        return Receipt(
            intent_id=intent_id,
            tx_hash=tx_hash,
            block_number=int(found["blockNumber"], 16),
            block_hash=found["blockHash"],
            succeeded=int(found["status"], 16) == 1,
            gas_used=int(found["gasUsed"], 16),
            effective_gas_price_wei=int(found["effectiveGasPrice"], 16),
        )

    def knows(self, tx_hash: str) -> bool:
        return self._request("eth_getTransactionByHash", (tx_hash,)) is not None
