"""Aave V3.4 and later: the pool, its reserves, its oracle, and the interest rate strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keeper.chain.abi import load
from keeper.chain.calls import Call, call, mapped
from keeper.domain.market import Account, RateCurve
from keeper.domain.units import BPS, RAY

_POOL = load("Pool")
_PROVIDER = load("PoolAddressesProvider")
_ORACLE = load("AaveOracle")
_STRATEGY = load("InterestRateStrategy")
_RESERVES = 128
"""The maximum number of reserves (ReserveConfiguration.MAX_RESERVES_COUNT)."""


@dataclass(frozen=True, slots=True)
class ReserveConfiguration:
    """DataTypes.ReserveConfigurationMap, decoded. Caps are in whole tokens; 0 means no cap."""

    ltv_bps: int
    liquidation_threshold_bps: int
    reserve_factor_bps: int
    decimals: int
    active: bool
    frozen: bool
    paused: bool
    borrowing_enabled: bool
    flash_loan_enabled: bool
    supply_cap: int
    borrow_cap: int


@dataclass(frozen=True, slots=True)
class ReserveState:
    """The used part of Pool.getReserveData; rates are fractions a year (APR, compounded per second)."""

    configuration: ReserveConfiguration
    reserve_id: int
    supply_rate: float
    borrow_rate: float
    a_token: str
    debt_token: str


def configuration(bitmap: int) -> ReserveConfiguration:
    """Bit ranges as in ReserveConfiguration.sol."""

    def bits(first: int, width: int) -> int:
        return bitmap >> first & (1 << width) - 1

    return ReserveConfiguration(
        ltv_bps=bits(0, 16),
        liquidation_threshold_bps=bits(16, 16),
        decimals=bits(48, 8),
        active=bool(bits(56, 1)),
        frozen=bool(bits(57, 1)),
        borrowing_enabled=bool(bits(58, 1)),
        paused=bool(bits(60, 1)),
        flash_loan_enabled=bool(bits(63, 1)),
        reserve_factor_bps=bits(64, 16),
        borrow_cap=bits(80, 36),
        supply_cap=bits(116, 36),
    )


def addresses_provider(pool: str) -> Call[str]:
    return call("lending pool", pool, _POOL["ADDRESSES_PROVIDER"])


def interest_rate_strategy(pool: str) -> Call[str]:
    """One for all reserves since V3.4."""
    return call("lending pool", pool, _POOL["RESERVE_INTEREST_RATE_STRATEGY"])


def flash_loan_premium(pool: str) -> Call[int]:
    """bps"""
    return call("lending pool", pool, _POOL["FLASHLOAN_PREMIUM_TOTAL"])


def account(pool: str, user: str) -> Call[Account]:
    return mapped(
        "lending pool",
        pool,
        _POOL["getUserAccountData"],
        lambda collateral, debt, _available, _threshold, _ltv, factor: Account(collateral, debt, factor),
        user,
    )


def used_as_collateral(pool: str, user: str) -> Call[frozenset[int]]:
    """Reserve ids, as UserConfiguration.sol packs them: two bits each, the second is collateral."""

    def build(members: tuple[int]) -> frozenset[int]:
        return frozenset(place for place in range(_RESERVES) if members[0] >> 2 * place + 1 & 1)

    return mapped("lending pool", pool, _POOL["getUserConfiguration"], build, user)


def reserve(pool: str, asset: str) -> Call[ReserveState]:
    """getReserveData, whose struct has 15 members (ReserveDataLegacy)."""

    def build(members: tuple[Any, ...]) -> ReserveState:
        (bitmap,), _, supply_rate, _, borrow_rate, _, _, number, a_token, _, debt_token, *_ = members
        return ReserveState(
            configuration=configuration(bitmap),
            reserve_id=number,
            supply_rate=supply_rate / RAY,
            borrow_rate=borrow_rate / RAY,
            a_token=a_token,
            debt_token=debt_token,
        )

    return mapped("lending pool", pool, _POOL["getReserveData"], build, asset)


def available_liquidity(pool: str, asset: str) -> Call[int]:
    """Raw. The amount that the pool's own accounting can pay out."""
    return call("lending pool", pool, _POOL["getVirtualUnderlyingBalance"], asset)


def price_oracle(provider: str) -> Call[str]:
    return call("lending market's address provider", provider, _PROVIDER["getPriceOracle"])


def prices(oracle: str, assets: Sequence[str]) -> Call[tuple[int, ...]]:
    """USD with 8 decimals, in the order of ``assets``. Aave does not check the age of its prices."""
    return mapped("lending market's oracle", oracle, _ORACLE["getAssetsPrices"], tuple, list(assets))


def price_source(oracle: str, asset: str) -> Call[str]:
    """The contract from which the oracle reads the asset's price."""
    return call("lending market's oracle", oracle, _ORACLE["getSourceOfAsset"], asset)


def curve(strategy: str, asset: str) -> Call[RateCurve]:
    return mapped(
        "interest rate strategy",
        strategy,
        _STRATEGY["getInterestRateDataBps"],
        lambda members: RateCurve(*(member / BPS for member in members)),
        asset,
    )
