"""What pools can give at most, and the least that any swaps could lose which move a vault as a plan did. USD; gas by the
planner's own table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from keeper.chain.rpc.client import Rpc
from keeper.devnet.deployment import PoolEntry
from keeper.devnet.uniswap_math import Q96
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import StepKind
from keeper.domain.units import raw_from_usd_floor, usd
from keeper.jsonrpc.requests import Request
from keeper.planning.gas import CALL, HOP, PER_STEP
from tests.servers.raw_request import raw_request

DUST_USD = 1.0
PARTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0)


@dataclass(frozen=True, slots=True)
class Curve:
    """A pool in one direction: nothing that goes in as ``x`` USD comes out as more than ``level + slope x`` USD, for
    any of its ``tangents``."""

    sell: str
    buy: str
    tangents: tuple[tuple[float, float], ...]


def curves(
    pools: Sequence[PoolEntry], most_usd: float, snapshot: MarketSnapshot, quoter: str, rpc: Rpc
) -> tuple[Curve, ...]:
    """Every pool both ways, quoted by QuoterV2 at parts of ``most_usd``, which also says the price after it."""
    ways = [(pool, *pair) for pool in pools for pair in (pool.symbols, pool.symbols[::-1])]
    spots = rpc.batch([_call(pool.address, "3850c7bd") for pool in pools])
    asked = [
        (
            sell,
            buy,
            pool,
            raw_from_usd_floor(part * most_usd, snapshot.token(sell).decimals, snapshot.price(sell)),
        )
        for pool, sell, buy in ways
        for part in PARTS
    ]
    answers = iter(rpc.batch([_quote_single(quoter, snapshot, *one) for one in asked]))
    sqrt_prices = {pool.address: int(spot[2:66], 16) for pool, spot in zip(pools, spots, strict=True)}
    found = []
    for pool, sell, buy in ways:
        tangents = [(0.0, _slope(pool, sell, buy, sqrt_prices[pool.address], snapshot))]
        for part in PARTS:
            words = next(answers)[2:]
            out, after = int(words[:64], 16), int(words[64:128], 16)
            slope = _slope(pool, sell, buy, after, snapshot)
            got = usd(out + 1, snapshot.token(buy).decimals, snapshot.price(buy))  # it was rounded down
            tangents.append((max(0.0, got - slope * part * most_usd), slope))
        found.append(Curve(sell, buy, tuple(tangents)))
    return tuple(found)


def least_loss(found: Sequence[Curve], changes: Mapping[str, float], cash: str) -> float:
    """What any swaps whatever must lose that change holdings by ``changes`` (USD by risk asset), their gas aside.

    A true lower bound, over all routes, splits, orders and nettings at once:
    - A Uniswap V3 pool's output is concave in what goes in, and its slope is the price after it less the fee. So it
      lies below each of its tangents, and the programme may take out as much as the tangents allow: never less than
      the pool gives.
    - What several swaps through one pool come to, in whatever order, is at most what their sum one way would: the
      curve does not know of fees, so slices add up to the whole, and a way and back lose the fee twice. So one curve
      each way is all that a pool can do in one transaction.
    - Swaps change the balance of each token by what goes in and comes out: these are the programme's equations, with
      the debt asset's balance as what is maximised. No gas, no least amounts, no limit to the number of swaps.
    It assumes that nobody else trades in between, as everything here does.
    """
    tokens = sorted({curve.sell for curve in found} | {curve.buy for curve in found})
    n = len(found)
    balance = np.zeros((len(tokens), 2 * n))
    upper, limits = [], []
    for place, curve in enumerate(found):
        balance[tokens.index(curve.sell), place] -= 1.0
        balance[tokens.index(curve.buy), n + place] += 1.0
        for level, slope in curve.tangents:
            row = np.zeros(2 * n)
            row[n + place], row[place] = 1.0, -slope
            upper.append(row)
            limits.append(level)
    risky = [place for place, token in enumerate(tokens) if token != cash]
    solved = linprog(
        c=-balance[tokens.index(cash)],
        A_ub=np.array(upper),
        b_ub=np.array(limits),
        A_eq=balance[risky],
        b_eq=np.array([changes.get(tokens[place], 0.0) for place in risky]),
        bounds=(0.0, None),
        method="highs",
    )
    assert solved.status == 0, solved.message
    assert solved.fun is not None
    return float(solved.fun) - math.fsum(changes.values())


def least_gas(before: MarketSnapshot, after: MarketSnapshot) -> int:
    """Of any vault call from one state to the other, without a look at what is possible: each token sold goes into a
    swap, each bought comes out of one, and what changes at the lending market is changed by a step there. No flash loan,
    single hops, nothing split."""
    gas, sold, bought = CALL, 0, 0
    for token, old, new in zip(before.tokens[1:], before.holdings[1:], after.holdings[1:], strict=True):
        worth = usd(1, token.decimals, before.price(token.symbol))
        change, moved = new.idle + new.supplied - old.idle - old.supplied, new.supplied - old.supplied
        sold += change * worth < -DUST_USD
        bought += change * worth > DUST_USD
        gas += PER_STEP[StepKind.WITHDRAW] if moved * worth < -DUST_USD else 0
        gas += PER_STEP[StepKind.SUPPLY] if moved * worth > DUST_USD else 0
    debt = (after.holdings[0].owed - before.holdings[0].owed) / 10**before.debt_token.decimals
    gas += PER_STEP[StepKind.BORROW] if debt > DUST_USD else 0
    gas += PER_STEP[StepKind.REPAY] if debt < -DUST_USD else 0
    return gas + max(sold, bought) * (PER_STEP[StepKind.SWAP_EXACT_IN] + HOP)


def changes_usd(before: MarketSnapshot, after: MarketSnapshot) -> dict[str, float]:
    """How each risk asset's amount changed, at the prices before."""
    return dict(_changes(before, after))


def _changes(before: MarketSnapshot, after: MarketSnapshot) -> Iterator[tuple[str, float]]:
    for token, old, new in zip(before.tokens[1:], before.holdings[1:], after.holdings[1:], strict=True):
        change = new.idle + new.supplied - old.idle - old.supplied
        yield token.symbol, usd(change, token.decimals, before.price(token.symbol))


def _slope(pool: PoolEntry, sell: str, buy: str, sqrt_price: int, snapshot: MarketSnapshot) -> float:
    """USD out for the next USD in, after the fee."""
    token0, token1 = (snapshot.token(symbol) for symbol in pool.symbols)
    one_for_zero = (sqrt_price / Q96) ** 2 * 10.0 ** (token0.decimals - token1.decimals)
    rate = one_for_zero if sell == token0.symbol else 1.0 / one_for_zero
    return rate * snapshot.price(buy) / snapshot.price(sell) * (1.0 - pool.fee / 1e6)


def _quote_single(
    quoter: str, snapshot: MarketSnapshot, sell: str, buy: str, pool: PoolEntry, amount: int
) -> Request[Any]:
    """QuoterV2.quoteExactInputSingle((tokenIn, tokenOut, amountIn, fee, 0))."""
    words = (int(snapshot.token(sell).address, 16), int(snapshot.token(buy).address, 16), amount, pool.fee, 0)
    return _call(quoter, "c6a5026a" + "".join(f"{word:064x}" for word in words))


def _call(to: str, data: str) -> Request[Any]:
    return raw_request("eth_call", [{"to": to, "input": "0x" + data}, "latest"])
