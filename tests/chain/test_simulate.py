"""The simulation of the exact calldata, held against really sending it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from eth_typing import HexStr
from eth_utils.address import to_checksum_address
from web3.types import TxParams

from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.client import Rpc
from keeper.devnet.anvil import rpc
from keeper.devnet.local_chain import LocalChain
from keeper.domain.errors import NodeUntrusted, SimulationFailed
from keeper.domain.plan import RebalancePlan, Route, SimulationReport, StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.units import UINT256_MAX
from tests.chain.node_scene import a_plan, a_step, levering, node_of, url_of
from tests.chain.vault_scene import GAS, NO_ADDRESS, Scene, scene_on

USDC = 10**6


@pytest.fixture
def scene(chain: LocalChain) -> Scene:
    return scene_on(chain)


@pytest.fixture
def node(scene: Scene) -> Iterator[ChainReader]:
    with Rpc(url_of(scene)) as rpc:
        yield node_of(scene, rpc)


class Refusing(httpx.HTTPTransport):
    """The same node, were it to refuse ``methods``: with ``error``, or with the HTTP ``status`` and no JSON."""

    def __init__(self, *methods: str, error: dict[str, Any] | None = None, status: int | None = None) -> None:
        super().__init__()
        self.methods = methods
        self.error = error or {"code": -32601, "message": "Method not found"}
        self.status = status
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.read())
        asked = body if isinstance(body, list) else [body]
        self.asked += [call["method"] for call in asked]
        if not any(call["method"] in self.methods for call in asked):
            return super().handle_request(request)
        if self.status is not None:
            return httpx.Response(self.status, text="<html>Forbidden</html>")
        refused = [{"jsonrpc": "2.0", "id": call["id"], "error": self.error} for call in asked]
        return httpx.Response(200, json=refused if isinstance(body, list) else refused[0])


def without_simulate() -> Refusing:
    return Refusing("eth_simulateV1")


class WithoutHashes(httpx.HTTPTransport):
    """The same node, were its eth_simulateV1 to take block numbers only."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.read())
        if (
            isinstance(asked, dict)
            and asked["method"] == "eth_simulateV1"
            and isinstance(asked["params"][1], dict)
        ):
            error = {"code": -32602, "message": "invalid argument 1: hex string expected"}
            return httpx.Response(200, json={"jsonrpc": "2.0", "id": asked["id"], "error": error})
        return super().handle_request(request)


def simulated_and_sent(scene: Scene, node: ChainReader) -> tuple[SimulationReport, RebalancePlan, int]:
    """The report, the plan, and the gas that sending exactly that calldata then took."""
    snapshot = node.read({}, 0).snapshot
    plan = levering(snapshot, scene)
    report = node.simulate(plan, snapshot)
    transaction: TxParams = {
        "from": to_checksum_address(scene.people.keeper),
        "to": scene.world.rebalancer.address,
        "data": HexStr(node.outgoing(plan, snapshot).calldata),
        "gas": GAS,
    }
    receipt = scene.w3.eth.wait_for_transaction_receipt(scene.w3.eth.send_transaction(transaction))
    assert receipt["status"] == 1
    return report, plan, receipt["gasUsed"]


def test_the_simulated_state_is_the_state_after_really_sending(scene: Scene, node: ChainReader) -> None:
    report, _, gas = simulated_and_sent(scene, node)
    after = portfolio(node.read({}, 0).snapshot)
    assert (True, None, "eth_simulateV1") == (report.success, report.revert, report.method)
    assert report.post is not None
    # The real block is not as late as the simulated one: a few seconds of interest.
    assert report.post.nav_usd == pytest.approx(after.nav_usd, rel=1e-7)
    assert report.post.leverage == pytest.approx(after.leverage, rel=1e-7)
    assert report.post.health_factor == pytest.approx(after.health_factor, rel=1e-6)
    assert report.post.weights == pytest.approx(after.weights, rel=1e-7)
    assert gas <= report.gas <= 1.25 * gas  # refunds give back at most a fifth


