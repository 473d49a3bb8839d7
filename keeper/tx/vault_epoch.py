"""Whether the vault's epoch is that of the journal's calls, where the keeper's key is not the vault's keeper itself.

A Roles modifier takes a call of a member from any sender, if the member has signed it. So a thief need not send from
the key, and its nonce does not show the theft. Other members of the role, the Safe's owners and other modules leave no
trace at the key either. The vault counts every one of their calls.
"""

from __future__ import annotations

from keeper.domain.pause_causes import FOREIGN_TRANSACTION
from keeper.domain.tx import LET_GO, AttemptKind, Intent, IntentStatus
from keeper.tx.config import SenderConfig
from keeper.tx.ports import NodeView

NO_MOVE = (IntentStatus.REVERTED, IntentStatus.CANCELLED, *LET_GO)
"""With these the vault stayed at the epoch that the intent was made for."""


class EpochWatch:
    """Silent without a modifier: there every call of the vault's keeper has a nonce of the key."""

    def __init__(self, config: SenderConfig) -> None:
        self._log = config.log
        self._alarm = config.alarm
        self._chain_id = config.chain_id
        self._account = config.account
        self._targets = config.targets

    def check(self, view: NodeView) -> None:
        """Pauses if the vault is at a later epoch than the journal's calls explain. A call that may be mined by now
        counts as mined. Nothing is known before the key's first call of this vault. The reason names the epoch alone,
        so that a person who resumes is asked again only after another such call."""
        if self._targets().modifier is None or view.epoch is None:
            return
        explained = self._explained()
        if explained is not None and view.epoch > explained:
            self._alarm.pause(
                FOREIGN_TRANSACTION,
                f"the vault is at epoch {view.epoch}, and no call in this journal brought it there: something else "
                "acts as the Safe, or the guardian or a ripcord has lowered the vault's debt",
            )

    def _explained(self) -> int | None:
        epochs = (
            self._epoch_after(intent) for intent in self._log.newest_intents(self._chain_id, self._account)
        )
        return max((epoch for epoch in epochs if epoch is not None), default=None)

    def _epoch_after(self, intent: Intent) -> int | None:
        """None for what is no call of this vault."""
        targets, payload = self._targets(), intent.payload
        call = targets.vault_call(payload.to, payload.calldata)
        to = call.to.lower() if call is not None else payload.to.lower()
        if to == targets.rebalancer.lower():
            return payload.epoch + self._moves(intent)
        return payload.epoch if to == targets.shares.lower() else None

    def _moves(self, intent: Intent) -> bool:
        status = self._log.status(intent.intent_id)
        if status is not IntentStatus.MINED:
            return status not in NO_MOVE
        receipt = self._log.receipts(intent.intent_id)[-1]
        return receipt.succeeded and any(
            attempt.tx_hash == receipt.tx_hash and attempt.kind is AttemptKind.CALL
            for attempt in self._log.attempts(intent.intent_id)
        )
