"""Which of several keepers on one journal acts, by the journal's database."""

from __future__ import annotations

from dataclasses import dataclass

WITHOUT_LEASE = "a keeper without --standby"
"""The name of a leader whose session the database does not end."""


@dataclass(frozen=True, slots=True)
class Term:
    """One keeper's time as the leader. ``number`` grows by one with each, so it is the fencing token: the database
    refuses the rows of an older term. ``began_at`` is Unix seconds by the database's clock."""

    number: int
    holder: str
    began_at: int


@dataclass(frozen=True, slots=True)
class Leadership:
    """``leader`` is empty where nobody leads; the database heard from it ``silent_s`` seconds ago, None where it does
    not show that to this role. ``standbys`` are the others that are connected. ``term`` is the newest one, None before
    the first."""

    leader: str
    silent_s: float | None
    standbys: tuple[str, ...]
    term: Term | None

    def __str__(self) -> str:
        term = f", term {self.term.number}" if self.term is not None else ""
        leads = f"{self.leader}{term}, {self._heard}" if self.leader else f"NOBODY LEADS{term}"
        return f"{leads}; stands by: {', '.join(self.standbys) or 'nobody'}"

    @property
    def _heard(self) -> str:
        if self.silent_s is None:
            return "when it was heard is not visible to this role"
        return f"heard {self.silent_s:.0f} s ago"


@dataclass(frozen=True, slots=True)
class LeaseReading:
    """The lease of this process. ``held``: it may send now. ``age_s``: seconds since the database answered last, None
    without a lease."""

    held: bool
    age_s: float | None
