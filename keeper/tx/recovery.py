"""Finishes what earlier cycles and processes left behind, before anything new is started."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.pause_causes import FINALITY_BROKEN, FOREIGN_TRANSACTION
from keeper.domain.tx import LET_GO, SETTLED, TERMINAL, WAITING, AttemptKind, Intent, IntentStatus, Receipt
from keeper.runtime import failpoints
from keeper.runtime.failpoints import Failpoint
from keeper.tx.config import SenderConfig
from keeper.tx.dispatch import Dispatcher
from keeper.tx.nonce_watermark import ChainWatermark
from keeper.tx.ports import NodeView
from keeper.tx.send_state import NextStep, SendState, recovery_step
from keeper.tx.vault_epoch import EpochWatch

_UNMINED = (*WAITING, IntentStatus.UNMINED)


class Recovery:
    """Every step may be repeated, so a process that is killed in the middle of one loses nothing."""

    def __init__(self, config: SenderConfig, dispatcher: Dispatcher, watermark: ChainWatermark) -> None:
        self._log = config.log
        self._alarm = config.alarm
        self._chain_id = config.chain_id
        self._account = config.account
        self._dispatcher = dispatcher
        self._watermark = watermark
        self._epoch_watch = EpochWatch(config)

    def settle(self) -> tuple[Intent, ...]:
        """Views the chain once and takes at most one step for each unfinished intent. Returns those that are still
        unfinished."""
        failpoints.reach(Failpoint.SETTLE_BEGINS)
        unfinished = self._unfinished()
        final = self._log.latest_final(self._chain_id, self._account)
        hashes = self._dispatcher.hashes(*unfinished)
        if final is not None:
            hashes[final[1].tx_hash] = final[0].intent_id
        view = self._watermark.view(hashes)
        self.record_let_go(view)
        if final is not None:
            self._check_finality(*final, view)
        for intent in unfinished:
            self._advance(intent, view)
        self._check_foreign_transactions(view)
        self._epoch_watch.check(view)
        failpoints.reach(Failpoint.SETTLED)
        return self._unfinished()

    def record_let_go(self, view: NodeView) -> tuple[Receipt, ...]:
        """Stores the receipts of intents that were let go and are mined all the same. Returns them, with those that it
        is too early to store. A receipt at a nonce that the node does not count as mined is ignored."""
        receipts = {
            self._log.intent(receipt.intent_id).nonce: receipt
            for receipt in view.receipts.values()
            if self._log.status(receipt.intent_id) in LET_GO
        }
        # The lowest comes first, because nothing is asked for below a final one.
        mined = {nonce: receipt for nonce, receipt in sorted(receipts.items()) if nonce < view.mined_nonce}
        for nonce, receipt in mined.items():
            if self._watermark.may_return(nonce, mined):
                self.record(receipt, view)
        return tuple(mined.values())

    def record(self, receipt: Receipt, view: NodeView) -> IntentStatus:
        """Stores the receipt: its intent is mined, and settled if the block is final. Returns the intent's status."""
        failpoints.reach(Failpoint.RECEIPT_SEEN)
        intent_id = receipt.intent_id
        status = self._log.status(intent_id)
        if status in SETTLED:
            return status
        if status is not IntentStatus.MINED or receipt not in self._log.receipts(intent_id):
            self._log.add_receipt(receipt)
        failpoints.reach(Failpoint.MINED_COMMITTED)
        if receipt.block_number <= view.final_block:
            self._log.move(intent_id, self._settled_status(receipt))
            failpoints.reach(Failpoint.SETTLE_FINAL)
        return self._log.status(intent_id)

    def without_receipt(self, unfinished: Sequence[Intent], view: NodeView) -> tuple[Intent, ...]:
        """The intents whose nonce is used although none of our hashes has a receipt. Receipts that show are
        recorded."""
        missing = []
        for intent in unfinished:
            if intent.nonce >= view.mined_nonce or self._log.status(intent.intent_id) in TERMINAL:
                continue
            receipt = self._dispatcher.state(intent, view).receipt
            if receipt is not None:
                self.record(receipt, view)
            else:
                missing.append(intent)
        return tuple(missing)

    def expire_out_of_reach(self, unfinished: Sequence[Intent], view: NodeView) -> None:
        """Without waiting for a deadline: for an emergency, and for a person. Of two calls at one epoch one reverts."""
        for intent in unfinished:
            state = self._dispatcher.state(intent, view)
            if (
                state.status in _UNMINED
                and state.receipt is None
                and self._watermark.out_of_reach(intent, view)
            ):
                self._expire(intent)

    def displace(self, intent: Intent) -> None:
        """A transaction that is not ours has the intent's nonce: pause, and end the intent."""
        self._alarm.pause(
            FOREIGN_TRANSACTION,
            f"nonce {intent.nonce} of {self._account} was used by a transaction that is not in this journal",
        )
        self._log.adopt_nonce(self._chain_id, self._account, intent.nonce + 1)
        self._expire_superseded(intent)
        self._log.move(intent.intent_id, IntentStatus.DISPLACED)
        failpoints.reach(Failpoint.SETTLE_DISPLACED)

    # -------------------------------------------------------------------- steps

    def _unfinished(self) -> tuple[Intent, ...]:
        return self._log.unfinished(self._chain_id, self._account)

    def _advance(self, intent: Intent, view: NodeView) -> None:
        if self._log.status(intent.intent_id) in TERMINAL:
            return  # the receipt of a rival has just ended it
        state = self._dispatcher.state(intent, view)
        step = recovery_step(state, out_of_reach=self._watermark.out_of_reach(intent, view))
        if step is NextStep.ADOPT and state.receipt is not None:
            self.record(state.receipt, view)
            failpoints.reach(Failpoint.SETTLE_MINED)
        elif step is NextStep.EXPIRE:
            self._expire(intent)
            failpoints.reach(Failpoint.SETTLE_EXPIRED)
        elif step is NextStep.DISPLACE:
            self.displace(intent)
        elif step is NextStep.UNMINE:
            self._log.move(intent.intent_id, IntentStatus.UNMINED)
            failpoints.reach(Failpoint.SETTLE_UNMINED)
            self._send_again(state)
        elif step is NextStep.SEND_AGAIN:
            self._send_again(state)
        elif step is not NextStep.WAIT:
            self._send_new_attempt(state, step)

    def _expire(self, intent: Intent) -> None:
        self._expire_superseded(intent)
        self._log.move(intent.intent_id, IntentStatus.EXPIRED)

    def _expire_superseded(self, intent: Intent) -> None:
        """Nothing is signed for a nonce any more when its intent is given up. So what it superseded expires with it:
        the oldest first, and the intent after all of these, so that a process that was killed does the rest again."""
        if intent.supersedes is not None:
            superseded = self._log.intent(intent.supersedes)
            self._expire_superseded(superseded)
            if self._log.status(superseded.intent_id) is IntentStatus.SUPERSEDED:
                self._log.move(superseded.intent_id, IntentStatus.EXPIRED)

    def _send_new_attempt(self, state: SendState, step: NextStep) -> None:
        if step is NextStep.RESIGN:
            attempt = self._dispatcher.sign_missing(state)
            failpoints.reach(Failpoint.SETTLE_RESIGNED)
        elif step is NextStep.CANCEL:
            attempt = self._dispatcher.sign_cancel(state)
        else:
            attempt = self._dispatcher.sign_bump(state.intent)
        if attempt is not None:
            self._dispatcher.offer(state.intent, attempt)
            failpoints.reach(Failpoint.SETTLE_REBROADCAST)

    def _send_again(self, state: SendState) -> None:
        self._dispatcher.offer(state.intent, state.attempts[-1])
        failpoints.reach(Failpoint.SETTLE_REBROADCAST)

    def _settled_status(self, receipt: Receipt) -> IntentStatus:
        attempts = self._log.attempts(receipt.intent_id)
        kind = next(attempt.kind for attempt in attempts if attempt.tx_hash == receipt.tx_hash)
        if kind is AttemptKind.CANCEL:
            return IntentStatus.CANCELLED
        return IntentStatus.FINAL if receipt.succeeded else IntentStatus.REVERTED

    # ------------------------------------------------------------------- alarms

    def _check_foreign_transactions(self, view: NodeView) -> None:
        """Pauses if the key has transactions that the journal does not know, mined or waiting: another program has the
        key, an attacker has it, or the journal is an old copy."""
        if not self._watermark.follow(view):
            self.foreign_waits(view)

    def check_epoch(self, view: NodeView) -> None:
        """Before a new intent, which would explain the epoch that it is made for."""
        self._epoch_watch.check(view)

    def foreign_waits(self, view: NodeView) -> bool:
        """Whether the node holds waiting transactions that are not ours, so that the keeper is paused. By the node's
        count if it does not report its pool."""
        unfinished = self._unfinished()
        if view.pool is not None:
            own = self._dispatcher.own_hashes(unfinished)
            waiting = [
                f"nonce {nonce}, {tx_hash}"
                for nonce, tx_hash in sorted(view.pool.items())
                if tx_hash not in own
            ]
        else:
            first = max(view.mined_nonce, *(intent.nonce + 1 for intent in unfinished), 0)
            count = view.pending_nonce - first - self._given_up_waiting(view, first)
            waiting = [f"{count} by the node's count"] if count > 0 else []
        if waiting:
            self._alarm.pause(
                FOREIGN_TRANSACTION,
                f"the node holds waiting transaction(s) of {self._account} that are not in this journal: "
                f"{', '.join(waiting)}",
            )
        return bool(waiting)

    def _given_up_waiting(self, view: NodeView, first: int) -> int:
        """How many nonces from ``first`` on have bytes that were given up and that the node knows."""
        given_up = self._log.given_up(self._chain_id, self._account)
        return len(
            {
                intent.nonce
                for intent in given_up
                if intent.nonce >= first and not view.known.isdisjoint(self._dispatcher.hashes(intent))
            }
        )

    def _check_finality(self, intent: Intent, receipt: Receipt, view: NodeView) -> None:
        """Pauses if a final transaction has left the chain. A node that has not reached its block proves nothing."""
        if view.head < receipt.block_number:
            return
        current = view.receipts.get(receipt.tx_hash)
        if current is None or current.block_hash != receipt.block_hash:
            self._alarm.pause(
                FINALITY_BROKEN,
                f"the transaction of nonce {intent.nonce} was final in block {receipt.block_number} and is no longer "
                "there",
            )
