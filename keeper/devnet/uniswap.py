"""Uniswap V3 on the local chain: the real contracts, pools as deep as mainnet's, an arbitrageur to move them.

Each pool gets 90 % of its liquidity between a quarter and four times the price and 10 % over the full range,
so that the depth at the spot price is the one in ``keeper.recorded.pools`` and large moves still find liquidity.
Further from the spot price this is deeper than mainnet, whose liquidity thins out within tens of percent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.devnet import all_weather_terms
from keeper.devnet.deployment import PoolEntry
from keeper.devnet.feeds import Feeds, latest_round, publish_now
from keeper.devnet.history import MarketHistory
from keeper.devnet.tokens import fund
from keeper.devnet.transactions import NO_ADDRESS, contract_at, deployed, mined, send
from keeper.devnet.uniswap_math import amounts_for, liquidity_for, sqrt_price_at, sqrt_price_x96, tick_at
from keeper.domain.market import Token
from keeper.domain.units import UINT256_MAX
from keeper.recorded.pools import POOL_DEPTHS, PoolDepth

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.contract import Contract

MAX_TICK = 887_272
TICK_SPACING = {100: 1, 500: 10, 3_000: 60, 10_000: 200}
WIDE_FACTOR = 4.0
WIDE_SHARE = 0.9
OBSERVATIONS = 150
"""Slots of the pool's oracle: 30 minutes at one observation per 12-second block."""

DEADLINE = 2**40
FUNDS_MARGIN = 1.001
ARBITRAGE_FUNDS_USD = 3e9  # moves the deepest pool tenfold


