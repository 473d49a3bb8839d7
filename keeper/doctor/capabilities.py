"""What each node can do: the methods that the keeper needs or would like, asked one by one. Nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keeper.app.keys import acting_account
from keeper.chain.rpc.reads import Member
from keeper.doctor.diagnosis import Diagnosis, DoctorContext, LineStatus, failed, ok, warning
from keeper.domain.errors import KeeperError, NodeUnavailable
from keeper.domain.units import WAD
from keeper.jsonrpc import requests as ask
from keeper.jsonrpc.answers import Header
from keeper.jsonrpc.requests import Request
from keeper.settings.endpoints import endpoints

BATCH = 100
OLD_STATE = "the keeper does not need it"
NO_HASH = "0x" + "00" * 32
ANSWER_42 = "0x602a60005260206000f3"
"""Code that returns 42: PUSH1 42, MSTORE at 0, RETURN 32 bytes."""
CAPPED = ("geth/", "erigon/", "besu/", "reth/", "op-reth/")
CLIENTS_CAP_WEI = WAD
"""Clients that refuse by default a transaction whose gas × maxFee is higher. No client tells its cap before a send."""


@dataclass(frozen=True, slots=True)
class Capability:
    """``needed``: the keeper cannot work without it. ``without``: what its lack means, or the remedy. ``holds``:
    whether the answers are good."""

    name: str
    needed: bool
    without: str
    requests: Callable[[Asker], Sequence[Request[Any]]]
    holds: Callable[[Sequence[Any]], bool]


@dataclass(frozen=True, slots=True)
class Asker:
    """From where and at which block the node is asked."""

    account: str
    vault: str
    head: Header

    @property
    def pinned(self) -> dict[str, str]:
        return {"blockHash": self.head.hash}

    def earlier(self, blocks: int) -> str:
        return hex(max(0, self.head.number - blocks))

    @property
    def simulated_block(self) -> dict[str, Any]:
        call = {"from": self.account, "to": self.account, "input": "0x", "gas": hex(100_000)}
        overrides = {"time": hex(self.head.timestamp + 12)}
        return {"blockStateCalls": [{"blockOverrides": overrides, "calls": [call]}], "validation": False}


@dataclass(frozen=True, slots=True)
class NodeCapabilities:
    """One column of the matrix. ``refusals``: why, by the name of each capability that the node lacks."""

    endpoint: str
    client: str
    refusals: dict[str, str]

    def status(self, capability: Capability) -> LineStatus:
        if capability.name not in self.refusals:
            return LineStatus.OK
        return LineStatus.FAILED if capability.needed else LineStatus.WARNING

    @property
    def fee_cap_wei(self) -> int | None:
        """By the client's name; None if it has none that is known."""
        return CLIENTS_CAP_WEI if self.client.lower().startswith(CAPPED) else None

    @property
    def fee_cap(self) -> str:
        cap = self.fee_cap_wei
        return f"{cap / WAD:g} ETH by default" if cap is not None else "none known of this client"


def capabilities(context: DoctorContext) -> Diagnosis:
    where = endpoints(context.settings)
    account = acting_account(context.settings)
    nodes = [examined(member, account, where.vault) for member in context.reads.members]
    lacking = [
        capability
        for capability in CAPABILITIES
        if capability.needed and sum(capability.name not in node.refusals for node in nodes) < where.quorum
    ]
    both = [node for node in nodes if {SIMULATE_V1, OVERRIDE} <= node.refusals.keys()]
    if lacking or len(nodes) - len(both) < where.quorum:
        names = [capability.name for capability in lacking] or [f"{SIMULATE_V1} or {OVERRIDE}"]
        line = failed(
            f"fewer than {where.quorum} nodes can do: {', '.join(names)}",
            NodeUnavailable,
            remedy="Use other nodes in KEEPER_RPC_URL.",
        )
    else:
        line = fee_diagnosis(nodes, context.policy.plan.max_fee_wei)
    return replace(line, nodes=tuple(nodes))


