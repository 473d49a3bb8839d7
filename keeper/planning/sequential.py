"""The same fills one after the other. Debt and collateral move only where the next swap needs it, with a flash loan of
any size or none at all.

What a swap sells is withdrawn whole as soon as the health factor allows. Where it does not, what was bought is supplied
and what was earned repays first. What a swap spends is borrowed, at once all that the plan lacks. A swap that still
cannot be made whole is made in parts. So a vault whose collateral carries the plan needs no loan, and one whose
collateral carries half of it needs half of one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from keeper.domain.errors import NothingFeasible
from keeper.planning.candidates import CandidatePlan
from keeper.planning.context import PlanningContext
from keeper.planning.draft import PlanDraft
from keeper.planning.fills import Fill
from keeper.planning.partial_fills import partial_swap
from keeper.planning.steps import swap

MAX_PARTS = 8
"""Of one fill."""
MIN_PART_DIVISOR = 50
"""A part of a fill that is smaller than this share of it costs more gas than it is worth."""


def sequential(fills: Sequence[Fill], context: PlanningContext, flash: int = 0) -> CandidatePlan:
    """``fills`` in the order of their swaps. The idle buffer is there in the end, but may be used on the way.

    Raises NothingFeasible where the fills cannot be made so.
    """
    premium = context.lender.premium(flash)
    minimum = context.min_health_factor.sized_for
    sequence = _Sequence(
        draft=PlanDraft(context, context.book(flash), minimum),
        loan_to_repay=flash + premium,
        fills=tuple(fills),
        left=[fill.trade.amount_in for fill in fills],
    )
    for place in range(len(fills)):
        sequence.make(place)
    sequence.settle()
    return CandidatePlan(tuple(sequence.draft.steps), flash, premium, fills=tuple(fills))


@dataclass(slots=True)
class _Sequence:
    """``loan_to_repay`` raw of the debt token repays the flash loan in the end. ``left`` is what of each fill is still
    to be made."""

    draft: PlanDraft
    loan_to_repay: int
    fills: tuple[Fill, ...]
    left: list[int]

    def make(self, place: int) -> None:
        """One fill, in as few parts as can be."""
        fill = self.fills[place]
        sold, whole, book = fill.trade.sell, fill.trade.amount_in, self.draft.book
        if fill.sells_balance:
            self._make_of_balance(place)
            return
        for _ in range(MAX_PARTS):
            if sold == self.draft.context.cash:
                self._fetch_cash(self.left[place])
            else:
                self._fetch_collateral(sold, self.left[place])
            amount = min(self.left[place], book.idle[sold])
            if amount < self.left[place] and amount * MIN_PART_DIVISOR < whole:
                break
            self.draft.swap(partial_swap(fill, whole - self.left[place], amount))
            self.left[place] -= amount
            if not self.left[place]:
                return
        raise self._refusal(fill)

    def _make_of_balance(self, place: int) -> None:
        """A fill that sells the balance, in one swap."""
        fill = self.fills[place]
        sold = fill.trade.sell
        self._fetch_collateral(sold, self._unsold(sold))
        if self.draft.book.idle[sold] < self._unsold(sold):
            raise self._refusal(fill)
        self.draft.swap(swap(fill))
        self.left[place] = 0

    def settle(self) -> None:
        """What was bought becomes collateral. Debt makes up for what is missing, or is repaid with what is over."""
        context, book = self.draft.context, self.draft.book
        for symbol in context.snapshot.risk_symbols:
            self.draft.supply(symbol)
        idle = book.idle[context.cash]
        missing = self.loan_to_repay + max(context.idle_buffer, context.reserved) - idle
        if missing > context.dust or idle < self.loan_to_repay + context.reserved:
            self.draft.borrow(missing)
        elif book.owed > context.dust:
            self.draft.repay(context.repayment_of(-missing, book.owed))

    def _refusal(self, fill: Fill) -> NothingFeasible:
        return NothingFeasible(
            f"selling {fill.trade.value_usd:,.0f} USD of {fill.trade.sell} swap by swap: the health factor may not "
            f"fall below {self.draft.min_health_factor:.3f} on the way",
            remedy="Deposit cash into the vault, or wait until the lending market gives a flash loan.",
        )

    def _unfilled(self) -> Iterator[tuple[int, Fill]]:
        """What is left of each fill that is not made yet."""
        return ((left, fill) for left, fill in zip(self.left, self.fills, strict=True) if left)

    # ---------------------------------------------------------- what a swap sells

    def _fetch_collateral(self, symbol: str, required: int) -> None:
        draft, book = self.draft, self.draft.book
        missing = required - book.idle[symbol]
        if missing <= 0:
            return
        free = draft.withdrawable(symbol)
        for release in (self._supply_complete, self._repay_what_frees, self._supply_bought):
            if free < missing:
                release()
                free = draft.withdrawable(symbol)
        for_all_swaps = min(book.supplied[symbol], self._unsold(symbol) - book.idle[symbol])
        amount = for_all_swaps if free >= for_all_swaps else min(missing, free)
        if amount > 0:
            draft.withdraw(symbol, amount)

    def _repay_what_frees(self) -> None:
        """All cash that is not needed any more, and at least what sets free all that is still to be sold."""
        book, cash = self.draft.book, self.draft.context.cash
        leaving = {
            symbol: min(supplied, max(0, self._unsold(symbol) - book.idle[symbol]))
            for symbol, supplied in book.supplied.items()
            if symbol != cash
        }
        due = book.repayment_before(leaving, self.draft.min_health_factor)
        amount = min(book.idle[cash], max(due, -self._lacking()))
        self.draft.repay(self.draft.context.repayment_of(amount, book.owed))

    def _unsold(self, symbol: str) -> int:
        """What is still to be sold for certain. A swap of the balance also sells the surplus that is only expected."""
        due = [(left, fill) for left, fill in self._unfilled() if fill.trade.sell == symbol]
        surplus = self.draft.surplus.get(symbol, 0) if any(fill.sells_balance for _, fill in due) else 0
        return max(0, sum(left for left, _ in due) - surplus)

    # ---------------------------------------------------------- what a swap spends

    def _fetch_cash(self, required: int) -> None:
        missing = required - self.draft.book.idle[self.draft.context.cash]
        if missing <= 0:
            return
        lacking = max(missing, self._lacking())
        free = self.draft.borrowable()
        for supply, enough in ((self._supply_complete, lacking), (self._supply_bought, missing)):
            if free < enough:
                supply()
                free = self.draft.borrowable()
        amount = min(lacking, free)
        if amount * MIN_PART_DIVISOR >= missing:
            self.draft.borrow(amount)

    def _lacking(self) -> int:
        """What must still be borrowed before all is done. Below 0: what can be repaid."""
        context = self.draft.context
        earned = sum(
            -(-fill.min_out * left // fill.trade.amount_in)
            for left, fill in self._unfilled()
            if fill.trade.buy == context.cash
        )
        idle = self.draft.book.idle[context.cash]
        return self.loan_to_repay + context.idle_buffer + self._unsold(context.cash) - earned - idle

    # -------------------------------------------------------------------- supplies

    def _supply_complete(self) -> None:
        """Supplies what no later swap buys or sells, so that each token is supplied only once."""
        unfilled = [fill.trade for _, fill in self._unfilled()]
        self._supply_but({trade.buy for trade in unfilled} | {trade.sell for trade in unfilled})

    def _supply_bought(self) -> None:
        """Supplies all that was bought and is not sold later. What was idle before can wait until the end."""
        self._supply_but({symbol for symbol in self.draft.surplus if self._unsold(symbol)})

    def _supply_but(self, moving: Collection[str]) -> None:
        for symbol in tuple(self.draft.surplus):
            if symbol != self.draft.context.cash and symbol not in moving:
                self.draft.supply(symbol)
