"""The formulas of the venue on which an account stands."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.domain.account_venue import IsolatedMarket
from keeper.domain.accounts import shown_in_turn
from keeper.domain.market import Account, MarketSnapshot
from keeper.lending.aave import AaveV3
from keeper.lending.adaptive_curve import AdaptiveCurve
from keeper.lending.book import LendingBook
from keeper.lending.morpho import MorphoBlue
from keeper.lending.venue import LendingVenue

SAMPLE_USD = 1e6
"""Of a token, to learn what a venue makes of it."""


def venue_of(snapshot: MarketSnapshot) -> LendingVenue:
    """Of the account that the snapshot shows."""
    market = snapshot.venue.market
    return AaveV3.of(snapshot) if market is None else morpho_blue(market, snapshot.debt_token.symbol)


def morpho_blue(market: IsolatedMarket, debt_symbol: str) -> MorphoBlue:
    return MorphoBlue(
        debt_symbol=debt_symbol,
        collateral_symbol=market.collateral,
        lltv=market.lltv,
        price=market.price,
        total_supply=market.total_supply,
        total_borrow=market.total_borrow,
        curve=AdaptiveCurve(market.rate_at_target or 0),
        interest=market.interest,
        elapsed_s=market.elapsed_s,
    )


def account_of(snapshot: MarketSnapshot, supplied: Mapping[str, int], owed: int) -> Account:
    """What the venue of the account that the snapshot shows would say of it with these amounts."""
    market = snapshot.venue.market
    if market is None:
        return AaveV3.of(snapshot).account(supplied, owed)
    venue = morpho_blue(market, snapshot.debt_token.symbol)
    return Account(venue.collateral_value(supplied), owed, venue.health(supplied, owed))


def price_ratio(snapshot: MarketSnapshot, symbol: str) -> float:
    """A token's price in the accounting asset, by the venue of the account that the snapshot shows, as a part of the
    feeds'. It is 1 where both agree, and 0 where one of them has none."""
    cash, venue = snapshot.debt_token.symbol, venue_of(snapshot)
    if snapshot.price(symbol) <= 0 or snapshot.price(cash) <= 0:
        return 0.0
    owed = venue.cash_value(snapshot.raw_worth(cash, SAMPLE_USD))
    return venue.collateral_value({symbol: snapshot.raw_worth(symbol, SAMPLE_USD)}) / owed if owed else 0.0


def vault_book(snapshot: MarketSnapshot) -> LendingBook:
    """The vault and the account that the snapshot shows, at the block."""
    return LendingBook.at_block(snapshot, venue_of(snapshot))


def lowest_health_factor(snapshot: MarketSnapshot) -> float:
    """Of all accounts, by the keeper's own formulas."""
    return min(vault_book(shown).health_factor() for shown in shown_in_turn(snapshot))
