"""The chain's native coin, in which gas is paid, in USD. Its price decides what gas counts, and nothing else.

A FRESH price counts as it is. A price that is only old is known all the same: it counts ``MARGIN`` times while it is at
most ``KNOWN_S`` old. Every other price is unknown.
"""

from __future__ import annotations

import math

from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.units import USD, WAD

COIN = "ETH"
"""The coin's own name, for its feed in the settings and in the journal."""
KNOWN_S = 7 * 86_400
"""Seconds after an answer in which nothing that follows from it is blocked."""
MARGIN = 2.0
"""ETH has at most risen by 74 % within seven days of the recorded years."""


def usd_of_wei(wei: int, snapshot: MarketSnapshot, wrapped: str) -> float:
    """What gas counts; infinite where the coin's price is unknown. ``wrapped``: see ``_price``."""
    price = _price(snapshot, wrapped)
    return math.inf if price is None else wei / WAD * price / USD


def estimated_usd(wei: int, snapshot: MarketSnapshot, wrapped: str) -> float:
    """The same to compare one plan with another, or to judge a trade that lowers risk: 0 where it is unknown."""
    counted = usd_of_wei(wei, snapshot, wrapped)
    return counted if math.isfinite(counted) else 0.0


def _price(snapshot: MarketSnapshot, wrapped: str) -> float | None:
    """USD with 8 decimals. Versions that did not read the coin's feed counted on the price of the vault's token
    ``wrapped``."""
    coin = snapshot.native_coin
    if coin is None:
        return float(snapshot.price(wrapped)) if wrapped in snapshot.symbols else None
    if coin.trust is Trust.FRESH:
        return float(coin.price)
    is_known = snapshot.block.timestamp - coin.round.updated_at <= KNOWN_S
    return MARGIN * coin.price if coin.trust is Trust.STALE and is_known else None
