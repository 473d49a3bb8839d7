"""Vault, reserves, feeds and pools at one block; and what differs from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any

from keeper.domain.market import (
    Account,
    Block,
    FeedReading,
    Holding,
    MarketSnapshot,
    RateCurve,
    Reserve,
    Round,
    Sequencer,
    SwapPool,
    Token,
    Trust,
    Vault,
    VaultAsset,
    VaultPolicy,
)
from keeper.domain.pool_state import PoolLiquidity
from keeper.domain.redemptions import Redemptions
from keeper.domain.units import BPS, UINT256_MAX, USD, WAD
from keeper.recorded.pools import POOL_DEPTHS
from tests.factories.constants import (
    DAY,
    DECIMALS,
    GWEI,
    HOUR,
    LIQUIDATION_THRESHOLD,
    LTV,
    NOW,
    PRICES,
    RISK_SYMBOLS,
    an_address,
)


def a_block(**changes: Any) -> Block:
    block = Block(
        chain_id=31337,
        number=17_500_000,
        hash="0x" + "ab" * 32,
        timestamp=NOW,
        base_fee_wei=20 * GWEI,
        gas_limit=30_000_000,
    )
    return replace(block, **changes)


def a_token(symbol: str, **changes: Any) -> Token:
    token = Token(symbol, an_address(0xA0 + list(DECIMALS).index(symbol)), DECIMALS[symbol])
    return replace(token, **changes)


def a_feed(symbol: str, **changes: Any) -> FeedReading:
    feed = FeedReading(
        symbol=symbol,
        feed=an_address(0xF0 + list(DECIMALS).index(symbol)),
        round=Round(round_id=(1 << 64) | 100, answer=round(PRICES[symbol] * USD), updated_at=NOW - 600),
        max_age_s=4_500 if symbol != "USDC" else 87_300,
        trust=Trust.FRESH,
        reason="",
        rule="",
        min_answer=0,
        max_answer=0,
    )
    return replace(feed, **changes)


def a_reserve(symbol: str, **changes: Any) -> Reserve:
    unit = 10 ** DECIMALS[symbol]
    whole = {"USDC": 1_000_000_000, "WBTC": 40_000, "WETH": 1_200_000, "LINK": 12_000_000, "UNI": 8_000_000}
    lent = {"USDC": 800_000_000, "WBTC": 3_000, "WETH": 900_000, "LINK": 60_000, "UNI": 50_000}
    stable = symbol == "USDC"
    reserve = Reserve(
        symbol=symbol,
        a_token=an_address(0xC0 + list(DECIMALS).index(symbol)),
        debt_token=an_address(0xD0 + list(DECIMALS).index(symbol)),
        ltv_bps=LTV[symbol],
        liquidation_threshold_bps=LIQUIDATION_THRESHOLD[symbol],
        reserve_factor_bps=1_000,
        active=True,
        frozen=False,
        paused=False,
        borrowing_enabled=True,
        flash_loan_enabled=True,
        supply_cap=2 * whole[symbol],
        borrow_cap=2 * whole[symbol],
        supplied=whole[symbol] * unit,
        borrowed=lent[symbol] * unit,
        available=(whole[symbol] - lent[symbol]) * unit,
        market_price=round(PRICES[symbol] * USD),
        price_source=an_address(0xE0 + list(DECIMALS).index(symbol)),
        supply_rate=0.025,
        borrow_rate=0.04,
        curve=RateCurve(0.92, 0.0, 0.055, 0.35) if stable else RateCurve(0.45, 0.0, 0.04, 3.0),
    )
    return replace(reserve, **changes)


def a_vault_policy(**changes: Any) -> VaultPolicy:
    policy = VaultPolicy(
        min_health=1_200_000_000_000_000_000,
        emergency_health=1_050_000_000_000_000_000,
        target_health=1_150_000_000_000_000_000,
        ripcord_health=1_030_000_000_000_000_000,
        max_leverage=3 * WAD,
        min_interval=1_800,
        ripcord_interval=600,
        max_loss_bps=100,
        daily_loss_bps=300,
        daily_turnover_bps=80_000,
        max_gap_bps=200,
        guardian_loss_bps=10,
        emergency_loss_bps=500,
        ripcord_loss_bps=150,
    )
    return replace(policy, **changes)


def a_vault_asset(symbol: str, **changes: Any) -> VaultAsset:
    """Of a vault that trusts its feeds and pools, so that other limits are met first."""
    asset = VaultAsset(
        symbol=symbol,
        feed=a_feed(symbol).feed,
        max_age_s=a_feed(symbol).max_age_s,
        max_weight_bps=20_000,
        enabled=True,
        slippage_bps=500,
        lag_bps=0,
        dust=10 ** (DECIMALS[symbol] // 2),
        borrowable=symbol == "USDC",
    )
    return replace(asset, **changes)


def some_pools(*fees: int, symbols: Sequence[str] = ("USDC", *RISK_SYMBOLS)) -> tuple[SwapPool, ...]:
    """A listed pool of every two tokens in each of these tiers."""
    pairs = combinations(symbols, 2)
    return tuple(
        SwapPool(an_address(0x1000 + place), pair, fee)
        for place, (pair, fee) in enumerate(product(pairs, fees))
    )


def a_vault(**changes: Any) -> Vault:
    vault = Vault(
        address=an_address(0xBEEF),
        rebalancer=an_address(0xBEEE),
        account=an_address(0xBEED),
        epoch=7,
        last_rebalance=NOW - 2 * DAY,
        paused=False,
        policy=a_vault_policy(),
        assets=tuple(a_vault_asset(symbol) for symbol in ("USDC", *RISK_SYMBOLS)),
        pools=some_pools(500, 3_000),
        used_daily_loss=0.0,
        used_daily_turnover=0.0,
        levering_closed_until=0,
        reserved=0,
        total_assets=1_000_000 * 10**6,
        total_shares=1_000_000 * 10**6,
        pending_deposits=0,
    )
    return replace(vault, **changes)


def with_vault_asset(snapshot: MarketSnapshot, symbol: str, **changes: Any) -> MarketSnapshot:
    assets = tuple(
        replace(asset, **changes) if asset.symbol == symbol else asset for asset in snapshot.vault.assets
    )
    return with_vault(snapshot, assets=assets)


def a_snapshot(
    *,
    weights: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    leverage: float | None = None,
    nav_usd: float = 1_000_000.0,
    idle: float = 0.0,
    prices: dict[str, float] | None = None,
    **changes: Any,
) -> MarketSnapshot:
    """One block. ``weights`` are value / NAV; with ``leverage`` they are scaled to sum to it. ``idle`` is cash kept
    although there is debt, as a fraction of NAV. ``changes`` replace whole fields of the snapshot, last."""
    symbols = ("USDC", *RISK_SYMBOLS)
    priced = PRICES | (prices or {})
    total = sum(weights)
    scale = 1.0 if leverage is None or total == 0 else leverage / total
    scaled = [weight * scale for weight in weights]
    balance = (1.0 - sum(scaled)) * nav_usd
    cash = max(balance, idle * nav_usd)
    debt = cash - balance
    holdings = (
        Holding("USDC", round(cash * 10**6), 0, round(debt * 10**6)),
        *(
            Holding(symbol, 0, round(weight * nav_usd / priced[symbol] * 10 ** DECIMALS[symbol]), 0)
            for symbol, weight in zip(RISK_SYMBOLS, scaled, strict=True)
        ),
    )
    feeds = tuple(
        replace(a_feed(symbol), round=replace(a_feed(symbol).round, answer=round(priced[symbol] * USD)))
        for symbol in symbols
    )
    snapshot = MarketSnapshot(
        block=a_block(),
        tokens=tuple(a_token(symbol) for symbol in symbols),
        feeds=feeds,
        reserves=tuple(a_reserve(symbol, market_price=round(priced[symbol] * USD)) for symbol in symbols),
        holdings=holdings,
        account=Account(0, 0, UINT256_MAX),
        vault=a_vault(total_assets=round(nav_usd * 10**6), total_shares=round(nav_usd * 10**6)),
        sequencer=None,
        flash_premium_bps=5,
        keeper_address=an_address(0xCAFE),
        keeper_balance_wei=10 * WAD,
        keeper_has_role=True,
        pools=(),
        l1_fee_wei=0,
        redemptions=Redemptions(0, 0, 0),
        depths=(),
    )
    return replace(with_account(snapshot), **changes)


def with_account(snapshot: MarketSnapshot, **changes: Any) -> MarketSnapshot:
    """The snapshot with the lending account that its holdings and the market's prices imply."""
    collateral = thresholds = debt = 0
    for token, reserve, holding in zip(snapshot.tokens, snapshot.reserves, snapshot.holdings, strict=True):
        value = holding.supplied * reserve.market_price // 10**token.decimals
        collateral += value
        thresholds += value * reserve.liquidation_threshold_bps
        debt += -(-holding.owed * reserve.market_price // 10**token.decimals)
    factor = UINT256_MAX if debt == 0 else thresholds * WAD // BPS // debt
    return replace(snapshot, account=replace(Account(collateral, debt, factor), **changes))


def with_feed(snapshot: MarketSnapshot, symbol: str, **changes: Any) -> MarketSnapshot:
    feeds = tuple(replace(feed, **changes) if feed.symbol == symbol else feed for feed in snapshot.feeds)
    return replace(snapshot, feeds=feeds)


def with_reserve(snapshot: MarketSnapshot, symbol: str, **changes: Any) -> MarketSnapshot:
    reserves = tuple(
        replace(reserve, **changes) if reserve.symbol == symbol else reserve for reserve in snapshot.reserves
    )
    return replace(snapshot, reserves=reserves)


def with_holding(snapshot: MarketSnapshot, symbol: str, **changes: Any) -> MarketSnapshot:
    holdings = tuple(
        replace(holding, **changes) if holding.symbol == symbol else holding for holding in snapshot.holdings
    )
    return with_account(replace(snapshot, holdings=holdings))


def with_block(snapshot: MarketSnapshot, **changes: Any) -> MarketSnapshot:
    return replace(snapshot, block=replace(snapshot.block, **changes))


def with_vault(snapshot: MarketSnapshot, **changes: Any) -> MarketSnapshot:
    return replace(snapshot, vault=replace(snapshot.vault, **changes))


def with_vault_policy(snapshot: MarketSnapshot, **changes: Any) -> MarketSnapshot:
    return with_vault(snapshot, policy=replace(snapshot.vault.policy, **changes))


def with_redemptions(snapshot: MarketSnapshot, part: float, waited_s: int = HOUR) -> MarketSnapshot:
    """``part`` of the vault's shares waits for redemption; 0: nobody."""
    shares = round(part * snapshot.vault.total_shares)
    value = math.ceil(part * snapshot.vault.total_assets)
    since = snapshot.block.timestamp - waited_s if shares else 0
    return replace(snapshot, redemptions=Redemptions(shares, value, since))


def with_market_move(
    snapshot: MarketSnapshot, factor: float, symbols: Sequence[str] = RISK_SYMBOLS
) -> MarketSnapshot:
    """Feeds and lending oracle of ``symbols`` times ``factor``, the account recomputed."""
    for symbol in symbols:
        feed = snapshot.feeds[snapshot.index(symbol)]
        answer = round(feed.round.answer * factor)
        snapshot = with_feed(snapshot, symbol, round=replace(feed.round, answer=answer))
        snapshot = with_reserve(snapshot, symbol, market_price=answer)
    return with_account(snapshot)


def a_depth(
    snapshot: MarketSnapshot, symbol: str, quote: str, fee: int, usd: float, **changes: Any
) -> PoolLiquidity:
    """A pool at the feeds' prices whose virtual reserves are worth ``usd`` on each side; the asset is token0."""
    one, other = (snapshot.price(name) / USD / 10 ** DECIMALS[name] for name in (symbol, quote))
    pool = PoolLiquidity(
        symbol=symbol,
        quote=quote,
        fee=fee,
        asset_is_token0=True,
        sqrt_price=round(math.sqrt(one / other) * 2**96),
        liquidity=round(usd / math.sqrt(one * other)),
        mean_liquidity=None,
    )
    return replace(pool, **changes)


def with_depths(snapshot: MarketSnapshot, factor: float = 1.0) -> MarketSnapshot:
    """Pools as deep as mainnet's, times ``factor``."""
    return replace(
        snapshot,
        depths=tuple(
            a_depth(snapshot, pool.symbol, pool.quote, pool.fee, factor * pool.virtual_usd)
            for pool in POOL_DEPTHS
        ),
    )


def a_sequencer(**changes: Any) -> Sequencer:
    return replace(Sequencer(up=True, status_since=NOW - 30 * DAY, grace_s=3_600), **changes)
