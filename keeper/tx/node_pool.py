"""``ports.SendingNode`` over several nodes: asks all of them, believes a quorum, and sends to every one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from keeper.domain.errors import KeeperError, NodeUnavailable, NodeUntrusted, RpcError
from keeper.domain.tx import Payload
from keeper.runtime.concurrency import results_in_time
from keeper.tx.fees import FeeMarket
from keeper.tx.ports import NodeView, SendingNode
from keeper.tx.quorum_merge import merge_fee_markets, merge_views

Answer = TypeVar("Answer")
STRAGGLER_S = 2.0
"""How much longer than the quorum a node may take before its answer is not waited for."""


class NodePool:
    """``quorum`` of ``nodes`` must answer, and must agree where their answers can be compared."""

    def __init__(self, nodes: Sequence[SendingNode], quorum: int) -> None:
        self._nodes = tuple(nodes)
        self._quorum = quorum

    @property
    def endpoint(self) -> str:
        return ", ".join(node.endpoint for node in self._nodes)

    def chain_id(self) -> int:
        """The chain id that a quorum reports. Raises NodeUntrusted if there is none."""
        reported = Counter(self._answers(lambda node: node.chain_id()))
        chain_id, count = reported.most_common(1)[0]
        if count < self._quorum:
            raise NodeUntrusted(
                f"eth_chainId: the nodes are on different chains: {', '.join(map(str, sorted(reported)))} "
                f"(nodes {self.endpoint})",
                remedy="Correct KEEPER_RPC_URL. Nothing was signed.",
            )
        return chain_id

    def view(self, account: str, rebalancer: str, hashes: Mapping[str, str]) -> NodeView:
        return merge_views(self._answers(lambda node: node.view(account, rebalancer, hashes)), self._quorum)

    def balance(self, account: str) -> int:
        """The lowest reported balance, so that the keeper never counts on ETH that is not there."""
        return min(self._answers(lambda node: node.balance(account)))

    def fee_market(self) -> FeeMarket:
        return merge_fee_markets(self._answers(lambda node: node.fee_market()))

    def revert_data(self, payload: Payload, block: int) -> bytes | None:
        """What most nodes report."""
        reported = Counter(self._answers(lambda node: node.revert_data(payload, block)))
        return reported.most_common(1)[0][0]

    def send_raw(self, raw: str) -> None:
        """Sends to every node, and returns as soon as one accepts. If none accepts, raises a refusal if a node gave
        one, and otherwise NodeUnavailable: then the transaction may still have arrived."""
        outcomes = self._ask(lambda node: node.send_raw(raw), quorum=1)
        if any(map(_succeeded, outcomes)):
            return
        errors = [outcome for outcome in outcomes if isinstance(outcome, KeeperError)]
        raise next((error for error in errors if isinstance(error, RpcError)), errors[0])

    def _answers(self, question: Callable[[SendingNode], Answer]) -> list[Answer]:
        """At least a quorum of answers. Raises NodeUnavailable."""
        outcomes = self._ask(question, self._quorum)
        answers = [outcome for outcome in outcomes if not isinstance(outcome, KeeperError)]
        if len(answers) < self._quorum:
            errors = "".join(f"; {error.message}" for error in outcomes if isinstance(error, KeeperError))
            raise NodeUnavailable(
                f"{len(answers)} of {len(self._nodes)} nodes answer, {self._quorum} must{errors}",
                remedy="Nothing is sent without a quorum. Check the nodes that KEEPER_RPC_URL lists.",
            )
        return answers

    def _ask(self, question: Callable[[SendingNode], Answer], quorum: int) -> list[Answer | KeeperError]:
        questions = [partial(_answer_or_error, node, question) for node in self._nodes]
        return results_in_time(questions, _succeeded, quorum, patience_s=STRAGGLER_S)


def _answer_or_error(node: SendingNode, question: Callable[[SendingNode], Answer]) -> Answer | KeeperError:
    try:
        return question(node)
    except KeeperError as error:
        return error


def _succeeded(outcome: object) -> bool:
    return not isinstance(outcome, KeeperError)
