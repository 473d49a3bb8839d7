"""Which nonce a new intent has: its own, or one that an emergency takes over."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

from keeper.domain.errors import NodeUntrusted, StillInFlight
from keeper.domain.tx import WAITING, Intent, IntentStatus, Payload
from keeper.tx.dispatch import Dispatch
from keeper.tx.ports import AttemptLog, Clock, Node, Outlook
from keeper.tx.recovery import FOREIGN_TRANSACTION, Alarm, Recovery

Wait = Callable[[float], None]
RECEIPT_LAG_S = 15.0


class NonceSelection:
    """For one key on one chain."""

    def __init__(
        self,
        node: Node,
        log: AttemptLog,
        dispatch: Dispatch,
        recovery: Recovery,
        alarm: Alarm,
        chain_id: int,
        clock: Clock,
        wait: Wait,
        poll_s: float,
    ) -> None:
        self._node = node
        self._log = log
        self._dispatch = dispatch
        self._recovery = recovery
        self._alarm = alarm
        self._chain_id = chain_id
        self._clock = clock
        self._wait = wait
        self._poll_s = poll_s

    def open(self, payload: Payload, *, supersede: bool) -> Intent:
        """The intent, in the journal. Raises StillInFlight, NodeUntrusted, JournalUnwritable."""
        unfinished = self._log.unfinished(self._chain_id, payload.sender)
        if unfinished and not supersede:
            first = unfinished[0]
            raise StillInFlight(
                f"intent {first.intent_id[:8]} at nonce {first.nonce} has no final outcome",
                remedy="Run `keeper status`; the next cycle looks for its receipt again.",
            )
        outlook = self._out_of_the_way(unfinished, payload)
        unfinished = self._log.unfinished(self._chain_id, payload.sender)
        rival = next((one for one in unfinished if self._replaceable(one, outlook)), None)
        intent = Intent(uuid.uuid4().hex, 0, payload)
        if rival is None:
            intent = replace(
                intent, nonce=self._next_nonce(payload, outlook, unfinished, supersede=supersede)
            )
        elif self._log.status(rival.intent_id) is IntentStatus.OPEN and rival.supersedes is None:
            self._log.move(rival.intent_id, IntentStatus.EXPIRED)
            intent = replace(intent, nonce=rival.nonce)
        else:
            intent = replace(intent, nonce=rival.nonce, supersedes=rival.intent_id)
        self._log.create(intent)
        return intent

    def _out_of_the_way(self, unfinished: tuple[Intent, ...], payload: Payload) -> Outlook:
        """An emergency waits a moment for the receipt of an intent whose nonce is used up, and then goes on as if it
        were not ours. The vault's epoch keeps that safe: of two calls for one epoch one reverts."""
        until = self._clock.monotonic() + RECEIPT_LAG_S
        while True:
            hashes = {
                found: owner for one in unfinished for found, owner in self._dispatch.hashes(one).items()
            }
            outlook = self._node.look(payload.sender, payload.vault, hashes)
            late = self._recovery.without_receipt(unfinished, outlook)
            if not late:
                return outlook
            if self._clock.monotonic() >= until:
                for intent in late:
                    self._recovery.displaced(intent)
                return outlook
            self._wait(self._poll_s)

    def _replaceable(self, rival: Intent, outlook: Outlook) -> bool:
        unmined = (*WAITING, IntentStatus.UNMINED)
        return self._log.status(rival.intent_id) in unmined and rival.nonce >= outlook.mined_nonce

    def _next_nonce(
        self, payload: Payload, outlook: Outlook, unfinished: tuple[Intent, ...], *, supersede: bool
    ) -> int:
        expected = self._log.next_nonce(self._chain_id, payload.sender)
        own = max((one.nonce + 1 for one in unfinished), default=0)
        waiting = outlook.pending_nonce - max(outlook.mined_nonce, own)
        if waiting > 0 or (expected is not None and outlook.mined_nonce > expected):
            self._alarm.pause(
                FOREIGN_TRANSACTION, f"{payload.sender} has transactions that this journal does not know"
            )
            if not supersede:
                raise StillInFlight(
                    f"{payload.sender} has transactions that the journal does not know",
                    remedy="Is another keeper or wallet using this key? Stop it, then `keeper resume`.",
                )
        if expected is None or outlook.mined_nonce > expected:
            self._log.adopt_nonce(self._chain_id, payload.sender, outlook.mined_nonce)
            return outlook.mined_nonce
        if outlook.mined_nonce < expected and not unfinished:
            raise NodeUntrusted(
                f"the node says nonce {outlook.mined_nonce} is next, the journal has used {expected - 1}",
                remedy="The node lags behind or is on another chain: use one that is in sync.",
            )
        return expected
