"""What a record leaves of itself in lines over time: leverage, health factor and survivable fall, with limits."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.record import DecisionRecord
from keeper.domain.units import WAD
from keeper.views.record import RECORD, health_factor_floor


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One cycle. ``at`` is when it began, ``next_look_at`` when the schedule looked next, Unix seconds. A number is
    None where the cycle did not reach it; a health factor is infinite without debt.

    ``max_leverage`` and ``emergency_health_factor`` are the vault's own limits, ``min_fall`` is that of the settings.
    """

    record_id: str
    at: float
    next_look_at: float | None
    leverage: float | None
    target_leverage: float | None
    max_leverage: float | None
    health_factor: float | None
    health_factor_floor: float | None
    emergency_health_factor: float | None
    survivable_fall: float | None
    min_fall: float | None


def trend_point(record: DecisionRecord) -> TrendPoint:
    inputs = record.inputs
    limits = inputs.snapshot.vault.policy if inputs is not None else None
    return TrendPoint(
        record_id=record.record_id,
        at=record.started_at,
        next_look_at=record.next_look_at,
        leverage=RECORD.at(record, "leverage")[1],
        target_leverage=RECORD.at(record, "target_leverage")[1],
        max_leverage=limits.max_leverage / WAD if limits is not None else None,
        health_factor=RECORD.at(record, "health_factor")[1],
        health_factor_floor=health_factor_floor(record),
        emergency_health_factor=limits.emergency_health / WAD if limits is not None else None,
        survivable_fall=RECORD.at(record, "drill.survivable_fall")[1],
        min_fall=inputs.policy.drill.min_fall if inputs is not None else None,
    )
