"""A JSON-RPC proxy in front of Anvil that keeps geth's mempool rules, mines when it is told to, and can misbehave.

Anvil takes replacements that geth refuses, evicts what is below the base fee and forgets what a reorganisation un-mined.
Here nothing reaches Anvil's own pool before the block that takes it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from tests.servers.json_rpc import Answered, Fault, RpcFault, due, serving, spoiled

BLOCK_TIME_S = 12
NO_OP_GAS = 21_000
FEE_CAP_WEI = 10**18
"""geth's --rpc.txfeecap."""
MAX_BATCH = 1_000
"""geth's --rpc.batch-request-limit."""


@dataclass(frozen=True)
class Pooled:
    raw: str
    tx_hash: str
    sender: str
    nonce: int
    to: str
    data: str
    gas: int
    max_fee: int
    tip: int


def decoded(raw: str) -> Pooled:
    """What the bytes say. Raises ValueError for anything but a signed EIP-1559 transaction."""
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    return Pooled(
        raw=raw,
        tx_hash="0x" + keccak(HexBytes(raw)).hex(),
        sender=str(Account.recover_transaction(raw)).lower(),
        nonce=int(fields["nonce"]),
        to=HexBytes(fields["to"]).to_0x_hex(),
        data=HexBytes(fields["data"]).to_0x_hex(),
        gas=int(fields["gas"]),
        max_fee=int(fields["maxFeePerGas"]),
        tip=int(fields["maxPriorityFeePerGas"]),
    )


