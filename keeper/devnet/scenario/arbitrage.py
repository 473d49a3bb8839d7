"""An arbitrageur with an account of its own: it moves each pool to the market by real swaps that pay the pool's fee."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector

from keeper.devnet.deployment import PoolEntry
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.scenario.blocks import BlockMaker, ChainCall
from keeper.devnet.transactions import contract_at, send
from keeper.devnet.uniswap import ARBITRAGE_FUNDS_USD
from keeper.devnet.uniswap_math import sqrt_price_x96
from keeper.domain.units import UINT256_MAX

SLOT0 = "0x" + function_signature_to_4byte_selector("slot0()").hex()
SWAP_SIGNATURE = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))"
SWAP = function_signature_to_4byte_selector(SWAP_SIGNATURE)
SWAP_TYPES = ("(address,address,uint24,address,uint256,uint256,uint160)",)
FEE_UNIT = 1_000_000
"""Uniswap counts fees in millionths."""


def arbitrage_goal(current: int, fair: int, fee: int) -> int | None:
    """Where an arbitrageur stops who pays ``fee`` (millionths): the edge of the band around the fair price in which a
    swap costs more than it earns. None inside the band. All prices are √(token1/token0, raw) × 2^96."""
    kept = math.sqrt(1.0 - fee / FEE_UNIT)
    low, high = math.ceil(fair * kept), math.floor(fair / kept)
    if current < low:
        return low
    return high if current > high else None


@dataclass(slots=True)
class Arbitrageur:
    """``prices`` of the pools are read once a step, because others trade there too."""

    chain: LocalChain
    account: str
    prices: dict[str, int]

    def prepare(self, usd: Mapping[str, float]) -> None:
        """Tokens out of nothing, and allowances."""
        router = self.chain.deployment.contracts["uniswap_router"]
        account = self.chain.w3.to_checksum_address(self.account)
        for symbol, token in self.chain.tokens.items():
            self.chain.fund(
                symbol, account, math.ceil(ARBITRAGE_FUNDS_USD / usd[symbol] * 10**token.decimals)
            )
            erc20 = contract_at(self.chain.w3, "ERC20", token.address)
            send(self.chain.w3, erc20.functions.approve(router, UINT256_MAX), account)

    def look(self, blocks: BlockMaker) -> None:
        """Reads the price of every pool."""
        pools = self.chain.deployment.pools
        answers = blocks.call([(pool.address, SLOT0) for pool in pools])
        self.prices = {pool.address: int(words[2:66], 16) for pool, words in zip(pools, answers, strict=True)}

    def swaps(self, usd: Mapping[str, float]) -> Sequence[ChainCall]:
        """Those that bring every pool to the edge of its band around the market's prices, USD by symbol."""
        made = []
        for pool in self.chain.deployment.pools:
            token0, token1 = (self.chain.tokens[symbol] for symbol in pool.symbols)
            fair = sqrt_price_x96(
                usd[pool.symbols[0]], usd[pool.symbols[1]], token0.decimals, decimals1=token1.decimals
            )
            current = self.prices[pool.address]
            goal = arbitrage_goal(current, fair, pool.fee)
            if goal is not None:
                made.append(self._swap(pool, usd, sells_first=goal < current, goal=goal))
                self.prices[pool.address] = goal
        return made

    def _swap(self, pool: PoolEntry, usd: Mapping[str, float], *, sells_first: bool, goal: int) -> ChainCall:
        symbols = pool.symbols if sells_first else pool.symbols[::-1]
        sold, bought = (self.chain.tokens[symbol] for symbol in symbols)
        amount = math.ceil(ARBITRAGE_FUNDS_USD / 10 / usd[symbols[0]] * 10**sold.decimals)
        fields = (sold.address, bought.address, pool.fee, self.account, amount, 0, goal)
        data = "0x" + (SWAP + encode(SWAP_TYPES, (fields,))).hex()
        return ChainCall(self.account, self.chain.deployment.contracts["uniswap_router"], data)
