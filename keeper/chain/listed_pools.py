"""The Uniswap V3 pools of the vault's tokens. The factory is asked once; the vault says which it may swap in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from eth_utils.address import to_checksum_address

from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import pools
from keeper.domain.market import HUB

ZERO_ADDRESS = "0x" + "0" * 40
FEE_TIERS = (100, 500, 3_000, 10_000)
"""Uniswap V3's fee tiers, in hundredths of a bp."""


@dataclass(frozen=True, slots=True)
class ListedPool:
    """A pool of an asset and the token that it is traded against: the accounting asset or the hub."""

    symbol: str
    quote: str
    address: str
    fee: int
    asset_is_token0: bool


def pool_calls(factory: str, tokens: Mapping[str, str], cash: str) -> list[Call[str]]:
    """The calls that ask for every pool. ``tokens`` maps symbols to addresses; ``cash`` is the accounting asset."""
    return [
        pools.pool(factory, tokens[symbol], tokens[quote], fee)
        for symbol, quote in _pairs(tokens, cash)
        for fee in FEE_TIERS
    ]


def listed_pools(
    factory: str, tokens: Mapping[str, str], cash: str, answers: Answers
) -> tuple[ListedPool, ...]:
    """The pools that exist, in the tokens' order: first against the accounting asset, then against the hub."""
    listed = []
    for symbol, quote in _pairs(tokens, cash):
        token, other = tokens[symbol], tokens[quote]
        for fee in FEE_TIERS:
            at = answers.of(pools.pool(factory, token, other, fee))
            if at != ZERO_ADDRESS:
                is_token0 = int(token, 16) < int(other, 16)
                listed.append(
                    ListedPool(symbol, quote, to_checksum_address(at), fee=fee, asset_is_token0=is_token0)
                )
    return tuple(listed)


def _pairs(tokens: Mapping[str, str], cash: str) -> Iterator[tuple[str, str]]:
    for symbol in tokens:
        for quote in dict.fromkeys((cash, HUB)):
            if symbol not in (cash, quote) and quote in tokens:
                yield symbol, quote
