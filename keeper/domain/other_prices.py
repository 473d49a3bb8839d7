"""The same vault and markets at other prices of the risk assets, for questions that begin with "what if"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from keeper.domain.accounts import accounts, with_accounts
from keeper.domain.market import LendingAccount, MarketSnapshot, Token
from keeper.domain.pool_state import PoolLiquidity
from keeper.domain.portfolio import portfolio
from keeper.domain.units import UINT256_MAX, unit


def at_prices(snapshot: MarketSnapshot, prices: Mapping[str, int]) -> MarketSnapshot:
    """The snapshot as it would be with these prices (USD, 8 decimals, positive) of some risk assets.

    Lending oracle and pools follow the feeds in proportion, as arbitrage makes them. Time, holdings, debt, liquidity
    and the trust of each price stay as they are. An asset without a price keeps none.
    """
    ratios = {
        symbol: price / snapshot.price(symbol)
        for symbol, price in prices.items()
        if snapshot.price(symbol) > 0
    }
    moved = replace(
        snapshot,
        feeds=tuple(
            replace(feed, round=replace(feed.round, answer=prices[feed.symbol]))
            if feed.symbol in ratios and feed.price > 0
            else feed
            for feed in snapshot.feeds
        ),
        depths=tuple(_moved_pool(pool, ratios) for pool in snapshot.depths),
    )
    held = [_moved_account(account, ratios, snapshot.tokens) for account in accounts(snapshot)]
    return _with_share_price(with_accounts(moved, held), snapshot)


def _scaled(amount: int, ratio: float) -> int:
    return amount if ratio == 1.0 else round(amount * ratio)


def _moved_pool(pool: PoolLiquidity, ratios: Mapping[str, float]) -> PoolLiquidity:
    """The root of the pool's price moves by the root of the ratio between its two tokens."""
    ratio = ratios.get(pool.symbol, 1.0) / ratios.get(pool.quote, 1.0)
    root = math.sqrt(ratio if pool.asset_is_token0 else 1.0 / ratio)
    return replace(pool, sqrt_price=_scaled(pool.sqrt_price, root))


def _moved_account(
    held: LendingAccount, ratios: Mapping[str, float], tokens: Sequence[Token]
) -> LendingAccount:
    """The account's own health factor knows of eMode, so it is scaled and not computed anew."""
    reserves = tuple(
        replace(reserve, market_price=_scaled(reserve.market_price, ratios.get(reserve.symbol, 1.0)))
        for reserve in held.reserves
    )
    moved, market = replace(held, reserves=reserves), held.venue.market
    factor, secured_before = held.account.health_factor, _secured(held, tokens)
    if factor != UINT256_MAX and secured_before > 0:
        factor = factor * _secured(moved, tokens) // secured_before
    if market is None:
        gained = _collateral(moved, tokens) - _collateral(held, tokens)
        account = replace(held.account, collateral_base=held.account.collateral_base + gained)
    else:
        ratio = ratios.get(market.collateral, 1.0)
        account = replace(held.account, collateral_base=_scaled(held.account.collateral_base, ratio))
        moved = replace(
            moved,
            venue=replace(held.venue, market=replace(market, price=_scaled(market.price, ratio))),
        )
    return replace(moved, account=replace(account, health_factor=factor))


def _collateral(held: LendingAccount, tokens: Sequence[Token]) -> int:
    return sum(
        supplied * reserve.market_price // unit(token.decimals)
        for token, reserve, supplied in zip(tokens, held.reserves, held.supplied, strict=True)
    )


def _secured(held: LendingAccount, tokens: Sequence[Token]) -> int:
    """Collateral times liquidation thresholds, in a fine unit."""
    largest = max(token.decimals for token in tokens)
    return sum(
        supplied * reserve.market_price * reserve.liquidation_threshold_bps * unit(largest - token.decimals)
        for token, reserve, supplied in zip(tokens, held.reserves, held.supplied, strict=True)
    )


def _with_share_price(moved: MarketSnapshot, before: MarketSnapshot) -> MarketSnapshot:
    """Shares are worth what NAV is worth, and so is what waits in the line of redemptions."""
    nav, nav_before = portfolio(moved).nav_usd, portfolio(before).nav_usd
    ratio = max(0.0, nav) / nav_before if nav_before > 0.0 else 1.0
    queue = moved.redemptions
    return replace(
        moved,
        vault=replace(moved.vault, total_assets=_scaled(moved.vault.total_assets, ratio)),
        redemptions=None if queue is None else replace(queue, value=_scaled(queue.value, ratio)),
    )