def fee_diagnosis(nodes: Sequence[NodeCapabilities], most_wei: int) -> Diagnosis:
    """For nodes that can do what is needed: whether they pass on what a transaction may offer for gas."""
    detail = (
        f"enough nodes can do what is needed; a transaction offers at most {most_wei / WAD:g} ETH for gas"
    )
    lower = [
        f"node {place} passes on {node.fee_cap}"
        for place, node in enumerate(nodes, start=1)
        if node.fee_cap_wei is not None and node.fee_cap_wei < most_wei
    ]
    if not lower:
        return ok(detail)
    return warning(
        f"{detail}, but {', '.join(lower)}",
        remedy="Lower plan.max_fee_eth, or start these nodes with a higher cap (geth, Erigon and Reth: --rpc.txfeecap; "
        "Besu: --rpc-tx-feecap).",
    )


def examined(member: Member, account: str, vault: str) -> NodeCapabilities:
    """Asks one node for everything. A node that does not tell its head lacks all."""
    try:
        client = member.request(ask.client_version())
    except KeeperError:
        client = "unknown client"
    try:
        asker = Asker(account, vault, member.request(ask.block("latest")))
    except KeeperError as error:
        return NodeCapabilities(
            member.use.endpoint, client, {lacked.name: error.message for lacked in CAPABILITIES}
        )
    refusals = {}
    for capability in CAPABILITIES:
        try:
            answers = member.batch(capability.requests(asker))
        except KeeperError as error:
            refusals[capability.name] = error.message
        else:
            if not capability.holds(answers):
                refusals[capability.name] = "the answer is empty"
    return NodeCapabilities(member.use.endpoint, client, refusals)


Requests = Callable[[Asker], Sequence[Request[Any]]]
Judge = Callable[[Sequence[Any]], bool]


def _all_there(answers: Sequence[Any]) -> bool:
    return all(answer is not None for answer in answers)


def _needed(name: str, requests: Requests, holds: Judge = _all_there) -> Capability:
    return Capability(name, needed=True, without="use another node", requests=requests, holds=holds)


def _wished(name: str, without: str, requests: Requests, holds: Judge = _all_there) -> Capability:
    return Capability(name, needed=False, without=without, requests=requests, holds=holds)


SIMULATE_V1 = "eth_simulateV1"
OVERRIDE = "eth_call with override"
CAPABILITIES: tuple[Capability, ...] = (
    _needed("eth_chainId", lambda _: [ask.chain_id()]),
    _wished(f"batch of {BATCH}", "smaller batches are sent", lambda _: [ask.chain_id()] * BATCH),
    _needed("eth_call at a block hash", lambda at: [ask.call({"to": at.account}, at.pinned)]),
    _needed("eth_getCode", lambda at: [ask.code(at.vault, at.pinned)]),
    _wished(
        SIMULATE_V1,
        "eth_call simulates instead",
        lambda at: [ask.simulation(at.simulated_block, hex(at.head.number), 1)],
    ),
    _wished(
        OVERRIDE,
        "eth_simulateV1 must be there",
        lambda at: [ask.call({"to": at.account}, at.pinned, {at.account: {"code": ANSWER_42}})],
        holds=lambda answers: int.from_bytes(answers[0], "big") == 42,
    ),
    _needed(
        "eth_estimateGas",
        lambda at: [ask.gas_estimate({"from": at.account, "to": at.account}, "latest")],
    ),
    _needed("eth_feeHistory", lambda _: [ask.fee_history(5, 50)]),
    _needed("eth_getBalance", lambda at: [ask.balance(at.account)]),
    _needed(
        "eth_getTransactionCount",
        lambda at: [ask.transaction_count(at.account, tag) for tag in ("latest", "pending")],
    ),
    _needed(
        "receipt, transaction by hash",
        lambda _: [ask.receipt(NO_HASH), ask.is_known(NO_HASH)],
        holds=lambda _: True,
    ),
    _wished("block tag finalized", "set send.finality_blocks", lambda _: [ask.tagged_block("finalized")]),
    _wished(
        "txpool_contentFrom",
        "strange transactions show by nonce only",
        lambda at: [ask.waiting_transactions(at.account)],
    ),
    _wished(
        "state 128 blocks ago", OLD_STATE, lambda at: [ask.transaction_count(at.account, at.earlier(128))]
    ),
    _wished(
        "state 100,000 blocks ago",
        OLD_STATE,
        lambda at: [ask.transaction_count(at.account, at.earlier(100_000))],
    ),
)
"""The rows of the matrix."""
