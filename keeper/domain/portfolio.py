"""The vault as weights: value / NAV of each risk asset. Cash minus debt is the rest to 1."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from keeper.domain.accounts import accounts
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import PostState
from keeper.domain.units import health_factor_of, usd


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Risk assets are in the snapshot's order; money is USD. ``health_factor`` is the lowest of the accounts, inf
    without debt."""

    symbols: tuple[str, ...]
    weights: tuple[float, ...]
    values_usd: tuple[float, ...]
    nav_usd: float
    cash_usd: float
    debt_usd: float
    leverage: float
    health_factor: float

    def share_of(self, symbols: Collection[str]) -> float:
        """Value of these assets / NAV."""
        return math.fsum(
            weight for symbol, weight in zip(self.symbols, self.weights, strict=True) if symbol in symbols
        )


def post_state(snapshot: MarketSnapshot) -> PostState:
    """What the vault holds, as a plan's state after it."""
    held, of_each = portfolio(snapshot), accounts(snapshot)
    return PostState(
        nav_usd=held.nav_usd,
        leverage=held.leverage,
        health_factor=held.health_factor,
        weights=held.weights,
        health_factors=tuple(health_factor_of(each.account.health_factor) for each in of_each)
        if len(of_each) > 1
        else (),
    )


def portfolio(snapshot: MarketSnapshot) -> Portfolio:
    """The vault's holdings in all accounts at ``MarketSnapshot.price``. All weights are 0 where NAV is not positive."""
    cash_holding, elsewhere = snapshot.holdings[0], snapshot.elsewhere
    cash_price = snapshot.price(snapshot.debt_token.symbol)
    cash_decimals = snapshot.debt_token.decimals
    cash = usd(cash_holding.idle + cash_holding.supplied + elsewhere[0].supplied, cash_decimals, cash_price)
    debt = usd(cash_holding.owed + elsewhere[0].owed, cash_decimals, cash_price)
    values = tuple(
        usd(holding.idle + holding.supplied + other.supplied, token.decimals, snapshot.price(token.symbol))
        for token, holding, other in zip(
            snapshot.tokens[1:], snapshot.holdings[1:], elsewhere[1:], strict=True
        )
    )
    gross = math.fsum(values)
    nav = gross + cash - debt
    return Portfolio(
        symbols=snapshot.risk_symbols,
        weights=tuple(value / nav if nav > 0 else 0.0 for value in values),
        values_usd=values,
        nav_usd=nav,
        cash_usd=cash,
        debt_usd=debt,
        leverage=gross / nav if nav > 0 else 0.0,
        health_factor=health_factor_of(snapshot.lowest_health),
    )
