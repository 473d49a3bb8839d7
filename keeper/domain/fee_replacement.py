"""How far a transaction's fee can rise by replacements. All amounts are wei per gas.

A replacement pays an eighth more than what it replaces: geth asks for a tenth, other nodes for an eighth. So a bid of
at most ``cap * (8/9)^3`` can be replaced three times below ``cap``.
"""

from __future__ import annotations

BUMP_NUMERATOR, BUMP_DENOMINATOR = 9, 8
REPLACEMENTS = 3
"""How often a first bid can be replaced before it reaches its cap."""


def raised(wei: int) -> int:
    """The lowest fee that replaces ``wei`` everywhere. It is also the highest base fee of the block after ``wei``."""
    return -(-wei * BUMP_NUMERATOR // BUMP_DENOMINATOR)


def after_replacements(bid: int, count: int = REPLACEMENTS) -> int:
    """The lowest fee of the last of ``count`` replacements."""
    for _ in range(count):
        bid = raised(bid)
    return bid


def before_replacements(cap: int, count: int = REPLACEMENTS) -> int:
    """The highest bid that can be replaced ``count`` times without exceeding ``cap``."""
    for _ in range(count):
        cap = cap * BUMP_DENOMINATOR // BUMP_NUMERATOR
    return cap