def test_a_node_without_the_method_gives_the_same_answer(scene: Scene, node: ChainReader) -> None:
    snapshot = node.read({}, 0).snapshot
    plan = levering(snapshot, scene)
    expected = node.simulate(plan, snapshot)
    with Rpc(url_of(scene), transport=without_simulate()) as rpc:
        report = node_of(scene, rpc).simulate(plan, snapshot)
    assert (True, None, "eth_call") == (report.success, report.revert, report.method)
    assert report.post is not None
    assert expected.post is not None
    assert report.post.nav_usd == pytest.approx(expected.post.nav_usd, rel=1e-7)
    assert report.post.health_factor == pytest.approx(expected.post.health_factor, rel=1e-6)
    assert report.post.weights == pytest.approx(expected.post.weights, rel=1e-7)
    assert report.gas >= expected.gas  # an estimate is the limit to set, not what will be used


UNUSABLE = {
    "geth: method not found": {"code": -32601, "message": "the method eth_simulateV1 does not exist"},
    "EIP-1474: not supported": {"code": -32004, "message": "Method not supported"},
    "a gateway's own code": {"code": -32604, "message": "method eth_simulateV1 not supported"},
    "a relay": {"code": -32600, "message": "Unsupported method: eth_simulateV1"},
    "a gateway without archive": {"code": -32001, "message": "resource not found"},
    "Nethermind: invalid params": {"code": -32602, "message": "Invalid params"},
    "Reth: client limit": {"code": -38026, "message": "Client adjustable limit reached"},
    "a bug": {"code": -32603, "message": "Internal error"},
    "geth: too slow": {"code": -32002, "message": "request timed out"},
    "a gateway's limit": {"code": -32005, "message": "limit exceeded"},
}


@pytest.mark.parametrize("error", UNUSABLE.values(), ids=list(UNUSABLE))
def test_whatever_a_node_says_instead_of_a_result_the_other_method_is_used(
    scene: Scene, error: dict[str, Any]
) -> None:
    with Rpc(url_of(scene), transport=Refusing("eth_simulateV1", error=error), pause=lambda _: None) as rpc:
        lines: list[str] = []
        node = node_of(scene, rpc, progress=lines.append)
        snapshot = node.read({}, 0).snapshot
        report = node.simulate(levering(snapshot, scene), snapshot)
    assert (True, "eth_call") == (report.success, report.method)
    refused, instead = lines[-2:]
    assert refused.startswith("eth_simulateV1 does not simulate: eth_simulateV1: ")
    assert refused.endswith(f"error {error['code']}: {error['message']}")
    assert instead == "simulated by eth_call instead"


@pytest.mark.parametrize("status", [403, 503])
def test_a_node_that_refuses_the_method_by_http_is_asked_the_other_way(scene: Scene, status: int) -> None:
    with Rpc(url_of(scene), transport=Refusing("eth_simulateV1", status=status), pause=lambda _: None) as rpc:
        node = node_of(scene, rpc)
        snapshot = node.read({}, 0).snapshot
        assert "eth_call" == node.simulate(levering(snapshot, scene), snapshot).method


def test_the_way_that_a_node_answers_comes_first_the_next_time(scene: Scene) -> None:
    refusing = without_simulate()
    with Rpc(url_of(scene), transport=refusing) as rpc:
        node = node_of(scene, rpc)
        snapshot = node.read({}, 0).snapshot
        node.simulate(levering(snapshot, scene), snapshot)
        refusing.asked.clear()
        node.simulate(levering(snapshot, scene), snapshot)
    assert ["eth_call", "eth_estimateGas"] == refusing.asked


def test_a_node_that_refuses_both_ways_is_told_what_it_said_to_each(scene: Scene) -> None:
    refusing = Refusing("eth_simulateV1", "eth_estimateGas")
    with Rpc(url_of(scene), transport=refusing) as rpc:
        node = node_of(scene, rpc)
        snapshot = node.read({}, 0).snapshot
        with pytest.raises(SimulationFailed, match=r"eth_simulateV1: .*; eth_estimateGas: .*"):
            node.simulate(levering(snapshot, scene), snapshot)


def test_the_vault_call_gets_the_gas_of_a_transaction_and_no_more(scene: Scene, node: ChainReader) -> None:
    """A client's own default may be lower, or so high that a call passes which no block takes."""
    snapshot = node.read({}, 0).snapshot
    plan = levering(snapshot, scene)
    small_blocks = replace(snapshot, block=replace(snapshot.block, gas_limit=500_000))
    assert not node.simulate(plan, small_blocks).success
    with Rpc(url_of(scene), transport=without_simulate()) as rpc:
        reader = node_of(scene, rpc)
        with pytest.raises(SimulationFailed, match="OutOfGas"):
            reader.simulate(plan, small_blocks)


