"""Requests that wait in the line of redemptions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Redemptions:
    """All that is requested and not settled. ``pending_shares`` is raw. ``value`` is what the vault pays for them at
    its present share price, raw of the accounting asset, rounded up; 0 where the vault has no share price. ``since`` is
    the Unix second when the oldest batch that waits was closed, 0 where none is closed."""

    pending_shares: int
    value: int
    since: int
