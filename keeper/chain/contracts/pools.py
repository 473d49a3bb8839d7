"""Uniswap V3: paths as bytes, and QuoterV2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keeper.chain.abi import load
from keeper.chain.calls import Call, mapped
from keeper.domain.plan import Route

_ABI = load("QuoterV2")


@dataclass(frozen=True, slots=True)
class QuoterAnswer:
    """Raw amount bought, and the quoter's estimate of the swap's gas."""

    amount_out: int
    gas: int


def path(route: Route, address: Callable[[str], str]) -> bytes:
    """token, then (fee, token) per hop, from the token sold to the token bought; ``address`` of a symbol."""
    tokens = [bytes.fromhex(address(symbol).removeprefix("0x")) for symbol in route.symbols]
    encoded = tokens[0]
    for fee, token in zip(route.fees, tokens[1:], strict=True):
        encoded += fee.to_bytes(3, "big") + token
    return encoded


def reversed_path(route: Route, address: Callable[[str], str]) -> bytes:
    """As exact-output swaps want it: from the token bought to the token sold."""
    return path(Route(route.symbols[::-1], route.fees[::-1]), address)


def quote_exact_in(quoter: str, encoded_path: bytes, amount_in: int) -> Call[QuoterAnswer]:
    """Only for eth_call: QuoterV2 swaps and reverts inside. Reverts where the path cannot fill the amount."""
    return mapped(
        "quoter",
        quoter,
        _ABI["quoteExactInput"],
        lambda out, _prices, _ticks, gas: QuoterAnswer(out, gas),
        encoded_path,
        amount_in,
    )
