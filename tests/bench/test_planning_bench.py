"""Planning: its time for four and ten assets, its plans relative to reference costs, and what the vault's calls add to
the protocols' own gas. ``make bench`` prints the tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from keeper.chain.rpc.client import Rpc
from keeper.devnet import local_chain as devnet
from keeper.devnet.local_chain import LocalChain
from keeper.domain.decision import Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Quote
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from tests.bench.inputs import filled
from tests.chain.node_scene import node_in
from tests.chain.state_runs import Outcome, a_plan, run
from tests.chain.state_scene import Stage
from tests.chain.state_table import table
from tests.factories import a_policy, a_snapshot, some_pools, with_vault
from tests.planning.ledger import a_decision
from tests.servers.raw_request import raw_request

STATES = int(os.environ.get("KEEPER_STATES", "60"))
FEW = 3
SEED = 20231
PLANNING = "planning, no I/O"


@pytest.fixture(scope="module")
def copy() -> Iterator[LocalChain]:
    history = devnet.load_history(None, None)
    with (
        devnet.running(history, lambda _: None) as (_, built),
        devnet.forked(built, put_back=True) as (_, found),
    ):
        yield found


# ------------------------------------------------------------------------- time


def with_clones(snapshot: MarketSnapshot, times: int) -> MarketSnapshot:
    """Every risk asset so many times more, under another name: the same prices, pools and reserve."""
    for number in range(times):
        places = range(1, 5) if number < times - 1 else range(1, 3)

        snapshot = replace(
            snapshot,
            tokens=_cloned(snapshot.tokens, number, places),
            feeds=_cloned(snapshot.feeds, number, places),
            reserves=_cloned(snapshot.reserves, number, places),
            holdings=_cloned(snapshot.holdings, number, places),
            vault=replace(snapshot.vault, assets=_cloned(snapshot.vault.assets, number, places)),
        )
    return with_vault(snapshot, pools=some_pools(500, 3_000, symbols=snapshot.symbols))


def _cloned(found: tuple[Any, ...], number: int, places: Iterable[int]) -> tuple[Any, ...]:
    return found + tuple(replace(found[place], symbol=f"{found[place].symbol}{number}") for place in places)


def held_unevenly(assets: int) -> tuple[MarketSnapshot, Decision]:
    """And wanted evenly: every asset is traded."""
    snapshot = with_clones(a_snapshot(weights=(0.2, 0.05, 0.2, 0.05)), (assets - 4) // 3)
    assert len(snapshot.risk_symbols) == assets
    return snapshot, a_decision(snapshot, (0.12,) * assets)


def planned(decision: Decision, snapshot: MarketSnapshot, quotes: tuple[Quote, ...]) -> int:
    """As a cycle: what to ask, then the plan of the answers."""
    policy = a_policy()
    asked = quote_requests(netting(decision, snapshot, policy).trades, snapshot)
    return len(asked) + len(route(decision, snapshot, quotes, policy).steps)


@pytest.mark.benchmark(group=PLANNING)
@pytest.mark.parametrize("assets", [4, 10])
def test_from_a_decision_to_a_plan(benchmark: BenchmarkFixture, assets: int) -> None:
    snapshot, decision = held_unevenly(assets)
    asked = quote_requests(netting(decision, snapshot, a_policy()).trades, snapshot)
    quotes = tuple(filled(request, snapshot) for request in asked)
    benchmark.extra_info |= {"who": f"keeper, {assets} assets"}
    assert benchmark(planned, decision, snapshot, quotes) > len(asked)


# -------------------------------------------------------------------- plan costs


def test_plan_costs_relative_to_reference_costs(benchmark: BenchmarkFixture, copy: LocalChain) -> None:
    number = FEW if benchmark.disabled else STATES

    def all_of_them() -> tuple[Outcome, ...]:
        with Rpc(copy.deployment.rpc_url, timeout_s=60.0) as rpc:
            stage = Stage(copy, node_in(copy, rpc), rpc)
            before = rpc.send(raw_request("evm_snapshot", []))
            stage.open()
            found = tuple(run(stage, SEED, range(number), a_plan, measured=True))
            rpc.send(raw_request("evm_revert", [before]))
        return found

    found = benchmark.pedantic(all_of_them, rounds=1)
    benchmark.extra_info["table"] = table(found, SEED)
    assert any(one.costs for one in found)
