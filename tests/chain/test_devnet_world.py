"""The local chain as a whole: its clock, its forks, what it leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.devnet import deployment
from keeper.devnet import local_chain as devnet
from keeper.devnet.all_weather import SYMBOLS as ALL_WEATHER
from keeper.devnet.feeds import latest_round
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.market_hours import HEARTBEAT_S

MINUTE = 60


def test_the_next_block_of_a_loaded_chain_follows_its_history() -> None:
    market = devnet.load_history(None, None)
    with devnet.running(market, lambda _: None) as (node, built):
        node.request("evm_mine")
        assert 0 <= built.now() - market.at < 10 * MINUTE


def test_what_happens_on_a_fork_leaves_the_original_alone(world: LocalChain) -> None:
    before = world.spot("LINK")
    with devnet.forked(world) as (_, copy):
        copy.set_price("LINK", 2 * before)
        assert copy.spot("LINK") == pytest.approx(2 * before)
    assert world.spot("LINK") == before


def test_time_passes_with_fresh_rounds(chain: LocalChain) -> None:
    start = chain.now()
    chain.pass_time(3_600)
    assert chain.now() - start >= 3_600
    _, updated_at = latest_round(chain.w3, chain.feeds.addresses["WBTC"])
    assert chain.now() - updated_at < MINUTE


def test_the_vault_holds_only_what_was_deposited(world: LocalChain) -> None:
    assert world.shares.functions.totalAssets().call() == devnet.DEPOSIT_USDC * 10**6
    assert world.rebalancer.functions.state().call()[0] == 0
    assert set(HEARTBEAT_S) <= {*world.tokens, *ALL_WEATHER}


def test_the_deployment_file_reads_back_as_it_was_written(world: LocalChain, tmp_path: Path) -> None:
    world.deployment.write(tmp_path / "deployment.json")
    assert deployment.read(tmp_path / "deployment.json") == world.deployment
