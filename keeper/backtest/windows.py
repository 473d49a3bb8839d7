"""The vault's budgets that give no more than their limit in any 24 hours (Windows.sol)."""

from __future__ import annotations

from dataclasses import dataclass, field

SLOT_S = 8 * 3_600
SLOTS = 4
"""Any 24 hours, both ends included, touch at most so many slots."""


@dataclass(slots=True)
class Window:
    """What the slots that may still count have spent, by their number."""

    spent: dict[int, float] = field(default_factory=dict)

    def used(self, now: int) -> float:
        first = now // SLOT_S - SLOTS + 1
        return sum(amount for slot, amount in self.spent.items() if slot >= first)

    def spend(self, amount: float, now: int) -> None:
        first, slot = now // SLOT_S - SLOTS + 1, now // SLOT_S
        self.spent = {number: spent for number, spent in self.spent.items() if number >= first}
        self.spent[slot] = self.spent.get(slot, 0.0) + amount
