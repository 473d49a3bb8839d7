"""What to do next for an intent, given what is known of it. Pure judgement: no node, no clock, no journal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.tx import Attempt, AttemptKind, Intent, IntentStatus, Receipt
from keeper.tx.ports import Outlook


class NextStep(StrEnum):
    """EXPIRE: no signature was ever asked for, so its nonce is free again. RESIGN: ask for the signature again, of the
    same payload. SEND_AGAIN: the same bytes. BUMP: higher fees, same nonce. CANCEL: a no-op at the same nonce, as the
    call can only revert by now, or must not go by another way. ADOPT: a receipt of one of our own hashes is there.
    UNMINE: there was one, and a reorganisation took it. DISPLACE: a transaction that is not ours has the nonce. WAIT:
    nothing to do yet. GIVE_UP: stop waiting; the outcome is unknown."""

    EXPIRE = "EXPIRE"
    RESIGN = "RESIGN"
    SEND_AGAIN = "SEND_AGAIN"
    BUMP = "BUMP"
    CANCEL = "CANCEL"
    ADOPT = "ADOPT"
    UNMINE = "UNMINE"
    DISPLACE = "DISPLACE"
    WAIT = "WAIT"
    GIVE_UP = "GIVE_UP"


@dataclass(frozen=True, slots=True)
class Seen:
    """An intent as journal and node show it now. ``attempts``: its own, oldest first. ``rivals``: of what it
    superseded, which may be mined in its place."""

    intent: Intent
    status: IntentStatus
    attempts: tuple[Attempt, ...]
    rivals: tuple[Attempt, ...]
    outlook: Outlook

    @property
    def receipt(self) -> Receipt | None:
        """The first that any of our hashes for this nonce has."""
        hashes = (attempt.tx_hash for attempt in (*self.attempts, *self.rivals))
        return next((self.outlook.receipts[one] for one in hashes if one in self.outlook.receipts), None)

    @property
    def nonce_used(self) -> bool:
        return self.outlook.mined_nonce > self.intent.nonce

    @property
    def void(self) -> bool:
        """The call can only revert by now: its deadline is over, or the vault has gone on to another epoch."""
        payload, epoch = self.intent.payload, self.outlook.epoch
        return self.outlook.head_time > payload.deadline or (epoch is not None and epoch != payload.epoch)

    @property
    def known_to_node(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].tx_hash in self.outlook.known

    @property
    def below_base_fee(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].max_fee_per_gas_wei < self.outlook.base_fee_wei

    @property
    def cancelling(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].kind is AttemptKind.CANCEL


@dataclass(frozen=True, slots=True)
class Waited:
    """Seconds since the newest attempt was first sent, and since waiting began."""

    newest_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. ``private_s`` is how long a relay may take before the nonce is used up in public."""

    bump_after_s: float
    give_up_after_s: float
    private_s: float


def next_step(seen: Seen, waited: Waited, patience: Patience) -> NextStep:
    """For the loop that waits for a transaction just sent: the first rule that applies.

    1. A receipt ends it, whichever of our attempts it belongs to.
    2. It had one and has none: a reorganisation.
    3. The nonce is used but no receipt shows: the node lags, or another transaction took it. Sending helps in neither
       case; the next cycle judges.
    4. Waited long enough: give up, and say that the outcome is unknown.
    5. A relay had long enough: use the nonce up in public, by a transfer of nothing.
    6. The node has forgotten the newest attempt: the same bytes again. (No public node knows a private one.)
    7. It has waited long for its price: a higher one.
    """
    if seen.receipt is not None:
        return NextStep.ADOPT
    if seen.status is IntentStatus.MINED and not seen.nonce_used:
        return NextStep.UNMINE
    if waited.total_s >= patience.give_up_after_s:
        return NextStep.GIVE_UP
    if seen.nonce_used:
        return NextStep.WAIT
    private = seen.intent.payload.private and not seen.cancelling
    if private and waited.total_s >= patience.private_s:
        return NextStep.CANCEL
    if not private and not seen.known_to_node:
        return NextStep.SEND_AGAIN
    return NextStep.BUMP if waited.newest_s >= patience.bump_after_s else NextStep.WAIT


def recovery_step(seen: Seen) -> NextStep:
    """For what an earlier cycle or process left behind: the first rule that applies. One look, one step, no waiting.

    1. A receipt ends it. 2. Never asked to sign: it never happened. (What superseded another goes on: the bytes of the
    other one are out.)
    3. The nonce is used up, deep enough that no lag explains it, and not by us: it is displaced.
    4. It was mined and is not any more: a reorganisation. Next time it is sent again.
    5. The call can only revert by now: a no-op takes its place, so that nothing stays stuck.
    6. A signature was asked for and no bytes are stored: the same payload is signed again.
    7. A private one has had its time: a no-op, in public. 8. The node has forgotten the bytes: the same again.
    9. It knows them and they are below the base fee: a higher price.
    """
    if seen.receipt is not None:
        return NextStep.ADOPT
    if seen.status is IntentStatus.OPEN and seen.intent.supersedes is None:
        return NextStep.EXPIRE
    if seen.nonce_used:
        return NextStep.DISPLACE if seen.outlook.settled_nonce > seen.intent.nonce else NextStep.WAIT
    if seen.status is IntentStatus.MINED:
        return NextStep.UNMINE
    if seen.void and not seen.cancelling:
        return NextStep.CANCEL
    if not seen.attempts:
        return NextStep.RESIGN
    if seen.intent.payload.private and not seen.cancelling:
        return NextStep.CANCEL
    if not seen.known_to_node:
        return NextStep.SEND_AGAIN
    return NextStep.BUMP if seen.below_base_fee else NextStep.WAIT
