"""Accounts of the vault beside its first, on Aave and on Morpho Blue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from keeper.domain.account_venue import AccountVenue, IsolatedMarket, VenueKind
from keeper.domain.market import Account, LendingAccount, MarketSnapshot, RateCurve
from keeper.domain.units import BPS, SECONDS_PER_YEAR, UINT256_MAX, WAD
from keeper.lending.venues import morpho_blue
from tests.factories.constants import an_address

LLTV = 86 * WAD // 100


def with_aave_account(
    snapshot: MarketSnapshot, supplied_usd: Mapping[str, float], owed_usd: float, threshold_bps: int = 8_500
) -> MarketSnapshot:
    """In an eMode that gives every collateral this threshold."""
    reserves = tuple(
        replace(reserve, ltv_bps=threshold_bps - 300, liquidation_threshold_bps=threshold_bps)
        for reserve in snapshot.reserves
    )
    supplied = _raw(snapshot, supplied_usd)
    owed = snapshot.raw_worth("USDC", owed_usd)
    value = sum(
        amount * reserve.market_price // 10**token.decimals
        for amount, reserve, token in zip(supplied, reserves, snapshot.tokens, strict=True)
    )
    debt = -(-owed * reserves[0].market_price // 10**6)
    factor = value * threshold_bps * WAD // BPS // debt if debt else UINT256_MAX
    place = 1 + len(snapshot.others)
    account = LendingAccount(
        venue=AccountVenue(place),
        address=an_address(0xAA00 + place),
        reserves=reserves,
        supplied=supplied,
        owed=(owed, *(0 for _ in snapshot.risk_symbols)),
        account=Account(value, debt, factor),
        flash_premium_bps=snapshot.flash_premium_bps,
    )
    return replace(snapshot, others=(*snapshot.others, account))


def with_morpho_account(
    snapshot: MarketSnapshot,
    collateral: str,
    supplied_usd: float,
    owed_usd: float,
    lendable_usd: float = 20_000_000.0,
    rate: float = 0.04,
) -> MarketSnapshot:
    """On a market of that collateral, 90 % of which is lent before ``lendable_usd`` of the loan token is left. ``rate``
    is a year's at that utilisation."""
    supplied, owed = _raw(snapshot, {collateral: supplied_usd}), snapshot.raw_worth("USDC", owed_usd)
    lendable = snapshot.raw_worth("USDC", lendable_usd)
    per_raw = (
        snapshot.price(collateral)
        * 10**6
        / 10 ** snapshot.token(collateral).decimals
        / snapshot.price("USDC")
    )
    market = IsolatedMarket(
        collateral=collateral,
        lltv=LLTV,
        price=round(per_raw * 1e18) * 10**18,
        total_supply=10 * lendable,
        total_borrow=9 * lendable,
        rate_at_target=round(rate * WAD / SECONDS_PER_YEAR),
        interest=0,
        elapsed_s=12,
    )
    venue = morpho_blue(market, "USDC")
    held = dict(zip(snapshot.symbols, supplied, strict=True))
    place = 1 + len(snapshot.others)
    account = LendingAccount(
        venue=AccountVenue(place, VenueKind.MORPHO_BLUE, market=market),
        address=an_address(0xAA00 + place),
        reserves=tuple(
            replace(
                reserve,
                ltv_bps=8_600 if reserve.symbol == collateral else 0,
                liquidation_threshold_bps=8_600 if reserve.symbol == collateral else 0,
                active=reserve.symbol in ("USDC", collateral),
                supply_cap=0,
                borrow_cap=0,
                borrowing_enabled=reserve.symbol == "USDC",
                supply_rate=0.0,
                supplied=10 * lendable if reserve.symbol == "USDC" else 0,
                borrowed=9 * lendable if reserve.symbol == "USDC" else 0,
                available=lendable if reserve.symbol == "USDC" else held[reserve.symbol],
                curve=RateCurve(0.0, 0.0, 0.0, 0.0),
            )
            for reserve in snapshot.reserves
        ),
        supplied=supplied,
        owed=(owed, *(0 for _ in snapshot.risk_symbols)),
        account=Account(venue.collateral_value(held), owed, venue.health(held, owed)),
        flash_premium_bps=0,
    )
    return replace(snapshot, others=(*snapshot.others, account))


def _raw(snapshot: MarketSnapshot, usd: Mapping[str, float]) -> tuple[int, ...]:
    return tuple(
        snapshot.raw_worth(symbol, usd[symbol]) if symbol in usd else 0 for symbol in snapshot.symbols
    )
