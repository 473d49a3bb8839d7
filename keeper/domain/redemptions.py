"""Requests that wait in the redemption queue next to the vault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Redemptions:
    """RedemptionQueue. ``pending_shares`` is raw. ``value`` is what the vault pays for them at its present share price,
    raw of the accounting asset, rounded up; 0 where the vault has no share price. ``since`` is the Unix second of the
    oldest request, 0 where there is no request."""

    pending_shares: int
    value: int
    since: int
