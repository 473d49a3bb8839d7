"""The six kinds of steps, each by its own constructor."""

from __future__ import annotations

from keeper.domain.plan import Route, Step, StepKind
from keeper.domain.units import UINT256_MAX
from keeper.planning.fills import Fill


def supply_all(symbol: str, expected: int) -> Step:
    """Everything that is idle of the token, because nobody knows yet what the swaps return."""
    return _step(StepKind.SUPPLY, symbol, UINT256_MAX, expected_in=expected)


def supply(symbol: str, amount: int) -> Step:
    return _step(StepKind.SUPPLY, symbol, amount, expected_in=amount)


def withdraw(symbol: str, amount: int, *, whole: bool = False) -> Step:
    """``whole``: all there is, with the interest until the transaction is mined."""
    return _step(StepKind.WITHDRAW, symbol, UINT256_MAX if whole else amount, expected_out=amount)


def borrow(symbol: str, amount: int) -> Step:
    return _step(StepKind.BORROW, symbol, amount, expected_out=amount)


def repay(symbol: str, amount: int, *, whole: bool = False) -> Step:
    """``whole``: all debt, with the interest until the transaction is mined."""
    return _step(StepKind.REPAY, symbol, UINT256_MAX if whole else amount, expected_in=amount)


def swap(fill: Fill) -> Step:
    """The whole fill. One that sells the balance sells whatever is there."""
    return Step(
        kind=StepKind.SWAP_EXACT_IN,
        symbol=fill.trade.sell,
        amount=UINT256_MAX if fill.sells_balance else fill.trade.amount_in,
        limit=fill.min_out,
        route=fill.route,
        expected_in=fill.trade.amount_in,
        expected_out=fill.amount_out,
    )


def swap_for(symbol: str, amount: int, route: Route, *, max_in: int, expected_in: int) -> Step:
    """Exactly ``amount`` raw of the token bought, for at most ``max_in`` of the token sold."""
    return Step(
        StepKind.SWAP_EXACT_OUT,
        symbol,
        amount,
        limit=max_in,
        route=route,
        expected_in=expected_in,
        expected_out=amount,
    )


def _step(kind: StepKind, symbol: str, amount: int, *, expected_in: int = 0, expected_out: int = 0) -> Step:
    return Step(kind, symbol, amount, limit=0, route=None, expected_in=expected_in, expected_out=expected_out)
