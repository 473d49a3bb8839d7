"""The default venue of a backtest: recorded lending terms and pool depths, the vault's own default limits."""

from __future__ import annotations

from keeper.backtest.venue import LendingTerms, SimulatedPool, SimulatedVenue, VaultSize
from keeper.chain.admin.vault_blueprint import SHIPPED_POLICY, AssetListing
from keeper.cli.options import DEFAULT_NAV_USD
from keeper.cli.venue_file import NOTHING, OwnVenue
from keeper.domain.market import RateCurve
from keeper.domain.units import BPS
from keeper.recorded.aave import FLASH_LOAN_PREMIUM_BPS, RESERVES, ReserveParameters
from keeper.recorded.pools import POOL_DEPTHS

FEE_TIERS = (500, 3_000)
"""Of the pools that the vault lists, in hundredths of a bp."""
CASH_LAG_BPS = 25
"""Of USDC's feed, which publishes at a move of a quarter of a per cent."""
DECIMALS = {"USDC": 6, "WBTC": 8}
DEFAULT_DECIMALS = 18


def recorded_venue(
    initial_nav_usd: float = DEFAULT_NAV_USD,
    vault_size: VaultSize = VaultSize.CONSTANT,
    own: OwnVenue = NOTHING,
) -> SimulatedVenue:
    """Mainnet's terms on the days that ``keeper.recorded`` names, with ``own`` ones added or in their place. They are
    constant over the whole backtest."""
    reserves = {reserve.symbol: reserve for reserve in (*RESERVES, *own.parameters())}
    pools = {
        (frozenset((depth.symbol, depth.quote)), depth.fee): depth for depth in (*POOL_DEPTHS, *own.depths())
    }
    decimals = DECIMALS | {reserve.symbol: reserve.decimals for reserve in own.reserves}
    listing = AssetListing(token="", decimals=0, feed="", max_age_s=0, dust_exponent=0)
    return SimulatedVenue(
        lending=tuple(
            _terms(reserve, decimals.get(reserve.symbol, DEFAULT_DECIMALS)) for reserve in reserves.values()
        ),
        pools=tuple(
            SimulatedPool((depth.symbol, depth.quote), depth.fee, depth.virtual_usd)
            for depth in pools.values()
        ),
        fee_tiers=tuple(sorted({*FEE_TIERS, *(pool.fee for pool in own.pools)})),
        vault=SHIPPED_POLICY,
        max_weight_bps=listing.max_weight_bps,
        slippage_bps=listing.slippage_bps,
        lag_bps=listing.lag_bps,
        cash_lag_bps=CASH_LAG_BPS,
        flash_premium_bps=FLASH_LOAN_PREMIUM_BPS,
        initial_nav_usd=initial_nav_usd,
        vault_size=vault_size,
    )


def _terms(reserve: ReserveParameters, decimals: int) -> LendingTerms:
    return LendingTerms(
        symbol=reserve.symbol,
        decimals=decimals,
        ltv_bps=reserve.ltv,
        liquidation_threshold_bps=reserve.liquidation_threshold,
        liquidation_bonus_bps=reserve.liquidation_bonus,
        reserve_factor_bps=reserve.reserve_factor,
        supply_cap=reserve.supply_cap,
        borrow_cap=reserve.borrow_cap,
        supplied=reserve.supplied,
        borrowed=reserve.borrowed,
        curve=RateCurve(
            optimal_utilisation=reserve.optimal / BPS,
            base=reserve.base / BPS,
            slope1=reserve.slope1 / BPS,
            slope2=reserve.slope2 / BPS,
        ),
    )
