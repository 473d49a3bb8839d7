"""The vault's tokens and its account on a lending venue while the steps of one call go by.

Swaps count at the least that they return and the most that they take, and the debt contains the interest until the
transaction is mined. So no fill and no delay makes the vault poorer than its book.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Step, StepKind
from keeper.domain.units import UINT256_MAX
from keeper.lending.venue import LendingVenue

MARGIN = (999, 1000)
"""Part of what may be borrowed or withdrawn that a plan uses: prices move until the transaction is mined."""


@dataclass(slots=True)
class LendingBook:
    """Raw by symbol. ``idle`` is in the vault, ``supplied`` is collateral, ``owed`` is debt. ``interest`` is the part
    of ``owed`` that has not accrued yet."""

    venue: LendingVenue
    idle: dict[str, int]
    supplied: dict[str, int]
    owed: int
    interest: int

    @classmethod
    def when_mined(cls, snapshot: MarketSnapshot, venue: LendingVenue, flash: int = 0) -> LendingBook:
        """With the interest until the transaction is mined, and a flash loan just received."""
        book = cls.at_block(snapshot, venue, flash)
        book.interest = venue.interest_until_mined(book.owed)
        book.owed += book.interest
        return book

    @classmethod
    def at_block(cls, snapshot: MarketSnapshot, venue: LendingVenue, flash: int = 0) -> LendingBook:
        """As the snapshot has it, and a flash loan just received."""
        idle = {holding.symbol: holding.idle for holding in snapshot.holdings}
        idle[venue.debt_symbol] += flash
        supplied = {holding.symbol: holding.supplied for holding in snapshot.holdings}
        return cls(venue, idle, supplied, owed=snapshot.holdings[0].owed, interest=0)

    # -------------------------------------------------------------- what is allowed

    def health_factor(self) -> float:
        return self.venue.health_factor(self.supplied, self.owed)

    def withdrawable(self, symbol: str, min_health_factor: float) -> int:
        """What may leave now, with a margin."""
        free = self.venue.withdrawable(symbol, self.supplied, self.owed, min_health_factor)
        return min(self.supplied[symbol], _with_margin(free))

    def withdrawable_part(self, leaving: Mapping[str, int], min_health_factor: float) -> Fraction:
        """The part of ``leaving``, at most 1, that may leave now, with a margin."""
        free = self.venue.withdrawable_part(leaving, self.supplied, self.owed, min_health_factor)
        return min(Fraction(1), free * Fraction(*MARGIN))

    def borrowable(self, min_health_factor: float) -> int:
        """What may be borrowed now, with a margin."""
        by_value = self.venue.borrowing_capacity(self.supplied)
        by_health = self.venue.debt_at(self.supplied, min_health_factor)
        return max(0, _with_margin(min(by_value, by_health)) - self.owed)

    def repayment_before(self, leaving: Mapping[str, int], min_health_factor: float) -> int:
        """Debt that must be repaid before ``leaving`` can leave as ``withdrawable`` has it. All of it, where what
        stays would not even carry the interest: one wei of debt without collateral has a health factor of 0."""
        carried_by_leaving = self.venue.debt_at(leaving, min_health_factor)
        if self.owed == 0 or carried_by_leaving == 0:
            return 0
        carried = self.venue.debt_at(self.supplied, min_health_factor) - _without_margin(
            carried_by_leaving + 1
        )
        due = max(0, self.owed - max(0, carried))
        return self.owed if due >= self.owed - self.interest else due

    def must_leave_first(self) -> tuple[str, ...]:
        return self.venue.must_leave_first(self.supplied, self.owed)

    def repayment(self, available: int) -> int:
        """Amount of a REPAY step: UINT256_MAX where ``available`` pays all debt with its interest, else as much as
        certainly has accrued."""
        return UINT256_MAX if available >= self.owed else max(0, min(available, self.owed - self.interest))

    def overdrawn(self) -> int:
        """By how much a step has taken more than there was, raw of its token; 0 if none has."""
        return -min(*self.idle.values(), *self.supplied.values(), self.owed, 0)

    # ------------------------------------------------------------------------ steps

    def apply(self, step: Step, *, as_expected: bool = False) -> None:
        """The step as Portfolio.sol carries it out; swaps at their limits, or as expected."""
        symbol = step.symbol
        if step.route is not None:
            self._swap(step, as_expected=as_expected)
        elif step.kind is StepKind.SUPPLY:
            amount = self.idle[symbol] if step.amount == UINT256_MAX else step.amount
            self.idle[symbol] -= amount
            self.supplied[symbol] += amount
        elif step.kind is StepKind.WITHDRAW:
            amount = self.supplied[symbol] if step.amount == UINT256_MAX else step.amount
            self.supplied[symbol] -= amount
            self.idle[symbol] += amount
        elif step.kind is StepKind.BORROW:
            self.owed += step.amount
            self.idle[symbol] += step.amount
        else:
            amount = min(self.owed, self.idle[symbol]) if step.amount == UINT256_MAX else step.amount
            self.owed -= amount
            self.idle[symbol] -= amount
            if self.owed == 0:
                self.interest = 0

    def _swap(self, step: Step, *, as_expected: bool) -> None:
        assert step.route is not None
        sold, bought = step.route.symbols[0], step.route.symbols[-1]
        if as_expected:
            paid, received = step.expected_in, step.expected_out
        elif step.kind is StepKind.SWAP_EXACT_OUT:
            paid, received = step.limit, step.amount
        else:
            paid, received = step.amount, step.limit
        self.idle[sold] -= self.idle[sold] if step.amount == UINT256_MAX else paid
        self.idle[bought] += received


def _with_margin(amount: int) -> int:
    return amount * MARGIN[0] // MARGIN[1]


def _without_margin(amount: int) -> int:
    """Twice the margin: what must be free so that ``_with_margin`` of it is more than enough."""
    return -(-amount * MARGIN[1] ** 2 // MARGIN[0] ** 2)
