"""A researcher's own lending terms and pools, from a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keeper.domain.errors import InvalidSetting
from keeper.recorded.aave import ReserveParameters
from keeper.recorded.derived import DerivedPrice, RecordedYield
from keeper.recorded.pools import PoolDepth
from keeper.runtime.text_files import toml_table

Bps = Annotated[int, Field(ge=0, le=10_000)]
Tokens = Annotated[int, Field(ge=0, le=10**15)]
Symbol = Annotated[str, Field(min_length=1, max_length=20)]
CurveBps = Annotated[int, Field(ge=0, le=100_000)]


class OwnReserve(BaseModel):
    """The terms of one asset. A cap of 0 is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    symbol: Symbol
    decimals: Annotated[int, Field(ge=0, le=30)] = 18
    ltv_bps: Bps
    liquidation_threshold_bps: Annotated[int, Field(ge=1, le=10_000)]
    liquidation_bonus_bps: Bps = 500
    reserve_factor_bps: Bps = 2_000
    supply_cap: Tokens = 0
    borrow_cap: Tokens = 0
    optimal_bps: Annotated[int, Field(ge=1, le=9_999)] = 4_500
    base_bps: CurveBps = 0
    slope1_bps: CurveBps = 700
    slope2_bps: CurveBps = 30_000
    supplied: Annotated[int, Field(ge=1, le=10**15)] = 1
    borrowed: Tokens = 0


class OwnPool(BaseModel):
    """One pool; ``fee`` in hundredths of a bp."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    symbols: tuple[Symbol, Symbol]
    fee: Annotated[int, Field(ge=1, le=100_000)]
    virtual_usd: Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]


class OwnYield(BaseModel):
    """A recorded yield: a column of a daily file of the data folder, in per cent a year."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    column: Annotated[str, Field(min_length=1)]
    lag_days: Annotated[int, Field(ge=0, le=30)] = 1


class OwnDerived(BaseModel):
    """An asset whose price is that of ``of`` (none: one dollar) times what a yield adds up to."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    symbol: Symbol
    of: Annotated[str, Field(max_length=20)] = ""
    yearly_yield: Annotated[float, Field(ge=-0.5, le=1, allow_inf_nan=False)] | OwnYield

    def price(self) -> DerivedPrice:
        rates = self.yearly_yield
        if isinstance(rates, OwnYield):
            return DerivedPrice(self.symbol, self.of, RecordedYield(rates.file, rates.column, rates.lag_days))
        return DerivedPrice(self.symbol, self.of, rates)


class OwnVenue(BaseModel):
    """What a file adds to the recorded venue. A reserve or a pool that is recorded is replaced."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    reserves: tuple[OwnReserve, ...] = ()
    pools: tuple[OwnPool, ...] = ()
    derived: tuple[OwnDerived, ...] = ()

    def derived_prices(self) -> tuple[DerivedPrice, ...]:
        return tuple(own.price() for own in self.derived)

    def parameters(self) -> tuple[ReserveParameters, ...]:
        return tuple(
            ReserveParameters(
                symbol=own.symbol,
                ltv=own.ltv_bps,
                liquidation_threshold=own.liquidation_threshold_bps,
                liquidation_bonus=own.liquidation_bonus_bps,
                reserve_factor=own.reserve_factor_bps,
                supply_cap=own.supply_cap,
                borrow_cap=own.borrow_cap,
                optimal=own.optimal_bps,
                base=own.base_bps,
                slope1=own.slope1_bps,
                slope2=own.slope2_bps,
                supplied=own.supplied,
                borrowed=own.borrowed,
            )
            for own in self.reserves
        )

    def depths(self) -> tuple[PoolDepth, ...]:
        return tuple(
            PoolDepth(*own.symbols, own.fee, tvl_usd=own.virtual_usd, virtual_usd=own.virtual_usd, source="")
            for own in self.pools
        )


NOTHING = OwnVenue()


def own_venue(file: Path | None) -> OwnVenue:
    """Raises InvalidSetting that names each wrong field of the file."""
    if file is None:
        return NOTHING
    try:
        return OwnVenue.model_validate(toml_table(file, "--venue"))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" + _given(detail["input"])
            for detail in error.errors(include_url=False)
        )
        raise InvalidSetting(
            f"--venue {file}: {wrong}", remedy="docs/data.md has the fields with an example."
        ) from None


def _given(value: object) -> str:
    return f", not {value!r:.40}" if isinstance(value, (int, float, str)) else ""
