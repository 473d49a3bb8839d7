"""The simulated market of a backtest: pools, lending terms and the vault's limits, constant in time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.errors import BadInput
from keeper.domain.market import RateCurve, VaultPolicy

FEE_UNIT = 1_000_000
"""Uniswap counts fees in hundredths of a bp."""


class VaultSize(StrEnum):
    """CONSTANT: after each trade gains are withdrawn and losses refilled, so that slippage and gas stay those of the
    initial size; returns compound on paper. COMPOUNDING: the vault keeps its gains."""

    CONSTANT = "constant"
    COMPOUNDING = "compounding"


@dataclass(frozen=True, slots=True)
class SimulatedPool:
    """A Uniswap V3 pool. ``virtual_usd``: value on each side of the reserves that its liquidity stands for."""

    symbols: tuple[str, str]
    fee: int
    virtual_usd: float

    def out_usd(self, in_usd: float, fee_multiple: float = 1.0) -> float:
        """USD bought for ``in_usd``, at the price before the trade: constant product on the virtual reserves."""
        kept = in_usd * (1.0 - fee_multiple * self.fee / FEE_UNIT)
        return kept * self.virtual_usd / (self.virtual_usd + kept)


@dataclass(frozen=True, slots=True)
class LendingTerms:
    """One reserve of the lending market. Bps; ``supplied`` and ``borrowed`` by others, caps: whole tokens."""

    symbol: str
    decimals: int
    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int
    reserve_factor_bps: int
    supply_cap: int
    borrow_cap: int
    supplied: int
    borrowed: int
    curve: RateCurve


@dataclass(frozen=True, slots=True)
class SimulatedVenue:
    """``lending[0]`` is the debt asset. The vault lists the pools of ``fee_tiers``. ``slippage_bps`` and the lags are
    those of ``VaultAsset``, of every risk asset and of cash."""

    lending: tuple[LendingTerms, ...]
    pools: tuple[SimulatedPool, ...]
    fee_tiers: tuple[int, ...]
    vault: VaultPolicy
    max_weight_bps: int
    slippage_bps: int
    lag_bps: int
    cash_lag_bps: int
    flash_premium_bps: int
    initial_nav_usd: float
    vault_size: VaultSize = VaultSize.CONSTANT
    fee_multiple: float = 1.0
    """What pools keep, in parts of their fee. It is 1; a sensitivity changes it. What is above counts as slippage."""

    def terms(self, symbol: str) -> LendingTerms:
        """Raises BadInput for an asset that the lending market does not list."""
        for terms in self.lending:
            if terms.symbol == symbol:
                return terms
        raise BadInput(
            f"assets: the lending market of the backtest does not list {symbol}",
            remedy=f"Choose from {', '.join(terms.symbol for terms in self.lending[1:])}, or bring its terms and pools "
            "with --venue.",
        )

    def pool(self, symbol: str, other: str, fee: int) -> SimulatedPool | None:
        for pool in self.pools:
            if pool.fee == fee and set(pool.symbols) == {symbol, other}:
                return pool
        return None
