"""Faults of docs/faults.md in what the keeper is told of prices and time, on a real chain and through real sockets. Each test
is named after its row; row 50 on the vault itself is in tests/chain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from keeper.app.composition import SystemClock
from keeper.devnet import feeds
from keeper.devnet import local_chain as devnet
from keeper.devnet.anvil import rpc
from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at, deployed, send
from tests.chain.keeper_command import Ended, Run
from tests.servers.faulty_node import faulty_node
from tests.servers.http_faults import HttpFaults, http_faults

EXECUTE = ("rebalance", "--execute", "--json")
NO_GAS_CHEAP_ENOUGH = "0.001"
VENUES = ("COINBASE", "KRAKEN", "BINANCE")
UNI_POOL_FEE = 3_000


def gates(ended: Ended) -> dict[str, bool]:
    return {gate["name"]: gate["passed"] for gate in ended.json()["gates"]}


def asset(ended: Ended, symbol: str) -> dict[str, Any]:
    return next(one for one in ended.json()["assets"] if one["symbol"] == symbol)


def held_by(keeper: Run, chain: LocalChain, gate: str) -> Ended:
    """Leverage was wanted and not raised."""
    before = chain.vault.functions.epoch().call()
    ended = keeper(*EXECUTE)
    assert ended.code == 4, ended.out
    assert gates(ended)[gate] is False
    assert chain.vault.functions.epoch().call() == before
    return ended


def levers(keeper: Run, chain: LocalChain) -> Ended:
    before = chain.vault.functions.epoch().call()
    ended = keeper(*EXECUTE)
    assert ended.json()["outcome"] == "SENT", ended.out
    assert chain.vault.functions.epoch().call() == before + 1
    return ended


def looks_once(keeper: Run, change: pytest.MonkeyPatch) -> Ended:
    """A cycle that trades nothing, and remembers what it saw."""
    with change.context() as alone:
        for urgency in ("ROUTINE", "OUT_OF_BAND"):
            alone.setenv(f"KEEPER_DECISION__URGENCY__{urgency}__MAX_GAS_PRICE_GWEI", NO_GAS_CHEAP_ENOUGH)
        ended = keeper(*EXECUTE)
    assert ended.json()["outcome"] == "HELD"
    return ended


def block_later(chain: LocalChain) -> None:
    rpc(chain.deployment.rpc_url, "evm_increaseTime", 12)
    chain.mine()


@dataclass
class Unruly:
    """The vault's feed of one token, which says what it is told."""

    chain: LocalChain
    contract: Any
    answer: int

    def say(self, answer: int, round_number: int = 100, age: int = 0) -> None:
        at = self.chain.now() - age
        send(self.chain.w3, self.contract.functions.say(round_number, answer, at), self.chain.owner)

    def bound(self, least: int, most: int) -> None:
        send(self.chain.w3, self.contract.functions.bound(least, most), self.chain.owner)

    def say_always_now(self) -> None:
        send(self.chain.w3, self.contract.functions.sayAlwaysNow(100, self.answer), self.chain.owner)


