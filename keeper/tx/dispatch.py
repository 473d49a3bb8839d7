"""From an intent to bytes on their way: sign, store, send. Nothing leaves that is not on disk."""

from __future__ import annotations

from typing import Protocol

from keeper.domain.errors import NodeUnavailable, NodeUntrusted, RpcError
from keeper.domain.tx import Attempt, AttemptKind, Intent, IntentStatus
from keeper.runtime import failpoints
from keeper.runtime.failpoints import Failpoint
from keeper.tx.fees import Fees, first_fees, replacing
from keeper.tx.ports import AttemptLog, Node, Outlook, Relay
from keeper.tx.refusals import NOT_TAKEN, Refusal, refusal
from keeper.tx.send_state import Seen


class Signer(Protocol):
    """Holds the key, here or elsewhere. Both raise NotAuthorised outside the allowlist, SignerUnavailable and
    SignerUntrusted where it is a remote one."""

    @property
    def address(self) -> str: ...

    def require_allowed(self, intent: Intent, fees: Fees) -> None:
        """Raises NotAuthorised outside the allowlist."""
        ...

    def sign(self, intent: Intent, fees: Fees) -> Attempt: ...

    def sign_cancel(self, intent: Intent, fees: Fees) -> Attempt:
        """A transfer of nothing to ourselves at the intent's nonce."""
        ...


class Dispatch:
    """``relay`` is None where none is configured: everything is public then."""

    def __init__(self, node: Node, relay: Relay | None, log: AttemptLog, signer: Signer) -> None:
        self._node = node
        self._relay = relay
        self._log = log
        self._signer = signer

    def seen(self, intent: Intent, outlook: Outlook) -> Seen:
        """The intent as journal and node show it."""
        return Seen(
            intent=intent,
            status=self._log.status(intent.intent_id),
            attempts=self._log.attempts(intent.intent_id),
            rivals=self.rivals(intent),
            outlook=outlook,
        )

    def rivals(self, intent: Intent) -> tuple[Attempt, ...]:
        """Attempts of what this intent superseded, and of what that one had."""
        found: tuple[Attempt, ...] = ()
        superseded = intent.supersedes
        while superseded is not None:
            found += self._log.attempts(superseded)
            superseded = self._log.intent(superseded).supersedes
        return found

    def hashes(self, intent: Intent) -> dict[str, str]:
        """Every hash that may use the intent's nonce on our behalf, to the intent that it belongs to."""
        attempts = (*self._log.attempts(intent.intent_id), *self.rivals(intent))
        return {attempt.tx_hash: attempt.intent_id for attempt in attempts}

    # -------------------------------------------------------------------- signing

    def first(self, intent: Intent, fees: Fees) -> Attempt:
        """The signature is announced before it is asked for: from then on the nonce belongs to this payload."""
        self._signer.require_allowed(intent, fees)
        self._log.move(intent.intent_id, IntentStatus.SIGNING)
        failpoints.reach(Failpoint.SIGNING_COMMITTED)
        return self.signed_call(intent, fees)

    def resume(self, seen: Seen) -> Attempt | None:
        """The signature that an earlier process did not get round to, or whose bytes it did not store. None where the
        cap does not allow to outbid what is out."""
        fees = self.outbidding(seen.rivals, seen.intent.payload.max_fee_cap_wei)
        if fees is None:
            return None
        return (self.first if seen.status is IntentStatus.OPEN else self.signed_call)(seen.intent, fees)

    def signed_call(self, intent: Intent, fees: Fees) -> Attempt:
        attempt = self._signer.sign(intent, fees)
        failpoints.reach(Failpoint.SIGNED)
        self._log.add_attempt(attempt)
        failpoints.reach(Failpoint.ATTEMPT_COMMITTED)
        return attempt

    def bump(self, seen: Seen) -> Attempt | None:
        """The newest attempt again at a higher price; None where the cap does not allow one."""
        newest = seen.attempts[-1]
        fees = self.outbidding(seen.attempts, seen.intent.payload.max_fee_cap_wei)
        if fees is None:
            return None
        failpoints.reach(Failpoint.BUMP_BEGINS)
        sign = self._signer.sign if newest.kind is AttemptKind.CALL else self._signer.sign_cancel
        attempt = sign(seen.intent, fees)
        failpoints.reach(Failpoint.BUMP_SIGNED)
        self._log.add_attempt(attempt)
        failpoints.reach(Failpoint.BUMP_COMMITTED)
        return attempt

    def cancel(self, seen: Seen) -> Attempt | None:
        """A no-op that outbids what is out for the nonce; None where the cap does not allow one."""
        fees = self.outbidding((*seen.attempts, *seen.rivals), seen.intent.payload.max_fee_cap_wei)
        if fees is None:
            return None
        if seen.status is IntentStatus.OPEN:
            self._log.move(seen.intent.intent_id, IntentStatus.SIGNING)
        attempt = self._signer.sign_cancel(seen.intent, fees)
        self._log.add_attempt(attempt)
        failpoints.reach(Failpoint.SETTLE_CANCELLING)
        return attempt

    def outbidding(self, out: tuple[Attempt, ...], cap_wei: int) -> Fees | None:
        """Fees that replace all of ``out`` in a mempool; None above the cap."""
        market = self._node.fee_market()
        if not out:
            return first_fees(market, cap_wei)
        highest = Fees(
            max(attempt.max_fee_per_gas_wei for attempt in out),
            max(attempt.max_priority_fee_per_gas_wei for attempt in out),
        )
        return replacing(highest, market, cap_wei)

    # ------------------------------------------------------------------- sending

    def send(self, intent: Intent, attempt: Attempt) -> Refusal | None:
        """Whatever the answer, the bytes may be out: only receipts tell. Returns what the node refused them with."""
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
