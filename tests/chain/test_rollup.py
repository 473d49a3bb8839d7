"""Publishing fees on the local chain, with stand-ins where rollups have contracts of their own: Anvil has none of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from keeper.address_book.book import Rollup
from keeper.chain import rollup
from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.client import Rpc
from keeper.cycle.pipeline import Assessment, assess, price_bars, propose, required_quotes
from keeper.decision import limits
from keeper.decision.position import take_position
from keeper.decision.trade_context import TradeContext, consider
from keeper.devnet.compile import artifact
from keeper.devnet.local_chain import LocalChain
from keeper.domain.decision import Action
from keeper.domain.errors import SimulationFailed, WrongContract
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.urgency import Urgency
from keeper.planning.gas import TYPICAL_BYTES, calldata_bytes, published_wei
from keeper.planning.verify import verify
from tests.chain.node_scene import CHAIN_ID, HISTORY_S, levering, node_of, url_of
from tests.chain.vault_scene import Scene, scene_on
from tests.decision.positions import a_move
from tests.factories import a_book, a_chain_policy, a_size_policy
from tests.servers.raw_request import raw_request

USDC = 10**6
WEI_PER_BYTE = 10**9
L1_BASE_FEE = 2 * 10**9
POLICY = a_chain_policy(
    size=a_size_policy(target_volatility=2.0, max_leverage=1.3, scenarios=(), stress_sigmas=2.0)
)


@dataclass(frozen=True, slots=True)
class Desk:
    """A vault full of cash on a chain that claims to be a rollup."""

    scene: Scene
    rpc: Rpc

    def put(self, name: str, address: str, first_slot: int = 0) -> None:
        """The compiled stand-in at the address, its only number in its first slot."""
        self.rpc.request(raw_request("anvil_setCode", [address, artifact(name).deployed_bytecode]))
        self.rpc.request(
            raw_request("anvil_setStorageAt", [address, "0x" + "00" * 32, f"0x{first_slot:064x}"])
        )

    def node(self, kind: Rollup) -> ChainReader:
        """A book without tokens: nothing is compared, the kind of chain is known."""
        return node_of(self.scene, self.rpc, book=a_book(rollup=kind))

    def assessed(self, node: ChainReader) -> tuple[MarketSnapshot, Assessment]:
        reading = node.read({}, HISTORY_S)
        bars = price_bars(reading.new_rounds, reading.snapshot, POLICY)
        return reading.snapshot, assess(Observation(reading.snapshot), bars, POLICY)


@pytest.fixture
def desk(chain: LocalChain) -> Iterator[Desk]:
    scene = scene_on(chain)
    with Rpc(url_of(scene)) as rpc:
        yield Desk(scene, rpc)


# ----------------------------------------------------------- what is read


def test_without_a_book_nothing_is_asked_and_nothing_charged(desk: Desk) -> None:
    desk.put("FixedGasPriceOracle", rollup.GAS_PRICE_ORACLE, WEI_PER_BYTE)
    node = node_of(desk.scene, desk.rpc)
    snapshot = node.read({}, 0).snapshot
    report = node.simulate(levering(snapshot, desk.scene), snapshot)
    assert (0, 0) == (snapshot.l1_fee_wei, report.l1_fee_wei)


@pytest.mark.parametrize(
    ("name", "operator"),
    [("FixedGasPriceOracle", (0, 0)), ("FixedGasPriceOracleWithOperator", (3, 7))],
)
def test_the_op_stacks_bound_beforehand_and_its_exact_fee_after(
    desk: Desk, name: str, operator: tuple[int, int]
) -> None:
    desk.put(name, rollup.GAS_PRICE_ORACLE, WEI_PER_BYTE)
    node, (per_gas, once) = desk.node("op-stack"), operator
    snapshot = node.read({}, 0).snapshot
    assert (
        snapshot.l1_fee_wei == (TYPICAL_BYTES + 68) * WEI_PER_BYTE * 2 + per_gas * rollup.TYPICAL_GAS + once
    )

    plan = levering(snapshot, desk.scene)
    before = node.round_trips
    report = node.simulate(plan, snapshot)
    # The call, the fee, and the gas limit, because Anvil does not tell the gas before refunds.
    assert node.round_trips - before == 3
    calldata = bytes.fromhex(node.outgoing(plan, snapshot).calldata[2:])
    size = len(rollup.unsigned_transaction(CHAIN_ID, desk.scene.world.rebalancer.address, calldata))
    assert report.success
    assert report.l1_fee_wei == (size + 68) * WEI_PER_BYTE + per_gas * report.gas + once


def test_arbitrums_estimate_beforehand_and_the_nodes_own_after(desk: Desk) -> None:
    desk.put("FixedArbGasInfo", rollup.ARB_GAS_INFO, L1_BASE_FEE)
    desk.put("FixedNodeInterface", rollup.NODE_INTERFACE)
    node = desk.node("arbitrum")
    snapshot = node.read({}, 0).snapshot
    assert snapshot.l1_fee_wei == L1_BASE_FEE * 16 * TYPICAL_BYTES

    plan = levering(snapshot, desk.scene)
    report = node.simulate(plan, snapshot)
    for_l1 = 10 * len(bytes.fromhex(node.outgoing(plan, snapshot).calldata[2:]))
    assert report.success
    # The gas limit has room for publishing; the cost of publishing is that part alone.
    assert report.gas == 4_000_000 + for_l1
    base_fee, rest = divmod(report.l1_fee_wei, for_l1)
    assert rest == 0
    assert base_fee == int(desk.scene.w3.eth.get_block("latest")["baseFeePerGas"])


def test_a_reverting_call_is_told_as_such_and_not_priced(desk: Desk) -> None:
    desk.put("FixedGasPriceOracle", rollup.GAS_PRICE_ORACLE, WEI_PER_BYTE)
    node = desk.node("op-stack")
    desk.scene.set_policy(max_loss_bps=1)
    snapshot = node.read({}, 0).snapshot
    report = node.simulate(levering(snapshot, desk.scene), snapshot)
    assert (False, 0) == (report.success, report.l1_fee_wei)


# ----------------------------------------------------------------- refusals


@pytest.mark.parametrize("kind", ["op-stack", "arbitrum"])
def test_a_chain_without_the_rollups_contract_is_refused_at_start(desk: Desk, kind: Rollup) -> None:
    with pytest.raises(
        WrongContract,
        match=r"(GasPriceOracle|ArbGasInfo) 0x0*(42)?0*(F|6C) gave an answer that cannot be decoded",
    ):
        desk.node(kind).discover()


def test_an_arbitrum_node_without_its_interface_cannot_simulate(desk: Desk) -> None:
    desk.put("FixedArbGasInfo", rollup.ARB_GAS_INFO, L1_BASE_FEE)
    node = desk.node("arbitrum")
    snapshot = node.read({}, 0).snapshot
    with pytest.raises(SimulationFailed, match="NodeInterface does not say how much gas publishing takes"):
        node.simulate(levering(snapshot, desk.scene), snapshot)


# ------------------------------------------------------------ what it decides


def test_the_cost_estimate_contains_the_fee_once(desk: Desk) -> None:
    desk.put("FixedGasPriceOracle", rollup.GAS_PRICE_ORACLE, WEI_PER_BYTE)
    node = desk.node("op-stack")
    snapshot, assessment = desk.assessed(node)
    without = replace(snapshot, l1_fee_wei=0)
    fee_usd = snapshot.l1_fee_wei / 1e18 * snapshot.price("WETH") / 1e8

    before, after = routine_trade(without, assessment), routine_trade(snapshot, assessment)
    assert after.gas_cost_wei - before.gas_cost_wei == snapshot.l1_fee_wei
    assert after.cost_usd - before.cost_usd == pytest.approx(fee_usd)

    quotes = node.quote(required_quotes(assessment, snapshot), snapshot)
    plans = [propose(assessment, seen, quotes) for seen in (without, snapshot)]
    free, charged = [plan for plan in plans if plan is not None]
    assert charged.steps == free.steps
    size = (len(bytes.fromhex(node.outgoing(charged, snapshot).calldata[2:])) + 110) / TYPICAL_BYTES
    assert charged.cost.total - free.cost.total == pytest.approx(fee_usd * size)


def test_a_trade_is_held_back_when_publishing_costs_more_than_it_is_worth(desk: Desk) -> None:
    desk.put("FixedGasPriceOracle", rollup.GAS_PRICE_ORACLE, WEI_PER_BYTE)
    cheap, wanted = desk.assessed(desk.node("op-stack"))
    assert limits.benefit_exceeds_cost(routine_trade(cheap, wanted)).passed
    assert limits.gas_price(routine_trade(cheap, wanted)).passed

    desk.put("FixedGasPriceOracle", rollup.GAS_PRICE_ORACLE, 2 * 10**15)
    dear, held = desk.assessed(desk.node("op-stack"))
    assert not limits.benefit_exceeds_cost(routine_trade(dear, wanted)).passed
    assert held.decision.action is Action.HOLD
    gates = {gate.name: gate for gate in held.decision.gates}
    assert not gates["gas_price"].passed
    assert "with its L1 part" in gates["gas_price"].detail


def test_the_key_must_be_able_to_pay_for_publishing_too(desk: Desk) -> None:
    desk.put("FixedGasPriceOracle", rollup.GAS_PRICE_ORACLE, 10**14)
    desk.rpc.request(raw_request("anvil_setBalance", [desk.scene.people.keeper, hex(16 * 10**17)]))
    snapshot, assessment = desk.assessed(desk.node("op-stack"))
    assert snapshot.l1_fee_wei == 6136 * 10**14  # 0.61 ETH, of 1.6 of which 1 is to stay
    gates = {gate.name: gate for gate in assessment.decision.gates}
    assert assessment.decision.action is Action.HOLD
    assert not gates["gas_balance"].passed

    desk.put("FixedGasPriceOracle", rollup.GAS_PRICE_ORACLE, WEI_PER_BYTE)
    _, assessment = desk.assessed(desk.node("op-stack"))
    assert assessment.decision.action is Action.REBALANCE


def test_what_the_exact_calldata_costs_is_what_the_last_check_looks_at(desk: Desk) -> None:
    desk.put("FixedGasPriceOracle", rollup.GAS_PRICE_ORACLE, WEI_PER_BYTE)
    node = desk.node("op-stack")
    snapshot, assessment = desk.assessed(node)
    plan = propose(assessment, snapshot, node.quote(required_quotes(assessment, snapshot), snapshot))
    assert plan is not None
    report = node.simulate(plan, snapshot)
    decision = replace(assessment.decision, urgency=Urgency.ROUTINE)

    def cost(l1_fee_wei: int) -> float:
        exact = replace(report, l1_fee_wei=l1_fee_wei)
        verdict = verify(plan, exact, snapshot, decision, assessment.policy)
        return next(check.value for check in verdict.checks if check.name == "cost_within_benefit")

    guessed = published_wei(plan.steps, snapshot)
    assert calldata_bytes(plan.steps) == len(bytes.fromhex(node.outgoing(plan, snapshot).calldata[2:]))
    assert cost(guessed) == pytest.approx(plan.cost.total)
    # The stand-in's bound beforehand is twice its exact fee.
    assert report.l1_fee_wei == pytest.approx(guessed / 2, rel=0.05)
    assert cost(report.l1_fee_wei) < cost(guessed)
    assert cost(guessed + 10**18) - cost(guessed) == pytest.approx(snapshot.price("WETH") / 1e8)


def routine_trade(snapshot: MarketSnapshot, assessment: Assessment) -> TradeContext:
    """The decided trade on that snapshot, were it a routine one."""
    goal = assessment.decision.goal
    assert goal is not None
    position = take_position(
        Observation(snapshot), assessment.model, assessment.target, policy=assessment.policy, tightened=()
    )
    return consider(position, a_move(goal.weights), Urgency.ROUTINE)
