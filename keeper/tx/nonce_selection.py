"""The nonce of a new intent: the next free one, or the one that an emergency takes over from a waiting intent."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from keeper.domain.errors import StillInFlight
from keeper.domain.tx import WAITING, Intent, IntentStatus, Payload, Receipt
from keeper.tx.config import SenderConfig
from keeper.tx.dispatch import Dispatcher
from keeper.tx.nonce_watermark import ChainWatermark
from keeper.tx.ports import NodeView
from keeper.tx.recovery import Recovery

RECEIPT_LAG_S = 15.0
"""How long an emergency waits for a receipt that a lagging node may still show."""


class NonceSelection:
    def __init__(
        self, config: SenderConfig, dispatcher: Dispatcher, *, recovery: Recovery, watermark: ChainWatermark
    ) -> None:
        self._log = config.log
        self._timer = config.timer
        self._poll_s = config.timing.poll_s
        self._chain_id = config.chain_id
        self._account = config.account
        self._dispatcher = dispatcher
        self._recovery = recovery
        self._watermark = watermark

    def open_intent(self, payload: Payload, *, supersede: bool) -> Intent:
        """The new intent, stored as OPEN; or the waiting one, if it carries the same call already.

        Raises StillInFlight, NodeUntrusted, JournalUnwritable."""
        unfinished = self._log.unfinished(self._chain_id, payload.sender)
        if unfinished and not supersede:
            first = unfinished[0]
            raise StillInFlight(
                f"intent {first.intent_id[:8]} at nonce {first.nonce} has no final outcome",
                remedy="Run `keeper status`; the next cycle looks for its receipt again.",
            )
        view, returned = self._await_late_receipts(unfinished)
        self._recovery.check_epoch(view)
        if supersede:
            self._recovery.expire_out_of_reach(unfinished, view)
        unfinished = self._log.unfinished(self._chain_id, payload.sender)
        rival = next((intent for intent in unfinished if self._replaceable(intent, view)), None)
        if rival is not None and self._log.attempts(rival.intent_id) and _same_call(rival.payload, payload):
            return rival
        intent = Intent(uuid.uuid4().hex, 0, payload)
        if rival is None:
            nonce = self._next_nonce(view, returned, supersede=supersede)
            intent = replace(intent, nonce=nonce, supersedes=self._watermark.given_up_at(nonce))
        elif self._log.status(rival.intent_id) is IntentStatus.OPEN and rival.supersedes is None:
            self._log.move(rival.intent_id, IntentStatus.EXPIRED)
            intent = replace(intent, nonce=rival.nonce)
        else:
            intent = replace(intent, nonce=rival.nonce, supersedes=rival.intent_id)
        self._log.create(intent)
        return intent

    def _await_late_receipts(self, unfinished: Sequence[Intent]) -> tuple[NodeView, tuple[Receipt, ...]]:
        """The view, and the receipts of what was let go and is mined all the same. An emergency waits up to
        ``RECEIPT_LAG_S`` for the receipt of an intent whose nonce is used, and then treats the nonce as taken by
        somebody else. The vault's epoch keeps this safe: of two calls at one epoch one reverts."""
        until = self._timer.monotonic() + RECEIPT_LAG_S
        while True:
            view = self._watermark.view(self._dispatcher.hashes(*unfinished))
            returned = self._recovery.record_let_go(view)
            missing = self._recovery.without_receipt(unfinished, view)
            if not missing:
                return view, returned
            if self._timer.monotonic() >= until:
                for intent in missing:
                    self._recovery.displace(intent)
                return view, returned
            self._timer.wait(self._poll_s)

    def _replaceable(self, rival: Intent, view: NodeView) -> bool:
        unmined = (*WAITING, IntentStatus.UNMINED)
        return self._log.status(rival.intent_id) in unmined and rival.nonce >= view.mined_nonce

    def _next_nonce(self, view: NodeView, returned: Sequence[Receipt], *, supersede: bool) -> int:
        foreign_waits = self._recovery.foreign_waits(view)
        if (self._watermark.follow(view) or foreign_waits) and not supersede:
            raise StillInFlight(
                f"{self._account} has transactions that are not in the journal, or had them by the word of a node",
                remedy="Is another keeper or wallet using this key? Stop it, then `keeper resume`.",
            )
        if returned and not supersede:
            raise StillInFlight(
                f"intent {returned[0].intent_id[:8]} was given up, and its transaction {returned[0].tx_hash} is mined",
                remedy="The trade was decided without it. The next cycle decides anew.",
            )
        return self._watermark.next_nonce(view)


def _same_call(waiting: Payload, new: Payload) -> bool:
    """Signing ``new`` would give the bytes that are out already, or bytes with lower fees."""
    same = (waiting.to, waiting.calldata, waiting.gas_limit) == (new.to, new.calldata, new.gas_limit)
    return same and waiting.max_fee_cap_wei >= new.max_fee_cap_wei
