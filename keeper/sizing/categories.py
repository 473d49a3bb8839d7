"""Which of the lending market's categories (Aave's eModes) would treat the vault's holdings better than its own.

A category has limits of its own for its collateral and says what may be borrowed; collateral outside it keeps the
reserve's limits. Which one the vault is in is its admin's choice (RiskParityVault.setCollateralCategory).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.domain.market import MarketSnapshot
from keeper.domain.units import BPS, usd

NOTICEABLE = 0.01
"""Of a health factor: a gain that is less is not worth an admin's transaction."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which one token is collateral and debt."""

    ltv_bps: int
    liquidation_threshold_bps: int
    borrowable: bool


@dataclass(frozen=True, slots=True)
class Category:
    """``number`` 0: in none. ``terms`` in the order of the snapshot's tokens."""

    number: int
    label: str
    terms: tuple[Terms, ...]


@dataclass(frozen=True, slots=True)
class Categories:
    """All that the market has, number 0 among them; the vault's own is ``chosen``. ``collateral`` are the symbols of
    what the market counts as the vault's collateral."""

    chosen: int
    collateral: frozenset[str]
    known: tuple[Category, ...]


@dataclass(frozen=True, slots=True)
class Better:
    """A category and the health factors: what it would give, and what there is."""

    category: Category
    health_factor: float
    now: float


def better(found: Categories, snapshot: MarketSnapshot) -> Better | None:
    """The category with the highest health factor for the vault's present holdings and debt, the first of equals; None
    where no category that would take the vault gives more by ``NOTICEABLE`` than its own, as without debt."""
    own = next(one for one in found.known if one.number == found.chosen)
    now = health_factor(own.terms, found.collateral, snapshot)
    others = [one for one in found.known if one is not own and admits(one.terms, found.collateral, snapshot)]
    if not others or math.isinf(now):
        return None
    factors = [health_factor(one.terms, found.collateral, snapshot) for one in others]
    best = max(range(len(others)), key=factors.__getitem__)
    return Better(others[best], factors[best], now) if factors[best] >= now + NOTICEABLE else None


def health_factor(terms: Sequence[Terms], collateral: frozenset[str], snapshot: MarketSnapshot) -> float:
    """At the lending market's prices, as GenericLogic.calculateUserAccountData; inf without debt."""
    secured, owed = [], []
    for one, token, reserve, holding in zip(
        terms, snapshot.tokens, snapshot.reserves, snapshot.holdings, strict=True
    ):
        owed.append(usd(holding.owed, token.decimals, reserve.market_price))
        if token.symbol in collateral:
            value = usd(holding.supplied, token.decimals, reserve.market_price)
            secured.append(value * one.liquidation_threshold_bps / BPS)
    debt = math.fsum(owed)
    return math.fsum(secured) / debt if debt > 0.0 else math.inf


def admits(terms: Sequence[Terms], collateral: frozenset[str], snapshot: MarketSnapshot) -> bool:
    """Whether the market lets the vault in (ValidationLogic.validateSetUserEMode), and it could borrow there: the debt
    asset is borrowable, so is all that is owed, and no collateral has a loan to value of 0."""
    return (
        terms[0].borrowable
        and all(one.borrowable for one, holding in zip(terms, snapshot.holdings, strict=True) if holding.owed)
        and all(
            one.ltv_bps
            for one, token in zip(terms, snapshot.tokens, strict=True)
            if token.symbol in collateral
        )
    )
