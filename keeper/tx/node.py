"""``ports.SendingNode`` and ``ports.Relay`` over open JSON-RPC connections."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from keeper.domain.errors import NodeRefused, NodeUnavailable, NodeUntrusted, RpcError
from keeper.domain.roles_modifier import inner_answer, question
from keeper.domain.tx import Payload, Receipt
from keeper.jsonrpc import requests as ask
from keeper.jsonrpc.answers import Header, MinedReceipt
from keeper.jsonrpc.requests import Connection, Request
from keeper.tx.fees import FeeMarket
from keeper.tx.ports import NodeView
from keeper.tx.refusals import PERHAPS_METHOD, refusal

FEE_BLOCKS = 5
MEDIAN_PERCENTILE = 50
SETTLED_DEPTH = 3
"""Blocks. A node whose receipts lag further than this behind its own state is broken, not slow."""
STATE_SELECTOR = "0xc19d93fb"
"""First four bytes of keccak256("state()") of the rebalancer, whose first word is the epoch."""
STATE_WORDS = 10
EVENTS = {
    "0x6f55209924dba11af5ddabda4999b20d0ce3aa1847c56b67240ed1fc3590c134": (0, 1),
    "0xa92d73ab7ae7646cac41f7abea247128b2a94c9cdc4a7f3f49994c95639d3e36": (1, 3),
}
"""Rebalanced and Lowered of the rebalancer, by their first topic: at which words of their data NAV and loss are."""
WORD = 32


class RpcNode:
    """``finality_blocks``: the depth at which a block is final; if it is None, the node's tag ``finalized`` decides.
    ``modifier``: the address of the Roles modifier through which the key calls, None where it calls the vault itself.
    """

    def __init__(
        self, node: Connection, finality_blocks: int | None = None, modifier: str | None = None
    ) -> None:
        self._node = node
        self._finality_blocks = finality_blocks
        self._modifier = modifier.lower() if modifier is not None else None
        self._reports_pool = True

    @property
    def endpoint(self) -> str:
        return self._node.endpoint

    def chain_id(self) -> int:
        return self._node.request(ask.chain_id())

    def view(self, account: str, rebalancer: str, hashes: Mapping[str, str]) -> NodeView:
        """ports.SendingNode. One batch; one more request if the node reports its mempool by account."""
        calls: list[Request[Any]] = [
            ask.block("latest"),
            ask.block("latest")
            if self._finality_blocks is not None
            else ask.if_supported(ask.tagged_block("finalized")),
            ask.transaction_count(account, "latest"),
            ask.transaction_count(account, "pending"),
            ask.call({"to": rebalancer, "data": STATE_SELECTOR}, "latest"),
        ]
        for tx_hash in hashes:
            calls += [ask.receipt(tx_hash), ask.is_known(tx_hash)]
        latest, final, mined_nonce, pending_nonce, epoch, *answers = self._node.batch(calls)
        receipts: dict[str, Receipt] = {}
        known: set[str] = set()
        for tx_hash, receipt, is_known in zip(hashes, answers[0::2], answers[1::2], strict=True):
            if receipt is not None:
                receipts[tx_hash] = self._receipt(hashes[tx_hash], tx_hash, receipt, rebalancer=rebalancer)
            if receipt is not None or is_known:
                known.add(tx_hash)
        return NodeView(
            head=latest.number,
            head_time=latest.timestamp,
            base_fee_wei=latest.base_fee_wei,
            final_block=self._final(latest.number, final),
            # What is mined is among what is mined or waiting: a count above it is not believed.
            mined_nonce=min(mined_nonce, pending_nonce),
            # Without a missing receipt nothing depends on it, and a request is saved.
            settled_nonce=mined_nonce
            if len(receipts) == len(hashes)
            else self._settled_nonce(account, latest.number),
            pending_nonce=pending_nonce,
            epoch=int.from_bytes(epoch[:WORD], "big") if len(epoch) == STATE_WORDS * WORD else None,
            receipts=receipts,
            known=frozenset(known),
            pool=self._pool(account),
        )

    def balance(self, account: str) -> int:
        return self._node.request(ask.balance(account))

    def fee_market(self) -> FeeMarket:
        history = self._node.request(ask.fee_history(FEE_BLOCKS, MEDIAN_PERCENTILE))
        paid = [tip for tip in sorted(history.tips_wei) if tip > 0]
        return FeeMarket(base_fee_wei=history.next_base_fee_wei, tip_wei=paid[len(paid) // 2] if paid else 0)

    def revert_data(self, payload: Payload, block: int) -> bytes | None:
        """At the end of its block a reverted call meets the same time and nearly the same state. A Roles modifier is
        asked what came of the Safe's call, because its revert has no reason."""
        wrapped = payload.to.lower() == self._modifier
        data = question(bytes.fromhex(payload.calldata[2:])).hex() if wrapped else payload.calldata[2:]
        call = {
            "from": payload.sender,
            "to": payload.to,
            "data": f"0x{data}",
            "gas": hex(payload.gas_limit),
        }
        try:
            answer = self._node.request(ask.call(call, hex(block)))
        except RpcError as error:
            return _revert_data(error.data)
        inner = inner_answer(answer) if wrapped else None
        return inner.data if inner is not None and not inner.succeeded else None

    def send_raw(self, raw: str) -> None:
        self._node.send(ask.raw_transaction(raw))

    # ------------------------------------------------------------------ inside

    def _receipt(self, intent_id: str, tx_hash: str, mined: MinedReceipt, *, rebalancer: str) -> Receipt:
        """A call through the modifier succeeded only where the vault itself says so: the Safe answers a failure with
        false, and the transaction goes on."""
        before, after = _nav(mined, rebalancer)
        return Receipt(
            intent_id=intent_id,
            tx_hash=tx_hash,
            block_number=mined.block_number,
            block_hash=mined.block_hash,
            succeeded=mined.succeeded and (mined.to != self._modifier or before is not None),
            gas_used=mined.gas_used,
            effective_gas_price_wei=mined.effective_gas_price_wei,
            rollup_fee_wei=mined.rollup_fee_wei,
            nav_before=before,
            nav_after=after,
        )

    def _final(self, head: int, tagged: Header | None) -> int:
        """0 if the node does not know: then nothing counts as final."""
        if self._finality_blocks is not None:
            return head - self._finality_blocks
        return tagged.number if tagged is not None else 0

    def _settled_nonce(self, account: str, head: int) -> int:
        """The account's nonce ``SETTLED_DEPTH`` blocks ago. It is 0, which decides nothing, if the node has no such
        state."""
        past = ask.transaction_count(account, hex(max(0, head - SETTLED_DEPTH)))
        return self._node.request(ask.if_supported(past)) or 0

    def _pool(self, account: str) -> Mapping[int, str] | None:
        if not self._reports_pool:
            return None
        try:
            pool = self._node.request(ask.waiting_transactions(account))
        except NodeRefused:
            pool = None
        self._reports_pool = pool is not None
        return pool


