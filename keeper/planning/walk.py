"""A plan step by step: what is at hand, supplied and owed after each, and the health factor that it leaves.

The vault checks the health factor once, at the end of its call; Aave checks it at each withdrawal and each borrowing,
against 1. What lies between is known from the steps alone, before anything is simulated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Step, StepKind
from keeper.domain.units import BPS, UINT256_MAX, to_float, usd

NOISE = 1e-9
"""Relative, of a health factor that is aimed at exactly."""


@dataclass(frozen=True, slots=True)
class Footing:
    """After one step: the health factor (inf without debt), and by how much, raw, a token is overdrawn (0: by none)."""

    step: Step
    health_factor: float
    short: int


@dataclass(slots=True)
class _Books:
    """Raw amounts by symbol while the steps go by."""

    idle: dict[str, int]
    supplied: dict[str, int]
    owed: int


def walk(steps: Sequence[Step], flash: int, snapshot: MarketSnapshot) -> tuple[Footing, ...]:
    """A footing for each step. The health factor is Aave's (GenericLogic.calculateUserAccountData) at the lending
    market's prices. Every swap counts at the least that it must return, or the most that it may take, so that no fill
    makes anything here worse."""
    books = _Books(
        idle={holding.symbol: holding.idle for holding in snapshot.holdings},
        supplied={holding.symbol: holding.supplied for holding in snapshot.holdings},
        owed=snapshot.holdings[0].owed,
    )
    books.idle[snapshot.debt_token.symbol] += flash
    found = []
    for step in steps:
        _take(step, books)
        overdrawn = min(*books.idle.values(), *books.supplied.values(), books.owed, 0)
        found.append(Footing(step, _health_factor(books, snapshot), -overdrawn))
    return tuple(found)


def require_footing(steps: Sequence[Step], flash: int, snapshot: MarketSnapshot, least: float) -> float:
    """The lowest health factor on the way (inf without debt). Raises NothingFeasible naming the first step that takes
    more than there is, or leaves a health factor below ``least``."""
    lowest = math.inf
    for place, footing in enumerate(walk(steps, flash, snapshot), start=1):
        what = f"step {place}, {footing.step.kind.value} of {footing.step.symbol}"
        if footing.short:
            decimals = snapshot.token(footing.step.symbol).decimals
            raise NothingFeasible(
                f"{what}: {to_float(footing.short, decimals):,.6g} more than there is when swaps fill at their least",
                remedy="Lower max_trade so that less moves at once, or allow less slippage.",
            )
        if footing.health_factor < least * (1.0 - NOISE):
            raise NothingFeasible(
                f"{what} would leave a health factor of {footing.health_factor:.3f} on the way, at least {least:.3f}",
                remedy="Lower max_trade so that less moves at once, or deposit cash into the vault.",
            )
        lowest = min(lowest, footing.health_factor)
    return lowest


def _take(step: Step, books: _Books) -> None:
    symbol = step.symbol
    if step.kind is StepKind.SUPPLY:
        amount = books.idle[symbol] if step.amount == UINT256_MAX else step.amount
        books.idle[symbol] -= amount
        books.supplied[symbol] += amount
    elif step.kind is StepKind.WITHDRAW:
        amount = books.supplied[symbol] if step.amount == UINT256_MAX else step.amount
        books.supplied[symbol] -= amount
        books.idle[symbol] += amount
    elif step.kind is StepKind.BORROW:
        books.owed += step.amount
        books.idle[symbol] += step.amount
    elif step.kind is StepKind.REPAY:
        amount = min(books.owed, books.idle[symbol]) if step.amount == UINT256_MAX else step.amount
        books.owed -= amount
        books.idle[symbol] -= amount
    elif step.route is not None:
        bought = step.route.symbols[-1]
        exact_in = step.kind is StepKind.SWAP_EXACT_IN
        sold = step.route.symbols[0]
        paid, got = (step.amount, step.limit) if exact_in else (step.limit, step.amount)
        books.idle[sold] -= books.idle[sold] if paid == UINT256_MAX else paid
        books.idle[bought] += got


def _health_factor(books: _Books, snapshot: MarketSnapshot) -> float:
    if books.owed <= 0:
        return math.inf
    carried = math.fsum(
        usd(books.supplied[token.symbol], token.decimals, reserve.market_price)
        * (reserve.liquidation_threshold_bps / BPS)
        for token, reserve in zip(snapshot.tokens, snapshot.reserves, strict=True)
    )
    return carried / usd(books.owed, snapshot.debt_token.decimals, snapshot.reserves[0].market_price)
