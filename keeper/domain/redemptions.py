"""What waits in the redemption queue beside the vault, as parts of NAV and as cash to hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Redemptions:
    """RedemptionQueue: ``pending_shares`` raw; ``value`` is what the vault pays for them at its share price now, raw of
    the accounting asset, rounded up, 0 where it has none to tell; ``since`` is when the oldest was requested, Unix
    seconds, 0: nobody waits."""

    pending_shares: int
    value: int
    since: int
