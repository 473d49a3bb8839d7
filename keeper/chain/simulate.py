"""Simulates the exact calldata on the snapshot's block and reads the vault afterwards, in one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from keeper.chain.calls import Answers, Call, CallResult
from keeper.chain.contracts import erc20, lending, safe, vault
from keeper.chain.deployed import Deployment
from keeper.chain.reverts import explain
from keeper.chain.rollup import UnsignedCall, publishing
from keeper.chain.rpc.multicall import encode_calls, executed_by, outcomes
from keeper.chain.rpc.reads import Reads
from keeper.chain.steps import encoded_call, step_amounts
from keeper.domain.errors import (
    NodeNotReady,
    NodeRefused,
    NodeUnavailable,
    NodeUntrusted,
    RpcError,
    SimulationFailed,
)
from keeper.domain.market import Holding, LendingAccount, MarketSnapshot
from keeper.domain.plan import PostState, RebalancePlan, SimulationReport, Step
from keeper.domain.portfolio import post_state
from keeper.domain.roles_modifier import question
from keeper.domain.tx import OutgoingCall
from keeper.jsonrpc import requests as ask
from keeper.jsonrpc.answers import SimulatedCall
from keeper.jsonrpc.field import AnswerField
from keeper.jsonrpc.requests import BlockTag, Request
from keeper.planning.gas import LARGEST_TRANSACTION, with_reserve

T = TypeVar("T")

NEXT_BLOCK_S = 12
"""Ethereum's slot time. A faster chain's next block comes earlier, so a price about to expire counts as expired."""

INVALID_PARAMS = -32602
CALLS = 2
"""The vault's call, and the reads after it."""
MAX_REFUND_DENOMINATOR = 5
"""EIP-3529: refunds give back at most a fifth of the gas."""


class SimulationOrder:
    """The two methods that simulate, in the order in which they are tried: the one that was answered last is first."""

    def __init__(self) -> None:
        self.methods = ["eth_simulateV1", "eth_call"]

    def put_first(self, method: str) -> None:
        self.methods.sort(key=lambda other: other != method)


