"""The least gas and premium for which collateral and debt can be changed as a plan did, with the health factor kept all
the way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import StepKind
from keeper.domain.units import BPS, usd
from keeper.planning.gas import FLASH_LOAN, PER_STEP
from tests.chain.least import DUST_USD, Curve
from tests.chain.programme import Programme

MORE_STEPS = 1
"""Beside one for each that changes; what takes more costs more (see ``least_lending_usd``)."""
OF_COLLATERAL = (StepKind.SUPPLY, StepKind.WITHDRAW)
OF_DEBT = (StepKind.BORROW, StepKind.REPAY)
ROUNDING = 1e-5
"""Of the floor: interest until the transaction is mined."""
THOUSAND = 1e3
DUST = DUST_USD / THOUSAND


def least_lending_usd(
    before: MarketSnapshot,
    after: MarketSnapshot,
    found: Sequence[Curve],
    floor: float,
    usd_per_gas: float,
    paid_usd: float = math.inf,
) -> float:
    """Gas of the steps at the lending market, and gas and premium of a flash loan if that is cheaper, of any vault call
    from one state to the other after none of whose steps the health factor is below ``floor``.

    A true lower bound, by a programme over what each of some steps in a row does, if anything: supply or withdraw one
    token, borrow or repay.

    - Between them swaps are free and lose nothing, in any number: everything idle is one pile of value at the feeds'
      prices, which no step may overdraw. No swap can do better where no pool gives more than the feeds' price, at any
      size (the slope of its curve at nothing is at most 1); where one does, only the changes themselves are counted.
    - A flash loan of any size adds to the pile from the first step on; to be returned, it must be there in the end,
      which what changes says already. It costs FLASH_LOAN and its premium.
    - After each step collateral at its thresholds covers ``floor`` times the debt, at the lending market's prices.
    - The steps are one for each change and MORE_STEPS besides. A call with still more costs no less than those and the
      cheapest step for each further one, so that the lower of the two is a bound for all calls.

    Where a plan ``paid_usd`` for all this no more than what the changes themselves cost, there is nothing to look for.
    """
    changed = tuple(_changed(before, after))
    at_least = math.fsum(PER_STEP[kind] for kind in changed) * usd_per_gas
    if paid_usd <= at_least or any(slope > 1.0 for curve in found for _, slope in curve.tangents[:1]):
        return at_least
    cheapest = min(PER_STEP[kind] for kind in (*OF_COLLATERAL, *OF_DEBT)) * usd_per_gas
    written = _Lending(before, after, floor * (1.0 - ROUNDING), usd_per_gas)
    written.write(len(changed) + MORE_STEPS)
    return min(at_least + (MORE_STEPS + 1) * cheapest, written.programme.least())


def _changed(before: MarketSnapshot, after: MarketSnapshot) -> Iterator[StepKind]:
    """The steps that there must be. What changes by less than a dollar is interest."""
    for symbol, change in _changes(before, after):
        if abs(change) > DUST:
            less, more = (
                (StepKind.REPAY, StepKind.BORROW)
                if symbol == before.debt_token.symbol
                else OF_COLLATERAL[::-1]
            )
            yield more if change > 0.0 else less


def _changes(before: MarketSnapshot, after: MarketSnapshot) -> Iterator[tuple[str, float]]:
    """Of each token's collateral, then of the debt; thousands of USD."""
    for symbol in before.risk_symbols:
        yield symbol, _supplied(after, before, symbol) - _supplied(before, before, symbol)
    yield before.debt_token.symbol, _owed(after, before) - _owed(before, before)


