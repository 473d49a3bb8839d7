"""The same fills one after the other, debt and collateral moved only where the next swap needs it: a flash loan of any
size, or none at all.

What a swap sells is withdrawn whole as soon as the health factor allows; where it does not, what was bought is supplied
and what was earned repays first. What a swap spends is borrowed, at once all that the plan lacks. A swap that still
cannot be made whole is made in parts. So a vault whose collateral carries the plan needs no loan, and one whose
collateral carries half of it needs half of one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.units import UINT256_MAX
from keeper.planning.books import Books
from keeper.planning.fills import Fill
from keeper.planning.flash import swap
from keeper.planning.funding import Funding, premium
from keeper.planning.obstacles import require_no_obstacle
from keeper.planning.parts import part_of
from keeper.planning.walk import require_footing
from keeper.planning.way import Way

MOST_PARTS = 8
"""Of one fill."""
SMALLEST = 0.02
"""A part of a fill that is smaller costs more gas than it is worth."""


def in_turn(
    fills: Sequence[Fill], snapshot: MarketSnapshot, buffer: int, dust: int, least: float, flash: int = 0
) -> Way:
    """``fills`` in the order of their swaps. ``buffer`` raw of the debt asset is idle in the end, but may be used on
    the way; ``least``: no step leaves a lower health factor; up to ``dust`` is left rather than borrowed or repaid.

    Raises NothingFeasible where the fills cannot be made so.
    """
    costs = premium(flash, snapshot.flash_premium_bps)
    turns = _Turns(
        books=Books.of(snapshot, flash, least),
        returned=flash + costs,
        buffer=buffer,
        dust=dust,
        fills=tuple(fills),
        left=[fill.trade.amount_in for fill in fills],
    )
    for place in range(len(fills)):
        turns.make(place)
    turns.settle()
    books = turns.books
    funded = Funding(flash, costs, repay_first=books.repaid, borrow=books.borrowed, repay_last=0, spare=0)
    require_no_obstacle(books.steps, funded, snapshot)
    require_footing(books.steps, flash, snapshot, least)
    return Way(tuple(books.steps), funded, tuple(fills), books.moved)


@dataclass
class _Turns:
    """``returned`` and ``buffer`` raw of the debt asset are to be there in the end; ``left`` is what of each fill is
    still to be made."""

    books: Books
    returned: int
    buffer: int
    dust: int
    fills: tuple[Fill, ...]
    left: list[int]

    def make(self, place: int) -> None:
        """One fill, in as few parts as can be."""
        fill = self.fills[place]
        sold, whole = fill.trade.sell, fill.trade.amount_in
        if fill.sells_balance:
            self._make_of_all(place)
            return
        for _ in range(MOST_PARTS):
            if sold == self.books.cash:
                self._fetch_cash(self.left[place])
            else:
                self._fetch_collateral(sold, self.left[place])
            amount = min(self.left[place], self.books.idle[sold])
            if amount < self.left[place] and amount < whole * SMALLEST:
                break
            self.books.swap(part_of(fill, whole - self.left[place], amount), amount)
            self.left[place] -= amount
            if not self.left[place]:
                return
        raise self._refusal(fill)

    def _make_of_all(self, place: int) -> None:
        """A fill that sells whatever is there, in one swap: what came in for certain, and what is expected besides."""
        fill = self.fills[place]
        sold = fill.trade.sell
        self._fetch_collateral(sold, self._still_sold(sold))
        if self.books.idle[sold] < self._still_sold(sold):
            raise self._refusal(fill)
        self.books.swap(replace(swap(fill), amount=UINT256_MAX), self.books.idle[sold])
        self.left[place] = 0

    def settle(self) -> None:
        """What was bought becomes collateral; debt makes up for what is missing, or is repaid with what is over."""
        for symbol in self.books.snapshot.risk_symbols:
            self.books.supply(symbol)
        there = self.books.idle[self.books.cash]
        missing = self.returned + self.buffer - there
        if missing > self.dust or there < self.returned:
            self.books.borrow(missing)
        elif min(-missing, self.books.owed) > self.dust:
            self.books.repay(-missing)

    def _refusal(self, fill: Fill) -> NothingFeasible:
        return NothingFeasible(
            f"selling {fill.trade.value_usd:,.0f} USD of {fill.trade.sell} in turn: the health factor may not fall "
            f"below {self.books.least:.3f} on the way",
            remedy="Deposit cash into the vault, or wait until the lending market gives a flash loan.",
        )

    # ---------------------------------------------------------- what a swap sells

    def _fetch_collateral(self, symbol: str, wanted: int) -> None:
        short = wanted - self.books.idle[symbol]
        if short <= 0:
            return
        if self.books.free(symbol) < short:
            self._supply_what_is_complete()
        if self.books.free(symbol) < short and self.books.owed:
            self._repay_what_frees()
        if self.books.free(symbol) < short:
            self._supply_all()
        sells_balance = min(self.books.supplied[symbol], self._still_sold(symbol) - self.books.idle[symbol])
        free = self.books.free(symbol)
        take = sells_balance if free >= sells_balance else min(short, free)
        if take > 0:
            self.books.withdraw(symbol, take)

    def _repay_what_frees(self) -> None:
        """All that is not needed any more, and at least what sets free all that is still to be sold."""
        books = self.books
        leaves = math.fsum(
            min(books.supplied[symbol], max(0, self._still_sold(symbol) - books.idle[symbol])) * carries
            for symbol, carries in books.carries.items()
            if symbol != books.cash
        )
        amount = min(books.idle[books.cash], max(books.due_beside(leaves), -self._lacking()))
        if amount > self.dust:
            books.repay(amount)

    def _still_sold(self, symbol: str) -> int:
        """For certain: what sells all that is there counts less what is only expected to be."""
        of_it = [
            (left, fill.sells_balance)
            for left, fill in zip(self.left, self.fills, strict=True)
            if left and fill.trade.sell == symbol
        ]
        only_expected = (
            self.books.expected.get(symbol, 0) if any(sells_balance for _, sells_balance in of_it) else 0
        )
        return max(0, sum(left for left, _ in of_it) - only_expected)

    # ---------------------------------------------------------- what a swap spends

    def _fetch_cash(self, wanted: int) -> None:
        short = wanted - self.books.idle[self.books.cash]
        if short <= 0:
            return
        lacking = max(short, self._lacking())
        if self.books.room() < lacking:
            self._supply_what_is_complete()
        if self.books.room() < short:
            self._supply_all()
        more = min(lacking, self.books.room())
        if more >= short * SMALLEST:
            self.books.borrow(more)

    def _lacking(self) -> int:
        """What must still be borrowed before all is done; below 0 what can be repaid."""
        cash = self.books.cash
        earned = sum(
            -(-fill.min_out * left // fill.trade.amount_in)
            for left, fill in zip(self.left, self.fills, strict=True)
            if fill.trade.buy == cash
        )
        return self.returned + self.buffer + self._still_sold(cash) - earned - self.books.idle[cash]

    # -------------------------------------------------------------------- supplies

    def _supply_what_is_complete(self) -> None:
        """Of what no later swap buys or sells, so that it is supplied but once."""
        moving = {
            symbol
            for left, fill in zip(self.left, self.fills, strict=True)
            if left
            for symbol in (fill.trade.buy, fill.trade.sell)
        }
        for symbol in tuple(self.books.expected):
            if symbol not in (self.books.cash, *moving):
                self.books.supply(symbol)

    def _supply_all(self) -> None:
        """Of what was bought; what lay idle before can wait until the end."""
        for symbol in tuple(self.books.expected):
            if symbol != self.books.cash and not self._still_sold(symbol):
                self.books.supply(symbol)
