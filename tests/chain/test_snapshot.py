"""The consistent read, against the real vault, Aave and feeds: what it says, what it costs, what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from web3.types import RPCEndpoint

from keeper.chain.chain_reader import ChainReader
from keeper.chain.deployed import NativeCoin
from keeper.chain.rpc.client import Rpc
from keeper.devnet.feeds import publish
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import deployed
from keeper.domain.errors import (
    InvalidSetting,
    NodeUnavailable,
    NodeUntrusted,
    WrongChain,
    WrongContract,
)
from keeper.domain.market import FeedReading, MarketSnapshot, Trust
from keeper.domain.native_coin import COIN
from keeper.domain.portfolio import portfolio
from keeper.domain.redemptions import Redemptions
from keeper.domain.units import RAY, USD
from tests.chain.node_scene import HISTORY_S, MULTICALL, Between, addresses_of, node_of, url_of
from tests.chain.vault_scene import NO_ADDRESS, RISKY, Scene, scene_on

USDC = 10**6


@pytest.fixture
def scene(chain: LocalChain) -> Scene:
    return scene_on(chain)


@pytest.fixture
def rpc(scene: Scene) -> Iterator[Rpc]:
    with Rpc(url_of(scene)) as rpc:
        yield rpc


@pytest.fixture
def node(scene: Scene, rpc: Rpc) -> ChainReader:
    return node_of(scene, rpc)


def last_rounds(snapshot: MarketSnapshot) -> dict[str, int]:
    return {reading.symbol: reading.round.round_id for reading in snapshot.feeds[1:]}


# ----------------------------------------------------------------------- cost


def test_a_warm_read_takes_at_most_three_round_trips(scene: Scene, node: ChainReader) -> None:
    known = last_rounds(node.read({}, HISTORY_S).snapshot)
    before = node.round_trips
    reading = node.read(known, HISTORY_S)
    assert 2 == node.round_trips - before
    assert dict.fromkeys(RISKY, ()) == reading.new_rounds

    for _ in range(3):
        scene.world.refresh_feeds()
    before = node.round_trips
    reading = node.read(known, HISTORY_S)
    assert 3 == node.round_trips - before
    assert {symbol: [known[symbol] + i for i in (1, 2, 3)] for symbol in RISKY} == {
        symbol: [round_.round_id for round_ in rounds] for symbol, rounds in reading.new_rounds.items()
    }


def test_a_cold_read_brings_the_whole_history_in_order(node: ChainReader) -> None:
    reading = node.read({}, HISTORY_S)
    oldest = reading.snapshot.block.timestamp - HISTORY_S
    for symbol, rounds in reading.new_rounds.items():
        ids = [round_.round_id for round_ in rounds]
        assert list(range(ids[0], ids[0] + len(ids))) == ids, symbol
        assert all(oldest <= round_.updated_at <= reading.snapshot.block.timestamp for round_ in rounds)
        assert last_rounds(reading.snapshot)[symbol] == ids[-1]


# ---------------------------------------------------------------- what it says


def test_the_reading_is_what_the_contracts_say_at_that_block(scene: Scene, node: ChainReader) -> None:
    scene.lever(1.8)
    snapshot = node.read({}, 0).snapshot
    at = snapshot.block.number
    head = scene.w3.eth.get_block("latest")
    assert (head["number"], head["hash"].to_0x_hex(), head["timestamp"]) == (
        at,
        snapshot.block.hash,
        snapshot.block.timestamp,
    )
    assert ("USDC", *RISKY) == tuple(token.symbol for token in snapshot.tokens)

    world, pool = scene.world, scene.world.pool.functions
    state, shares = world.rebalancer.functions.state().call(), world.shares.functions
    assert state[0] == snapshot.vault.epoch == 1
    assert state[3] == snapshot.vault.last_rebalance == head["timestamp"]
    assert state[7] / 10**9 == snapshot.vault.used_daily_loss > 0.0
    assert state[8] / 10**9 == snapshot.vault.used_daily_turnover > 0.0
    assert shares.totalAssets().call() == snapshot.vault.total_assets
    assert shares.totalSupply().call() == snapshot.vault.total_shares
    assert world.registry.functions.policy().call()[7] == snapshot.vault.policy.max_loss_bps
    assert {pool.address for pool in snapshot.vault.pools} == {
        pool.address for pool in world.deployment.pools
    }
    entry = snapshot.vault.asset("WETH")
    assert (entry.max_weight_bps, entry.slippage_bps, entry.lag_bps) == (11_000, 100, 20)
    assert snapshot.vault.asset("USDC").borrowable
    assert snapshot.keeper_has_role
    assert scene.w3.eth.get_balance(to_checksum_address(scene.people.keeper)) == snapshot.keeper_balance_wei

    account = pool.getUserAccountData(world.account.address).call()
    assert (account[0], account[1], account[5]) == (
        snapshot.account.collateral_base,
        snapshot.account.debt_base,
        snapshot.account.health_factor,
    )
    for symbol in ("USDC", *RISKY):
        reserve, holding = snapshot.reserve(symbol), snapshot.holding(symbol)
        data = pool.getReserveData(scene.tokens[symbol].address).call()
        assert data[0][0] & 0xFFFF == reserve.ltv_bps
        assert data[0][0] >> 16 & 0xFFFF == reserve.liquidation_threshold_bps
        assert data[4] / RAY == reserve.borrow_rate
        assert data[8] == reserve.a_token
        assert scene.balance(symbol) == holding.idle
        assert (
            scene.erc20(reserve.a_token).functions.balanceOf(world.account.address).call() == holding.supplied
        )
        assert reserve.price_source.lower() == scene.feed(symbol).address.lower()
        assert scene.erc20(reserve.a_token).functions.totalSupply().call() == reserve.supplied
        assert scene.price(symbol) == snapshot.price(symbol) / USD
    owed = scene.erc20(snapshot.reserves[0].debt_token).functions.balanceOf(world.account.address)
    assert owed.call() == snapshot.holdings[0].owed > 0


def test_the_net_assets_computed_from_it_are_the_vaults_own(scene: Scene, node: ChainReader) -> None:
    scene.lever(1.8)
    snapshot = node.read({}, 0).snapshot
    ours = portfolio(snapshot).nav_usd / (snapshot.price("USDC") / USD)
    assert ours == pytest.approx(snapshot.vault.total_assets / USDC, abs=1e-4)


def test_what_waits_in_the_line_is_read(scene: Scene, node: ChainReader) -> None:
    shares, depositor = scene.world.shares.functions, scene.people.depositor
    before = node.read({}, 0).snapshot
    assert before.redemptions == Redemptions(0, 0, 0)
    assert before.vault.reserved == 0
    part = shares.balanceOf(depositor).call() // 4
    scene.send(shares.requestRedeem(part, depositor, depositor), depositor)
    assert node.read({}, 0).snapshot.redemptions.since == 0
    scene.world.pass_time(3_600)
    scene.send(shares.close(), scene.people.stranger)
    seen = node.read({}, 0).snapshot
    assert seen.redemptions.pending_shares == part
    assert seen.redemptions.since == seen.block.timestamp
    assert seen.redemptions.value == pytest.approx(before.vault.total_assets / 4, rel=1e-3)
    assert seen.vault.reserved == pytest.approx(seen.redemptions.value, rel=1e-6)


def test_a_pool_that_is_taken_off_the_list_is_not_traded_in(scene: Scene, node: ChainReader) -> None:
    node.read({}, 0)
    pool = scene.pool_of("WETH", "USDC", 500)
    scene.send(scene.world.registry.functions.removePool(pool), scene.people.operations)
    seen = node.read({}, 0).snapshot
    assert seen.vault.fees("WETH", "USDC") == (3_000,)
    assert (500, 3_000) == tuple(one.fee for one in seen.pools if one.symbol == "WETH")


def test_debt_in_another_account_on_the_same_market_is_read(scene: Scene, node: ChainReader) -> None:
    registry = scene.world.registry.functions
    data = encode(["address", "uint8"], [scene.account_implementation(), 0])
    scene.send(registry.propose(2, data), scene.people.admin)
    scene.world.pass_time(2 * 86_400)
    scene.send(registry.activate(2, data), scene.people.stranger)
    before = portfolio(node.read({}, 0).snapshot)
    supply = (0, 1, scene.address("USDC"), NO_ADDRESS, 1_000 * USDC, 0)
    borrow = (2, 1, scene.address("USDC"), NO_ADDRESS, 100 * USDC, 0)
    scene.send(scene.rebalance([supply, borrow]), scene.people.keeper)
    seen = node.read({}, 0).snapshot
    (other,) = seen.others
    assert (seen.vault.epoch, other.venue.place) == (1, 1)
    assert (other.supplied[0], other.owed[0]) == pytest.approx((1_000 * USDC, 100 * USDC), abs=1)
    assert portfolio(seen).nav_usd == pytest.approx(before.nav_usd, rel=1e-9)


def test_a_block_that_arrives_during_the_read_does_not_show_in_it(scene: Scene) -> None:
    with Rpc(url_of(scene)) as calm:
        before = node_of(scene, calm).read({}, 0).snapshot
    discovery, head = 7, 1
    with Rpc(url_of(scene), transport=Between(discovery + head, lambda: scene.lever(1.5))) as rpc:
        seen = node_of(scene, rpc).read({}, 0).snapshot
    assert scene.w3.eth.get_block("latest")["number"] > before.block.number
    assert 1 == scene.epoch()
    assert (before.block, before.vault, before.holdings, before.account) == (
        seen.block,
        seen.vault,
        seen.holdings,
        seen.account,
    )


# ----------------------------------------------------------------------- trust


def test_a_feed_is_stale_one_second_after_the_vaults_limit(scene: Scene, node: ChainReader) -> None:
    for symbol in ("USDC", *RISKY):
        scene.set_feed_of(symbol, scene.feed(symbol).address, 86_400)
    scene.world.refresh_feeds()
    updated_at = {reading.symbol: reading.round.updated_at for reading in node.read({}, 0).snapshot.feeds}
    scene.mine_at(min(updated_at.values()) + 86_400)
    assert Trust.FRESH is node.read({}, 0).snapshot.feeds[0].trust
    scene.mine_at(max(updated_at.values()) + 86_401)
    feeds = node.read({}, 0).snapshot.feeds
    assert {Trust.STALE} == {reading.trust for reading in feeds}
    assert "at most 86400 s are allowed" in feeds[1].reason


def test_a_feed_that_the_admin_replaces_is_followed_at_the_next_read(scene: Scene, node: ChainReader) -> None:
    node.read({}, 0)
    feed = scene.loose_feed("LINK")
    now = scene.now()
    scene.set_feed(feed, 7 * USD, now)
    reading = node.read({}, 0).snapshot.feeds[3]
    assert (feed.address, 7 * USD, Trust.FRESH) == (reading.feed, reading.price, reading.trust)
    scene.set_feed(feed, 7 * USD, now + 10**6)
    assert Trust.SUSPECT is node.read({}, 0).snapshot.feeds[3].trust
    scene.set_feed(feed, -1, now)
    assert Trust.DEAD is node.read({}, 0).snapshot.feeds[3].trust


# ------------------------------------------------------------------- refusals


def test_another_chain_is_refused(scene: Scene, rpc: Rpc) -> None:
    with pytest.raises(WrongChain, match="KEEPER_CHAIN_ID is 1, but the node is on chain 31337"):
        node_of(scene, rpc, chain_id=1).read({}, 0)


def test_an_address_without_code_is_named_with_its_setting(scene: Scene, rpc: Rpc) -> None:
    nobody = scene.people.stranger
    for field in ("vault", "multicall", "quoter"):
        with pytest.raises(WrongContract, match=f"{field}: there is no contract at {nobody}"):
            node_of(scene, rpc, addresses=addresses_of(scene, **{field: nobody})).read({}, 0)


@pytest.mark.parametrize("symbol", ["WETH", "USDC"])  # WETH answers every call with nothing, USDC reverts
def test_another_contract_at_the_vaults_address_is_refused(scene: Scene, rpc: Rpc, symbol: str) -> None:
    token = scene.tokens[symbol].address
    with pytest.raises(WrongContract, match=f"of vault {token} "):
        node_of(scene, rpc, addresses=addresses_of(scene, vault=token)).read({}, 0)


def test_another_contract_at_the_multicalls_address_is_refused(scene: Scene, rpc: Rpc) -> None:
    token = scene.tokens["USDC"].address
    with pytest.raises(WrongContract, match="multicall: the contract at"):
        node_of(scene, rpc, addresses=addresses_of(scene, multicall=token)).read({}, 0)
    assert MULTICALL == addresses_of(scene).multicall


def test_an_asset_that_the_vault_does_not_list_is_refused(scene: Scene, rpc: Rpc) -> None:
    with pytest.raises(InvalidSetting, match="assets: DOGE is not on the vault's list"):
        node_of(scene, rpc, symbols=("WBTC", "DOGE")).read({}, 0)


def test_a_vault_that_stops_answering_is_the_nodes_fault_not_the_settings(
    scene: Scene, node: ChainReader
) -> None:
    node.read({}, 0)
    scene.w3.provider.make_request(RPCEndpoint("anvil_setCode"), [scene.world.rebalancer.address, "0x"])
    with pytest.raises(NodeUntrusted, match="of rebalancer"):
        node.read({}, 0)


def test_a_node_that_does_not_answer_is_unavailable(scene: Scene) -> None:
    with Rpc("http://127.0.0.1:9/secret", pause=lambda _: None) as rpc:
        with pytest.raises(NodeUnavailable, match=r"127\.0\.0\.1:9/…") as caught:
            node_of(scene, rpc).read({}, 0)
        assert "secret" not in caught.value.message
        assert 3 == rpc.round_trips


# ------------------------------------------------------------------- native coin


def test_gas_is_priced_by_the_vaults_weth_where_no_feed_is_named(node: ChainReader) -> None:
    snapshot = node.read({}, HISTORY_S).snapshot
    assert snapshot.native_coin == snapshot.feeds[snapshot.index("WETH")]


def test_a_named_feed_prices_gas_whatever_the_vault_holds(scene: Scene, rpc: Rpc) -> None:
    own = deployed(scene.w3, scene.world.owner, "RoundFeed", "ETH / USD").address
    publish(scene.w3, scene.world.owner, own, price=2_345.0, timestamp=scene.world.now())
    node = node_of(scene, rpc, native=NativeCoin(feed=own, wrapped="NONE", max_age_s=3_600))
    coin = node.read({}, HISTORY_S).snapshot.native_coin
    assert coin is not None
    assert (coin.symbol, coin.feed, coin.price_usd, coin.trust) == (COIN, own, 2_345.0, Trust.FRESH)
    scene.world.pass_time(3_700)
    old = node.read({}, HISTORY_S).snapshot.native_coin
    assert old is not None
    assert (old.trust, old.rule) == (Trust.STALE, "too_old")


@pytest.mark.parametrize("named", [True, False])
def test_without_a_feed_for_it_the_vault_is_read_and_what_gas_costs_is_unknown(
    scene: Scene, rpc: Rpc, named: bool
) -> None:
    no_feed = scene.world.deployment.tokens["WETH"].address if named else None
    lines: list[str] = []
    node = node_of(scene, rpc, lines.append, native=NativeCoin(feed=no_feed, wrapped="NONE"))
    coin = node.read({}, HISTORY_S).snapshot.native_coin
    assert coin is not None
    assert coin.trust is Trust.DEAD
    assert any("KEEPER_NATIVE_FEED" in line for line in lines)


def test_a_feed_that_fits_later_prices_gas_from_then_on(scene: Scene, rpc: Rpc) -> None:
    own = deployed(scene.w3, scene.world.owner, "RoundFeed", "ETH / USD").address
    publish(scene.w3, scene.world.owner, own, price=2_345.0, timestamp=scene.world.now())
    code = scene.w3.eth.get_code(own)
    scene.w3.provider.make_request(RPCEndpoint("anvil_setCode"), [own, "0x"])
    node = node_of(scene, rpc, native=NativeCoin(feed=own, wrapped="NONE", max_age_s=3_600))
    assert coin_of(node).trust is Trust.DEAD
    scene.w3.provider.make_request(RPCEndpoint("anvil_setCode"), [own, code.hex()])
    assert coin_of(node).trust is Trust.DEAD
    assert coin_of(node).trust is Trust.FRESH


def coin_of(node: ChainReader) -> FeedReading:
    coin = node.read({}, HISTORY_S).snapshot.native_coin
    assert coin is not None
    return coin
