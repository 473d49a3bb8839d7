"""What to do next for an intent, given what is known of it. Pure judgement: no node, no clock, no journal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.tx import Receipt


class NextStep(StrEnum):
    """EXPIRE: nothing was ever signed, so its nonce is free again. SEND_AGAIN: the same bytes. BUMP: higher
    fees, same nonce. ADOPT: a receipt of one of our own hashes is there. WAIT: nothing to do yet. GIVE_UP:
    stop waiting; the outcome is unknown."""

    EXPIRE = "EXPIRE"
    SEND_AGAIN = "SEND_AGAIN"
    BUMP = "BUMP"
    ADOPT = "ADOPT"
    WAIT = "WAIT"
    GIVE_UP = "GIVE_UP"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the node and the journal say of one intent now. ``waited_s`` is since the newest attempt was first
    sent."""

    signed: int
    receipt: Receipt | None
    nonce_used: bool
    known_to_node: bool
    waited_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Patience:
    bump_after_s: float
    give_up_after_s: float


def next_step(seen: Seen, patience: Patience) -> NextStep:
    """The first rule that applies.

    1. A receipt ends it, whichever of our attempts it belongs to.
    2. Nothing signed: it never happened.
    3. The nonce is used but no receipt shows: the node lags, or another transaction took the nonce. Sending
    helps
       in neither case.
    4. Waited long enough: give up, and say that the outcome is unknown.
    5. The node has forgotten the newest attempt: the same bytes again.
    6. It has waited long for its price: a higher one.
    """
    if seen.receipt is not None:
        return NextStep.ADOPT
    if seen.signed == 0:
        return NextStep.EXPIRE
    if seen.total_s >= patience.give_up_after_s:
        return NextStep.GIVE_UP
    if seen.nonce_used:
        return NextStep.WAIT
    if not seen.known_to_node:
        return NextStep.SEND_AGAIN
    return NextStep.BUMP if seen.waited_s >= patience.bump_after_s else NextStep.WAIT
