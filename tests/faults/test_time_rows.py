"""Rows 12, 32 and 40 of docs/faults.md: clocks and a chain that stands still."""

from __future__ import annotations

import pytest

from keeper.app.clocks import SystemClock
from keeper.devnet.anvil import rpc
from keeper.devnet.local_chain import LocalChain
from tests.chain.keeper_command import Run
from tests.faults.price_faults import (
    gates,
    held_by,
    levers,
)
from tests.servers.faulty_node import faulty_node


@pytest.fixture
def clock(chain: LocalChain, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The keeper's own clock, ``ahead`` of the chain's by so many seconds, and compared with it."""
    setting = {"ahead": 5.0}
    start = chain.now()
    monkeypatch.setenv("KEEPER_ORACLE__MAX_HEAD_AGE_S", "180")
    monkeypatch.setattr(SystemClock, "now", lambda _: start + setting["ahead"])
    return setting


@pytest.mark.parametrize("ahead", [600.0, -600.0])
def test_row_12_a_clock_that_is_ten_minutes_off_stops_trading(
    keeper: Run, chain: LocalChain, clock: dict[str, float], ahead: float
) -> None:
    clock["ahead"] = ahead
    ended = held_by(keeper, chain, "head_age")
    assert "this machine's clock" in ended.json()["reason"]
    clock["ahead"] = 5.0
    levers(keeper, chain)


def test_row_12_the_chains_time_rules_whatever_the_clock_says(keeper: Run, chain: LocalChain) -> None:
    """Not compared: years apart, and yet every price has the age that the chain's time gives it."""
    ended = levers(keeper, chain)
    assert all(0 <= one["price_age_s"] < 3_900 for one in ended.json()["assets"])


def test_row_32_a_chain_that_stands_still_is_noticed_and_nothing_is_traded(
    keeper: Run, chain: LocalChain, clock: dict[str, float]
) -> None:
    looked = keeper("rebalance", "--simulate", "--json")
    assert gates(looked)["head_age"] is True
    clock["ahead"] += 600  # ten minutes, and no block
    held_by(keeper, chain, "head_age")


def test_row_40_a_node_that_goes_on_telling_the_same_head_is_noticed(
    keeper: Run, chain: LocalChain, clock: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_node(chain.deployment.rpc_url) as node:
        node.freeze()
        rpc(chain.deployment.rpc_url, "evm_increaseTime", 600)
        chain.mine()
        chain.refresh_feeds()
        clock["ahead"] = 605.0
        with monkeypatch.context() as stuck:
            stuck.setenv("KEEPER_RPC_URL", node.url)
            held_by(keeper, chain, "head_age")
        levers(keeper, chain)  # by a node that follows the chain
