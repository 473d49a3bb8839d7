"""What to do next for an intent. Pure rules: no node, no clock, no journal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.tx import Attempt, AttemptKind, Intent, IntentStatus, Receipt
from keeper.tx.ports import NodeView

POLL_S = 0.25
"""Seconds between two views of a transaction that is waited for."""
RESEND_AFTER_S = (3.0, 15.0)
"""Seconds after each sending until the same bytes are sent again to a node that does not know them. Afterwards the fee
is raised, and where the cap does not allow it, the bytes go out again as often as it would be."""


class NextStep(StrEnum):
    """EXPIRE: the intent was never signed, so its nonce is free again; or the chain cannot reach its nonce.
    RESIGN: ask for the signature of the same payload again.
    SEND_AGAIN: send the same bytes again.
    BUMP: sign the same transaction with higher fees.
    CANCEL: sign a no-op at the same nonce, because the call can only revert or must not become public.
    ADOPT: record the receipt that one of our hashes has.
    UNMINE: record that a reorganisation removed the receipt.
    DISPLACE: record that a transaction that is not ours took the nonce.
    WAIT: do nothing yet.
    GIVE_UP: stop waiting; the outcome is unknown.
    """

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
class SendState:
    """An intent as the journal and a node show it. ``attempts``: its own, oldest first. ``rivals``: attempts of the
    intents that it superseded; one of them may be mined in its place. ``past_modifier``: the call is one that the key
    made before it acted through a Roles modifier; it is signed no more."""

    intent: Intent
    status: IntentStatus
    attempts: tuple[Attempt, ...]
    rivals: tuple[Attempt, ...]
    view: NodeView
    past_modifier: bool = False

    @property
    def receipt(self) -> Receipt | None:
        """The first receipt of any of our hashes for this nonce."""
        hashes = (attempt.tx_hash for attempt in (*self.attempts, *self.rivals))
        return next(
            (self.view.receipts[tx_hash] for tx_hash in hashes if tx_hash in self.view.receipts), None
        )

    @property
    def nonce_used(self) -> bool:
        return self.view.mined_nonce > self.intent.nonce

    @property
    def late(self) -> bool:
        """The deadline of the call is over."""
        return self.view.head_time > self.intent.payload.deadline

    @property
    def void(self) -> bool:
        """The call can only revert: its deadline is over, the vault is at another epoch, or the key is not the vault's
        keeper any more."""
        epoch = self.view.epoch
        return self.late or self.past_modifier or (epoch is not None and epoch != self.intent.payload.epoch)

    @property
    def known_to_node(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].tx_hash in self.view.known

    @property
    def below_base_fee(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].max_fee_per_gas_wei < self.view.base_fee_wei

    @property
    def cancelling(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].kind is AttemptKind.CANCEL


@dataclass(frozen=True, slots=True)
class SendTiming:
    """Seconds. ``private_s``: how long a relay may take before the nonce is used up in public. ``confirmations``: the
    block of the receipt is the first one. Finality is followed by later cycles."""

    poll_s: float
    bump_after_s: float
    give_up_after_s: float
    private_s: float
    confirmations: int


@dataclass(frozen=True, slots=True)
class Waited:
    """Seconds since the first sending, since the newest attempt, and since bytes were last sent. ``sends`` counts how
    often the newest attempt was sent since the node last knew it."""

    total_s: float
    newest_s: float
    sent_s: float
    sends: int

    def resend_is_due(self, bump_after_s: float) -> bool:
        if self.sends == 0:
            return True
        pauses = (*RESEND_AFTER_S, bump_after_s)
        return self.sent_s >= pauses[min(self.sends, len(pauses)) - 1]


def next_step(state: SendState, timing: SendTiming, waited: Waited) -> NextStep:
    """For a transaction that was just sent and is waited for. The first rule that applies decides.

    1. One of our attempts has a receipt: adopt it.
    2. It had a receipt and has none now: a reorganisation removed it.
    3. The wait is over: give up. The outcome is unknown.
    4. The nonce is used but no receipt shows: the node lags, or another transaction took the nonce. Sending helps in
       neither case, so wait; the next cycle judges.
    5. A relay has had its time: use the nonce up in public with a no-op.
    6. The node does not know the newest attempt, and the pause after the last sending is over: send the same bytes
       again. (No public node knows a private one.)
    7. The newest attempt has waited long: raise the fees.
    """
    if state.receipt is not None:
        return NextStep.ADOPT
    if state.status is IntentStatus.MINED and not state.nonce_used:
        return NextStep.UNMINE
    if waited.total_s >= timing.give_up_after_s:
        return NextStep.GIVE_UP
    if state.nonce_used:
        return NextStep.WAIT
    private = state.intent.payload.private and not state.cancelling
    if private and waited.total_s >= timing.private_s:
        return NextStep.CANCEL
    if not private and not state.known_to_node and waited.resend_is_due(timing.bump_after_s):
        return NextStep.SEND_AGAIN
    return NextStep.BUMP if waited.newest_s >= timing.bump_after_s else NextStep.WAIT


def recovery_step(state: SendState, *, out_of_reach: bool) -> NextStep:
    """For an intent that an earlier cycle or process left behind. One view, one step, no waiting. The first rule that
    applies decides.

    1. One of our attempts has a receipt: adopt it.
    2. It was never signed and superseded nothing: it expires. (If it superseded an intent, it continues, because that
       intent's bytes may be mined.)
    3. The nonce is used, but not by us: another transaction displaced it. If the node may still be lagging, wait.
    4. It was mined and has no receipt now: a reorganisation removed it. The next look sends it again.
    5. The chain cannot reach its nonce (``ChainWatermark.out_of_reach``), and its deadline is over: it expires.
    6. The call can only revert: cancel it, so that nothing stays stuck.
    7. A signature was requested and no bytes are stored: sign the same payload again.
    8. It is private and has had its time: use the nonce up in public with a no-op.
    9. The node has forgotten the bytes: send the same bytes again.
    10. The node knows the bytes, and they are below the base fee: raise the fees.
    """
    if state.receipt is not None:
        return NextStep.ADOPT
    if state.status is IntentStatus.OPEN and state.intent.supersedes is None:
        return NextStep.EXPIRE
    if state.nonce_used:
        return NextStep.DISPLACE if state.view.settled_nonce > state.intent.nonce else NextStep.WAIT
    if state.status is IntentStatus.MINED:
        return NextStep.UNMINE
    if out_of_reach and state.late:
        return NextStep.EXPIRE
    if state.void and not state.cancelling:
        return NextStep.CANCEL
    if not state.attempts:
        return NextStep.RESIGN
    if state.intent.payload.private and not state.cancelling:
        return NextStep.CANCEL
    if not state.known_to_node:
        return NextStep.SEND_AGAIN
    return NextStep.BUMP if state.below_base_fee else NextStep.WAIT
