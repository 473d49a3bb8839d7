"""On which protocol one of the vault's accounts stands, and the market of an account on Morpho Blue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PRICE_SCALE = 10**36
"""Of ``IsolatedMarket.price``."""


class VenueKind(StrEnum):
    """The protocols on which the keeper manages accounts."""

    AAVE_V3 = "Aave V3"
    MORPHO_BLUE = "Morpho Blue"


@dataclass(frozen=True, slots=True)
class IsolatedMarket:
    """Morpho Blue's market of ``collateral`` in the accounting asset.

    ``lltv`` has 18 decimals. ``price``: of a raw unit of collateral in raw units of the loan token, 36 decimals; 0
    where the oracle has none. The sums are raw, as of the market's last update, ``elapsed_s`` before the block;
    ``interest`` is missing in both. ``rate_at_target`` is a second's, 18 decimals, as of that update, 0 before the
    first, None where the rate model does not answer: then nothing moves in the market."""

    collateral: str
    lltv: int
    price: int
    total_supply: int
    total_borrow: int
    rate_at_target: int | None
    interest: int
    elapsed_s: int


@dataclass(frozen=True, slots=True)
class AccountVenue:
    """``place`` is the account's in the vault's list. ``market`` is None on Aave."""

    place: int = 0
    kind: VenueKind = VenueKind.AAVE_V3
    market: IsolatedMarket | None = None


FIRST_ACCOUNT = AccountVenue()