@dataclass(frozen=True, slots=True)
class Uniswap:
    """The periphery's addresses and the pools, empty until they are seeded."""

    factory: ChecksumAddress
    position_manager: ChecksumAddress
    quoter: ChecksumAddress
    router: ChecksumAddress
    pools: tuple[PoolEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceMarket:
    """The contracts that a change of price affects."""

    feeds: Feeds
    uniswap: Uniswap
    tokens: Mapping[str, Token]


# ----------------------------------------------------------------- deployment


def deploy_uniswap(w3: Web3, deployer: ChecksumAddress, weth: ChecksumAddress) -> Uniswap:
    """Factory, position manager (no token descriptor), QuoterV2 and SwapRouter02 (no V2 factory)."""
    factory = deployed(w3, deployer, "UniswapV3Factory").address
    manager = deployed(w3, deployer, "NonfungiblePositionManager", factory, weth, NO_ADDRESS).address
    quoter = deployed(w3, deployer, "QuoterV2", factory, weth).address
    router = deployed(w3, deployer, "SwapRouter02", NO_ADDRESS, factory, manager, weth).address
    return Uniswap(factory=factory, position_manager=manager, quoter=quoter, router=router)


def seed_pools(
    w3: Web3,
    deployer: ChecksumAddress,
    uniswap: Uniswap,
    market: MarketHistory,
    tokens: Mapping[str, Token],
    progress: Callable[[str], None],
) -> tuple[PoolEntry, ...]:
    """Create every pool that is listed and whose tokens this market has, at its last prices.

    The positions belong to ``deployer``, who must be unlocked.
    """
    listed = (*POOL_DEPTHS, *all_weather_terms.POOL_DEPTHS)
    depths = [depth for depth in listed if {depth.symbol, depth.quote} <= set(market.symbols)]
    prices = {symbol: market.last_price(symbol) for symbol in market.symbols}
    seeds = [_seed(depth, tokens, prices) for depth in depths]
    needed: dict[str, int] = {}
    for seed in seeds:
        for symbol, amount in zip(seed.symbols, seed.amounts, strict=True):
            needed[symbol] = needed.get(symbol, 0) + amount
    for symbol, amount in needed.items():
        fund(w3, deployer, tokens[symbol], account=deployer, amount=amount)
        _approve(w3, deployer, tokens[symbol], spender=uniswap.position_manager)
    manager = contract_at(w3, "NonfungiblePositionManager", uniswap.position_manager)
    factory = contract_at(w3, "UniswapV3Factory", uniswap.factory)
    waiting: list[bytes] = []
    for seed in seeds:
        progress(f"pool {seed.symbols[0]}/{seed.symbols[1]} {seed.fee / 100:g} bps")
        calls = _seed_calls(manager, deployer, seed, tokens=tokens)
        waiting.append(manager.functions.multicall(calls).transact({"from": deployer, "gas": 9_000_000}))
    for transaction in waiting:
        mined(w3, transaction)
    pools = tuple(
        PoolEntry(
            factory.functions.getPool(*_addresses(seed.symbols, tokens), seed.fee).call(),
            seed.symbols,
            seed.fee,
        )
        for seed in seeds
    )
    waiting = [
        contract_at(w3, "UniswapV3Pool", pool.address)
        .functions.increaseObservationCardinalityNext(OBSERVATIONS)
        .transact({"from": deployer, "gas": 5_000_000})
        for pool in pools
    ]
    for transaction in waiting:
        mined(w3, transaction)
    return pools


@dataclass(frozen=True, slots=True)
class _Position:
    lower: int
    upper: int
    amounts: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Seed:
    symbols: tuple[str, str]
    fee: int
    sqrt_price: int
    positions: tuple[_Position, _Position]

    @property
    def amounts(self) -> tuple[int, int]:
        return (
            sum(position.amounts[0] for position in self.positions),
            sum(position.amounts[1] for position in self.positions),
        )


def _seed(depth: PoolDepth, tokens: Mapping[str, Token], prices: Mapping[str, float]) -> _Seed:
    symbols = pool_order(tokens, depth.symbol, depth.quote)
    token0, token1 = tokens[symbols[0]], tokens[symbols[1]]
    price0, price1 = prices[symbols[0]], prices[symbols[1]]
    sqrt_price = sqrt_price_x96(price0, price1, token0.decimals, decimals1=token1.decimals)
    liquidity = liquidity_for(depth.virtual_usd, price0, token0.decimals, sqrt_price=sqrt_price)
    spacing = TICK_SPACING[depth.fee]
    reach = round(math.log(WIDE_FACTOR) / math.log(1.0001))
    tick = tick_at(sqrt_price)
    wide = ((tick - reach) // spacing * spacing, -(-(tick + reach) // spacing) * spacing)
    full = (-(MAX_TICK // spacing) * spacing, MAX_TICK // spacing * spacing)
    positions = (
        _position(round(liquidity * WIDE_SHARE), sqrt_price, wide),
        _position(round(liquidity * (1 - WIDE_SHARE)), sqrt_price, full),
    )
    return _Seed(symbols, depth.fee, sqrt_price, positions=positions)


def _position(liquidity: int, sqrt_price: int, ticks: tuple[int, int]) -> _Position:
    amounts = amounts_for(liquidity, sqrt_price, sqrt_price_at(ticks[0]), upper=sqrt_price_at(ticks[1]))
    margin = (math.ceil(amounts[0] * FUNDS_MARGIN), math.ceil(amounts[1] * FUNDS_MARGIN))
    return _Position(ticks[0], ticks[1], margin)


def _seed_calls(
    manager: Contract, owner: ChecksumAddress, seed: _Seed, tokens: Mapping[str, Token]
) -> list[str]:
    pair = _addresses(seed.symbols, tokens)
    create = manager.encode_abi("createAndInitializePoolIfNecessary", args=[*pair, seed.fee, seed.sqrt_price])
    mints = [
        manager.encode_abi(
            "mint",
            args=[
                (*pair, seed.fee, position.lower, position.upper, *position.amounts, 0, 0, owner, DEADLINE)
            ],
        )
        for position in seed.positions
    ]
    return [create, *mints]


# ------------------------------------------------------------- moving a price


def set_price(w3: Web3, owner: ChecksumAddress, market: PriceMarket, symbol: str, usd_price: float) -> None:
    """Acts as a market does when a price changes: the feed gets a new round, and arbitrage moves every pool with
    the symbol.

    Works on any node where ``owner`` (the feeds' owner) is unlocked, so on a fork as well. The round is
    stamped with the latest block's time. Pools end at the new price against the other token's feed price.
    """
    publish_now(w3, owner, market.feeds.addresses[symbol], price=usd_price)
    for pool in market.uniswap.pools:
        if symbol in pool.symbols:
            align_pool(w3, owner, market, pool=pool)


def trade_to(w3: Web3, owner: ChecksumAddress, market: PriceMarket, symbol: str, usd_price: float) -> None:
    """Acts as a market does that no longer follows the feed: every pool with the symbol ends at ``usd_price``,
    against the other token's feed price."""
    for pool in market.uniswap.pools:
        if symbol in pool.symbols:
            align_pool(w3, owner, market, pool=pool, instead={symbol: usd_price})


def align_pool(
    w3: Web3,
    owner: ChecksumAddress,
    market: PriceMarket,
    pool: PoolEntry,
    instead: Mapping[str, float] | None = None,
) -> None:
    """Swap until the pool's price is the ratio of its tokens' feed prices, or of those given ``instead``."""
    token0, token1 = (market.tokens[symbol] for symbol in pool.symbols)
    given = instead or {}
    price0, price1 = (
        given[symbol] if symbol in given else latest_round(w3, market.feeds.addresses[symbol])[0]
        for symbol in pool.symbols
    )
    target = sqrt_price_x96(price0, price1, token0.decimals, decimals1=token1.decimals)
    current = sqrt_price_of(w3, pool)
    if current == target:
        return
    sold, bought = (token0, token1) if target < current else (token1, token0)
    price = price0 if sold is token0 else price1
    amount = math.ceil(ARBITRAGE_FUNDS_USD / price * 10**sold.decimals)
    if contract_at(w3, "ERC20", sold.address).functions.balanceOf(owner).call() < amount:
        fund(w3, owner, sold, account=owner, amount=amount)
    _approve(w3, owner, sold, spender=market.uniswap.router)
    swap = contract_at(w3, "SwapRouter02", market.uniswap.router).functions.exactInputSingle(
        (sold.address, bought.address, pool.fee, owner, amount, 0, target)
    )
    send(w3, swap, owner)


def sqrt_price_of(w3: Web3, pool: PoolEntry) -> int:
    """The pool's √(token1/token0, raw) × 2^96 now."""
    return int(contract_at(w3, "UniswapV3Pool", pool.address).functions.slot0().call()[0])


# ------------------------------------------------------------------ the chain


def pool_order(tokens: Mapping[str, Token], first: str, second: str) -> tuple[str, str]:
    """Symbols of token0 and token1: Uniswap orders a pair by address."""
    if int(tokens[first].address, 16) < int(tokens[second].address, 16):
        return first, second
    return second, first


def _addresses(symbols: tuple[str, str], tokens: Mapping[str, Token]) -> tuple[str, str]:
    return tokens[symbols[0]].address, tokens[symbols[1]].address


def _approve(w3: Web3, owner: ChecksumAddress, token: Token, spender: str) -> None:
    send(w3, contract_at(w3, "ERC20", token.address).functions.approve(spender, UINT256_MAX), owner)
