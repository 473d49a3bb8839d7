"""Random vaults on the real contracts: the fire drill foretells each fall, then each fall really happens."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from keeper.cycle.pipeline import assess, price_bars, propose, required_quotes
from keeper.devnet import feeds, uniswap
from keeper.domain.decision import Action
from keeper.domain.errors import NoEstimate, NothingFeasible
from keeper.domain.fee_replacement import after_replacements
from keeper.domain.fire_drill import FALLS, FireDrill
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import WAD
from keeper.drill.emergency import recovered_at
from keeper.drill.rehearse import confirmed, rehearse
from keeper.drill.scene import scene_of
from keeper.planning.gas import gas_limit_for
from keeper.planning.verify import verify
from tests.chain.random_states import State, draw
from tests.chain.state_scene import MINED_AFTER_S, Stage
from tests.chain.vault_scene import RISKY
from tests.cycle.market_states import shipped_policy
from tests.factories import GWEI
from tests.servers.raw_request import raw_request

SMALLEST_NAV_USD, LARGEST_NAV_USD = 20_000.0, 20_000_000.0
GAS_PRICES_GWEI = (20, 156, 156, 156, 300, 600)
BALANCES_ETH = (100.0, 100.0, 100.0, 0.3)


@dataclass(frozen=True, slots=True)
class Emergency:
    """What happened after a fall. ``calls``: a transaction was mined, and ended at ``health_factor``. ``why`` the vault
    was not saved, else empty."""

    saved: bool
    calls: bool
    why: str
    health_factor: float = 0.0


@dataclass(frozen=True, slots=True)
class DrilledState:
    """``real`` by fall. ``compute_ms`` and ``node_ms`` are those of the drill, ``round_trips`` its requests."""

    state: State
    drill: FireDrill
    real: dict[float, Emergency] = field(default_factory=dict)
    compute_ms: float = 0.0
    node_ms: float = 0.0
    round_trips: int = 0

    @property
    def agrees(self) -> bool:
        return all(self.real[outcome.fall].saved is outcome.survived for outcome in self.drill.outcomes)

    @property
    def differences(self) -> str:
        return "; ".join(
            f"{outcome.fall:.0%}: foretold {outcome.hindrance or 'survived'} ({outcome.detail}), "
            f"really {real.why or 'saved'}"
            for outcome in self.drill.outcomes
            if (real := self.real[outcome.fall]).saved is not outcome.survived
        )


def drilled_states(stage: Stage, seed: int, numbers: Iterable[int]) -> Iterator[DrilledState]:
    for number in numbers:
        before = _snapshot(stage)
        yield _drilled(stage, seed, number)
        _revert(stage, before)


def _levered(seed: int, number: int) -> State:
    """A random state whose vault mostly owes, small or large, in a market as it was built."""
    generator = np.random.default_rng([seed, number, 2])
    state = draw(seed, number)
    shares = generator.dirichlet(np.ones(len(RISKY)))
    nav = generator.uniform(math.log(SMALLEST_NAV_USD), math.log(LARGEST_NAV_USD))
    return replace(
        state,
        price_moves=(1.0,) * len(RISKY),
        weights=tuple(float(share) for share in shares * generator.uniform(1.4, 2.5)),
        nav_usd=float(np.exp(nav)),
    )


def levered_state(leverage: float) -> State:
    """250,000 USD in equal parts, in a market without troubles."""
    none = (0.0,) * len(RISKY)
    return State(
        number=0,
        price_moves=(1.0,) * len(RISKY),
        nav_usd=250_000.0,
        weights=(leverage / len(RISKY),) * len(RISKY),
        cash=0.0,
        donated_usd=none,
        troubles=(),
        wanted=none,
    )


def _policy(seed: int, number: int) -> Policy:
    shipped = shipped_policy()
    price = int(np.random.default_rng([seed, number, 3]).choice(GAS_PRICES_GWEI)) * GWEI
    return replace(shipped, drill=replace(shipped.drill, gas_price_wei=price))


def _drilled(stage: Stage, seed: int, number: int) -> DrilledState:
    state, policy = _levered(seed, number), _policy(seed, number)
    snapshot = stage.put(state)
    balance = float(np.random.default_rng([seed, number, 4]).choice(BALANCES_ETH))
    stage.rpc.send(raw_request("anvil_setBalance", [snapshot.keeper_address, hex(int(balance * WAD))]))
    snapshot = stage.read()
    began = time.perf_counter()
    rehearsal = rehearse(Observation(snapshot), policy)
    computed, trips = time.perf_counter(), stage.node.round_trips
    checks = stage.node.drill(rehearsal.trials, snapshot) if rehearsal.trials else ()
    done = DrilledState(
        state,
        confirmed(rehearsal, checks),
        compute_ms=(computed - began) * 1e3,
        node_ms=(time.perf_counter() - computed) * 1e3,
        round_trips=stage.node.round_trips - trips,
    )
    for fall in FALLS:
        before = _snapshot(stage)
        if fall:
            _move_feeds(stage, fall)
        done.real[fall] = _emergency(stage, policy)
        _revert(stage, before)
    return done


def _emergency(stage: Stage, policy: Policy) -> Emergency:
    """What the keeper does by itself, with the gas of the drill: decide, quote, plan, simulate, verify, send."""
    snapshot = _at_gas_price(stage.read(), policy)
    observation = Observation(snapshot)
    factor = observation.held.health_factor
    if factor < 1.0:
        return Emergency(saved=False, calls=False, why=f"liquidation at {factor:.3f}")
    if factor < policy.decision.act_health_factor:
        # Who needs no call does not come to the pools, nor does who is liquidated.
        _move_pools(stage)
        snapshot = _at_gas_price(stage.read(), policy)
        observation = Observation(snapshot)
    try:
        assessment = assess(observation, price_bars({}, snapshot, policy), policy)
    except NoEstimate:
        return Emergency(saved=True, calls=False, why="")
    if assessment.decision.action is not Action.RIPCORD:
        needed = factor < assessment.policy.decision.act_health_factor
        return Emergency(not needed, calls=False, why=assessment.decision.reason if needed else "")
    try:
        quotes = stage.node.quote(required_quotes(assessment, snapshot), snapshot)
        plan = propose(assessment, snapshot, quotes)
    except NothingFeasible as refusal:
        return Emergency(saved=False, calls=False, why=refusal.message)
    assert plan is not None
    report = stage.node.simulate(plan, snapshot)
    verdict = verify(plan, report, snapshot, assessment.decision, assessment.policy)
    if not verdict.passed:
        failed = report.revert or "; ".join(check.detail for check in verdict.checks if not check.passed)
        return Emergency(saved=False, calls=False, why=failed)
    gas = max(plan.gas_limit, gas_limit_for(report.gas, policy.plan.gas_limit_margin))
    after = _sent(stage, stage.node.outgoing(plan, snapshot).calldata, snapshot, gas=gas, policy=policy)
    if after is None:
        return Emergency(saved=False, calls=True, why="the transaction reverts")
    ends_at, level = portfolio(after).health_factor, recovered_at(scene_of(observation, policy))
    why = "" if ends_at >= level else f"ends at {ends_at:.3f}"
    return Emergency(ends_at >= level, calls=True, why=why, health_factor=ends_at)


def _move_feeds(stage: Stage, fall: float) -> None:
    world = stage.world
    for symbol in RISKY:
        feed = world.feeds.addresses[symbol]
        feeds.publish_now(world.w3, world.owner, feed, price=world.spot(symbol) * (1.0 - fall))


def _move_pools(stage: Stage) -> None:
    world = stage.world
    for pool in world.uniswap.pools:
        uniswap.align_pool(world.w3, world.owner, world.market, pool)


def _at_gas_price(snapshot: MarketSnapshot, policy: Policy) -> MarketSnapshot:
    price = max(snapshot.block.base_fee_wei, policy.drill.gas_price_wei)
    return replace(snapshot, block=replace(snapshot.block, base_fee_wei=price))


def _sent(
    stage: Stage, calldata: str, snapshot: MarketSnapshot, *, gas: int, policy: Policy
) -> MarketSnapshot | None:
    """At the drill's base fee, bid as the keeper bids; None after a revert."""
    base_fee = snapshot.block.base_fee_wei
    bid = min(after_replacements(base_fee), policy.plan.max_fee_wei // gas)
    stage.rpc.send(raw_request("anvil_setNextBlockBaseFeePerGas", [hex(base_fee)]))
    stage.rpc.send(raw_request("evm_setNextBlockTimestamp", [snapshot.block.timestamp + MINED_AFTER_S]))
    transaction = {
        "from": snapshot.keeper_address,
        "to": stage.world.rebalancer.address,
        "data": calldata,
        "gas": hex(gas),
        "maxFeePerGas": hex(bid),
        "maxPriorityFeePerGas": "0x0",
    }
    receipt = stage.receipts([transaction])[0]
    return stage.read() if receipt["status"] == "0x1" else None


def _snapshot(stage: Stage) -> object:
    return stage.rpc.send(raw_request("evm_snapshot", []))


def _revert(stage: Stage, snapshot: object) -> None:
    stage.rpc.send(raw_request("evm_revert", [snapshot]))