def test_a_simulation_with_an_estimate_is_two_round_trips_and_changes_nothing(
    scene: Scene, node: ChainReader
) -> None:
    snapshot = node.read({}, 0).snapshot
    nonce = scene.w3.eth.get_transaction_count(to_checksum_address(scene.people.keeper))
    before = node.round_trips
    assert node.simulate(levering(snapshot, scene), snapshot).success
    # One where the client reports the gas before refunds; Anvil does not.
    assert 2 == node.round_trips - before
    assert 0 == scene.epoch()
    assert nonce == scene.w3.eth.get_transaction_count(to_checksum_address(scene.people.keeper))
    assert snapshot.block.number == scene.w3.eth.block_number


@pytest.mark.parametrize("simulate", [True, False], ids=["eth_simulateV1", "eth_call"])
def test_it_runs_on_the_snapshots_block_though_the_chain_has_moved_on(scene: Scene, simulate: bool) -> None:
    transport = None if simulate else without_simulate()
    with Rpc(url_of(scene), transport=transport) as rpc:
        node = node_of(scene, rpc)
        snapshot = node.read({}, 0).snapshot
        plan = levering(snapshot, scene)
        scene.lever(1.2)
        assert node.simulate(plan, snapshot).success
        later = node.read({}, 0).snapshot
        assert "WrongEpoch(expected=0, actual=1)" == node.simulate(plan, later).revert


def test_a_node_that_takes_no_hash_is_asked_by_number_and_checked(scene: Scene) -> None:
    with Rpc(url_of(scene), transport=WithoutHashes()) as rpc:
        node = node_of(scene, rpc)
        snapshot = node.read({}, 0).snapshot
        assert node.simulate(levering(snapshot, scene), snapshot).success
        other_fork = replace(snapshot, block=replace(snapshot.block, hash="0x" + "ab" * 32))
        with pytest.raises(NodeUntrusted, match=f"block {snapshot.block.number} is no longer 0xabab"):
            node.simulate(levering(snapshot, scene), other_fork)


def test_the_vaults_refusals_are_told_by_name_and_number(scene: Scene, node: ChainReader) -> None:
    scene.set_policy(max_loss_bps=1)
    snapshot = node.read({}, 0).snapshot
    report = node.simulate(levering(snapshot, scene), snapshot)
    assert (False, None) == (report.success, report.post)
    assert report.revert is not None
    assert report.revert.startswith("LossAboveLimit(lossUsd=")


def test_a_key_without_the_role_is_told_so(scene: Scene) -> None:
    with Rpc(url_of(scene)) as rpc:
        node = node_of(scene, rpc, keeper=scene.people.stranger)
        snapshot = node.read({}, 0).snapshot
        assert not snapshot.keeper_has_role
        report = node.simulate(levering(snapshot, scene), snapshot)
    assert report.revert is not None
    assert report.revert.startswith("CallerNotAllowed(caller=")


def test_aaves_refusals_are_told_by_name(scene: Scene, node: ChainReader) -> None:
    snapshot = node.read({}, 0).snapshot
    plan = a_plan(snapshot, (a_step(StepKind.BORROW, "USDC", 1_000 * USDC),))
    report = node.simulate(plan, snapshot)
    assert (False, "LtvValidationFailed") == (report.success, str(report.revert).partition("(")[0])


@pytest.mark.parametrize("simulate", [True, False], ids=["eth_simulateV1", "eth_call"])
def test_a_token_is_called_by_its_symbol_in_a_refusal(scene: Scene, simulate: bool) -> None:
    feed = scene.loose_feed("WETH")
    scene.set_feed(feed, 1, scene.now())
    with Rpc(url_of(scene), transport=None if simulate else without_simulate()) as rpc:
        node = node_of(scene, rpc)
        snapshot = node.read({}, 0).snapshot
        route = Route(("USDC", "WETH"), (500,))
        buy = a_plan(snapshot, (a_step(StepKind.SWAP_EXACT_IN, "USDC", 1_000 * USDC, route),))
        assert "PriceRefused(token=WETH, fault=1)" == node.simulate(buy, snapshot).revert


