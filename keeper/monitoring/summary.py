"""The daily summary: what the vault is, and what the day did."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeper.domain.record import CycleOutcome, DecisionRecord
from keeper.domain.units import WAD
from keeper.monitoring.samples import fall_to_liquidation, share_price
from keeper.views.drill import drill_line
from keeper.views.formats import money, percent, ratio


@dataclass(frozen=True, slots=True)
class Day:
    """Counts since the last summary. ``first_nav_usd`` and ``first_share_price`` are those of its first read, None
    before one; a share price is raw accounting asset per raw share."""

    cycles: int = 0
    failures: int = 0
    trades: int = 0
    gas_eth: float = 0.0
    first_nav_usd: float | None = None
    first_share_price: float | None = None


NO_DAY = Day()


def counted(day: Day, record: DecisionRecord) -> Day:
    """The day with one more cycle."""
    receipt = record.receipt
    paid = receipt.cost_wei / WAD if receipt is not None else 0.0
    day = replace(
        day,
        cycles=day.cycles + 1,
        failures=day.failures + (record.outcome is CycleOutcome.FAILED),
        trades=day.trades + (receipt is not None),
        gas_eth=day.gas_eth + paid,
    )
    return day if day.first_nav_usd is not None else beginning(record, day)


def beginning(record: DecisionRecord, day: Day = NO_DAY) -> Day:
    """``day``, compared from now on with this record's vault."""
    if record.inputs is None:
        return day
    return replace(
        day, first_nav_usd=record.inputs.held.nav_usd, first_share_price=share_price(record.inputs)
    )


def summary(day: Day, record: DecisionRecord) -> str:
    """A few lines of plain text. ``record`` is the newest."""
    lines = [
        f"{day.cycles} cycles, {day.failures} failed, {day.trades} trades, {day.gas_eth:.4f} ETH of gas."
    ]
    if record.inputs is None:
        return "\n".join([*lines, f"The vault could not be read: {record.summary}"])
    held = record.inputs.held
    target = record.conclusions.target if record.conclusions is not None else None
    fall = fall_to_liquidation(held.health_factor)
    change = _change(day.first_share_price, share_price(record.inputs))
    lines += [
        f"NAV {money(held.nav_usd)} (it was {money(day.first_nav_usd or held.nav_usd)}), share price {change}.",
        f"Leverage {ratio(held.leverage)}"
        + (f", target {ratio(target.leverage)}." if target is not None else "."),
        f"Health factor {ratio(held.health_factor)}, {percent(fall)} of joint fall until liquidation.",
        f"Fire drill: {drill_line(record.inputs.drill)}.",
        record.summary,
    ]
    return "\n".join(lines)


def _change(before: float | None, now: float | None) -> str:
    return "unknown" if not before or now is None else f"{now / before - 1:+.2%}"
