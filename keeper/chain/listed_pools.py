"""Uniswap V3's pools of a vault's tokens that a planned trade can go through, asked of the factory once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from eth_utils.address import to_checksum_address

from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import pools
from keeper.domain.market import HUB

ZERO_ADDRESS = "0x" + "0" * 40
FEE_TIERS = (100, 500, 3_000, 10_000)
"""Uniswap V3's, in hundredths of a bp."""


@dataclass(frozen=True, slots=True)
class ListedPool:
    """A pool of an asset and the token that it is traded against: the accounting asset or the hub."""

    symbol: str
    quote: str
    address: str
    fee: int
    asset_is_token0: bool


def asked(factory: str, tokens: Mapping[str, str], cash: str) -> list[Call[str]]:
    """``tokens``: addresses by symbol, spelled as they will be asked for; ``cash`` the accounting asset's symbol."""
    return [
        pools.pool(factory, tokens[symbol], tokens[quote], fee)
        for symbol, quote in _pairs(tokens, cash)
        for fee in FEE_TIERS
    ]


def found(factory: str, tokens: Mapping[str, str], cash: str, answers: Answers) -> tuple[ListedPool, ...]:
    """Those that exist, in the tokens' order: of each the pools against the accounting asset, then against the hub."""
    listed = []
    for symbol, quote in _pairs(tokens, cash):
        token, other = tokens[symbol], tokens[quote]
        for fee in FEE_TIERS:
            at = answers.of(pools.pool(factory, token, other, fee))
            if at != ZERO_ADDRESS:
                is_token0 = int(token, 16) < int(other, 16)
                listed.append(ListedPool(symbol, quote, to_checksum_address(at), fee, is_token0))
    return tuple(listed)


def _pairs(tokens: Mapping[str, str], cash: str) -> Iterator[tuple[str, str]]:
    for symbol in tokens:
        for quote in dict.fromkeys((cash, HUB)):
            if symbol not in (cash, quote) and quote in tokens:
                yield symbol, quote
