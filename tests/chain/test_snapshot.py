"""The consistent read, against the real vault, Aave and feeds: what it says, what it costs, what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_utils.address import to_checksum_address
from web3.types import RPCEndpoint

from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import LocalChain
from keeper.domain.errors import InvalidSetting, NodeUnavailable, NodeUntrusted, WrongChain, WrongContract
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.portfolio import portfolio
from keeper.domain.units import RAY, USD, WAD
from tests.chain.node_scene import HISTORY_S, MULTICALL, Between, addresses_of, node_of, url_of
from tests.chain.vault_scene import RISKY, Scene
from tests.chain.vault_setup import vault_scene

USDC = 10**6


@pytest.fixture
def scene(chain: LocalChain) -> Scene:
    scene = vault_scene(chain)
    scene.deposit(100_000 * USDC)
    return scene


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
        scene.refresh_feeds()
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

    vault, pool = scene.read, scene.pool.functions
    assert vault.epoch().call() == snapshot.vault.epoch == 1
    assert vault.totalAssets().call() == snapshot.vault.total_assets
    assert vault.totalSupply().call() == snapshot.vault.total_shares
    assert vault.lastRebalance().call() == snapshot.vault.last_rebalance
    assert (500, 3_000) == snapshot.vault.fee_tiers
    assert vault.budgets().call()[2] / WAD == snapshot.vault.used_daily_turnover
    assert vault.policy().call()[6] == snapshot.vault.policy.max_loss_bps
    assert 15_000 == snapshot.vault.assets[1].max_weight_bps
    assert snapshot.keeper_has_role
    assert scene.w3.eth.get_balance(to_checksum_address(scene.people.keeper)) == snapshot.keeper_balance_wei

    account = pool.getUserAccountData(scene.vault.address).call()
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
            scene.erc20(reserve.a_token).functions.balanceOf(scene.vault.address).call() == holding.supplied
        )
        assert scene.erc20(reserve.a_token).functions.totalSupply().call() == reserve.supplied
        assert scene.price(symbol) == snapshot.price(symbol) / USD
    assert scene.debt() == snapshot.holdings[0].owed


def test_the_portfolio_computed_from_it_is_the_vaults_own_position(scene: Scene, node: ChainReader) -> None:
    scene.lever(1.8)
    ours = portfolio(node.read({}, 0).snapshot)
    nav, gross, debt, leverage, factor = scene.read.position().call()
    assert ours.nav_usd == pytest.approx(nav / USD, abs=1e-5)
    assert sum(ours.values_usd) == pytest.approx(gross / USD, abs=1e-5)
    assert ours.debt_usd == pytest.approx(debt / USD, abs=1e-5)
    assert ours.leverage == pytest.approx(leverage / WAD, rel=1e-9)
    assert ours.health_factor == pytest.approx(factor / WAD, rel=1e-12)


def test_a_block_that_arrives_during_the_read_does_not_show_in_it(scene: Scene) -> None:
    with Rpc(url_of(scene)) as calm:
        before = node_of(scene, calm).read({}, 0).snapshot
    discovery, head = 5, 1
    with Rpc(url_of(scene), transport=Between(discovery + head, lambda: scene.lever(1.5))) as rpc:
        seen = node_of(scene, rpc).read({}, 0).snapshot
    assert scene.w3.eth.get_block("latest")["number"] > before.block.number
    assert 1 == scene.read.epoch().call()
    assert (before.block, before.vault, before.holdings, before.account) == (
        seen.block,
        seen.vault,
        seen.holdings,
        seen.account,
    )


# ----------------------------------------------------------------------- trust


def test_a_feed_is_stale_one_second_after_the_vaults_limit(scene: Scene, node: ChainReader) -> None:
    scene.refresh_feeds()
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
    scene.w3.provider.make_request(RPCEndpoint("anvil_setCode"), [scene.vault.address, "0x"])
    with pytest.raises(NodeUntrusted, match="of vault"):
        node.read({}, 0)


def test_a_node_that_does_not_answer_is_unavailable(scene: Scene) -> None:
    with Rpc("http://127.0.0.1:9/secret", pause=lambda _: None) as rpc:
        with pytest.raises(NodeUnavailable, match=r"127\.0\.0\.1:9/…") as caught:
            node_of(scene, rpc).read({}, 0)
        assert "secret" not in caught.value.message
        assert 3 == rpc.round_trips
