"""A plan while it is written: each step goes into the lending book at once, so the next one knows what is there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from keeper.domain.errors import NothingFeasible
from keeper.domain.plan import Step
from keeper.domain.units import UINT256_MAX
from keeper.lending.book import LendingBook
from keeper.planning import steps
from keeper.planning.context import PlanningContext
from keeper.planning.feasibility import worth_supplying


@dataclass(slots=True)
class PlanDraft:
    """``book`` counts swaps at their limits. ``surplus`` is what swaps are expected to bring above that, raw by symbol,
    of the tokens that were bought and not supplied yet."""

    context: PlanningContext
    book: LendingBook
    min_health_factor: float
    steps: list[Step] = field(default_factory=list)
    surplus: dict[str, int] = field(default_factory=dict)

    # -------------------------------------------------------------- what is allowed

    def withdrawable(self, symbol: str) -> int:
        return self.book.withdrawable(symbol, self.min_health_factor)

    def borrowable(self) -> int:
        return self.book.borrowable(self.min_health_factor)

    # ------------------------------------------------------------------------ steps

    def swap(self, step: Step) -> None:
        assert step.route is not None
        bought = step.route.symbols[-1]
        if step.amount == UINT256_MAX:
            self.surplus.pop(step.symbol, None)
        self._write(step)
        self.surplus[bought] = self.surplus.get(bought, 0) + step.expected_out - step.limit

    def withdraw(self, symbol: str, amount: int) -> None:
        """Raises NothingFeasible where other collateral must leave first. Such collateral, if it leaves whole, leaves
        with its interest: a rest of it would block every other withdrawal."""
        first = self.book.must_leave_first()
        if first and symbol not in first:
            raise NothingFeasible(
                f"withdrawing {symbol}: {', '.join(first)} has LTV 0 and must leave first",
                remedy="Sell it whole, or wait until the lending market gives a flash loan.",
            )
        whole = symbol in first and amount == self.book.supplied[symbol]
        self._write(steps.withdraw(symbol, amount, whole=whole))

    def supply_part(self, symbol: str, amount: int) -> None:
        """Of a token of which another account takes the rest."""
        self._write(steps.supply(symbol, amount))

    def supply_all(self, symbol: str) -> None:
        """All that is idle of a token."""
        self._write(steps.supply_all(symbol, self.book.idle[symbol] + self.surplus.pop(symbol, 0)))

    def supply(self, symbol: str) -> None:
        """All that is idle of a token that was bought, or that is worth it.

        Raises NothingFeasible if nothing is certain to be there: the venue refuses a supply of 0."""
        certain = self.book.idle[symbol]
        expected = certain + self.surplus.get(symbol, 0)
        bought = symbol in self.surplus
        if expected <= 0 or not (bought or worth_supplying(expected, symbol, self.context.snapshot)):
            return
        if certain <= 0:
            raise NothingFeasible(
                f"supplying {symbol}: nothing is left of it if every swap returns its least",
                remedy="Allow less slippage, or lower max_trade so that less moves at once.",
            )
        self.supply_all(symbol)

    def borrow(self, amount: int) -> None:
        self._write(steps.borrow(self.context.cash, amount))

    def repay(self, available: int) -> None:
        """As much of the debt as ``available`` raw certainly pays."""
        amount = self.book.repayment(available)
        if amount == UINT256_MAX and self.book.owed:
            self._write(steps.repay(self.context.cash, self.book.owed - self.book.interest, whole=True))
        elif 0 < amount < UINT256_MAX:
            self._write(steps.repay(self.context.cash, amount))

    def _write(self, step: Step) -> None:
        if step.route is None:
            step = replace(step, account=self.context.snapshot.venue.place)
        self.book.apply(step)
        self.steps.append(step)
