"""Rows 46 to 53 of docs/faults.md: feeds, exchanges and the sequencer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from keeper.devnet import feeds
from keeper.devnet.anvil import rpc
from keeper.devnet.local_chain import LocalChain
from tests.chain.keeper_command import Run
from tests.chain.sequencer import set_sequencer
from tests.faults.price_faults import Unruly, asset, gates, held_by, levers, looks_once, unruly
from tests.servers.http_faults import HttpFaults, http_faults

__all__ = ["unruly"]

HOUR = 3_600
VENUES = ("COINBASE", "KRAKEN", "BINANCE")


def block_later(chain: LocalChain) -> None:
    rpc(chain.deployment.rpc_url, "evm_increaseTime", 12)
    chain.mine()


@pytest.fixture
def exchanges(
    chain: LocalChain, monkeypatch: pytest.MonkeyPatch, keeper: Run
) -> Iterator[dict[str, HttpFaults]]:
    """Coinbase, Kraken and Binance, each behind a proxy of its own that can lie."""
    import json
    from pathlib import Path

    url = json.loads(Path("deployment.json").read_text())["exchange_url"]
    with ExitStack() as stack:
        found = {}
        for venue in VENUES:
            found[venue] = stack.enter_context(http_faults(url))
            monkeypatch.setenv(f"KEEPER_{venue}_URL", found[venue].url)
        yield found


def scaled(factor: float) -> Any:
    """Every price in the three exchanges' candles times ``factor``."""

    def change(answer: Any) -> Any:
        rows = (
            answer
            if isinstance(answer, list)
            else next(rows for pair, rows in answer["result"].items() if pair != "last")
        )
        for row in rows:
            for place in range(1, 5):
                row[place] = type(row[place])(float(row[place]) * factor)
        return answer

    return change


def test_row_46_a_feed_older_than_its_heartbeat_and_grace_levers_nothing(
    keeper: Run, chain: LocalChain
) -> None:
    rpc(chain.deployment.rpc_url, "evm_increaseTime", 3_600 + 301)
    chain.mine()
    ended = held_by(keeper, chain, "prices_fresh")
    assert {asset(ended, symbol)["price_rule"] for symbol in ("WBTC", "WETH", "LINK", "UNI")} == {"too_old"}
    chain.refresh_feeds()
    levers(keeper, chain)


