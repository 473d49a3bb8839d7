"""The chain's native coin, in which gas is paid, in USD."""

from __future__ import annotations

from keeper.domain.errors import InvalidSetting
from keeper.domain.market import MarketSnapshot
from keeper.domain.units import USD, WAD


def usd_of_wei(wei: int, snapshot: MarketSnapshot, symbol: str) -> float:
    """At the price of the token ``symbol`` (``plan.gas_usd_price_symbol``). Raises InvalidSetting where the
    vault has no such token."""
    if symbol not in snapshot.symbols:
        raise InvalidSetting(
            f"plan.gas_usd_price_symbol is {symbol!r}, which is not one of the vault's tokens",
            remedy=f"Set it to one of: {', '.join(snapshot.symbols)}.",
        )
    return wei / WAD * snapshot.price(symbol) / USD
