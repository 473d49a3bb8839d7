"""Redemptions that wait are cash to hold: they leave with the next serve, and leverage is of what stays."""

from __future__ import annotations

from keeper.domain.market import MarketSnapshot
from keeper.domain.portfolio import portfolio
from keeper.domain.units import usd


def queued_usd(snapshot: MarketSnapshot) -> float:
    """What the queue is paid at the present share price, USD; 0 without a queue."""
    found = snapshot.redemptions
    return 0.0 if found is None else usd(found.value, snapshot.debt_token.decimals, snapshot.feeds[0].price)


def queued_share(snapshot: MarketSnapshot) -> float:
    """Part of NAV that waits to leave, in [0, 1]; 0 for a vault without value."""
    queued = queued_usd(snapshot)
    if queued == 0.0:
        return 0.0
    nav = portfolio(snapshot).nav_usd
    return min(1.0, queued / nav) if nav > 0.0 else 0.0


def cash_share(snapshot: MarketSnapshot, idle_buffer: float) -> float:
    """Part of NAV to hold as cash: what waits, and the buffer of what stays."""
    queued = queued_share(snapshot)
    return queued + (1.0 - queued) * idle_buffer


def missing_usd(snapshot: MarketSnapshot) -> float:
    """By how much the idle cash falls short of what waits, USD, at least 0."""
    idle = usd(snapshot.holdings[0].idle, snapshot.debt_token.decimals, snapshot.feeds[0].price)
    return max(0.0, queued_usd(snapshot) - idle)
