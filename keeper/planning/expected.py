"""The vault after a plan whose swaps fill at their quotes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import PostState
from keeper.domain.units import BPS, usd
from keeper.planning.fills import Fill
from keeper.planning.funding import Funding


def expected_state(
    fills: Sequence[Fill], funded: Funding, snapshot: MarketSnapshot, supplied: dict[str, int]
) -> PostState:
    """``supplied``: change of each risk asset's collateral, raw, negative where it leaves."""
    amounts = {
        token.symbol: holding.idle + holding.supplied
        for token, holding in zip(snapshot.tokens, snapshot.holdings, strict=True)
    }
    for fill in fills:
        amounts[fill.trade.sell] -= fill.trade.amount_in
        amounts[fill.trade.buy] += fill.amount_out
    cash = snapshot.debt_token.symbol
    amounts[cash] += funded.borrow - funded.repay_first - funded.repay_last - funded.premium
    debt = funded.debt_after(snapshot.holdings[0].owed)

    values = [
        usd(amounts[token.symbol], token.decimals, feed.price)
        for token, feed in zip(snapshot.tokens, snapshot.feeds, strict=True)
    ]
    debt_usd = usd(debt, snapshot.debt_token.decimals, snapshot.feeds[0].price)
    nav = math.fsum(values) - debt_usd
    gross = math.fsum(values[1:])
    return PostState(
        nav_usd=nav,
        leverage=gross / nav if nav > 0 else 0.0,
        health_factor=health_factor_after(snapshot, supplied, debt),
        weights=tuple(value / nav if nav > 0 else 0.0 for value in values[1:]),
    )


def health_factor_after(snapshot: MarketSnapshot, supplied: Mapping[str, int], debt: int) -> float:
    """As Aave computes it, at its own oracle's prices; inf without debt."""
    if debt <= 0:
        return math.inf
    carried = 0.0
    for token, holding, reserve in zip(snapshot.tokens, snapshot.holdings, snapshot.reserves, strict=True):
        amount = holding.supplied + supplied.get(token.symbol, 0)
        carried += usd(amount, token.decimals, reserve.market_price) * reserve.liquidation_threshold_bps / BPS
    return carried / usd(debt, snapshot.debt_token.decimals, snapshot.reserves[0].market_price)
