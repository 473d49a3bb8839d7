"""``ports.Node`` over several nodes: looks at all, believes a quorum, sends to every one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from keeper.domain.errors import KeeperError, NodeUnavailable, NodeUntrusted, RpcError
from keeper.runtime.concurrency import results_in_time
from keeper.tx.ports import FeeMarket, Node, Outlook
from keeper.tx.quorum_merge import agreed, agreed_fees

T = TypeVar("T")
PATIENCE_S = 2.0
"""A node that is slower than a quorum by this is not waited for."""


class NodePool:
    """``quorum`` of ``nodes`` must answer, and say the same where one answer can be compared with another."""

    def __init__(self, nodes: Sequence[Node], quorum: int) -> None:
        self._nodes = tuple(nodes)
        self._quorum = quorum

    def chain_id(self) -> int:
        """The one that a quorum tells. A node of another chain among them is outvoted."""
        told = Counter(self._answers(lambda node: node.chain_id()))
        chain_id, count = told.most_common(1)[0]
        if count < self._quorum:
            raise NodeUntrusted(
                f"the nodes are on different chains: {', '.join(map(str, sorted(told)))}",
                remedy="Correct KEEPER_RPC_URL. Nothing was signed.",
            )
        return chain_id

    def look(self, account: str, vault: str, hashes: Mapping[str, str]) -> Outlook:
        return agreed(self._answers(lambda node: node.look(account, vault, hashes)), self._quorum)

    def balance(self, account: str) -> int:
        """The lowest that is told: at worst too little is sent, not too much promised."""
        return min(self._answers(lambda node: node.balance(account)))

    def fee_market(self) -> FeeMarket:
        return agreed_fees(self._answers(lambda node: node.fee_market()))

    def send_raw(self, raw: str) -> None:
        """To every node; done as soon as one takes it. Where none does: a refusal that a node gave, else that none
        answered, after which it may still have arrived."""
        outcomes = results_in_time(
            [partial(_tried, node, lambda one: one.send_raw(raw)) for node in self._nodes],
            _good,
            1,
            PATIENCE_S,
        )
        if any(map(_good, outcomes)):
            return
        errors = [one for one in outcomes if isinstance(one, KeeperError)]
        raise next((error for error in errors if isinstance(error, RpcError)), errors[0])

    def _answers(self, ask: Callable[[Node], T]) -> list[T]:
        """At least as many as make a quorum. Raises NodeUnavailable."""
        outcomes = results_in_time(
            [partial(_tried, node, ask) for node in self._nodes], _good, self._quorum, PATIENCE_S
        )
        answers = [one for one in outcomes if not isinstance(one, KeeperError)]
        if len(answers) < self._quorum:
            said = "".join(f"; {one.message}" for one in outcomes if isinstance(one, KeeperError))
            raise NodeUnavailable(
                f"{len(answers)} of {len(self._nodes)} nodes answer, {self._quorum} must{said}",
                remedy="Nothing is sent on the word of fewer. Check the nodes that KEEPER_RPC_URL lists.",
            )
        return answers


def _tried(node: Node, ask: Callable[[Node], T]) -> T | KeeperError:
    try:
        return ask(node)
    except KeeperError as error:
        return error


def _good(outcome: object) -> bool:
    return not isinstance(outcome, KeeperError)
