"""Several nodes behave as one: an answer counts when a quorum gives it at the same block hash.

1. Every node reports its latest block. The cycle uses the newest block that a quorum has. A node that is behind it, on
   another chain or on another branch is not used in this cycle.
2. A read at that block goes to as many nodes as a quorum needs, in parallel. If a node is slow, fails or differs, the
   other nodes are asked too. The answer of a quorum counts. A node that differs from it is not asked for a while.
3. Without a quorum there is no answer. The quorum is never lowered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from functools import partial
from types import TracebackType
from typing import Any, Self

from keeper.chain.rpc.client import Request
from keeper.chain.rpc.endpoint import Endpoint
from keeper.domain.errors import KeeperError, NodeUnavailable, NodeUntrusted, RpcError, WrongChain
from keeper.domain.record import NodeUse
from keeper.runtime.concurrency import results_in_time, run_in_background

HEDGE_S = 2.0
"""If a node takes longer than this, another node is asked as well."""
HEADER = ("hash", "number", "timestamp", "baseFeePerGas", "gasUsed", "gasLimit")
ESTIMATES = ("eth_estimateGas",)
"""Honest clients give different answers to these methods. The highest answer of a quorum counts."""

Outcome = tuple[Endpoint, list[Any] | KeeperError]


class NodeQuorum:
    """``Reads`` over several endpoints. ``quorum`` is at least 2; ``chain_id`` the one that every node must be on."""

    def __init__(self, endpoints: Sequence[Endpoint], quorum: int, chain_id: int) -> None:
        self.endpoints = tuple(endpoints)
        self.quorum = quorum
        self._chain_id = chain_id
        self._here: tuple[Endpoint, ...] = self.endpoints

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for endpoint in self.endpoints:
            endpoint.rpc.close()

    @property
    def endpoint(self) -> str:
        return ", ".join(endpoint.rpc.endpoint for endpoint in self.endpoints)

    @property
    def round_trips(self) -> int:
        return sum(endpoint.rpc.round_trips for endpoint in self.endpoints)

    @property
    def uses(self) -> tuple[NodeUse, ...]:
        return tuple(endpoint.use for endpoint in self.endpoints)

    @property
    def members(self) -> tuple[Endpoint, ...]:
        return self.endpoints

    def head(self) -> tuple[Any, Any]:
        """eth_chainId and the newest block that a quorum has; from now on reads go to the nodes that have it. Raises
        WrongChain, NodeUnavailable, NodeUntrusted."""
        for endpoint in self.endpoints:
            endpoint.note = ""
        heads = self._heads()
        number = sorted((_number(head) for _, head in heads), reverse=True)[self.quorum - 1]
        alike: dict[str, list[tuple[Endpoint, Any]]] = {}
        for endpoint, head in self._at(number, heads):
            alike.setdefault(_header(head), []).append((endpoint, head))
        winners = max(alike.values(), key=len, default=[])
        if len(winners) < self.quorum:
            raise NodeUntrusted(
                f"the nodes disagree about block {number}: {len(alike)} versions, {self.quorum} must say the same",
                remedy="One of them follows another branch or lies. Nothing is traded until they agree.",
            )
        self._here = tuple(endpoint for endpoint, _ in winners)
        losers = [vote for votes in alike.values() if votes is not winners for vote in votes]
        for endpoint, _ in losers:
            endpoint.note = f"has another block {number} than {len(winners)} other nodes"
        return hex(self._chain_id), winners[0][1]

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """As ``batch``, of one."""
        return self.batch([Request(method, params)])[0]

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """What a quorum answers alike; an error is an answer too. Raises RpcError, NodeUnavailable, NodeUntrusted."""
        votes: dict[str, list[Outcome]] = {}
        failed: list[KeeperError] = []
        for endpoint, answer in self._asked(lambda endpoint: endpoint.batch(requests)):
            if isinstance(answer, KeeperError) and not isinstance(answer, RpcError):
                failed.append(answer)
                continue
            votes.setdefault(_ballot(requests, answer), []).append((endpoint, answer))
            won = max(votes.values(), key=len)
            if len(won) >= self.quorum:
                self._distrust(votes, won)
                return _elected(requests, [answer for _, answer in won])
        raise self._no_quorum(votes, failed)

    # ------------------------------------------------------------------ inside

    def _heads(self) -> list[tuple[Endpoint, Any]]:
        """Of the nodes that are on the right chain. Raises WrongChain, NodeUnavailable where they are too few."""
        heads, failed = [], []
        for endpoint, answer in results_in_time(
            [partial(_tried, endpoint, _own_head) for endpoint in self.endpoints],
            _usable,
            self.quorum,
            patience_s=HEDGE_S,
        ):
            if isinstance(answer, KeeperError):
                failed.append(answer)
                continue
            reported, head = answer
            if reported != hex(self._chain_id) or not isinstance(head, dict):
                endpoint.note = f"is on chain {reported!r:.20}, not on {self._chain_id}"
                failed.append(
                    WrongChain(
                        f"the node at {endpoint.rpc.endpoint} {endpoint.note}",
                        remedy="Correct KEEPER_RPC_URL or chain_id. Nothing was read or sent.",
                    )
                )
                continue
            heads.append((endpoint, head))
        if len(heads) >= self.quorum:
            return heads
        wrong = next((error for error in failed if isinstance(error, WrongChain)), None)
        raise wrong if wrong is not None else self._too_few(len(heads), failed)

    def _at(self, number: int, heads: Iterable[tuple[Endpoint, Any]]) -> Iterator[tuple[Endpoint, Any]]:
        """The block of that number from each node that has it."""
        for endpoint, head in heads:
            ahead = _number(head) - number
            if ahead < 0:
                endpoint.note = f"is {-ahead} block(s) behind"
                continue
            if ahead == 0:
                yield endpoint, head
                continue
            try:
                block = endpoint.request("eth_getBlockByNumber", [hex(number), False])
            except KeeperError as error:
                endpoint.note = error.message
                continue
            if isinstance(block, dict):
                yield endpoint, block

    def _asked(self, ask: Callable[[Endpoint], list[Any]]) -> Iterator[Outcome]:
        """Outcomes as they come: from a quorum of the nodes that have the block, then from the others too, when the
        first ones are slow or leave the question open."""
        available = [endpoint for endpoint in self._here if endpoint.breaker.allows]
        now, later = available[: self.quorum], available[self.quorum :]
        pending = {run_in_background(partial(_tried, endpoint, ask)) for endpoint in now}
        while pending:
            done, pending = wait(pending, timeout=HEDGE_S if later else None, return_when=FIRST_COMPLETED)
            outcomes = [future.result() for future in done]
            yield from outcomes
            missing = not all(map(_usable, outcomes))
            if later and (missing or not done or not pending):
                pending |= {run_in_background(partial(_tried, endpoint, ask)) for endpoint in later}
                later = []

    def _distrust(self, votes: dict[str, list[Outcome]], won: list[Outcome]) -> None:
        losers = [vote for others in votes.values() if others is not won for vote in others]
        for endpoint, _ in losers:
            endpoint.distrust(f"gave another answer than {len(won)} other nodes at the same block")

    def _no_quorum(self, votes: dict[str, list[Outcome]], failed: Sequence[KeeperError]) -> KeeperError:
        if len(votes) < 2:
            return self._too_few(sum(map(len, votes.values())), failed)
        return NodeUntrusted(
            f"{sum(map(len, votes.values()))} nodes give {len(votes)} different answers at the same block, "
            f"but {self.quorum} must agree",
            remedy="At least one node is wrong. The keeper does not trade until they agree.",
        )

    def _too_few(self, answered: int, failed: Sequence[KeeperError]) -> KeeperError:
        reasons = "".join(f"; {error.message}" for error in failed)
        return NodeUnavailable(
            f"{answered} of {len(self.endpoints)} nodes give a usable answer, but {self.quorum} must agree{reasons}",
            remedy="The keeper does not trade with fewer. Check the nodes in KEEPER_RPC_URL.",
        )


def _tried(endpoint: Endpoint, ask: Callable[[Endpoint], list[Any]]) -> Outcome:
    try:
        return endpoint, ask(endpoint)
    except KeeperError as error:
        return endpoint, error


def _own_head(endpoint: Endpoint) -> list[Any]:
    return list(endpoint.guarded(endpoint.rpc.head))


def _usable(outcome: Outcome) -> bool:
    return not isinstance(outcome[1], KeeperError)


def _number(head: dict[str, Any]) -> int:
    try:
        return int(str(head.get("number")), 16)
    except ValueError:
        return -1


def _header(head: dict[str, Any]) -> str:
    return json.dumps([head.get(field) for field in HEADER])


def _ballot(requests: Sequence[Request], answer: list[Any] | KeeperError) -> str:
    """The part of the answers that must be equal. Of a simulation these are the results of the calls, of a receipt the
    status and the logs: clients differ in the other fields."""
    if isinstance(answer, KeeperError):
        return f"error {answer.code}" if isinstance(answer, RpcError) else answer.name
    return json.dumps(
        [_essence(request.method, result) for request, result in zip(requests, answer, strict=True)],
        sort_keys=True,
    )


def _essence(method: str, answer: Any) -> Any:
    if method in ESTIMATES:
        return None
    if method == "eth_simulateV1" and isinstance(answer, list):
        return [
            [
                (call.get("status"), call.get("returnData"), call.get("gasUsed"), _logs(call))
                for call in block.get("calls", ())
            ]
            for block in answer
            if isinstance(block, dict)
        ]
    if method == "eth_getTransactionReceipt" and isinstance(answer, dict):
        return answer.get("blockHash"), answer.get("status"), _logs(answer)
    return answer


def _logs(answer: dict[str, Any]) -> list[Any]:
    """Address, topics and data of each log. Clients differ in the other fields."""
    logs = answer.get("logs")
    return [
        (str(log.get("address")).lower(), log.get("topics"), log.get("data"))
        for log in (logs if isinstance(logs, list) else ())
        if isinstance(log, dict)
    ]


def _elected(requests: Sequence[Request], answers: Sequence[list[Any] | KeeperError]) -> list[Any]:
    first = answers[0]
    if isinstance(first, KeeperError):
        raise first
    chosen = list(first)
    for place, request in enumerate(requests):
        if request.method in ESTIMATES:
            chosen[place] = hex(max(int(answer[place], 16) for answer in answers if isinstance(answer, list)))
    return chosen
