"""What a daemon reports to those that watch it."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.record import DecisionRecord, Failure, Mode


@dataclass(frozen=True, slots=True)
class Started:
    """The daemon runs. ``at`` is Unix seconds, here and below; ``schedule`` is a text for people."""

    at: float
    mode: Mode
    schedule: str
    code_version: str


@dataclass(frozen=True, slots=True)
class CycleBegan:
    """``next_look_at`` is when the schedule looks after this cycle, None if it ends."""

    at: float
    next_look_at: float | None


@dataclass(frozen=True, slots=True)
class CycleEnded:
    """``trouble``: which failure of the journal or the fallback journal let it send only emergencies."""

    at: float
    record: DecisionRecord
    trouble: Failure | None = None


@dataclass(frozen=True, slots=True)
class CycleLost:
    """The cycle ended without a record, for example because the journal cannot be written."""

    at: float
    failure: Failure


@dataclass(frozen=True, slots=True)
class Waiting:
    """The daemon waits for its next cycle. It is told at once, and then every now and then: its thread moves."""

    at: float


@dataclass(frozen=True, slots=True)
class Reloading:
    """The daemon begins to read its settings again. ``monotonic_us`` are microseconds of the machine's monotonic
    clock."""

    at: float
    monotonic_us: int


@dataclass(frozen=True, slots=True)
class Reloaded:
    """New settings are in force. ``changes`` are sentences without secrets; none where every setting is as before."""

    at: float
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """The old settings stay in force."""

    at: float
    failure: Failure


@dataclass(frozen=True, slots=True)
class StandsBy:
    """Another keeper of the journal leads, or nobody yet. It is told at once, when something changes, and then every
    now and then. ``trouble`` says why this one could not take over now; empty where it could."""

    at: float
    leader: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Leads:
    """This keeper leads from now on. ``before`` led before it on another machine; empty where none did."""

    at: float
    term: int
    before: str


@dataclass(frozen=True, slots=True)
class LeadLost:
    """This keeper leads no more, and stands by."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class ChatLost:
    """Nobody can be heard in the chat. ``reason`` is a sentence, empty where none is known."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class ChatBack:
    """The chat hears again."""

    at: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The daemon ends."""

    at: float
    exit_code: int
    signal: str | None


Event = (
    Started
    | CycleBegan
    | CycleEnded
    | CycleLost
    | Waiting
    | Reloading
    | Reloaded
    | ReloadRefused
    | ChatLost
    | ChatBack
    | StandsBy
    | Leads
    | LeadLost
    | Stopped
)
