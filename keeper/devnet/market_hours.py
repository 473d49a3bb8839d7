"""The rhythm of the local chain's feeds: how long each may be silent, and when its market is closed."""

from __future__ import annotations

from keeper.domain.weekly_closure import WeeklyClosure
from keeper.settings.weekly_closure import weekly_closure

DAY_S = 86_400
HEARTBEAT_S = {"USDC": DAY_S, "XAUt": DAY_S, "wstETH": DAY_S, "sDAI": DAY_S}
DEFAULT_HEARTBEAT_S = 3_600
CLOSED: dict[str, WeeklyClosure] = {"XAUt": weekly_closure("Fri 17:00 to Sun 18:00 America/New_York")}
LONGEST_CLOSURE_S = {"XAUt": 49 * 3_600}


def heartbeat_s(symbol: str) -> int:
    """The heartbeat of the symbol's feed, seconds."""
    return HEARTBEAT_S.get(symbol, DEFAULT_HEARTBEAT_S)


def longest_silence_s(symbol: str) -> int:
    """The longest time between two answers of the symbol's feed, its market's closure among it, seconds."""
    return heartbeat_s(symbol) + LONGEST_CLOSURE_S.get(symbol, 0)


def is_open(symbol: str, at: int) -> bool:
    """Whether the symbol's feed publishes at a Unix second."""
    return symbol not in CLOSED or CLOSED[symbol].is_open(at)
