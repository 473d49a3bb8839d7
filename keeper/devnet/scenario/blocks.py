"""Blocks of the local chain at given times and base fees, with the transactions of the market in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from keeper.domain.errors import NodeUnavailable, Reverted

GAS = 3_000_000
"""Of one transaction: enough for a swap through many ticks, or a liquidation."""
TIP_WEI = 10**9
"""Of the market's transactions. The keeper offers what others paid in the blocks before."""
RICH_WEI = 10**27


@dataclass(frozen=True, slots=True)
class ChainCall:
    """A transaction of an unlocked account. ``may_fail``: another transaction of the block may be in its way."""

    sender: str
    to: str
    data: str
    may_fail: bool = False


@dataclass(slots=True)
class BlockMaker:
    """Talks to the node in batches: web3 takes longer for one call than the node for all of a block."""

    url: str
    _client: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=120.0, trust_env=False), init=False
    )

    def close(self) -> None:
        self._client.close()

    def batch(self, requests: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """The results in the order of the requests, which the node may answer in any order. Raises NodeUnavailable."""
        body = [
            {"jsonrpc": "2.0", "id": place, "method": method, "params": list(params)}
            for place, (method, params) in enumerate(requests)
        ]
        try:
            answers = self._client.post(self.url, json=body).json()
        except (httpx.HTTPError, ValueError) as error:
            raise NodeUnavailable(
                f"{requests[0][0]}: {error}", remedy="Look whether the local chain still runs."
            ) from error
        for each in answers:
            if "error" in each:
                raise NodeUnavailable(
                    f"{requests[each['id']][0]}: {each['error'].get('message')}",
                    remedy="Look whether the local chain still runs.",
                )
        return [each["result"] for each in sorted(answers, key=lambda each: int(each["id"]))]

    def call(self, reads: Sequence[tuple[str, str]]) -> list[str]:
        """Answers of contracts at the newest block, hexadecimal; each read is an address and calldata."""
        return self.batch([("eth_call", ({"to": to, "data": data}, "latest")) for to, data in reads])

    def enrich(self, accounts: Sequence[str]) -> None:
        """Native coin for the gas of these accounts."""
        self.batch([("anvil_setBalance", (account, hex(RICH_WEI))) for account in accounts])

    def mine(self, at: int, base_fee_wei: int, calls: Sequence[ChainCall] = ()) -> list[bool]:
        """One block with these transactions alone; says which succeeded. Those of one sender keep their order. Raises
        Reverted."""
        senders = list(dict.fromkeys(call.sender for call in calls))
        before: list[tuple[str, Sequence[object]]] = [
            ("evm_setAutomine", (False,)),
            ("evm_setNextBlockTimestamp", (at,)),
            ("anvil_setNextBlockBaseFeePerGas", (hex(base_fee_wei),)),
        ]
        counts = self.batch(
            [*before, *(("eth_getTransactionCount", (sender, "latest")) for sender in senders)]
        )[len(before) :]
        nonces = {sender: int(count, 16) for sender, count in zip(senders, counts, strict=True)}
        sends: list[tuple[str, Sequence[object]]] = []
        for call in calls:
            fields = {"from": call.sender, "to": call.to, "data": call.data, "gas": hex(GAS)}
            fields |= {"maxFeePerGas": hex(base_fee_wei + TIP_WEI), "maxPriorityFeePerGas": hex(TIP_WEI)}
            fields |= {"nonce": hex(nonces[call.sender])}
            nonces[call.sender] += 1
            sends.append(("eth_sendTransaction", (fields,)))
        hashes = self.batch(sends) if sends else []
        self.batch([("evm_mine", ())])
        after: list[tuple[str, Sequence[object]]] = [
            *(("eth_getTransactionReceipt", (each,)) for each in hashes),
            ("evm_setAutomine", (True,)),
        ]
        succeeded = []
        for call, receipt in zip(calls, self.batch(after), strict=False):
            succeeded.append(receipt is not None and int(receipt["status"], 16) == 1)
            if not succeeded[-1] and not call.may_fail:
                raise Reverted(
                    f"the market's call {call.data[:10]} of {call.to} reverted on the local chain",
                    remedy="Replay the transaction with debug_traceTransaction.",
                )
        return succeeded
