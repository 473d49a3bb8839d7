"""Feeds and pools on a real node: what a keeper reads from them, and what moving a price does."""

from __future__ import annotations

import pytest
from eth_typing import ChecksumAddress
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractCustomError, ContractLogicError
from web3.types import RPCEndpoint

from keeper.devnet.compile import artifact
from keeper.devnet.feeds import latest_round, publish, publish_now, refresh
from keeper.devnet.history import MarketHistory, load
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at
from keeper.devnet.uniswap import PriceMarket, set_price, sqrt_price_of
from tests.chain.sequencer import set_sequencer

PHASE_1 = 1 << 64


@pytest.fixture(scope="module")
def history() -> MarketHistory:
    return load(None, None)


@pytest.fixture
def w3(chain: LocalChain) -> Web3:
    return chain.w3


@pytest.fixture
def market(chain: LocalChain) -> PriceMarket:
    return chain.market


@pytest.fixture
def owner(chain: LocalChain) -> ChecksumAddress:
    return chain.owner


def feed_of(w3: Web3, market: PriceMarket, symbol: str) -> Contract:
    return w3.eth.contract(address=market.feeds.addresses[symbol], abi=artifact("RoundFeed").abi)


# ---------------------------------------------------------------------- feeds


def test_every_close_is_a_round_at_its_bars_end(
    w3: Web3, market: PriceMarket, history: MarketHistory
) -> None:
    for series in history.prices:
        feed = feed_of(w3, market, series.symbol)
        count = len(series.times)
        for n in (1, count // 2, count):
            round_id, answer, started, updated, answered_in = feed.functions.getRoundData(PHASE_1 | n).call()
            assert round_id == answered_in == PHASE_1 | n
            assert started == updated == series.times[n - 1]
            assert answer == round(float(series.prices[n - 1]) * 1e8)
        assert feed.functions.latestRoundData().call()[0] == PHASE_1 | count


def test_a_feed_reads_as_a_chainlink_proxy_and_as_its_aggregator(w3: Web3, market: PriceMarket) -> None:
    feed = feed_of(w3, market, "WETH")
    assert feed.functions.decimals().call() == 8
    assert feed.functions.description().call() == "ETH / USD"
    assert feed.functions.phaseId().call() == 1
    assert feed.functions.aggregator().call() == feed.address
    assert 0 < feed.functions.minAnswer().call() < feed.functions.maxAnswer().call()
    assert feed.functions.latestAnswer().call() == feed.functions.latestRoundData().call()[1]


@pytest.mark.parametrize("round_id", [0, 1, PHASE_1, PHASE_1 | 10_000_000, (2 << 64) | 1])
def test_an_unknown_round_reverts(w3: Web3, market: PriceMarket, round_id: int) -> None:
    with pytest.raises(ContractLogicError, match="No data present"):
        feed_of(w3, market, "WETH").functions.getRoundData(round_id).call()


def test_a_new_round_is_announced_by_the_aggregators_number(
    w3: Web3, market: PriceMarket, owner: ChecksumAddress
) -> None:
    feed = feed_of(w3, market, "LINK")
    at = latest_round(w3, feed.address)[1]
    n = (feed.functions.latestRound().call() & (PHASE_1 - 1)) + 1
    receipt = publish(w3, owner, feed.address, 7.25, at + 60)
    (event,) = list(feed.events.AnswerUpdated().process_receipt(receipt))
    assert event["args"] == {"current": 725_000_000, "roundId": n, "updatedAt": at + 60}
    assert latest_round(w3, feed.address) == (7.25, at + 60)


def test_rounds_do_not_go_back_in_time_and_are_the_owners(
    w3: Web3, market: PriceMarket, owner: ChecksumAddress
) -> None:
    feed = feed_of(w3, market, "LINK")
    _, at = latest_round(w3, feed.address)
    push = feed.get_function_by_signature("push(int256,uint256)")
    stranger = list(w3.eth.accounts)[5]
    with pytest.raises(ContractCustomError):
        push(10**8, at - 1).call({"from": owner})
    with pytest.raises(ContractCustomError):
        push(0, at).call({"from": owner})
    with pytest.raises(ContractCustomError):
        push(10**8, at).call({"from": stranger})


def test_a_new_phase_starts_again_at_one_and_old_rounds_stay(
    w3: Web3, market: PriceMarket, owner: ChecksumAddress
) -> None:
    feed = feed_of(w3, market, "UNI")
    price, at = latest_round(w3, feed.address)
    feed.functions.startPhase().transact({"from": owner})
    publish(w3, owner, feed.address, price, at)
    assert feed.functions.latestRoundData().call()[0] == (2 << 64) | 1
    assert feed.functions.getRoundData(PHASE_1 | 1).call()[1] > 0


def test_a_heartbeat_renews_every_feed_at_its_price(
    w3: Web3, market: PriceMarket, owner: ChecksumAddress
) -> None:
    before = {symbol: latest_round(w3, feed)[0] for symbol, feed in market.feeds.addresses.items()}
    refresh(w3, owner, market.feeds)
    now = w3.eth.get_block("latest")["timestamp"]
    for symbol, feed in market.feeds.addresses.items():
        price, at = latest_round(w3, feed)
        assert 0 < price - before[symbol] < 1e-7  # the last digit moves, as on a live feed
        assert now - at < 60


def test_the_sequencer_says_since_when(w3: Web3, market: PriceMarket, chain: LocalChain) -> None:
    feed = w3.eth.contract(address=market.feeds.sequencer, abi=artifact("SequencerFeed").abi)
    _, answer, started, _, _ = feed.functions.latestRoundData().call()
    assert answer == 0
    assert w3.eth.get_block("latest")["timestamp"] - started > 86_400
    set_sequencer(chain, up=False, since=started + 10)
    assert feed.functions.latestRoundData().call()[1:3] == [1, started + 10]


# ---------------------------------------------------------------------- pools


def gaps(w3: Web3, market: PriceMarket) -> list[float]:
    """How far each pool is from the ratio of its feeds."""
    found = []
    for pool in market.uniswap.pools:
        one, other = (latest_round(w3, market.feeds.addresses[symbol])[0] for symbol in pool.symbols)
        decimals0, decimals1 = (market.tokens[symbol].decimals for symbol in pool.symbols)
        spot = (sqrt_price_of(w3, pool) / 2**96) ** 2 * 10.0 ** (decimals0 - decimals1)
        found.append(abs(spot / (one / other) - 1))
    return found


def cost_bps(w3: Web3, market: PriceMarket, path: list[str | int], usd: float) -> float:
    sold, bought = (market.tokens[str(symbol)] for symbol in (path[0], path[-1]))
    price_sold, price_bought = (
        latest_round(w3, market.feeds.addresses[token.symbol])[0] for token in (sold, bought)
    )
    amount = int(usd / price_sold * 10**sold.decimals)
    encoded = b"".join(
        bytes.fromhex(market.tokens[part].address[2:]) if isinstance(part, str) else part.to_bytes(3, "big")
        for part in path
    )
    quoter = contract_at(w3, "QuoterV2", market.uniswap.quoter)
    out = quoter.functions.quoteExactInput(encoded, amount).call()[0]
    received = out / 10**bought.decimals * price_bought
    cost: float = (1 - received / usd) * 1e4
    return cost


def test_every_pool_starts_at_the_feeds_ratio(w3: Web3, market: PriceMarket) -> None:
    assert len(market.uniswap.pools) == 14
    assert max(gaps(w3, market)) < 1e-7


@pytest.mark.parametrize(
    ("path", "usd", "least", "most"),
    [
        (["USDC", 500, "WETH"], 1e4, 5.0, 5.5),
        (["USDC", 500, "WETH"], 1e5, 5.5, 7.0),
        (["USDC", 500, "WETH"], 1e6, 15.0, 18.0),
        (["USDC", 500, "WETH", 3_000, "LINK"], 1e5, 50.0, 65.0),
        (["USDC", 500, "WETH", 3_000, "UNI"], 1e5, 50.0, 70.0),
        (["USDC", 500, "WETH", 500, "WBTC"], 1e5, 14.0, 20.0),
    ],
)
def test_a_swap_costs_its_fees_and_the_depth_it_takes(
    w3: Web3, market: PriceMarket, path: list[str | int], usd: float, least: float, most: float
) -> None:
    assert least < cost_bps(w3, market, path, usd) < most


@pytest.mark.parametrize("factor", [0.4, 1.6])
def test_a_moved_price_moves_the_feed_and_every_pool_with_the_symbol(
    w3: Web3, market: PriceMarket, history: MarketHistory, owner: ChecksumAddress, factor: float
) -> None:
    price = round(history.last_price("WETH") * factor, 2)
    set_price(w3, owner, market, "WETH", price)
    assert latest_round(w3, market.feeds.addresses["WETH"])[0] == price
    assert max(gaps(w3, market)) < 1e-7
    assert cost_bps(w3, market, ["USDC", 500, "WETH"], 1e5) < 10, "there is liquidity at the new price"


def test_a_depeg_of_the_stable_moves_the_pools_against_it(
    w3: Web3, market: PriceMarket, owner: ChecksumAddress
) -> None:
    set_price(w3, owner, market, "USDC", 0.88)
    assert max(gaps(w3, market)) < 1e-7


def test_a_feed_that_moves_alone_leaves_the_pools(
    w3: Web3, market: PriceMarket, owner: ChecksumAddress
) -> None:
    publish_now(w3, owner, market.feeds.addresses["WBTC"], 1.0)
    assert max(gaps(w3, market)) > 0.5


def test_half_an_hour_of_prices_can_be_averaged(w3: Web3, market: PriceMarket) -> None:
    pool = market.uniswap.pools[0]
    contract = contract_at(w3, "UniswapV3Pool", pool.address)
    w3.provider.make_request(RPCEndpoint("evm_increaseTime"), [1_800])
    w3.provider.make_request(RPCEndpoint("evm_mine"), [])
    early, late = contract.functions.observe([1_800, 0]).call()[0]
    assert (late - early) // 1_800 == contract.functions.slot0().call()[1]
    assert contract.functions.slot0().call()[4] >= 150
