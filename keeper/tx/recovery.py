"""What earlier cycles and processes left behind: finish it, or own up to it, before anything new is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keeper.domain.tx import TERMINAL, AttemptKind, Intent, IntentStatus, Receipt
from keeper.runtime import failpoints
from keeper.runtime.failpoints import Failpoint
from keeper.tx.dispatch import Dispatch
from keeper.tx.ports import AttemptLog, Node, Outlook
from keeper.tx.send_state import NextStep, Seen, recovery_step

FOREIGN_TRANSACTION = "foreign_transaction"
FINALITY_BROKEN = "finality_broken"
ENDED = (IntentStatus.FINAL, IntentStatus.REVERTED, IntentStatus.CANCELLED)


class Alarm(Protocol):
    """Stops the keeper until a person resumes it; deleveraging may still run. Raises JournalUnwritable."""

    def pause(self, cause: str, reason: str) -> None: ...


class Recovery:
    """For one key on one chain. Every step may be repeated: a process killed anywhere in it loses nothing."""

    def __init__(
        self, node: Node, log: AttemptLog, dispatch: Dispatch, alarm: Alarm, chain_id: int, account: str
    ) -> None:
        self._node = node
        self._log = log
        self._dispatch = dispatch
        self._alarm = alarm
        self._chain_id = chain_id
        self._account = account

    def settle(self, vault: str) -> tuple[Intent, ...]:
        """One look and at most one step for each unfinished intent. Returns what is still unfinished."""
        failpoints.reach(Failpoint.SETTLE_BEGINS)
        unfinished = self._log.unfinished(self._chain_id, self._account)
        final = self._log.latest_final(self._chain_id, self._account)
        hashes = {
            tx_hash: owner for one in unfinished for tx_hash, owner in self._dispatch.hashes(one).items()
        }
        if final is not None:
            hashes[final[1].tx_hash] = final[0].intent_id
        outlook = self._node.look(self._account, vault, hashes)
        self._watch_finality(final, outlook)
        for intent in unfinished:
            self._one(intent, outlook)
        self._watch_strangers(outlook)
        failpoints.reach(Failpoint.SETTLED)
        return self._log.unfinished(self._chain_id, self._account)

    def record(self, receipt: Receipt, outlook: Outlook) -> IntentStatus:
        """A receipt of ours: the intent is mined, and more than that if its block is final."""
        failpoints.reach(Failpoint.RECEIPT_SEEN)
        owner = receipt.intent_id
        status = self._log.status(owner)
        if status in ENDED:
            return status
        if status is not IntentStatus.MINED or receipt not in self._log.receipts(owner):
            self._log.add_receipt(receipt)
        failpoints.reach(Failpoint.MINED_COMMITTED)
        if receipt.block_number <= outlook.final_block:
            self._log.move(owner, self._ending(receipt))
            failpoints.reach(Failpoint.SETTLE_FINAL)
        return self._log.status(owner)

    # -------------------------------------------------------------------- inside

    def _one(self, intent: Intent, outlook: Outlook) -> None:
        if self._log.status(intent.intent_id) in TERMINAL:
            return  # a rival's receipt has just ended it
        seen = self._dispatch.seen(intent, outlook)
        step = recovery_step(seen)
        if step is NextStep.ADOPT and seen.receipt is not None:
            self.record(seen.receipt, outlook)
            failpoints.reach(Failpoint.SETTLE_MINED)
        elif step is NextStep.EXPIRE:
            self._log.move(intent.intent_id, IntentStatus.EXPIRED)
            failpoints.reach(Failpoint.SETTLE_EXPIRED)
        elif step is NextStep.DISPLACE:
            self.displaced(intent)
        elif step is NextStep.UNMINE:
            self._log.move(intent.intent_id, IntentStatus.UNMINED)
            failpoints.reach(Failpoint.SETTLE_UNMINED)
            self._send_again(seen)
        elif step is not NextStep.WAIT:
            self._push(seen, step)

    def _push(self, seen: Seen, step: NextStep) -> None:
        if step is NextStep.SEND_AGAIN:
            self._send_again(seen)
            return
        if step is NextStep.RESIGN:
            attempt = self._dispatch.resume(seen)
            failpoints.reach(Failpoint.SETTLE_RESIGNED)
        else:
            attempt = self._dispatch.cancel(seen) if step is NextStep.CANCEL else self._dispatch.bump(seen)
        if attempt is not None:
            self._dispatch.send(seen.intent, attempt)
            failpoints.reach(Failpoint.SETTLE_REBROADCAST)

    def _send_again(self, seen: Seen) -> None:
        self._dispatch.send(seen.intent, seen.attempts[-1])
        failpoints.reach(Failpoint.SETTLE_REBROADCAST)

    def _ending(self, receipt: Receipt) -> IntentStatus:
        attempts = self._log.attempts(receipt.intent_id)
        kind = next(attempt.kind for attempt in attempts if attempt.tx_hash == receipt.tx_hash)
        if kind is AttemptKind.CANCEL:
            return IntentStatus.CANCELLED
        return IntentStatus.FINAL if receipt.succeeded else IntentStatus.REVERTED

    def without_receipt(self, unfinished: Sequence[Intent], outlook: Outlook) -> tuple[Intent, ...]:
        """Those whose nonce is used up though nothing of ours shows as mined. Receipts that do show are recorded."""
        late = []
        for intent in unfinished:
            if intent.nonce >= outlook.mined_nonce or self._log.status(intent.intent_id) in TERMINAL:
                continue
            receipt = self._dispatch.seen(intent, outlook).receipt
            if receipt is not None:
                self.record(receipt, outlook)
            else:
                late.append(intent)
        return tuple(late)

    def displaced(self, intent: Intent) -> None:
        """Somebody else's transaction has its nonce, as far as can be told."""
        self._alarm.pause(
            FOREIGN_TRANSACTION,
            f"nonce {intent.nonce} of {self._account} was used by a transaction that this journal does not know",
        )
        self._log.move(intent.intent_id, IntentStatus.DISPLACED)
        failpoints.reach(Failpoint.SETTLE_DISPLACED)

    def _watch_strangers(self, outlook: Outlook) -> None:
        """Another program with this key, a thief, or a journal older than the chain: a person must look. The
        watermark goes on to where the chain is, so that resuming is enough."""
        expected = self._log.next_nonce(self._chain_id, self._account)
        unfinished = self._log.unfinished(self._chain_id, self._account)
        if expected is not None and outlook.mined_nonce > expected:
            self._alarm.pause(
                FOREIGN_TRANSACTION,
                f"{outlook.mined_nonce - expected} transaction(s) of {self._account} from nonce {expected} on are not "
                "in this journal: something else uses the key, or the journal is an old copy",
            )
            self._log.adopt_nonce(self._chain_id, self._account, outlook.mined_nonce)
            return
        ours = {tx_hash for one in unfinished for tx_hash in self._dispatch.hashes(one)}
        strange = _strangers(outlook, ours, unfinished)
        if strange:
            self._alarm.pause(
                FOREIGN_TRANSACTION,
                f"the node holds waiting transaction(s) of {self._account} that are not in this journal: "
                f"{', '.join(strange)}",
            )

    def _watch_finality(self, final: tuple[Intent, Receipt] | None, outlook: Outlook) -> None:
        if final is None or outlook.head < final[1].block_number:
            return
        intent, receipt = final
        found = outlook.receipts.get(receipt.tx_hash)
        if found is None or found.block_hash != receipt.block_hash:
            self._alarm.pause(
                FINALITY_BROKEN,
                f"the transaction of nonce {intent.nonce} was final in block {receipt.block_number} and is no longer "
                "there",
            )


def _strangers(outlook: Outlook, ours: set[str], unfinished: Sequence[Intent]) -> tuple[str, ...]:
    if outlook.pool is not None:
        return tuple(
            f"nonce {nonce}, {tx_hash}"
            for nonce, tx_hash in sorted(outlook.pool.items())
            if tx_hash not in ours
        )
    highest = max((one.nonce + 1 for one in unfinished), default=0)
    waiting = outlook.pending_nonce - max(outlook.mined_nonce, highest)
    return (f"{waiting} by its count",) if waiting > 0 else ()
