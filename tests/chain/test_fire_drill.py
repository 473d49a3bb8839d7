"""The fire drill on the real contracts: what it foretells is what happens when the fall comes.

``KEEPER_DRILLS`` says how many random states, ``KEEPER_SEED`` which; ``make drills`` runs a hundred.
"""

from __future__ import annotations

import json
import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest

from keeper.chain.rpc.client import Rpc
from keeper.devnet import local_chain as devnet
from keeper.devnet.local_chain import LocalChain
from keeper.domain.errors import RpcError
from keeper.domain.observation import Observation
from keeper.drill.rehearse import rehearse
from tests.chain.drill_runs import DrilledState, drilled_states, levered_state
from tests.chain.node_scene import node_in
from tests.chain.state_scene import Stage
from tests.cycle.market_states import shipped_policy
from tests.servers.raw_request import raw_request

DRILLS = int(os.environ.get("KEEPER_DRILLS", "4"))
SEED = int(os.environ.get("KEEPER_SEED", "7"))
AGREEMENT = 0.98


@pytest.fixture(scope="module")
def stage(world: LocalChain) -> Iterator[Stage]:
    with (
        devnet.forked(world, put_back=True) as (_, copy),
        Rpc(copy.deployment.rpc_url, timeout_s=60.0) as rpc,
    ):
        built = Stage(copy, node_in(copy, rpc), rpc)
        built.open()
        built.lift_supply_caps()
        yield built


@pytest.fixture(scope="module")
def drills(stage: Stage) -> tuple[DrilledState, ...]:
    return tuple(drilled_states(stage, SEED, range(DRILLS)))


def test_what_the_drill_foretells_is_what_happens(
    drills: tuple[DrilledState, ...], show: Callable[[str], None]
) -> None:
    show(table(drills))
    wrong = [
        f"seed {SEED}: {drilled.differences}\n  {drilled.state}" for drilled in drills if not drilled.agrees
    ]
    assert len(wrong) <= (1.0 - AGREEMENT) * len(drills), "\n".join(wrong)


def test_the_health_factor_that_the_node_foretells_is_the_one_that_comes(
    drills: tuple[DrilledState, ...],
) -> None:
    pairs = [
        (outcome.check.health_factor, drilled.real[outcome.fall].health_factor)
        for drilled in drills
        for outcome in drilled.drill.outcomes
        if outcome.check is not None and drilled.real[outcome.fall].calls and drilled.agrees
    ]
    assert pairs, "no state needed a call: choose another seed"
    assert all(foretold == pytest.approx(came, rel=0.005) for foretold, came in pairs)


class WithoutOverrides(httpx.BaseTransport):
    """A node that refuses the third parameter of ``eth_call``, or takes no notice of it."""

    def __init__(self, *, refuses: bool) -> None:
        self._real = httpx.HTTPTransport()
        self._refuses = refuses

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.read())
        calls = asked if isinstance(asked, list) else [asked]
        overridden = [call for call in calls if call["method"] == "eth_call" and len(call["params"]) > 2]
        if not overridden:
            return self._real.handle_request(request)
        if self._refuses:
            error = {"code": -32602, "message": "too many arguments, want at most 2"}
            answers = [{"jsonrpc": "2.0", "id": call["id"], "error": error} for call in calls]
            return httpx.Response(200, json=answers if isinstance(asked, list) else answers[0])
        for call in overridden:
            call["params"] = call["params"][:2]
        return self._real.handle_request(httpx.Request("POST", request.url, json=asked))

    def close(self) -> None:
        self._real.close()


@pytest.mark.parametrize("refuses", [True, False])
def test_row_84_a_node_without_state_overrides_confirms_nothing(stage: Stage, refuses: bool) -> None:
    before = stage.rpc.send(raw_request("evm_snapshot", []))
    snapshot = stage.put(levered_state(2.0))
    rehearsal = rehearse(Observation(snapshot), shipped_policy())
    assert rehearsal.trials
    with Rpc(stage.world.deployment.rpc_url, transport=WithoutOverrides(refuses=refuses), attempts=1) as rpc:
        node = node_in(stage.world, rpc)
        with pytest.raises(RpcError):
            node.drill(rehearsal.trials, snapshot)
    assert all(not check.revert for check in stage.node.drill(rehearsal.trials, snapshot))
    stage.rpc.send(raw_request("evm_revert", [before]))


def test_the_node_is_asked_at_most_once(drills: tuple[DrilledState, ...]) -> None:
    assert max(drilled.round_trips for drilled in drills) <= 1
    assert all(drilled.drill.checked for drilled in drills)


def table(drills: tuple[DrilledState, ...]) -> str:
    real = [happened for drilled in drills for happened in drilled.real.values()]
    agreeing = sum(drilled.agrees for drilled in drills)
    hindered = Counter(
        outcome.hindrance.value
        for drilled in drills
        for outcome in drilled.drill.outcomes
        if outcome.hindrance is not None
    )
    lines = [
        f"{len(drills)} states of seed {SEED}: {agreeing} agree",
        f"{len(real)} falls, {sum(it.calls for it in real)} calls mined, {sum(it.saved for it in real)} saved",
        *(f"  {count:>4} falls: {name} is in the way" for name, count in hindered.most_common()),
        _times("computing", [drilled.compute_ms for drilled in drills]),
        _times("node", [drilled.node_ms for drilled in drills if drilled.round_trips]),
    ]
    return "\n".join(lines)


def _times(what: str, times_ms: list[float]) -> str:
    if not times_ms:
        return f"{what}: never"
    return f"{what}: median {statistics.median(times_ms):.0f} ms, longest {max(times_ms):.0f} ms"
