"""Runs the pure functions again on the inputs of a record, offline, and names every bit that differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol

from keeper.cycle.history_references import digest
from keeper.cycle.pipeline import conclude, price_bars, reassess
from keeper.domain.errors import KeeperError, NothingToReplay
from keeper.domain.market import Round
from keeper.domain.prices import Candle
from keeper.domain.record import Conclusions, CycleInputs, DecisionRecord, HistoryReference
from keeper.drill.rehearse import confirmed, rehearse

Rounds = Mapping[str, tuple[Round, ...]]
Candles = Mapping[str, tuple[Candle, ...]]
MAX_DIFFERENCES = 20


@dataclass(frozen=True, slots=True)
class Replay:
    """``differences`` are dotted paths with the recorded and the replayed value; empty if every bit is the same."""

    record_id: str
    differences: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not self.differences


class StoredCandles(Protocol):
    """The journal's candles of other sources."""

    def referred(self, reference: HistoryReference) -> tuple[Candle, ...]:
        """The candles that a reference was made of. Later ones are left out."""
        ...


def replay(record: DecisionRecord, rounds: Rounds, stored: StoredCandles | None = None) -> Replay:
    """Concludes again from a record's inputs. ``rounds`` are the journal's, at least those that the record refers to.
    ``stored`` are its candles, needed if the record refers to any.

    Raises NothingToReplay for a cycle that ended before its decision.
    """
    if record.inputs is None or record.conclusions is None:
        raise NothingToReplay(
            f"record {record.record_id[:12]} has nothing to replay: {record.summary}",
            remedy="Choose a record of a cycle that came to a decision.",
        )
    kept = {reference.symbol: _referred(rounds, reference) for reference in record.inputs.history}
    altered = tuple(
        f"history.{reference.symbol}: the journal's rounds are not those that were used"
        for reference in record.inputs.history
        if digest(kept[reference.symbol]) != reference.sha256
    )
    candles = {
        reference.symbol: stored.referred(reference) if stored is not None else ()
        for reference in record.inputs.candles
    }
    altered += tuple(
        f"candles.{reference.symbol}: the journal's bars are not those that were used"
        for reference in record.inputs.candles
        if stored is None or digest(candles[reference.symbol]) != reference.sha256
    )
    if altered:
        return Replay(record.record_id, altered)
    try:
        again = _concluded(record.inputs, record.conclusions, kept, candles=candles)
    except KeeperError as error:
        outcome = f"{error.name}: {error.message}"
        if (
            record.failure is not None
            and record.failure.name == error.name
            and record.failure.message == error.message
        ):
            return Replay(record.record_id, ())
        return Replay(record.record_id, (f"conclusions: recorded, replayed as {outcome}",))
    differences = [*_differences("", record.conclusions, again), *_drill_differences(record.inputs)]
    return Replay(record.record_id, tuple(differences[:MAX_DIFFERENCES]))


def _concluded(inputs: CycleInputs, recorded: Conclusions, rounds: Rounds, candles: Candles) -> Conclusions:
    """Goes as far as the cycle did. Without quotes and plan it held, or lost the node before it could plan."""
    bars = price_bars(rounds, inputs.snapshot, inputs.policy, candles=candles)
    if recorded.plan is not None or inputs.quotes:
        return conclude(inputs, bars)
    return reassess(inputs, bars).concluded(plan=None)


def _drill_differences(inputs: CycleInputs) -> Iterator[str]:
    """Of the fire drill, computed again. What the node said of its calls is an input."""
    drill = inputs.drill
    if drill is None:
        return
    checks = [outcome.check for outcome in drill.outcomes if outcome.check is not None]
    again = confirmed(rehearse(inputs, inputs.policy), checks, drill.note)
    yield from _differences("drill", drill, again)


def _referred(rounds: Rounds, reference: HistoryReference) -> tuple[Round, ...]:
    return tuple(
        round_
        for round_ in rounds.get(reference.symbol, ())
        if reference.since <= round_.updated_at <= reference.until
    )


def _differences(path: str, recorded: Any, replayed: Any) -> Iterator[str]:
    if is_dataclass(recorded) and type(recorded) is type(replayed):
        for field in fields(recorded):
            name = f"{path}.{field.name}" if path else field.name
            yield from _differences(name, getattr(recorded, field.name), getattr(replayed, field.name))
    elif isinstance(recorded, tuple) and isinstance(replayed, tuple) and len(recorded) == len(replayed):
        for number, values in enumerate(zip(recorded, replayed, strict=True)):
            yield from _differences(f"{path}[{number}]", *values)
    elif not _same_bits(recorded, replayed):
        yield f"{path}: {recorded!r} recorded, {replayed!r} replayed"


def _same_bits(recorded: Any, replayed: Any) -> bool:
    if isinstance(recorded, int | float) and isinstance(replayed, int | float):
        if float in (type(recorded), type(replayed)):
            return float(recorded).hex() == float(replayed).hex()
        return recorded == replayed
    return bool(recorded == replayed)
