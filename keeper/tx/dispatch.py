"""From an intent to bytes on the wire: sign, store, send. Nothing is sent before it is stored."""

from __future__ import annotations

from keeper.domain.errors import NodeUnavailable, NodeUntrusted, RpcError
from keeper.domain.tx import Attempt, AttemptKind, Intent, IntentStatus
from keeper.runtime import failpoints
from keeper.runtime.failpoints import Failpoint
from keeper.tx.config import SenderConfig
from keeper.tx.fees import Fees, first_fees, replacement_fees
from keeper.tx.ports import NodeView
from keeper.tx.refusals import NOT_TAKEN, Refusal, refusal
from keeper.tx.send_state import SendState


class Dispatcher:
    def __init__(self, config: SenderConfig) -> None:
        self._node = config.node
        self._relay = config.relay
        self._log = config.log
        self._signer = config.signer

    def state(self, intent: Intent, view: NodeView) -> SendState:
        return SendState(
            intent=intent,
            status=self._log.status(intent.intent_id),
            attempts=self._log.attempts(intent.intent_id),
            rivals=self.rivals(intent),
            view=view,
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
        fees = self.outbidding_fees(state.rivals, state.intent.payload.max_fee_cap_wei)
        if fees is None:
            return None
        sign = self.sign_first if state.status is IntentStatus.OPEN else self._sign_call
        return sign(state.intent, fees)

    def sign_bump(self, state: SendState) -> Attempt | None:
        """The newest attempt again with higher fees; None if the fee cap does not allow it."""
        fees = self.outbidding_fees(state.attempts, state.intent.payload.max_fee_cap_wei)
        if fees is None:
            return None
        failpoints.reach(Failpoint.BUMP_BEGINS)
        attempt = self._signer.sign(state.intent, fees, state.attempts[-1].kind)
        failpoints.reach(Failpoint.BUMP_SIGNED)
        self._log.add_attempt(attempt)
        failpoints.reach(Failpoint.BUMP_COMMITTED)
        return attempt

    def sign_cancel(self, state: SendState) -> Attempt | None:
        """A no-op that replaces all attempts and rivals; None if the fee cap does not allow it."""
        attempts = (*state.attempts, *state.rivals)
        fees = self.outbidding_fees(attempts, state.intent.payload.max_fee_cap_wei)
        if fees is None:
            return None
        if state.status is IntentStatus.OPEN:
            self._log.move(state.intent.intent_id, IntentStatus.SIGNING)
        attempt = self._signer.sign(state.intent, fees, AttemptKind.CANCEL)
        self._log.add_attempt(attempt)
        failpoints.reach(Failpoint.SETTLE_CANCELLING)
        return attempt

    def outbidding_fees(self, attempts: tuple[Attempt, ...], cap_wei: int) -> Fees | None:
        """Fees that replace all ``attempts`` in a mempool; None if they would exceed the cap."""
        market = self._node.fee_market()
        if not attempts:
            return first_fees(market, cap_wei)
        highest = Fees(
            max(attempt.max_fee_per_gas_wei for attempt in attempts),
            max(attempt.max_priority_fee_per_gas_wei for attempt in attempts),
        )
        return replacement_fees(highest, market, cap_wei)

    def _sign_call(self, intent: Intent, fees: Fees) -> Attempt:
        attempt = self._signer.sign(intent, fees)
        failpoints.reach(Failpoint.SIGNED)
        self._log.add_attempt(attempt)
        failpoints.reach(Failpoint.ATTEMPT_COMMITTED)
        return attempt

    # ------------------------------------------------------------------- sending

    def send(self, intent: Intent, attempt: Attempt) -> Refusal | None:
        """Returns the node's refusal, None if it took the bytes. A refused transaction may still be mined: only a
        receipt is proof."""
        private = intent.payload.private and attempt.kind is AttemptKind.CALL
        route = self._relay if private and self._relay is not None else self._node
        refused = None
        try:
            route.send_raw(attempt.raw)
        except RpcError as error:
            refused = refusal(error.code, error.text)
        except (NodeUnavailable, NodeUntrusted):
            refused = Refusal.UNRECOGNISED
        failpoints.reach(Failpoint.BROADCAST)
        if refused not in NOT_TAKEN:
            self._log.mark_broadcast(attempt.tx_hash)
            failpoints.reach(Failpoint.BROADCAST_COMMITTED)
        return refused
