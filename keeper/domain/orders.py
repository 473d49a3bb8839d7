"""What a person asks of a keeper that runs, and what it answers. Both go through the journal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Order:
    """Lower the debt now, up to this health factor; infinite repays all of it. Nobody carries it out after
    ``expires_at``. Times are Unix seconds."""

    number: int
    health_factor: float
    reason: str
    at: int
    expires_at: int


class AnswerState(StrEnum):
    """SEEN: a running keeper knows. DONE: the order's cycle ended. EXPIRED: it was found too late."""

    SEEN = "SEEN"
    DONE = "DONE"
    EXPIRED = "EXPIRED"


class Subject(StrEnum):
    """What an answer is about: an order, or a row of pauses and resumes."""

    ORDER = "ORDER"
    SWITCH = "SWITCH"


@dataclass(frozen=True, slots=True)
class Answer:
    """``text`` is for people. ``record_id`` is that of the order's cycle, empty in other answers."""

    state: AnswerState
    text: str
    record_id: str
    at: int


@dataclass(frozen=True, slots=True)
class RunningKeeper:
    """A daemon on this machine, as it announces itself. ``journal`` is a path, or a database without its password.
    ``takes_turns``: keepers on other machines may lead in its place."""

    process: int
    chain_id: int
    vault: str
    journal: str
    pause_file: str
    sends: bool
    takes_turns: bool = False

    def __str__(self) -> str:
        kind = "a dry run" if not self.sends else "live, with --standby" if self.takes_turns else "live"
        return f"process {self.process} ({kind}), journal {self.journal}, vault {self.vault}"