def test_row_46_a_heartbeat_of_ones_own_is_shorter_than_the_vaults(
    keeper: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    rpc(chain.deployment.rpc_url, "evm_increaseTime", 1_600)
    chain.mine()
    monkeypatch.setenv(
        "KEEPER_ORACLE__FEEDS", '[{"symbol": "LINK", "heartbeat_s": 1200, "grace_s": 60, "max_jump": 0.2}]'
    )
    ended = held_by(keeper, chain, "prices_fresh")
    assert asset(ended, "LINK")["price_rule"] == "too_old"
    assert asset(ended, "WETH")["price_trust"] == "FRESH"


@pytest.mark.parametrize("answer", [0, -1])
def test_row_47_an_answer_that_is_no_price_is_rejected(
    keeper: Run, chain: LocalChain, unruly: Unruly, answer: int
) -> None:
    unruly.say(answer)
    ended = held_by(keeper, chain, "prices_fresh")
    assert asset(ended, "WETH")["price_rule"] == "not_positive"
    unruly.say(unruly.answer, 101)
    levers(keeper, chain)


def test_row_47_a_round_that_goes_back_is_rejected(
    keeper: Run, chain: LocalChain, unruly: Unruly, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks_once(keeper, monkeypatch)
    unruly.say(unruly.answer, 99)
    ended = held_by(keeper, chain, "prices_fresh")
    assert asset(ended, "WETH")["price_rule"] == "went_back"
    unruly.say(unruly.answer, 101)
    levers(keeper, chain)


@pytest.mark.parametrize("end", ["least", "most"])
def test_row_48_a_price_pinned_at_what_the_aggregator_can_say_is_not_believed(
    keeper: Run, chain: LocalChain, unruly: Unruly, end: str
) -> None:
    """The exchanges agree with it here: it is refused all the same, as the true price may be beyond."""
    unruly.bound(*((unruly.answer, 2**190) if end == "least" else (1, unruly.answer)))
    ended = held_by(keeper, chain, "prices_fresh")
    assert asset(ended, "WETH")["price_rule"] == "at_bound"


def test_row_49_where_feed_and_exchanges_disagree_there_is_only_deleveraging(
    keeper: Run, chain: LocalChain, exchanges: dict[str, HttpFaults]
) -> None:
    levers(keeper, chain)
    for venue in exchanges.values():
        venue.lie(scaled(1.10), path="ETH")
    chain.pass_time(32 * HOUR)  # so that what was sold counts no longer against the vault's limit on a day
    ended = keeper("rebalance", "--simulate", "--json")
    assert asset(ended, "WETH")["price_rule"] == "disagrees"
    assert gates(ended)["prices_fresh"] is False
    debt = chain.pool.functions.getUserAccountData(chain.account.address).call()[1]
    ended = keeper("deleverage", "--execute", "--json")
    assert ended.code == 0, ended.out
    assert chain.pool.functions.getUserAccountData(chain.account.address).call()[1] < debt // 1_000


def test_row_50_a_ratio_that_is_read_as_a_price_is_stopped_by_the_jump(
    keeper: Run, chain: LocalChain, alone: None, unruly: Unruly, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks_once(keeper, monkeypatch)
    unruly.say(112_000_000, 101)
    ended = held_by(keeper, chain, "prices_fresh")
    assert asset(ended, "WETH")["price_rule"] == "jumped"
    unruly.say(unruly.answer * 3 // 2, 102)  # upwards it would look like room for more debt
    held_by(keeper, chain, "prices_fresh")
    unruly.say(unruly.answer, 103)
    levers(keeper, chain)


def test_row_50_a_feed_that_is_always_of_now_needs_somebody_to_confirm_it(
    keeper: Run, chain: LocalChain, unruly: Unruly, monkeypatch: pytest.MonkeyPatch
) -> None:
    unruly.say_always_now()
    with monkeypatch.context() as nobody:
        nobody.setenv("KEEPER_ORACLE__VENUES", "[]")
        for _ in range(2):
            looks_once(keeper, nobody)
            block_later(chain)
        ended = held_by(keeper, chain, "prices_fresh")
    assert asset(ended, "WETH")["price_rule"] == "always_now"
    block_later(chain)
    levers(keeper, chain)


def test_row_51_the_buffer_holds_when_every_price_steps_down_at_once(keeper: Run, chain: LocalChain) -> None:
    """−2.85 % on the lending market's oracle, all collateral together, the vault at its full leverage."""
    levers(keeper, chain)
    for symbol in ("WBTC", "WETH", "LINK", "UNI"):
        price = chain.spot(symbol) * (1 - 0.0285)
        feeds.publish_now(chain.w3, chain.owner, chain.feeds.addresses[symbol], price)
    ended = keeper("rebalance", "--simulate", "--json")
    found = {gate["name"]: gate for gate in ended.json()["gates"]}
    assert found["health_factor_act"]["passed"] is False
    assert ended.json()["action"] != "RIPCORD"
    floor = chain.registry.functions.policy().call()[0] / 1e18
    assert ended.json()["health_factor"] > floor


@pytest.mark.parametrize("venue", VENUES)
def test_row_52_one_venue_that_depegs_is_outvoted(
    keeper: Run, chain: LocalChain, exchanges: dict[str, HttpFaults], venue: str
) -> None:
    exchanges[venue].lie(scaled(0.65))
    ended = levers(keeper, chain)
    told = [one for one in ended.json()["opinions"] if one["source"] == venue.lower() and one["price_usd"]]
    assert told, ended.out
    assert {one["price_trust"] for one in ended.json()["assets"]} == {"FRESH"}


@pytest.mark.parametrize("since_up", [None, 100, 3_500])
def test_row_53_a_sequencer_that_is_down_or_back_for_less_than_its_grace_levers_nothing(
    keeper: Run, chain: LocalChain, since_up: int | None
) -> None:
    now = chain.now()
    set_sequencer(chain, up=since_up is not None, since=now - (since_up or 10))
    held_by(keeper, chain, "sequencer_up")
    set_sequencer(chain, up=True, since=now - 3_700)
    levers(keeper, chain)
