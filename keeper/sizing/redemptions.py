"""Pending redemptions are cash to hold: they leave the vault, so leverage applies to the rest of NAV."""

from __future__ import annotations

from keeper.domain.market import MarketSnapshot
from keeper.domain.units import usd


def queued_usd(snapshot: MarketSnapshot) -> float:
    """Value of the shares that wait at the present share price, USD."""
    return usd(snapshot.redemptions.value, snapshot.debt_token.decimals, snapshot.feeds[0].price)


def queued_share(snapshot: MarketSnapshot, nav_usd: float) -> float:
    """Part of NAV that is queued, in [0, 1]. It is 0 for a vault without value."""
    queued = queued_usd(snapshot)
    return min(1.0, queued / nav_usd) if queued > 0.0 and nav_usd > 0.0 else 0.0


def cash_share(queued: float, idle_buffer: float) -> float:
    """Part of NAV to hold as cash: the queued share, and the idle buffer of the rest."""
    return queued + (1.0 - queued) * idle_buffer


def missing_usd(snapshot: MarketSnapshot) -> float:
    """By how much the idle cash falls short of what waits, USD, at least 0."""
    idle = usd(snapshot.holdings[0].idle, snapshot.debt_token.decimals, snapshot.feeds[0].price)
    return max(0.0, queued_usd(snapshot) - idle)
