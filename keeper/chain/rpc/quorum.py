"""Several nodes behave as one: an answer counts when a quorum gives it at the same block hash.

1. Every node reports its latest block. The cycle uses the newest block that a quorum has. A node that is behind it, on
   another chain or on another branch is not used in this cycle.
2. A read at that block goes to as many nodes as a quorum needs, in parallel. If a node is slow, fails or differs, the
   other nodes are asked too. The answer of a quorum counts. A node that differs from it is not asked for a while. A
   slow node is asked last until the next block is read, so that a look waits once for it.
3. Without a quorum there is no answer. The quorum is never lowered.
4. A node that refuses a request contradicts nobody: it is not distrusted, and the others are asked. When too few are
   left for a quorum, the refusal is the answer, so that the caller can ask for the same by another method.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from keeper.chain.rpc.endpoint import Endpoint
from keeper.domain.errors import (
    KeeperError,
    NodeNotReady,
    NodeRefused,
    NodeUnavailable,
    NodeUntrusted,
    RpcError,
    WrongChain,
)
from keeper.domain.record import NodeUse
from keeper.jsonrpc import requests as ask
from keeper.jsonrpc.answers import Header
from keeper.jsonrpc.requests import GAS_ESTIMATE, Request
from keeper.runtime.concurrency import results_in_time, run_in_background

REVERTED = 3
HEDGE_S = 2.0
"""If a node takes longer than this, another node is asked as well."""

T = TypeVar("T")
Outcome = tuple[Endpoint, Sequence[Any] | KeeperError]
Votes = dict[Hashable, list[Outcome]]


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

    def forget_notes(self) -> None:
        """Reads.forget_notes."""
        for endpoint in self.endpoints:
            endpoint.note = ""

    def head(self) -> tuple[int, Header]:
        """The chain id and the newest block that a quorum has; from now on reads go to the nodes that have it. Raises
        WrongChain, NodeUnavailable, NodeUntrusted."""
        heads = self._heads()
        number = sorted((head.number for _, head in heads), reverse=True)[self.quorum - 1]
        alike: dict[Header, list[Endpoint]] = {}
        for endpoint, head in self._at(number, heads):
            alike.setdefault(head, []).append(endpoint)
        winners = max(alike.values(), key=len, default=[])
        if len(winners) < self.quorum:
            voters = ", ".join(
                endpoint.rpc.endpoint for endpoints in alike.values() for endpoint in endpoints
            )
            raise NodeUntrusted(
                f"the nodes disagree about block {number}: {len(alike)} versions, {self.quorum} must say the same "
                f"(eth_getBlockByNumber of {voters or 'none'})",
                remedy="One of them follows another branch or lies. Nothing is traded until they agree.",
            )
        self._here = tuple(winners)
        header = next(header for header, endpoints in alike.items() if endpoints is winners)
        others = [endpoint for group in alike.values() if group is not winners for endpoint in group]
        for endpoint in others:
            endpoint.note = f"has another block {number} than {len(winners)} other nodes"
        return self._chain_id, header

    def request(self, request: Request[T]) -> T:
        """As ``batch``, of one."""
        result: T = self.batch([request])[0]
        return result

    def batch(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """What a quorum answers alike; a revert is an answer too. Raises RpcError, NodeRefused, NodeNotReady,
        NodeUnavailable, NodeUntrusted."""
        votes: Votes = {}
        failed: list[KeeperError] = []
        refusals = 0
        for endpoint, answer in self._asked(lambda endpoint: endpoint.batch(requests)):
            if isinstance(answer, KeeperError) and not _is_revert(answer):
                failed.append(answer)
                refusals += isinstance(answer, RpcError | NodeRefused | NodeNotReady)
                if refusals > len(self._here) - self.quorum:
                    raise answer
                continue
            votes.setdefault(_ballot(requests, answer), []).append((endpoint, answer))
            won = max(votes.values(), key=len)
            if len(won) >= self.quorum:
                self._distrust(votes, won)
                return _elected(requests, [answer for _, answer in won])
        raise self._no_quorum(requests, votes, failed)

    # ------------------------------------------------------------------ inside

    def _heads(self) -> list[tuple[Endpoint, Header]]:
        """Of the nodes that are on the right chain. Raises WrongChain, NodeUnavailable where they are too few."""
        heads: list[tuple[Endpoint, Header]] = []
        failed: list[KeeperError] = []
        for endpoint, answer in results_in_time(
            [partial(_tried, endpoint, _own_head) for endpoint in self.endpoints],
            _usable,
            self.quorum,
            patience_s=HEDGE_S,
        ):
            if isinstance(answer, KeeperError):
                endpoint.note = endpoint.note or answer.message
                failed.append(answer)
                continue
            reported, head = answer
            if reported != self._chain_id:
                endpoint.note = f"is on chain {reported}, not on {self._chain_id}"
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

    def _at(self, number: int, heads: Iterable[tuple[Endpoint, Header]]) -> Iterator[tuple[Endpoint, Header]]:
        """The block of that number from each node that has it."""
        for endpoint, head in heads:
            ahead = head.number - number
            if ahead < 0:
                endpoint.note = f"is {-ahead} block(s) behind"
                continue
            if ahead == 0:
                yield endpoint, head
                continue
            try:
                block = endpoint.request(ask.numbered_block(number))
            except KeeperError as error:
                endpoint.note = error.message
                continue
            if block is not None:
                yield endpoint, block
            else:
                endpoint.note = f"reports block {head.number} and does not have block {number}"

    def _asked(self, question: Callable[[Endpoint], list[Any]]) -> Iterator[Outcome]:
        """Outcomes as they come: from a quorum of the nodes that have the block, then from the others too, when the
        first ones are slow or leave the question open."""
        available = [endpoint for endpoint in self._here if endpoint.breaker.allows]
        now, later = available[: self.quorum], available[self.quorum :]
        asked = {run_in_background(partial(_tried, endpoint, question)): endpoint for endpoint in now}
        pending = set(asked)
        while pending:
            done, pending = wait(pending, timeout=HEDGE_S if later else None, return_when=FIRST_COMPLETED)
            outcomes = [future.result() for future in done]
            yield from outcomes
            if later and not done:
                slow = {asked[future] for future in pending}
                self._here = tuple(sorted(self._here, key=slow.__contains__))
            missing = not all(map(_usable, outcomes))
            if later and (missing or not done or not pending):
                pending |= {run_in_background(partial(_tried, endpoint, question)) for endpoint in later}
                later = []

    def _distrust(self, votes: Votes, won: list[Outcome]) -> None:
        for endpoint, answer in (vote for others in votes.values() if others is not won for vote in others):
            endpoint.distrust(
                answer.message
                if isinstance(answer, KeeperError)
                else f"gave another answer than {len(won)} other nodes at the same block"
            )

    def _no_quorum(
        self, requests: Sequence[Request[Any]], votes: Votes, failed: Sequence[KeeperError]
    ) -> KeeperError:
        if len(votes) < 2:
            return self._too_few(sum(map(len, votes.values())), failed)
        voters = [endpoint.rpc.endpoint for outcomes in votes.values() for endpoint, _ in outcomes]
        return NodeUntrusted(
            f"{len(voters)} nodes give {len(votes)} different answers at the same block, but {self.quorum} must agree "
            f"({', '.join(dict.fromkeys(request.method for request in requests))} of {', '.join(voters)})",
            remedy="At least one node is wrong. The keeper does not trade until they agree.",
        )

    def _too_few(self, answered: int, failed: Sequence[KeeperError]) -> KeeperError:
        reasons = "".join(f"; {error.message}" for error in failed)
        return NodeUnavailable(
            f"{answered} of {len(self.endpoints)} nodes give a usable answer, but {self.quorum} must agree{reasons}",
            remedy="The keeper does not trade with fewer. Check the nodes in KEEPER_RPC_URL.",
        )


def _tried(endpoint: Endpoint, question: Callable[[Endpoint], list[Any]]) -> Outcome:
    try:
        return endpoint, question(endpoint)
    except KeeperError as error:
        return endpoint, error


def _own_head(endpoint: Endpoint) -> list[Any]:
    return list(endpoint.guarded(endpoint.rpc.head))


def _is_revert(error: KeeperError) -> bool:
    """Whether the error is the result of an execution: geth's code 3, or a text that says so."""
    return isinstance(error, RpcError) and (error.code == REVERTED or "revert" in error.text.lower())


def _usable(outcome: Outcome) -> bool:
    return not isinstance(outcome[1], KeeperError)


def _ballot(requests: Sequence[Request[Any]], answer: Sequence[Any] | KeeperError) -> Hashable:
    """What must be equal: the values, not their spelling. The answers say themselves in which fields clients differ."""
    if isinstance(answer, KeeperError):
        return "revert"
    # Honest clients give different estimates of gas.
    return tuple(
        None if request.method == GAS_ESTIMATE else result
        for request, result in zip(requests, answer, strict=True)
    )


def _elected(requests: Sequence[Request[Any]], answers: Sequence[Sequence[Any] | KeeperError]) -> list[Any]:
    """The answer that won; of estimates of gas the highest."""
    first = answers[0]
    if isinstance(first, KeeperError):
        raise first
    chosen = list(first)
    for place, request in enumerate(requests):
        if request.method == GAS_ESTIMATE:
            chosen[place] = max(answer[place] for answer in answers if not isinstance(answer, KeeperError))
    return chosen
