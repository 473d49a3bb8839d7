"""From an intent to bytes on the wire: sign, store, send. Nothing is sent before it is stored.

A node may refuse the fee and take another one. Then the same call is signed again at once, under the same nonce.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keeper.domain.errors import NodeUnavailable, NodeUntrusted
from keeper.domain.tx import Attempt, AttemptKind, Intent, IntentStatus
from keeper.runtime import failpoints
from keeper.runtime.failpoints import Failpoint
from keeper.tx.allowlist import NO_OP_GAS
from keeper.tx.config import SenderConfig
from keeper.tx.fees import Fees, first_fees, next_fees
from keeper.tx.ports import NodeView
from keeper.tx.refusals import NOT_TAKEN, Refusal, RefusalKind, refusal
from keeper.tx.send_state import SendState

SIGNED_AGAIN = {
    RefusalKind.REPLACEMENT_UNDERPRICED: 1,
    RefusalKind.FEE_TOO_LOW: 1,
    RefusalKind.FEE_TOO_HIGH: 2,
}
"""How often one call is signed again at once where other fees help. Two steps lower lead from any bid to what the next
block needs."""


class Dispatcher:
    def __init__(self, config: SenderConfig) -> None:
        self._node = config.node
        self._relay = config.relay
        self._log = config.log
        self._chain_id = config.chain_id
        self._account = config.account
        self._signer = config.signer
        self._targets = config.targets
        self._require_lead = config.require_lead
        self._node_fee_cap_wei: int | None = None

    def state(self, intent: Intent, view: NodeView) -> SendState:
        targets, payload = self._targets(), intent.payload
        return SendState(
            intent=intent,
            status=self._log.status(intent.intent_id),
            attempts=self._log.attempts(intent.intent_id),
            rivals=self.rivals(intent),
            view=view,
            past_modifier=targets.vault_call(payload.to, payload.calldata) is None,
        )

    def rivals(self, intent: Intent) -> tuple[Attempt, ...]:
        """Attempts of the intent that this one superseded, of the one before it, and so on."""
        attempts: tuple[Attempt, ...] = ()
        superseded = intent.supersedes
        while superseded is not None:
            attempts += self._log.attempts(superseded)
            superseded = self._log.intent(superseded).supersedes
        return attempts

    def hashes(self, *intents: Intent) -> dict[str, str]:
        """Every hash that may use the intents' nonces on our behalf, mapped to the intent that owns it."""
        return {
            attempt.tx_hash: attempt.intent_id
            for intent in intents
            for attempt in (*self._log.attempts(intent.intent_id), *self.rivals(intent))
        }

    def own_hashes(self, unfinished: Sequence[Intent]) -> frozenset[str]:
        """Every hash that may wait in a mempool on our behalf. What was given up stays ours."""
        given_up = self._log.given_up(self._chain_id, self._account)
        return frozenset(self.hashes(*unfinished, *given_up))

    # -------------------------------------------------------------------- signing

    def sign_first(self, intent: Intent, fees: Fees) -> Attempt:
        """Stores SIGNING before it asks for the signature: from then on the nonce belongs to this payload."""
        self._signer.require_allowed(intent, fees)
        self._log.move(intent.intent_id, IntentStatus.SIGNING)
        failpoints.reach(Failpoint.SIGNING_COMMITTED)
        return self._sign_call(intent, fees)

    def sign_missing(self, state: SendState) -> Attempt | None:
        """The signature that an earlier process did not ask for, or did not store. None if the fee cap does not allow
        replacing the rivals."""
        fees = self.next_fees(state.intent, state.rivals)
        if fees is None:
            return None
        sign = self.sign_first if state.status is IntentStatus.OPEN else self._sign_call
        return sign(state.intent, fees)

    def sign_bump(self, intent: Intent) -> Attempt | None:
        """The newest attempt again with higher fees, or with lower ones where a node refused the earlier ones as too
        high. None if the fee cap does not allow it."""
        attempts = self._log.attempts(intent.intent_id)
        fees = self.next_fees(intent, attempts, attempts[-1].kind)
        if fees is None:
            return None
        failpoints.reach(Failpoint.BUMP_BEGINS)
        attempt = self._signer.sign(intent, fees, attempts[-1].kind)
        failpoints.reach(Failpoint.BUMP_SIGNED)
        self._store(intent, attempt)
        failpoints.reach(Failpoint.BUMP_COMMITTED)
        return attempt

    def sign_cancel(self, state: SendState) -> Attempt | None:
        """A no-op that replaces all attempts and rivals; None if the fee cap does not allow it."""
        fees = self.next_fees(state.intent, (*state.attempts, *state.rivals), AttemptKind.CANCEL)
        if fees is None:
            return None
        if state.status is IntentStatus.OPEN:
            self._log.move(state.intent.intent_id, IntentStatus.SIGNING)
        attempt = self._signer.sign(state.intent, fees, AttemptKind.CANCEL)
        self._store(state.intent, attempt)
        failpoints.reach(Failpoint.SETTLE_CANCELLING)
        return attempt

    def initial_fees(self, intent: Intent) -> Fees | None:
        """What the market asks, and enough to replace the superseded transaction. If the cap is too low for that, what
        the market asks: then either of the two may be mined. None if the cap is too low for the market too."""
        rivals = self.rivals(intent)
        replacing = self.next_fees(intent, rivals)
        if replacing is not None:
            return replacing
        fees = first_fees(self._node.fee_market(), self._cap_wei(intent, AttemptKind.CALL))
        taken = {(rival.max_fee_per_gas_wei, rival.max_priority_fee_per_gas_wei) for rival in rivals}
        # The same call at the same fees would be the rival's own bytes.
        while fees is not None and (fees.max_fee_wei, fees.tip_wei) in taken:
            fees = replace(fees, max_fee_wei=fees.max_fee_wei - 1)
        return fees

    def next_fees(
        self, intent: Intent, attempts: tuple[Attempt, ...], kind: AttemptKind = AttemptKind.CALL
    ) -> Fees | None:
        """Fees that replace all ``attempts`` in a mempool; None if they would exceed the cap. No mempool holds an
        attempt above the cap: a node's own cap is known from its refusal."""
        cap = self._cap_wei(intent, kind)
        earlier = [
            Fees(attempt.max_fee_per_gas_wei, attempt.max_priority_fee_per_gas_wei)
            for attempt in attempts
            if attempt.max_fee_per_gas_wei <= cap
        ]
        return next_fees(earlier, self._node.fee_market(), cap)

    def _cap_wei(self, intent: Intent, kind: AttemptKind) -> int:
        payload = intent.payload
        if self._node_fee_cap_wei is None:
            return payload.max_fee_cap_wei
        return min(payload.max_fee_cap_wei, self._node_fee_cap_wei // _gas(intent, kind))

    def _sign_call(self, intent: Intent, fees: Fees) -> Attempt:
        attempt = self._signer.sign(intent, fees)
        failpoints.reach(Failpoint.SIGNED)
        self._store(intent, attempt)
        failpoints.reach(Failpoint.ATTEMPT_COMMITTED)
        return attempt

    def _store(self, intent: Intent, attempt: Attempt) -> None:
        """Signing the same fields again gives the same bytes, which are stored already."""
        if all(attempt.tx_hash != stored.tx_hash for stored in self._log.attempts(intent.intent_id)):
            self._log.add_attempt(attempt)

    # ------------------------------------------------------------------- sending

    def offer(self, intent: Intent, attempt: Attempt) -> Refusal | None:
        """Sends, and where other fees help signs and sends again. Returns the last refusal, None if the node took the
        bytes. A refused transaction may still be mined: only a receipt is proof."""
        refused = self._send(intent, attempt)
        signed = 0
        while refused is not None and signed < SIGNED_AGAIN.get(refused.kind, 0):
            again = self.sign_bump(intent)
            if again is None:
                break
            signed += 1
            refused = self._send(intent, again)
            failpoints.reach(Failpoint.BUMP_BROADCAST)
        return refused

    def _send(self, intent: Intent, attempt: Attempt) -> Refusal | None:
        self._require_lead()
        failpoints.reach(Failpoint.SEND_BEGINS)
        private = intent.payload.private and attempt.kind is AttemptKind.CALL
        route = self._relay if private and self._relay is not None else self._node
        refused = None
        try:
            route.send_raw(attempt.raw)
        except (NodeUnavailable, NodeUntrusted) as error:
            refused = refusal(error)
        failpoints.reach(Failpoint.BROADCAST)
        if refused is not None and refused.kind is RefusalKind.FEE_TOO_HIGH:
            self._learn_cap(refused, attempt.max_fee_per_gas_wei * _gas(intent, attempt.kind))
        if refused is None or refused.kind not in NOT_TAKEN:
            self._log.mark_broadcast(attempt.tx_hash)
            failpoints.reach(Failpoint.BROADCAST_COMMITTED)
        return refused

    def _learn_cap(self, refused: Refusal, refused_wei: int) -> None:
        """Until new settings replace this keeper, or the process ends. A node that does not say its cap takes less than
        what it refused."""
        stated = refused_wei - 1 if refused.fee_cap_wei is None else refused.fee_cap_wei
        self._node_fee_cap_wei = min(stated, refused_wei - 1, self._node_fee_cap_wei or stated)


def _gas(intent: Intent, kind: AttemptKind) -> int:
    return NO_OP_GAS if kind is AttemptKind.CANCEL else intent.payload.gas_limit
