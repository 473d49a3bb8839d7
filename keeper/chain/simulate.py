"""Simulates the exact calldata on the snapshot's block and reads the vault afterwards, in one request."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from keeper.chain.abi import DecodeError
from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import erc20, vault
from keeper.chain.deployed import Deployment
from keeper.chain.reverts import explain
from keeper.chain.rollup import UnsignedCall, publishing
from keeper.chain.rpc.multicall import decode_outcomes, encode_calls, outcomes
from keeper.chain.rpc.reads import Reads
from keeper.chain.steps import step_amounts
from keeper.domain.errors import NodeUntrusted, RpcError, SimulationFailed
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import PostState, SimulationReport
from keeper.domain.units import UINT256_MAX, USD, WAD, usd
from keeper.jsonrpc import requests as ask
from keeper.jsonrpc.answers import SimulatedCall
from keeper.jsonrpc.requests import Request

NEXT_BLOCK_S = 12
"""Ethereum's slot time. A faster chain's next block comes earlier, so a price about to expire counts as expired."""

NO_SUCH_METHOD = (-32601, -32004)  # JSON-RPC 2.0; EIP-1474
INVALID_PARAMS = -32602
CALLS = 2
"""The vault's call, and the reads after it."""


@dataclass(frozen=True, slots=True)
class Simulator:
    """Runs a vault call from the keeper's address without signing it.

    It uses ``eth_simulateV1`` (Ethereum execution APIs) if the node has it. Otherwise it uses ``eth_call`` and puts the
    code of Multicall3 at the keeper's address for this call, so that the vault sees the keeper as its caller and the
    reads follow in the same call. The block time is then the snapshot's, and gas comes from ``eth_estimateGas``.
    """

    rpc: Reads
    multicall: str
    deployment: Deployment

    def run(self, calldata: bytes, snapshot: MarketSnapshot, steps: int) -> SimulationReport:
        """``steps`` is the number of steps of the call. A rollup takes one more round trip for the publishing fee.

        Raises SimulationFailed if the node supports neither method, NodeUnavailable, NodeUntrusted.
        """
        report = self._executed(calldata, snapshot, steps)
        if not report.success:
            return report
        sent = UnsignedCall(snapshot.keeper_address, self.deployment.vault, calldata, gas=report.gas)
        charged = publishing(
            self.deployment.rollup, self.rpc, self.multicall, block=snapshot.block, sent=sent
        )
        return replace(report, gas=max(report.gas, charged.gas), l1_fee_wei=charged.wei)

    def _executed(self, calldata: bytes, snapshot: MarketSnapshot, steps: int) -> SimulationReport:
        try:
            return self._simulated(calldata, snapshot, steps)
        except RpcError as error:
            if error.code not in NO_SUCH_METHOD and "unsupported method" not in error.text.lower():
                raise
        try:
            return self._called(calldata, snapshot)
        except RpcError as error:
            raise SimulationFailed(
                f"the node has no eth_simulateV1, and eth_call with replaced code fails: {error.text}",
                remedy="Use a node that has eth_simulateV1 (geth since 1.14.9, Nethermind, Erigon 3, Anvil).",
            ) from error

    # --------------------------------------------------------- eth_simulateV1

    def _simulated(self, calldata: bytes, snapshot: MarketSnapshot, steps: int) -> SimulationReport:
        reads = self._reads()
        payload = {
            "blockStateCalls": [
                {
                    "blockOverrides": {"time": hex(snapshot.block.timestamp + NEXT_BLOCK_S)},
                    "calls": [
                        _transaction(snapshot.keeper_address, self.deployment.vault, calldata),
                        _transaction(snapshot.keeper_address, self.multicall, encode_calls(reads)),
                    ],
                }
            ],
            "validation": False,
        }
        sent, read = self._two_calls(payload, snapshot)
        if not sent.succeeded:
            return self._reverted(sent.data, sent.gas_used, "eth_simulateV1")
        try:
            answers = Answers(reads, decode_outcomes(len(reads), read.data))
        except DecodeError as error:
            raise NodeUntrusted(
                f"eth_simulateV1: the vault cannot be read after the simulated call: {error}",
                remedy="Do not trust this node until it is explained; point KEEPER_RPC_URL to another.",
            ) from error
        post = self._post(answers, snapshot)
        outs, ins = step_amounts(self.deployment.vault, steps, sent.logs)
        return SimulationReport(
            success=True,
            revert=None,
            gas=sent.gas_used,
            post=post,
            method="eth_simulateV1",
            l1_fee_wei=0,  # `simulate` adds it on a rollup
            step_outs=outs,
            step_ins=ins,
        )

    def _two_calls(self, payload: dict[str, Any], snapshot: MarketSnapshot) -> tuple[SimulatedCall, ...]:
        """Pinned by hash. If the node takes no hash: by number, with the hash checked in the same request."""
        try:
            return self.rpc.request(ask.simulation(payload, {"blockHash": snapshot.block.hash}, CALLS))
        except RpcError as error:
            if error.code != INVALID_PARAMS:
                raise
            number = snapshot.block.number
            calls, pinned = self.rpc.batch(
                [ask.simulation(payload, hex(number), CALLS), ask.numbered_block(number)]
            )
            if pinned is None or pinned.hash != snapshot.block.hash:
                raise NodeUntrusted(
                    f"block {number} is no longer {snapshot.block.hash}",
                    remedy="The chain reorganised during the cycle. The next cycle starts from the new block.",
                ) from error
            simulated: tuple[SimulatedCall, ...] = calls
            return simulated

    # --------------------------------------------------------------- eth_call

    def _called(self, calldata: bytes, snapshot: MarketSnapshot) -> SimulationReport:
        keeper = snapshot.keeper_address
        pinned = {"blockHash": snapshot.block.hash}
        rebalance: Call[bytes] = Call("the vault call", self.deployment.vault, calldata, decode=bytes)
        reads = self._reads()
        calls = [rebalance, *reads]
        answer = self.rpc.request(
            Request(
                "eth_call",
                (
                    {"to": keeper, "input": "0x" + encode_calls(calls).hex()},
                    pinned,
                    {keeper: {"code": self.deployment.multicall_code}},
                ),
                partial(outcomes, len(calls)),
            )
        )
        answers = Answers(calls, answer)
        outcome = answers.outcome(rebalance)
        if not outcome.success:
            return self._reverted(outcome.data, 0, "eth_call")
        estimate = self.rpc.request(
            ask.gas_estimate(_transaction(keeper, self.deployment.vault, calldata), pinned)
        )
        return SimulationReport(
            success=True,
            revert=None,
            gas=estimate,
            post=self._post(answers, snapshot),
            method="eth_call",
            l1_fee_wei=0,
            step_outs=(),
            step_ins=(),
        )

    # ----------------------------------------------------------------- shared

    def _reads(self) -> list[Call[Any]]:
        here = self.deployment.vault
        reads: list[Call[Any]] = [vault.position(here)]
        for listing in self.deployment.listings[1:]:
            reads += [erc20.balance(listing.token.address, here), erc20.balance(listing.a_token, here)]
        return reads

    def _post(self, answers: Answers, snapshot: MarketSnapshot) -> PostState:
        """At the snapshot's prices: no feed moves inside a simulated block."""
        here = self.deployment.vault
        position = answers.of(vault.position(here))
        nav = position.nav_usd / USD
        values = [
            usd(
                answers.of(erc20.balance(listing.token.address, here))
                + answers.of(erc20.balance(listing.a_token, here)),
                listing.token.decimals,
                snapshot.price(listing.token.symbol),
            )
            for listing in self.deployment.listings[1:]
        ]
        return PostState(
            nav_usd=nav,
            leverage=_ratio(position.leverage),
            health_factor=_ratio(position.health_factor),
            weights=tuple(value / nav if nav > 0 else 0.0 for value in values),
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


def _transaction(sender: str, to: str, calldata: bytes) -> dict[str, str]:
    return {"from": sender, "to": to, "input": "0x" + calldata.hex()}


def _ratio(wad: int) -> float:
    return math.inf if wad == UINT256_MAX else wad / WAD
