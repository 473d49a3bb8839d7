"""What the vault and its key paid for trading in each day, week or month: gas, pool fees, slippage and flash loans."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.tx import AttemptKind
from keeper.domain.units import BPS, WAD
from keeper.views import formats as unit
from keeper.views.costs import TRADED_COSTS, TradedCosts, traded_costs
from keeper.views.view import Field, View, nested, nested_list


class Per(StrEnum):
    """Length of a period, UTC. A week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class GasBill:
    """One mined transaction of the key. ``at`` is the time of the block that was decided on, Unix seconds.
    ``coin_usd`` is the price of the chain's coin then, None where the journal has none. ``measured``: a record has the
    swaps that it made."""

    at: int
    kind: AttemptKind
    succeeded: bool
    wei: int
    coin_usd: float | None
    measured: bool

    @property
    def is_call(self) -> bool:
        """Whether it did what was decided: it is no cancellation and was not reverted."""
        return self.kind is AttemptKind.CALL and self.succeeded

    @property
    def usd(self) -> float | None:
        return None if self.coin_usd is None else self.wei / WAD * self.coin_usd


@dataclass(frozen=True, slots=True)
class FlashPremium:
    """What one mined plan counted with for its flash loan. ``at`` as in ``GasBill``."""

    at: int
    usd: float


@dataclass(frozen=True, slots=True)
class Paid:
    """Everything that was paid."""

    swaps: tuple[ExecutedSwap, ...] = ()
    gas: tuple[GasBill, ...] = ()
    premiums: tuple[FlashPremium, ...] = ()

    @property
    def times(self) -> Iterable[int]:
        yield from (swap.at for swap in self.swaps)
        yield from (bill.at for bill in self.gas)
        yield from (premium.at for premium in self.premiums)

    def within(self, since: int, until: int) -> Paid:
        """What was decided on in [since, until), Unix seconds."""
        return Paid(
            tuple(swap for swap in self.swaps if since <= swap.at < until),
            tuple(bill for bill in self.gas if since <= bill.at < until),
            tuple(premium for premium in self.premiums if since <= premium.at < until),
        )


@dataclass(frozen=True, slots=True)
class PeriodCosts:
    """What was paid in [since, until), Unix seconds. None: not known."""

    since: int
    until: int
    paid: Paid

    @property
    def calls(self) -> int:
        return sum(bill.is_call for bill in self.paid.gas)

    @property
    def unmeasured(self) -> int:
        return sum(bill.is_call and not bill.measured for bill in self.paid.gas)

    @property
    def failures(self) -> int:
        return len(self.paid.gas) - self.calls

    @property
    def value_usd(self) -> float:
        return math.fsum(swap.value_usd for swap in self.paid.swaps)

    @property
    def gas_eth(self) -> float:
        return sum(bill.wei for bill in self.paid.gas) / WAD

    @property
    def gas_usd(self) -> float | None:
        known = [bill.usd for bill in self.paid.gas if bill.usd is not None]
        return math.fsum(known) if len(known) == len(self.paid.gas) else None

    @property
    def fees_usd(self) -> float:
        return math.fsum(swap.value_usd * swap.fees_bps / BPS for swap in self.paid.swaps)

    @property
    def slippage_usd(self) -> float:
        beyond = (swap.value_usd * (swap.realised_bps - swap.fees_bps) / BPS for swap in self.paid.swaps)
        return math.fsum(beyond)

    @property
    def flash_usd(self) -> float:
        return math.fsum(premium.usd for premium in self.paid.premiums)

    @property
    def total_usd(self) -> float | None:
        gas = self.gas_usd
        return None if gas is None else math.fsum((gas, self.fees_usd, self.slippage_usd, self.flash_usd))


@dataclass(frozen=True, slots=True)
class TradingCosts:
    """Per asset in bps, and per period in USD."""

    assets: tuple[TradedCosts, ...]
    periods: tuple[PeriodCosts, ...]
    total: PeriodCosts | None


PERIOD_COSTS = View[PeriodCosts](
    "period_costs",
    since=Field(
        unit.TIME, "Begin of the whole day, week or month, UTC, also where the first day asked for is later."
    ),
    until=Field(unit.TIME, "Its end, also where the last day asked for is earlier."),
    calls=Field(unit.COUNT, "Transactions that were mined and did what was decided."),
    unmeasured=Field(
        unit.COUNT,
        "Calls among them without recorded swaps, as when a later cycle settled them: of these only the gas is in the "
        "sums.",
    ),
    failures=Field(unit.COUNT, "Transactions that were mined and reverted, or only used up a nonce."),
    value_usd=Field(unit.DOLLARS, "Value sold."),
    gas_eth=Field(unit.ETH, "Paid for gas, native coin; on a rollup with the fee for publishing."),
    gas_usd=Field(unit.USD, "The same at the feed's price; null if the journal lacks that price."),
    fees_usd=Field(unit.USD, "Fees of the pools."),
    slippage_usd=Field(unit.USD, "Price impact beyond the fees, against the feeds; negative is a gain."),
    flash_usd=Field(unit.USD, "Premiums of flash loans, as planned."),
    total_usd=Field(
        unit.USD,
        "The sum of the four; null if `gas_usd` is. It lacks fees and slippage of `unmeasured` calls.",
    ),
)
COSTS = View[TradingCosts](
    "costs",
    assets=Field(nested_list(TRADED_COSTS), "Each asset that was traded, in bps of the value."),
    periods=Field(nested_list(PERIOD_COSTS), "Each period with a transaction or a swap, oldest first."),
    total=Field(nested(PERIOD_COSTS), "All periods together; null if nothing was paid."),
)


def trading_costs(paid: Paid, symbols: Sequence[str], per: Per) -> TradingCosts:
    """Costs of the risk assets ``symbols``, and of each period in which something was paid."""
    begins = sorted({_begin(at, per) for at in paid.times})
    periods = tuple(_period(begin, _end(begin, per), paid) for begin in begins)
    total = _period(begins[0], _end(begins[-1], per), paid) if begins else None
    return TradingCosts(traded_costs(paid.swaps, symbols), periods, total)


def _period(begin: datetime, end: datetime, paid: Paid) -> PeriodCosts:
    since, until = int(begin.timestamp()), int(end.timestamp())
    return PeriodCosts(since, until, paid.within(since, until))


def _begin(at: int, per: Per) -> datetime:
    day = datetime.fromtimestamp(at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if per is Per.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if per is Per.MONTH else day


def _end(begin: datetime, per: Per) -> datetime:
    if per is Per.MONTH:
        return (begin + timedelta(days=31)).replace(day=1)
    return begin + timedelta(days=7 if per is Per.WEEK else 1)
