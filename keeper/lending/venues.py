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


def vault_book(snapshot: MarketSnapshot) -> LendingBook:
    """The vault and the account that the snapshot shows, at the block."""
    return LendingBook.at_block(snapshot, venue_of(snapshot))


def lowest_health_factor(snapshot: MarketSnapshot) -> float:
    """Of all accounts, by the keeper's own formulas."""
    return min(vault_book(shown).health_factor() for shown in shown_in_turn(snapshot))
