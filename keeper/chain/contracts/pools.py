"""Uniswap V3: encoded paths, QuoterV2, and the pools' price history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keeper.chain.abi import load
from keeper.chain.calls import Call, call, mapped
from keeper.domain.plan import Route

_ABI = load("QuoterV2")
_FACTORY = load("UniswapV3Factory")
_POOL = load("UniswapV3Pool")
_Q128 = 1 << 128
_UINT160 = (1 << 160) - 1


@dataclass(frozen=True, slots=True)
class Means:
    """Over a window: the time-weighted mean tick, and the harmonic mean of the liquidity in range."""

    tick: int
    liquidity: int


def factory(quoter: str) -> Call[str]:
    """The factory whose pools the quoter knows."""
    return call("quoter", quoter, _ABI["factory"])


def pool(factory_: str, token: str, other: str, fee: int) -> Call[str]:
    """The zero address if there is no such pool."""
    return call("Uniswap factory", factory_, _FACTORY["getPool"], token, other, fee)


def observations(pool_: str) -> Call[int]:
    """How many observations the pool keeps: slot0.observationCardinality."""
    return mapped("pool", pool_, _POOL["slot0"], build=lambda _root, _tick, _index, kept, *_rest: int(kept))


def sqrt_price(pool_: str) -> Call[int]:
    """slot0.sqrtPriceX96: the root of token1 per token0, raw, times 2^96."""
    return mapped("pool", pool_, _POOL["slot0"], build=lambda root, *_rest: int(root))


def liquidity(pool_: str) -> Call[int]:
    """Liquidity in range at the pool's current price."""
    return mapped("pool", pool_, _POOL["liquidity"], build=int)


def means(pool_: str, window_s: int) -> Call[Means]:
    """UniswapV3Pool.observe. Reverts with "OLD" if the pool's history is shorter."""
    return mapped(
        "pool",
        pool_,
        _POOL["observe"],
        lambda ticks, seconds: _means(ticks, seconds, window_s),
        [window_s, 0],
    )


def _means(ticks: Sequence[int], seconds_per_liquidity: Sequence[int], window_s: int) -> Means:
    """Uniswap V3 periphery, OracleLibrary.consult: the tick is rounded towards minus infinity."""
    passed = (seconds_per_liquidity[1] - seconds_per_liquidity[0]) & _UINT160
    return Means((ticks[1] - ticks[0]) // window_s, window_s * _Q128 // passed if passed else 0)


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


def quote_exact_in(quoter: str, encoded_path: bytes, amount_in: int) -> Call[QuoterAnswer]:
    """Only for eth_call: QuoterV2 swaps and reverts inside. Reverts if the path cannot fill the amount."""
    return mapped(
        "quoter",
        quoter,
        _ABI["quoteExactInput"],
        lambda out, _prices, _ticks, gas: QuoterAnswer(out, gas),
        encoded_path,
        amount_in,
    )
