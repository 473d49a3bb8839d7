"""Whether another of the lending market's categories (Aave's eModes) gives the vault a better health factor.

A category has limits of its own for its collateral and says which assets may be borrowed. Collateral outside it keeps
the reserve's limits. The vault's admin chooses the category when an account is opened (PolicyRegistry).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.domain.market import MarketSnapshot
from keeper.lending.aave import AaveV3

MIN_GAIN = 0.01
"""Of a health factor. A smaller gain is not worth the admin's transaction."""


@dataclass(frozen=True, slots=True)
class CollateralTerms:
    """A category's terms for one token."""

    ltv_bps: int
    liquidation_threshold_bps: int
    borrowable: bool


@dataclass(frozen=True, slots=True)
class EModeCategory:
    """``number`` 0 means no category. ``terms`` are in the order of the snapshot's tokens."""

    number: int
    label: str
    terms: tuple[CollateralTerms, ...]


@dataclass(frozen=True, slots=True)
class EModeCategories:
    """All categories of the market, number 0 included. The vault uses number ``chosen``. ``collateral`` has the symbols
    that the market counts as the vault's collateral."""

    chosen: int
    collateral: frozenset[str]
    known: tuple[EModeCategory, ...]


@dataclass(frozen=True, slots=True)
class BetterCategory:
    """A category with the health factor that it would give. ``now`` is the present one."""

    category: EModeCategory
    health_factor: float
    now: float


def better_category(categories: EModeCategories, snapshot: MarketSnapshot) -> BetterCategory | None:
    """The category with the highest health factor for the vault's present holdings and debt, the first of equals.

    None without debt, and where no category that admits the vault gives at least ``MIN_GAIN`` more than its own.
    """
    own = next(category for category in categories.known if category.number == categories.chosen)
    now = health_factor(own.terms, categories.collateral, snapshot)
    others = [
        category
        for category in categories.known
        if category is not own and admits(category.terms, categories.collateral, snapshot)
    ]
    if not others or math.isinf(now):
        return None
    factors = [health_factor(category.terms, categories.collateral, snapshot) for category in others]
    best = max(range(len(others)), key=factors.__getitem__)
    return BetterCategory(others[best], factors[best], now) if factors[best] >= now + MIN_GAIN else None


def health_factor(
    terms: Sequence[CollateralTerms], collateral: frozenset[str], snapshot: MarketSnapshot
) -> float:
    """Of the vault's holdings on these terms. It is inf without debt."""
    venue = AaveV3.of(snapshot)
    in_category = tuple(
        replace(reserve, liquidation_threshold_bps=token_terms.liquidation_threshold_bps)
        for reserve, token_terms in zip(venue.terms, terms, strict=True)
    )
    supplied = {
        holding.symbol: holding.supplied for holding in snapshot.holdings if holding.symbol in collateral
    }
    return replace(venue, terms=in_category).health_factor(supplied, snapshot.holdings[0].owed)


def admits(terms: Sequence[CollateralTerms], collateral: frozenset[str], snapshot: MarketSnapshot) -> bool:
    """Whether the market lets the vault in (ValidationLogic.validateSetUserEMode): everything owed is borrowable, and
    no collateral has a loan to value of 0."""
    tokens = zip(terms, snapshot.tokens, snapshot.holdings, strict=True)
    return all(
        (token_terms.borrowable or not holding.owed)
        and (token_terms.ltv_bps > 0 or token.symbol not in collateral)
        for token_terms, token, holding in tokens
    )