@dataclass(frozen=True, slots=True)
class Simulator:
    """Runs a vault call from the keeper's address without signing it, as the key would send it.

    ``eth_simulateV1`` (Ethereum execution APIs) is tried first. ``eth_call`` is second: it puts the code of Multicall3
    at the keeper's address for this call, so that the vault sees the keeper as its caller and the reads follow in the
    same call. The block time is then the snapshot's, and gas comes from ``eth_estimateGas``. Any answer that is not the
    result of the execution leads to the other method; ``progress`` receives a line about it.

    Through a Roles modifier a failed call has no reason, so that a question more is asked then.
    """

    rpc: Reads
    multicall: str
    deployment: Deployment
    order: SimulationOrder
    progress: Callable[[str], None]

    def run(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> SimulationReport:
        """A rollup takes one more round trip for the publishing fee.

        Raises SimulationFailed if the node refuses both methods, NodeUnavailable, NodeUntrusted.
        """
        call = self.deployment.outgoing(encoded_call(plan, snapshot))
        report = self._executed(call, snapshot, plan.steps)
        if not report.success:
            return report
        sent = UnsignedCall(
            snapshot.keeper_address, call.to, bytes.fromhex(call.calldata[2:]), gas=report.gas
        )
        charged = publishing(
            self.deployment.rollup, self.rpc, self.multicall, block=snapshot.block, sent=sent
        )
        return replace(report, gas=max(report.gas, charged.gas), l1_fee_wei=charged.wei)

    def _executed(
        self, call: OutgoingCall, snapshot: MarketSnapshot, steps: Sequence[Step]
    ) -> SimulationReport:
        refusals = []
        for method in tuple(self.order.methods):
            try:
                if method == "eth_simulateV1":
                    report = self._simulated(call, snapshot, steps)
                else:
                    report = self._called(call, snapshot)
            except (RpcError, NodeRefused, NodeNotReady) as error:
                refusals.append(error.message)
                self.progress(f"{method} does not simulate: {error.message}")
                continue
            if refusals:
                self.progress(f"simulated by {method} instead")
            self.order.put_first(method)
            return report
        raise SimulationFailed(
            f"the node refuses both methods that simulate: {'; '.join(refusals)}",
            remedy="Use a node that has eth_simulateV1, or eth_call with state overrides. `keeper doctor` shows what "
            "each node can do.",
        )

    # --------------------------------------------------------- eth_simulateV1

    def _simulated(
        self, call: OutgoingCall, snapshot: MarketSnapshot, steps: Sequence[Step]
    ) -> SimulationReport:
        keeper, reads = snapshot.keeper_address, self._reads()
        payload = {
            "blockStateCalls": [
                {
                    "blockOverrides": {
                        "time": hex(snapshot.block.timestamp + NEXT_BLOCK_S),
                        # Room for the reads after a call that takes the whole block.
                        "gasLimit": hex(snapshot.block.gas_limit + LARGEST_TRANSACTION),
                    },
                    "calls": [
                        _transaction(keeper, call, gas=_most_gas(snapshot)),
                        _transaction(
                            keeper,
                            OutgoingCall(self.multicall, "0x" + encode_calls(reads).hex()),
                            gas=LARGEST_TRANSACTION,
                        ),
                    ],
                }
            ],
            "validation": False,
        }
        sent, results = self._pinned(partial(_simulation, payload, len(reads)), snapshot)
        refusal = self._refusal(CallResult(sent.succeeded, sent.data))
        if refusal is not None:
            return self._reverted(self._reason(refusal, call, snapshot), sent.gas_used, "eth_simulateV1")
        post = self._post(Answers(reads, results, f"eth_simulateV1 of {self.rpc.endpoint}"), snapshot)
        outs, ins = step_amounts(self.deployment.portfolio, steps, sent.logs)
        return SimulationReport(
            success=True,
            revert=None,
            gas=self._needed_gas(sent, call, snapshot),
            post=post,
            method="eth_simulateV1",
            l1_fee_wei=0,  # `run` adds it on a rollup
            step_outs=outs,
            step_ins=ins,
        )

    def _needed_gas(self, sent: SimulatedCall, call: OutgoingCall, snapshot: MarketSnapshot) -> int:
        """A limit must hold before refunds, which are at most a fifth (EIP-3529). A client that does not report that
        gas estimates the exact call; if it cannot, the whole fifth counts."""
        if sent.max_gas_used is not None:
            return self._with_reserve(max(sent.gas_used, sent.max_gas_used))
        try:
            estimate = self._estimate(call, snapshot)
        except (RpcError, NodeRefused, NodeNotReady):
            whole = -(-sent.gas_used * MAX_REFUND_DENOMINATOR // (MAX_REFUND_DENOMINATOR - 1))
            return self._with_reserve(whole)
        return max(sent.gas_used, estimate)

    def _with_reserve(self, gas: int) -> int:
        """Modifier and Safe each keep a part of the gas back from the call that they make. An estimate knows that."""
        return gas if self.deployment.hop is None else with_reserve(gas)

    def _pinned(self, request_at: Callable[[BlockTag], Request[T]], snapshot: MarketSnapshot) -> T:
        """Pinned by hash. If the node takes no hash: by number, with the hash checked in the same request."""
        try:
            return self.rpc.request(request_at({"blockHash": snapshot.block.hash}))
        except RpcError as error:
            if error.code != INVALID_PARAMS:
                raise
            number = snapshot.block.number
            batch: list[Any] = self.rpc.batch([request_at(hex(number)), ask.numbered_block(number)])
            answer: T = batch[0]
            pinned = batch[1]
            if pinned is None or pinned.hash != snapshot.block.hash:
                raise NodeUntrusted(
                    f"eth_getBlockByNumber: block {number} is no longer {snapshot.block.hash} "
                    f"(node {self.rpc.endpoint})",
                    remedy="The chain reorganised during the cycle. The next cycle starts from the new block.",
                ) from error
            return answer

    # --------------------------------------------------------------- eth_call

    def _called(self, call: OutgoingCall, snapshot: MarketSnapshot) -> SimulationReport:
        keeper, gas = snapshot.keeper_address, _most_gas(snapshot)
        calldata = bytes.fromhex(call.calldata[2:])
        rebalance: Call[bytes] = Call("the vault call", call.to, calldata, decode=bytes)
        calls = [rebalance, *self._reads()]
        results = self.rpc.request(
            executed_by(
                keeper,
                calls,
                gas=gas,
                block_hash=snapshot.block.hash,
                overrides={keeper: {"code": self.deployment.multicall_code}},
            )
        )
        answers = Answers(calls, results, f"eth_call of {self.rpc.endpoint}")
        refusal = self._refusal(answers.outcome(rebalance))
        if refusal is not None:
            return self._reverted(self._reason(refusal, call, snapshot), 0, "eth_call")
        return SimulationReport(
            success=True,
            revert=None,
            gas=self._estimate(call, snapshot),
            post=self._post(answers, snapshot),
            method="eth_call",
            l1_fee_wei=0,
            step_outs=(),
            step_ins=(),
        )

    # ----------------------------------------------------------------- shared

    def _estimate(self, call: OutgoingCall, snapshot: MarketSnapshot) -> int:
        transaction = _transaction(snapshot.keeper_address, call, gas=_most_gas(snapshot))
        return self._pinned(partial(ask.gas_estimate, transaction), snapshot)

    def _refusal(self, outcome: CallResult) -> bytes | None:
        """The revert data; None where the vault's call succeeded."""
        if self.deployment.hop is not None:
            return safe.refusal(outcome)
        return None if outcome.success else outcome.data

    def _reason(self, refusal: bytes, call: OutgoingCall, snapshot: MarketSnapshot) -> bytes:
        """The vault's revert data, where the Roles modifier says only that the Safe's call failed."""
        if self.deployment.hop is None or refusal not in (b"", safe.FAILED_INSIDE):
            return refusal
        asking = question(bytes.fromhex(call.calldata[2:]))
        transaction = _transaction(
            snapshot.keeper_address, OutgoingCall(call.to, "0x" + asking.hex()), gas=_most_gas(snapshot)
        )
        with suppress(NodeUnavailable):
            answer = self._pinned(partial(ask.call, transaction), snapshot)
            answered = safe.answered(CallResult(success=True, data=answer))
            if not answered.succeeded:
                return answered.data
        return safe.FAILED_INSIDE

    def _reads(self) -> list[Call[Any]]:
        at = self.deployment
        return [
            lending.account(at.pool, at.account),
            vault.position(at.account, self._tokens()),
            *(erc20.balance(token, at.portfolio) for token in self._tokens()),
            *(vault.position(other.address, self._tokens()) for other in at.others),
            *(vault.health_factor(other.address) for other in at.others),
        ]

    def _tokens(self) -> list[str]:
        return [listing.token.address for listing in self.deployment.listings]

    def _post(self, answers: Answers, snapshot: MarketSnapshot) -> PostState:
        """At the snapshot's prices: no feed moves inside a simulated block."""
        at = self.deployment
        position = answers.of(vault.position(at.account, self._tokens()))
        holdings = tuple(
            Holding(
                listing.token.symbol,
                idle=answers.of(erc20.balance(listing.token.address, at.portfolio)),
                supplied=supplied,
                owed=owed,
            )
            for listing, supplied, owed in zip(at.listings, position.supplied, position.owed, strict=True)
        )
        account = answers.of(lending.account(at.pool, at.account))
        others = tuple(self._other(account, answers) for account in snapshot.others)
        after = replace(snapshot, holdings=holdings, account=account, others=others)
        return post_state(after)

    def _other(self, before: LendingAccount, answers: Answers) -> LendingAccount:
        position = answers.of(vault.position(before.address, self._tokens()))
        health = answers.of(vault.health_factor(before.address))
        return replace(
            before,
            supplied=position.supplied,
            owed=position.owed,
            account=replace(before.account, health_factor=health),
        )

    def _reverted(self, data: bytes, gas: int, method: str) -> SimulationReport:
        names = {listing.token.address.lower(): listing.token.symbol for listing in self.deployment.listings}
        return SimulationReport(
            success=False,
            revert=explain(data, names),
            gas=gas,
            post=None,
            method=method,
            l1_fee_wei=0,
            step_outs=(),
            step_ins=(),
        )


def _most_gas(snapshot: MarketSnapshot) -> int:
    """What a transaction of the next block may have at most. Without it clients take limits of their own, from 2^24 to
    no limit at all."""
    return min(LARGEST_TRANSACTION, snapshot.block.gas_limit)


def _transaction(sender: str, call: OutgoingCall, *, gas: int) -> dict[str, str]:
    return {"from": sender, "to": call.to, "input": call.calldata, "gas": hex(gas)}


def _simulation(
    payload: Mapping[str, Any], reads: int, tag: BlockTag
) -> Request[tuple[SimulatedCall, tuple[CallResult, ...]]]:
    """The vault's call, and the outcomes of the reads after it; none if the call reverts."""
    request = ask.simulation(payload, tag, CALLS)

    def parse(answer: AnswerField) -> tuple[SimulatedCall, tuple[CallResult, ...]]:
        sent, read = request.parse(answer)
        if not sent.succeeded:
            return sent, ()
        calls = answer.items()[0].field("calls").items()
        if not read.succeeded:
            raise calls[1].field("status").wrong("1 for reads that were answered before")
        return sent, outcomes(reads, calls[1].field("returnData"))

    return Request(request.method, request.params, parse)