@dataclass
class _Lending:
    """Thousands of USD at the feeds' prices of ``before``, for the solver's sake. ``piled`` and ``covered`` grow with
    each step: what it adds to the pile, and to the collateral at its thresholds less the debt times the floor. ``moved``
    is what all steps together do to a token's collateral, or to the debt."""

    before: MarketSnapshot
    after: MarketSnapshot
    floor: float
    usd_per_gas: float
    programme: Programme = field(default_factory=Programme)
    piled: dict[int, float] = field(default_factory=dict)
    covered: dict[int, float] = field(default_factory=dict)
    moved: dict[str, dict[int, float]] = field(default_factory=dict)
    last: tuple[int, ...] = ()

    def write(self, steps: int) -> None:
        self._write_loan()
        for _ in range(steps):
            self._write_step()
        for symbol, change in _changes(self.before, self.after):
            if abs(change) > DUST:
                self.programme.within(self.moved[symbol], change, change)

    def _write_loan(self) -> None:
        loan = self.programme.variable(self.before.flash_premium_bps / BPS * THOUSAND, self._most)
        taken = self.programme.variable(FLASH_LOAN * self.usd_per_gas, 1.0, whole=True)
        self.programme.at_most({loan: 1.0, taken: -self._most}, 0.0)
        self.piled[loan] = 1.0

    def _write_step(self) -> None:
        made: dict[int, float] = {}
        for kind, symbol in self._kinds():
            amount = self.programme.variable(0.0, self._most)
            step = self.programme.variable(PER_STEP[kind] * self.usd_per_gas, 1.0, whole=True)
            self.programme.at_most({amount: 1.0, step: -self._most}, 0.0)
            made[step] = 1.0
            grows = 1.0 if kind in (StepKind.SUPPLY, StepKind.BORROW) else -1.0
            of_debt = kind in OF_DEBT
            self.moved.setdefault(symbol, {})[amount] = grows
            self.piled[amount] = grows if of_debt else -grows
            self.covered[amount] = grows * (-self._owes() if of_debt else self._carries(symbol))
        self.programme.at_most(made, 1.0)
        if self.last:  # nothing is done only after all that is done
            self.programme.at_most(made | dict.fromkeys(self.last, -1.0), 0.0)
        self.last = tuple(made)
        idle = math.fsum(_value(one.symbol, one.idle, self.before) for one in self.before.holdings)
        self.programme.at_least(dict(self.piled), -idle - DUST)
        owed = _owed(self.before, self.before) * self._owes()
        held = {symbol: _supplied(self.before, self.before, symbol) for symbol in self.before.risk_symbols}
        carried = math.fsum(self._carries(symbol) * value for symbol, value in held.items())
        self.programme.at_least(dict(self.covered), owed - carried - DUST)
        for symbol, moved in self.moved.items():
            self.programme.at_least(dict(moved), -held.get(symbol, _owed(self.before, self.before)))

    def _kinds(self) -> Iterator[tuple[StepKind, str]]:
        """What does not change could only go and come back, which takes more than MORE_STEPS."""
        for symbol, change in _changes(self.before, self.after):
            of_debt = symbol == self.before.debt_token.symbol
            if abs(change) > DUST:
                yield from ((kind, symbol) for kind in (OF_DEBT if of_debt else OF_COLLATERAL))

    @property
    def _most(self) -> float:
        """More than any step could move that a call has a use for."""
        return 2.0 * math.fsum(
            _value(one.symbol, one.idle + one.supplied + one.owed, self.before)
            for snapshot in (self.before, self.after)
            for one in snapshot.holdings
        )

    def _owes(self) -> float:
        """Of collateral at its threshold, what one of debt needs."""
        return self.floor * self._market(self.before.debt_token.symbol)

    def _carries(self, symbol: str) -> float:
        return self.before.reserve(symbol).liquidation_threshold_bps / BPS * self._market(symbol)

    def _market(self, symbol: str) -> float:
        """The lending market's price beside the feed's."""
        return self.before.reserve(symbol).market_price / self.before.price(symbol)


def _supplied(snapshot: MarketSnapshot, prices: MarketSnapshot, symbol: str) -> float:
    return _value(symbol, snapshot.holding(symbol).supplied, prices)


def _owed(snapshot: MarketSnapshot, prices: MarketSnapshot) -> float:
    return _value(prices.debt_token.symbol, snapshot.holdings[0].owed, prices)


def _value(symbol: str, amount: int, prices: MarketSnapshot) -> float:
    return usd(amount, prices.token(symbol).decimals, prices.price(symbol)) / THOUSAND
