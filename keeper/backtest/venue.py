"""The market the backtest trades and borrows on: pools, lending terms, the vault's limits. All constant in time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.errors import BadInput
from keeper.domain.market import RateCurve, VaultPolicy

FEE_UNIT = 1_000_000
"""Uniswap counts fees in hundredths of a bp."""


class VaultSize(StrEnum):
    """CONSTANT: gains are withdrawn and losses made up after each trade, so that slippage and gas stay those of the
    initial size; returns compound on paper. COMPOUNDING: the vault keeps what it makes."""

    CONSTANT = "constant"
    COMPOUNDING = "compounding"


@dataclass(frozen=True, slots=True)
class Pool:
    """A Uniswap V3 pool. ``virtual_usd``: value on each side of the reserves that its liquidity stands for."""

    symbols: tuple[str, str]
    fee: int
    virtual_usd: float

    def out_usd(self, in_usd: float) -> float:
        """What ``in_usd`` buys, at the price before the trade: constant product on the virtual reserves."""
        kept = in_usd * (1.0 - self.fee / FEE_UNIT)
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
class Venue:
    """``lending[0]`` is the debt asset."""

    lending: tuple[LendingTerms, ...]
    pools: tuple[Pool, ...]
    fee_tiers: tuple[int, ...]
    vault: VaultPolicy
    max_weight_bps: int
    flash_premium_bps: int
    initial_nav_usd: float
    vault_size: VaultSize = VaultSize.CONSTANT

    def terms(self, symbol: str) -> LendingTerms:
        """Raises BadInput for an asset that the lending market does not list."""
        for terms in self.lending:
            if terms.symbol == symbol:
                return terms
        raise BadInput(
            f"assets: the lending market of the backtest does not list {symbol}",
            remedy=f"Choose from {', '.join(terms.symbol for terms in self.lending[1:])}.",
        )

    def pool(self, one: str, other: str, fee: int) -> Pool | None:
        for pool in self.pools:
            if pool.fee == fee and set(pool.symbols) == {one, other}:
                return pool
        return None