class GethProxy:
    """``mines_on_poll``: a block is mined when so many receipts were asked for in vain; 1: with the first look; None: only
    by ``mine``. ``arrived``: every transaction that was sent, in order, taken or not. ``on_arrival`` is called with each
    before anything else. ``fee_cap_wei``: what a transaction may cost. ``max_batch``: calls in one request.
    ``refuses_with``: the answer to every transaction, if there is one."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.mines_on_poll: int | None = 1
        self.keeps_unmined = True
        self.fee_cap_wei = FEE_CAP_WEI
        self.max_batch = MAX_BATCH
        self.refuses_with = ""
        self.arrived: list[Pooled] = []
        self.pool: dict[tuple[str, int], Pooled] = {}
        self.faults: list[Fault] = []
        self.on_arrival: Callable[[str], None] = lambda raw: None
        self.swallowed: list[Pooled] = []
        self._swallows = False
        self._polls = 0
        self._mined: dict[str, str] = {}
        self._lock = threading.RLock()
        self._http = httpx.Client(timeout=120.0)

    # ------------------------------------------------------------ for the test

    def rpc(self, method: str, *params: Any) -> Any:
        """Straight to Anvil."""
        answer = self._http.post(
            self.upstream, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        ).json()
        if "error" in answer:
            raise RpcFault(answer["error"].get("message", ""), answer["error"].get("code", -32000))
        return answer["result"]

    def reset(self) -> None:
        """As if just started: for the next trial after a revert of the chain."""
        with self._lock:
            self.arrived.clear()
            self.pool.clear()
            self.faults.clear()
            self._mined.clear()
            self.swallowed.clear()
            self._swallows = False
            self._polls = 0
            self.mines_on_poll = 1
            self.keeps_unmined = True
            self.fee_cap_wei, self.max_batch, self.refuses_with = FEE_CAP_WEI, MAX_BATCH, ""
            self.rpc("evm_setAutomine", False)

    def mine(self, blocks: int = 1) -> None:
        """Blocks with whatever is due by nonce and price."""
        with self._lock:
            for _ in range(blocks):
                self._mine_one()

    def pass_time(self, seconds: int) -> None:
        """A block so much later."""
        with self._lock:
            self._mine_one(seconds)

    def next_base_fee(self, wei: int) -> None:
        """A block after which an empty block's base fee is ``wei``."""
        self.rpc("anvil_setNextBlockBaseFeePerGas", hex(-(-wei * 8 // 7)))
        self.mine()

    def evict(self) -> None:
        with self._lock:
            self.pool.clear()

    def reorg(self, depth: int, instead: str | None = None) -> None:
        """The newest ``depth`` blocks are replaced by empty ones, or the first by one with ``instead`` (signed bytes).
        As geth does, what was un-mined waits in the pool again, unless ``keeps_unmined`` is off. Not on a forked Anvil:
        1.7.1 keeps parts of the state that it should roll back there."""
        with self._lock:
            raws = [[instead, 0]] if instead is not None else []
            self.rpc("anvil_reorg", depth, raws)
            for tx_hash, raw in list(self._mined.items()):
                if self.rpc("eth_getTransactionReceipt", tx_hash) is None:
                    del self._mined[tx_hash]
                    one = decoded(raw)
                    if self.keeps_unmined and one.nonce >= self._nonce(one.sender):
                        self.pool[(one.sender, one.nonce)] = one

    def swallow(self) -> None:
        """A relay that takes everything and passes nothing on."""
        self._swallows = True

    def fault(self, method: str, how: str, count: int = 1, **more: Any) -> Fault:
        added = Fault(method, how, count, **more)
        with self._lock:
            self.faults.append(added)
        return added

    # ----------------------------------------------------------- what is asked

    def handle(self, body: Any) -> Answered:
        calls = body if isinstance(body, list) else [body]
        if len(calls) > self.max_batch:
            # geth's rpc/handler.go: one error, with the id of the first call, in a list.
            error = {"code": -32600, "message": "batch too large"}
            return Answered(json.dumps([{"jsonrpc": "2.0", "id": calls[0]["id"], "error": error}]).encode())
        fault = self._fault_for(calls)
        if fault is not None and fault.how == "hold":
            fault.released.wait(60)
            fault = None
        if fault is not None and fault.how in ("drop", "status"):
            return Answered(None if fault.how == "drop" else b"busy", fault.status)
        answers = self.answers(calls)
        if fault is not None:
            return spoiled(fault, calls, answers)
        return Answered(json.dumps(answers if isinstance(body, list) else answers[0]).encode())

    def _fault_for(self, calls: Sequence[dict[str, Any]]) -> Fault | None:
        with self._lock:
            return due(self.faults, calls)

    def answers(self, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The whole answer to each call, in order."""
        with self._lock:
            return self._answers(calls)

    def _answers(self, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        answers: dict[int, dict[str, Any]] = {}
        passed_on = []
        for place, call in enumerate(calls):
            own = getattr(self, f"_{call['method']}", None)
            if own is None:
                passed_on.append(place)
                continue
            answer: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
            try:
                answer["result"] = own(*call.get("params", ()))
            except RpcFault as refused:
                answer["error"] = {"code": refused.code, "message": str(refused)}
            answers[place] = answer
        if passed_on:
            content = [calls[place] for place in passed_on]
            replies = self._http.post(self.upstream, json=content).json()
            by_id = {reply["id"]: reply for reply in replies}
            answers |= {place: by_id[calls[place]["id"]] for place in passed_on}
        return [answers[place] for place in range(len(calls))]

    def _eth_sendPrivateTransaction(self, given: dict[str, str]) -> str:
        return self._eth_sendRawTransaction(given["tx"])

    def _eth_sendRawTransaction(self, raw: str) -> str:
        if self._swallows:
            self.swallowed.append(decoded(raw))
            return self.swallowed[-1].tx_hash
        self.on_arrival(raw)
        one = decoded(raw)
        self.arrived.append(one)
        self._require_acceptable(one)
        self.pool[(one.sender, one.nonce)] = one
        return one.tx_hash

    def _require_acceptable(self, one: Pooled) -> None:
        """geth's internal/ethapi (the fee cap) and core/txpool (validation, legacypool), in their words."""
        if self.refuses_with:
            raise RpcFault(self.refuses_with)
        if one.gas * one.max_fee > self.fee_cap_wei:
            cost, cap = one.gas * one.max_fee / 1e18, self.fee_cap_wei / 1e18
            raise RpcFault(f"tx fee ({cost:.2f} ether) exceeds the configured cap ({cap:.2f} ether)")
        if one.tx_hash in self._mined or any(one.tx_hash == other.tx_hash for other in self.pool.values()):
            raise RpcFault("already known")
        if one.tip > one.max_fee:
            raise RpcFault("max priority fee per gas higher than max fee per gas")
        if one.gas < NO_OP_GAS:
            raise RpcFault("intrinsic gas too low")
        if one.gas > int(self.rpc("eth_getBlockByNumber", "latest", False)["gasLimit"], 16):
            raise RpcFault("exceeds block gas limit")
        next_nonce = self._nonce(one.sender)
        if one.nonce < next_nonce:
            raise RpcFault(f"nonce too low: next nonce {next_nonce}, tx nonce {one.nonce}")
        if int(self.rpc("eth_getBalance", one.sender, "latest"), 16) < one.gas * one.max_fee:
            raise RpcFault("insufficient funds for gas * price + value")
        rival = self.pool.get((one.sender, one.nonce))
        if rival is not None and (one.max_fee * 100 < rival.max_fee * 110 or one.tip * 100 < rival.tip * 110):
            raise RpcFault("replacement transaction underpriced")

    def _eth_getTransactionByHash(self, tx_hash: str) -> Any:
        waiting = [one for one in self.pool.values() if one.tx_hash == tx_hash]
        if waiting:
            return {"hash": tx_hash, "nonce": hex(waiting[0].nonce), "blockNumber": None}
        return self.rpc("eth_getTransactionByHash", tx_hash)

    def _eth_getTransactionReceipt(self, tx_hash: str) -> Any:
        found = self.rpc("eth_getTransactionReceipt", tx_hash)
        if found is not None or not self.pool or self.mines_on_poll is None:
            return found
        self._polls += 1
        if self._polls >= self.mines_on_poll:
            self._mine_one()
        return self.rpc("eth_getTransactionReceipt", tx_hash)

    def _eth_getTransactionCount(self, account: str, block: str) -> str:
        if block != "pending":
            found: str = self.rpc("eth_getTransactionCount", account, block)
            return found
        nonce = self._nonce(account)
        while (account.lower(), nonce) in self.pool:
            nonce += 1
        return hex(nonce)

    def _txpool_contentFrom(self, account: str) -> Any:
        next_nonce = self._nonce(account)
        content: dict[str, dict[str, Any]] = {"pending": {}, "queued": {}}
        for (sender, nonce), one in sorted(self.pool.items()):
            if sender == account.lower():
                if nonce == next_nonce:
                    next_nonce += 1
                    content["pending"][str(nonce)] = {"hash": one.tx_hash}
                else:
                    content["queued"][str(nonce)] = {"hash": one.tx_hash}
        return content

    # ------------------------------------------------------------------ inside

    def _nonce(self, account: str) -> int:
        return int(self.rpc("eth_getTransactionCount", account, "latest"), 16)

    def _mine_one(self, seconds: int = BLOCK_TIME_S) -> None:
        self._polls = 0
        base_fee = int(self.rpc("eth_feeHistory", "0x1", "latest", [])["baseFeePerGas"][-1], 16)
        due = []
        for sender in {sender for sender, _ in self.pool}:
            nonce = self._nonce(sender)
            while (one := self.pool.get((sender, nonce))) is not None and one.max_fee >= base_fee:
                due.append(one)
                nonce += 1
        for one in due:
            self.rpc("eth_sendRawTransaction", one.raw)
            self._mined[one.tx_hash] = one.raw
            del self.pool[(one.sender, one.nonce)]
        latest = int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        self.rpc("evm_setNextBlockTimestamp", latest + seconds)
        self.rpc("evm_mine")
        for key in [key for key in self.pool if key[1] < self._nonce(key[0])]:
            del self.pool[key]


@contextmanager
def geth_proxy(upstream: str) -> Iterator[GethProxy]:
    proxy = GethProxy(upstream)
    with serving(proxy.handle) as proxy.url:
        proxy.rpc("evm_setAutomine", False)
        try:
            yield proxy
        finally:
            proxy.rpc("evm_setAutomine", True)
            proxy._http.close()