def test_the_calldata_is_what_web3_encodes(scene: Scene, node: ChainReader) -> None:
    snapshot = node.read({}, 0).snapshot
    out = Route(("WETH", "USDC"), (500,))
    steps = (
        a_step(StepKind.SUPPLY, "USDC", UINT256_MAX),
        a_step(StepKind.SWAP_EXACT_OUT, "USDC", 5 * USDC, out),
    )
    plan = a_plan(snapshot, steps, flash=7)
    usdc = scene.tokens["USDC"].address
    pool = scene.pool_of("WETH", "USDC", 500)
    expected = scene.world.rebalancer.encode_abi(
        "rebalance",
        args=[
            0,
            plan.deadline,
            (0, usdc, 7),
            [(0, 0, usdc, NO_ADDRESS, UINT256_MAX, 0), (5, 0, usdc, pool, 5 * USDC, 0)],
        ],
    )
    assert expected == node.outgoing(plan, snapshot).calldata


class ReportsMaxGas(httpx.HTTPTransport):
    """The same node, were it to report the gas before refunds, as geth does."""

    MAX_GAS = 3_000_000

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.read())
        answer = super().handle_request(request)
        if not isinstance(asked, dict) or asked["method"] != "eth_simulateV1":
            return answer
        told = json.loads(answer.read())
        answer.close()
        for call in told["result"][0]["calls"]:
            call["maxUsedGas"] = hex(self.MAX_GAS)
        return httpx.Response(200, json=told)


def test_the_gas_before_refunds_is_what_the_client_reports(scene: Scene, node: ChainReader) -> None:
    snapshot = node.read({}, 0).snapshot
    with Rpc(url_of(scene), transport=ReportsMaxGas()) as rpc:
        report = node_of(scene, rpc).simulate(levering(snapshot, scene), snapshot)
    assert report.gas == ReportsMaxGas.MAX_GAS


@pytest.mark.parametrize("refused", [(), ("eth_estimateGas",)])
def test_the_gas_before_refunds_is_enough_where_the_client_does_not_report_it(
    scene: Scene, node: ChainReader, refused: tuple[str, ...]
) -> None:
    snapshot = node.read({}, 0).snapshot
    plan = levering(snapshot, scene)
    with Rpc(url_of(scene), transport=Refusing(*refused)) as rpc:
        needed = node_of(scene, rpc).simulate(plan, snapshot).gas
    assert outcome(scene, node.outgoing(plan, snapshot).calldata, needed) is not None


def outcome(scene: Scene, calldata: str, gas: int) -> tuple[tuple[int, ...], ...] | None:
    """What the account supplies and owes after the call with this gas limit, put back afterwards; None if it reverts."""
    url = url_of(scene)
    before = rpc(url, "evm_snapshot")
    transaction: TxParams = {
        "from": to_checksum_address(scene.people.keeper),
        "to": scene.world.rebalancer.address,
        "data": HexStr(calldata),
        "gas": gas,
    }
    sent = scene.w3.eth.send_transaction(transaction)
    succeeded = scene.w3.eth.wait_for_transaction_receipt(sent)["status"] == 1
    tokens = [token.address for token in scene.tokens.values()]
    position = scene.world.account.functions.positions(tokens, False).call()
    rpc(url, "evm_revert", before)
    return tuple(tuple(amounts) for amounts in position) if succeeded else None


def test_a_call_with_less_gas_reverts_or_does_just_what_it_does_with_more(
    scene: Scene, node: ChainReader
) -> None:
    """The vault reads feeds in try and catch. A read that runs out of gas must not count as a dead feed, as a call that
    returns false instead of reverting would."""
    snapshot = node.read({}, 0).snapshot
    plan = levering(snapshot, scene)
    calldata, needed = node.outgoing(plan, snapshot).calldata, node.simulate(plan, snapshot).gas
    whole = outcome(scene, calldata, 2 * needed)
    assert whole is not None
    results = {percent: outcome(scene, calldata, needed * percent // 100) for percent in range(20, 126, 3)}
    assert results[20] is None
    assert results[125] == whole
    assert set(results.values()) == {None, whole}