class PrivateRelay:
    """A relay with Flashbots' ``eth_sendPrivateTransaction``, or a protected RPC that takes ordinary sends. Whatever a
    relay says that may be about the method, it is asked for the ordinary method too. Two takings of the same bytes
    are one transaction."""

    def __init__(self, relay: Connection) -> None:
        self._relay = relay

    def send_raw(self, raw: str) -> None:
        try:
            self._relay.send(ask.private_transaction(raw))
        except (NodeUnavailable, NodeUntrusted) as error:
            if refusal(error).kind not in PERHAPS_METHOD:
                raise
            self._relay.send(ask.raw_transaction(raw))


def _revert_data(data: object) -> bytes:
    """Of an error to eth_call: 0x-hex, below "data" at some clients; empty where there is none."""
    inner = data.get("data") if isinstance(data, dict) else data
    start = inner.find("0x") if isinstance(inner, str) else -1
    with suppress(ValueError):
        return bytes.fromhex(str(inner)[start + 2 :]) if start >= 0 else b""
    return b""


def _nav(mined: MinedReceipt, rebalancer: str) -> tuple[int | None, int | None]:
    """Before the call, and less what the vault counts as lost by it. None without the vault's word."""
    for log in mined.logs:
        places = EVENTS.get(log.topics[0]) if log.topics else None
        if places is not None and log.address == rebalancer.lower() and len(log.data) > max(places) * WORD:
            nav, loss = (
                int.from_bytes(log.data[place * WORD : (place + 1) * WORD], "big") for place in places
            )
            return nav, nav - loss
    return None, None