@pytest.fixture
def unruly(chain: LocalChain, keeper: Run, monkeypatch: pytest.MonkeyPatch) -> Unruly:
    """WETH's, put into the vault's list by its admin once the keeper knows the history of the good one, which the lending
    market keeps."""
    looks_once(keeper, monkeypatch)
    contract = deployed(chain.w3, chain.owner, "UnrulyFeed", "ETH / USD")
    config = next(
        one
        for one in chain.vault.functions.assets().call()
        if one[0].lower() == chain.tokens["WETH"].address.lower()
    )
    admin = chain.w3.to_checksum_address(chain.deployment.accounts["admin"])
    made = Unruly(chain, contract, round(chain.spot("WETH") * 10**8))
    made.say(made.answer)
    send(chain.w3, chain.vault.functions.setAsset((config[0], contract.address, *config[2:])), admin)
    return made


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No exchange is asked, so the feed is the only one that knows."""
    monkeypatch.setenv("KEEPER_ORACLE__VENUES", "[]")


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


# ------------------------------------------------------------------------ time


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


# ----------------------------------------------------------------------- feeds


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
    chain.pass_time(3_700)
    ended = keeper("rebalance", "--simulate", "--json")
    assert asset(ended, "WETH")["price_rule"] == "disagrees"
    assert gates(ended)["prices_fresh"] is False
    debt = chain.pool.functions.getUserAccountData(chain.vault.address).call()[1]
    ended = keeper("deleverage", "--execute", "--json")
    assert ended.code == 0, ended.out
    assert chain.pool.functions.getUserAccountData(chain.vault.address).call()[1] < debt // 1_000


def test_row_50_a_ratio_that_is_read_as_a_price_is_stopped_by_the_jump(
    keeper: Run, chain: LocalChain, unruly: Unruly, alone: None, monkeypatch: pytest.MonkeyPatch
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
    floor = chain.vault.functions.policy().call()[0] / 1e18
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
    feeds.set_sequencer(
        chain.w3, chain.owner, chain.feeds.sequencer, up=since_up is not None, since=now - (since_up or 10)
    )
    held_by(keeper, chain, "sequencer_up")
    feeds.set_sequencer(chain.w3, chain.owner, chain.feeds.sequencer, up=True, since=now - 3_700)
    levers(keeper, chain)


# ----------------------------------------------------------------------- pools


def weth_pools(ended: Ended) -> dict[str, Any]:
    return {
        one["source"]: one
        for one in ended.json()["opinions"]
        if one["symbol"] == "WETH" and one["source"].startswith("Uniswap")
    }


def test_row_54_a_pool_that_remembers_one_block_has_no_voice(keeper: Run, chain: LocalChain) -> None:
    found = weth_pools(levers(keeper, chain))
    assert found
    assert all(one["price_usd"] is None and "1 observation" in one["reason"] for one in found.values())


def test_row_54_a_pool_that_remembers_long_enough_and_is_deep_speaks_and_a_thin_one_does_not(
    keeper: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pool in chain.uniswap.pools:
        if "WETH" in pool.symbols and "USDC" in pool.symbols:
            grown = contract_at(chain.w3, "UniswapV3Pool", pool.address)
            send(chain.w3, grown.functions.increaseObservationCardinalityNext(50), chain.owner)
    chain.set_price("WETH", chain.spot("WETH") * 1.001)
    young = weth_pools(keeper("rebalance", "--simulate", "--json"))
    assert any("do not reach back" in one["reason"] for one in young.values())
    chain.pass_time(2_000)
    spoken = weth_pools(keeper("rebalance", "--simulate", "--json"))
    (voice,) = spoken.values()
    assert voice["price_usd"] == pytest.approx(chain.spot("WETH"), rel=0.01)
    monkeypatch.setenv("KEEPER_ORACLE__TWAP_MIN_DEPTH_USD", "1e12")
    thin = weth_pools(keeper("rebalance", "--simulate", "--json"))
    assert all("by one per cent" in one["reason"] for one in thin.values())


def test_row_54_a_feed_that_leaves_its_pool_behind_is_not_levered_on(
    keeper: Run, chain: LocalChain, alone: None
) -> None:
    """No exchange answers; the pool's mean price is the only other word."""
    for pool in chain.uniswap.pools:
        if "WETH" in pool.symbols and "USDC" in pool.symbols:
            grown = contract_at(chain.w3, "UniswapV3Pool", pool.address)
            send(chain.w3, grown.functions.increaseObservationCardinalityNext(50), chain.owner)
    chain.set_price("WETH", chain.spot("WETH") * 1.001)
    chain.pass_time(2_000)
    feeds.publish_now(chain.w3, chain.owner, chain.feeds.addresses["WETH"], chain.spot("WETH") * 1.05)
    ended = held_by(keeper, chain, "prices_fresh")
    assert asset(ended, "WETH")["price_rule"] == "disagrees"


# --------------------------------------------------------------------- Deribit


@pytest.fixture
def deribit(chain: LocalChain, monkeypatch: pytest.MonkeyPatch, keeper: Run) -> Iterator[HttpFaults]:
    market = devnet.load_history(None, None)
    with deribit_server(market, chain.now, chain.spot) as url, http_faults(url) as proxy:
        monkeypatch.setenv("KEEPER_DERIBIT_URL", proxy.url)
        yield proxy


def implied(ended: Ended) -> dict[str, float | None]:
    return {one["symbol"]: one["volatility"]["implied"] for one in ended.json()["assets"]}


def not_a_number(answer: Any) -> Any:
    for candle in answer["result"]["data"]:
        candle[4] = None
    return answer


def frozen(answer: Any) -> Any:
    for candle in answer["result"]["data"]:
        candle[1:5] = [55.5] * 4
    return answer


def tripled(answer: Any) -> Any:
    for candle in answer["result"]["data"]:
        candle[1:5] = [3 * value for value in candle[1:5]]
    return answer


@pytest.mark.parametrize("trouble", ["rate limit", "nan", "frozen"])
def test_row_55_without_a_usable_volatility_the_last_good_one_counts_and_fades(
    keeper: Run, chain: LocalChain, deribit: HttpFaults, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    good = implied(looks_once(keeper, monkeypatch))
    assert good["WBTC"] is not None
    if trouble == "rate limit":
        body = b'{"jsonrpc":"2.0","error":{"code":10028,"message":"too_many_requests"}}'
        deribit.fault("status", count=-1, status=429, body=body)
    else:
        deribit.fault("drop", path="get_book_summary", count=-1)
        deribit.lie(not_a_number if trouble == "nan" else frozen, path="volatility_index")
    bad = keeper("rebalance", "--simulate", "--json")
    assert implied(bad)["WBTC"] == good["WBTC"]
    chain.pass_time(30 * 3_600)
    faded = keeper("rebalance", "--simulate", "--json")
    blend = asset(faded, "WBTC")["volatility"]
    assert blend["blended"] >= blend["historical"]


def test_row_55_a_volatility_three_times_as_high_lowers_leverage_only(
    keeper: Run, chain: LocalChain, deribit: HttpFaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = looks_once(keeper, monkeypatch).json()["target_leverage"]
    deribit.fault("drop", path="get_book_summary", count=-1)
    deribit.lie(tripled, path="volatility_index")
    after = keeper("rebalance", "--simulate", "--json").json()["target_leverage"]
    assert after <= before
