"""``ports.SendingNode`` and ``ports.Relay`` over open JSON-RPC connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from keeper.domain.errors import NodeUnavailable, RpcError
from keeper.domain.tx import Receipt
from keeper.tx.fees import FeeMarket
from keeper.tx.ports import NodeView
from keeper.tx.refusals import PERHAPS_METHOD, refusal

Call = Callable[[str, Sequence[Any]], Any]
Batch = Callable[[Sequence[tuple[str, Sequence[Any]]]], list[Any]]
FEE_BLOCKS = 5
MEDIAN_PERCENTILE = 50
SETTLED_DEPTH = 3
"""Blocks. A node whose receipts lag further than this behind its own state is broken, not slow."""
EPOCH_SELECTOR = "0x900cf0cf"
"""First four bytes of keccak256("epoch()")."""
NAV_EVENTS = {
    "0x685c2c3ea72c78927d168533c51a24559460a86f57bedb31ac9ca4c16973743e": "Rebalanced",
    "0xc219c3e20b7a2ad9721c518ebb6de77af1c006a7f81c9cdf780e888e3d13237a": "Deleveraged",
}
"""The vault's events whose data begins with NAV before and after, by their first topic."""
WORD = 64


class RpcNode:
    """``request`` and ``batch`` may retry, ``send`` must not. ``finality_blocks``: the depth at which a block is final;
    if it is None, the node's tag ``finalized`` decides."""

    def __init__(self, request: Call, batch: Batch, send: Call, finality_blocks: int | None = None) -> None:
        self._request = request
        self._batch = batch
        self._send = send
        self._finality_blocks = finality_blocks
        self._reports_pool = True

    def chain_id(self) -> int:
        return int(self._request("eth_chainId", ()), 16)

    def view(self, account: str, vault: str, hashes: Mapping[str, str]) -> NodeView:
        """ports.SendingNode. One batch; one more request if the node reports its mempool by account."""
        calls: list[tuple[str, Sequence[Any]]] = [
            ("eth_getBlockByNumber", ("latest", False)),
            ("eth_getBlockByNumber", ("latest" if self._finality_blocks is not None else "finalized", False)),
            ("eth_getTransactionCount", (account, "latest")),
            ("eth_getTransactionCount", (account, "pending")),
            ("eth_call", ({"to": vault, "data": EPOCH_SELECTOR}, "latest")),
        ]
        for tx_hash in hashes:
            calls += [("eth_getTransactionReceipt", (tx_hash,)), ("eth_getTransactionByHash", (tx_hash,))]
        latest, final, mined, pending, epoch, *answers = self._batch(calls)
        head = int(latest["number"], 16)
        mined_nonce = int(mined, 16)
        by_hash = zip(hashes, answers[0::2], answers[1::2], strict=True)
        receipts: dict[str, Receipt] = {}
        known: set[str] = set()
        for tx_hash, receipt, transaction in by_hash:
            if receipt is not None:
                receipts[tx_hash] = _receipt(hashes[tx_hash], tx_hash, receipt)
            if receipt is not None or transaction is not None:
                known.add(tx_hash)
        return NodeView(
            head=head,
            head_time=int(latest["timestamp"], 16),
            base_fee_wei=int(latest.get("baseFeePerGas", "0x0"), 16),
            final_block=self._final(head, final),
            mined_nonce=mined_nonce,
            # Without a missing receipt nothing depends on it, and a request is saved.
            settled_nonce=mined_nonce if len(receipts) == len(hashes) else self._settled_nonce(account, head),
            pending_nonce=int(pending, 16),
            epoch=int(epoch, 16) if len(epoch) == 2 + WORD else None,
            receipts=receipts,
            known=frozenset(known),
            pool=self._pool(account),
        )

    def balance(self, account: str) -> int:
        return int(self._request("eth_getBalance", (account, "latest")), 16)

    def fee_market(self) -> FeeMarket:
        history = self._request("eth_feeHistory", (hex(FEE_BLOCKS), "latest", [MEDIAN_PERCENTILE]))
        tips = sorted(int(rewards[0], 16) for rewards in history.get("reward") or () if rewards)
        paid = [tip for tip in tips if tip > 0]
        return FeeMarket(
            base_fee_wei=int(history["baseFeePerGas"][-1], 16), tip_wei=paid[len(paid) // 2] if paid else 0
        )

    def send_raw(self, raw: str) -> None:
        self._send("eth_sendRawTransaction", (raw,))

    # ------------------------------------------------------------------ inside

    def _final(self, head: int, tagged: Mapping[str, Any] | None) -> int:
        if self._finality_blocks is not None:
            return head - self._finality_blocks
        return int(tagged["number"], 16) if tagged is not None else 0

    def _settled_nonce(self, account: str, head: int) -> int:
        """The account's nonce ``SETTLED_DEPTH`` blocks ago. It is 0, which decides nothing, if the node has no such
        state."""
        block = hex(max(0, head - SETTLED_DEPTH))
        try:
            return int(self._request("eth_getTransactionCount", (account, block)), 16)
        except RpcError:
            return 0

    def _pool(self, account: str) -> Mapping[int, str] | None:
        if not self._reports_pool:
            return None
        try:
            content = self._request("txpool_contentFrom", (account,))
        except RpcError:
            self._reports_pool = False
            return None
        return {
            int(nonce): transaction["hash"]
            for part in ("pending", "queued")
            for nonce, transaction in (content.get(part) or {}).items()
        }


class PrivateRelay:
    """A relay with Flashbots' ``eth_sendPrivateTransaction``, or a protected RPC that takes ordinary sends. Whatever a
    relay says that may be about the method, it is asked for the ordinary method too. Two takings of the same bytes
    are one transaction."""

    def __init__(self, send: Call) -> None:
        self._send = send

    def send_raw(self, raw: str) -> None:
        try:
            self._send("eth_sendPrivateTransaction", ({"tx": raw},))
        except NodeUnavailable as error:
            if refusal(error).kind not in PERHAPS_METHOD:
                raise
            self._send("eth_sendRawTransaction", (raw,))


def _receipt(intent_id: str, tx_hash: str, answer: Mapping[str, Any]) -> Receipt:
    before, after = _nav(answer)
    return Receipt(
        intent_id=intent_id,
        tx_hash=tx_hash,
        block_number=int(answer["blockNumber"], 16),
        block_hash=answer["blockHash"],
        succeeded=int(answer["status"], 16) == 1,
        gas_used=int(answer["gasUsed"], 16),
        effective_gas_price_wei=int(answer["effectiveGasPrice"], 16),
        nav_before=before,
        nav_after=after,
    )


def _nav(receipt: Mapping[str, Any]) -> tuple[int | None, int | None]:
    for log in receipt.get("logs") or ():
        if log.get("topics") and log["topics"][0] in NAV_EVENTS and log.get("address") == receipt.get("to"):
            data = log["data"].removeprefix("0x")
            with suppress(ValueError):
                return int(data[:WORD], 16), int(data[WORD : 2 * WORD], 16)
    return None, None
