"""The loop around one intent: journal, sign, broadcast, wait. What to do at each turn is judged in
``send_state``."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.errors import (
    GasUnaffordable,
    KeeperError,
    NodeUnavailable,
    NodeUntrusted,
    OutcomeUnknown,
    Reverted,
    RpcError,
    StillInFlight,
    WrongChain,
)
from keeper.domain.tx import Attempt, InFlight, Intent, IntentStatus, Payload, Receipt
from keeper.tx.fees import Fees, bumped, first_fees
from keeper.tx.ports import AttemptLog, Clock, Node
from keeper.tx.refusals import Refusal, refusal
from keeper.tx.send_state import NextStep, Patience, Seen, next_step

Wait = Callable[[float], None]

HOPELESS = (Refusal.INVALID, Refusal.INSUFFICIENT_FUNDS)
"""Refusals that waiting does not change. The bytes are signed all the same, so their outcome counts as unknown."""


class Signer(Protocol):
    @property
    def address(self) -> str: ...

    def sign(self, intent: Intent, fees: Fees) -> Attempt: ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """Seconds. ``confirmations`` counts the block of the receipt as the first."""

    poll_s: float = 0.25
    bump_after_s: float = 45.0
    give_up_after_s: float = 600.0
    confirmations: int = 1


class TransactionSender:
    """``ports.Sender`` for one key on one chain."""

    def __init__(
        self,
        node: Node,
        log: AttemptLog,
        signer: Signer,
        chain_id: int,
        clock: Clock,
        wait: Wait,
        waiting: Waiting,
    ) -> None:
        self._node = node
        self._log = log
        self._signer = signer
        self._chain_id = chain_id
        self._clock = clock
        self._wait = wait
        self._waiting = waiting

    def settle(self) -> InFlight | None:
        """One look at what was started earlier: adopt its receipt, expire it if it was never signed, else
        send the same bytes again if the node has forgotten them. Never waits. None when nothing is in flight
        any more."""
        intent = self._log.open_intent(self._chain_id, self._signer.address)
        if intent is None:
            return None
        attempts = self._log.attempts(intent.intent_id)
        seen = self._look(intent, attempts, waited_s=0.0, total_s=0.0)
        step = next_step(seen, Patience(bump_after_s=1.0, give_up_after_s=1.0))
        if step is NextStep.EXPIRE:
            self._log.move(intent.intent_id, IntentStatus.EXPIRED)
            return None
        if step is NextStep.ADOPT and seen.receipt is not None:
            if self._is_final(seen.receipt):
                self._conclude(intent, seen.receipt)
                return None
            self._log.move(intent.intent_id, IntentStatus.MINED)
        elif step is NextStep.SEND_AGAIN:
            self._broadcast(attempts[-1])
        return InFlight(
            intent_id=intent.intent_id,
            status=self._log.status(intent.intent_id),
            epoch=intent.payload.epoch,
            since=self._log.created_at(intent.intent_id),
        )

    def send(self, payload: Payload) -> Receipt:
        """Journal, sign, broadcast, wait for the confirmations.

        Raises before anything is signed: StillInFlight, WrongChain, GasUnaffordable, NodeUntrusted,
        NotAuthorised; and after: Reverted, OutcomeUnknown. JournalUnwritable at any time: nothing leaves that
        is not on disk.
        """
        fees = self._fees(payload)
        intent = Intent(uuid.uuid4().hex, self._next_nonce(payload), payload)
        self._log.create(intent)
        attempt = self._attempt(intent, fees)
        refused = self._broadcast(attempt)
        if refused in HOPELESS:
            raise self._unknown(intent, [attempt], f"the node refuses nonce {intent.nonce} as {refused}")
        receipt = self._await(intent, [attempt])
        self._conclude(intent, receipt)
        if not receipt.succeeded:
            raise Reverted(
                f"transaction {receipt.tx_hash} was mined in block {receipt.block_number} and reverted",
                remedy="The chain changed between simulation and block; the next cycle decides anew.",
            )
        return receipt

    # ------------------------------------------------------------ before signing

    def _fees(self, payload: Payload) -> Fees:
        actual = self._node.chain_id()
        if not actual == self._chain_id == payload.chain_id:
            raise WrongChain(
                f"the node is on chain {actual}, the transaction is for chain {payload.chain_id}",
                remedy="Point KEEPER_RPC_URL to a node of the configured chain. Nothing was signed.",
            )
        market = self._node.fee_market()
        fees = first_fees(market, payload.max_fee_cap_wei)
        if fees is None:
            raise GasUnaffordable(
                f"the base fee is {market.base_fee_wei / 1e9:.1f} gwei, the cap {payload.max_fee_cap_wei / 1e9:.1f}",
                remedy="Wait for cheaper gas, or raise max_gas_price_gwei of that urgency.",
            )
        worst, balance = fees.max_fee_wei * payload.gas_limit, self._node.balance(payload.sender)
        if balance < worst:
            raise GasUnaffordable(
                f"{payload.sender} has {balance / 1e18:.4f} ETH, the gas may cost {worst / 1e18:.4f}",
                remedy=f"Send ETH to {payload.sender}.",
            )
        return fees

    def _next_nonce(self, payload: Payload) -> int:
        open_intent = self._log.open_intent(self._chain_id, payload.sender)
        if open_intent is not None:
            raise StillInFlight(
                f"intent {open_intent.intent_id[:8]} at nonce {open_intent.nonce} has no final outcome",
                remedy="Run `keeper status`; the next cycle looks for its receipt again.",
            )
        mined, pending = self._node.mined_nonce(payload.sender), self._node.pending_nonce(payload.sender)
        if pending > mined:
            raise StillInFlight(
                f"the node holds {pending - mined} waiting transaction(s) of {payload.sender} "
                "that the journal does not know",
                remedy="Is another keeper or wallet using this key? Stop it; nothing is sent beside it.",
            )
        highest = self._log.highest_nonce(self._chain_id, payload.sender)
        if highest is not None and mined <= highest:
            raise NodeUntrusted(
                f"the node says nonce {mined} is next, the journal has used {highest}",
                remedy="The node lags behind or is on another chain: use one that is in sync.",
            )
        return mined

    # --------------------------------------------------------------- on the way

    def _attempt(self, intent: Intent, fees: Fees) -> Attempt:
        """Signed, and on disk before anybody else can know it."""
        attempt = self._signer.sign(intent, fees)
        self._log.add_attempt(attempt)
        return attempt

    def _broadcast(self, attempt: Attempt) -> Refusal | None:
        """Whatever the answer, the bytes may be out: only receipts tell. Returns what the node refused it
        with."""
        try:
            self._node.send_raw(attempt.raw)
        except RpcError as error:
            refused = refusal(error.code, error.text)
            if refused is Refusal.ALREADY_KNOWN:
                self._log.mark_broadcast(attempt.tx_hash)
            return refused
        except (NodeUnavailable, NodeUntrusted):
            return Refusal.UNRECOGNISED
        self._log.mark_broadcast(attempt.tx_hash)
        return None

    def _await(self, intent: Intent, attempts: list[Attempt]) -> Receipt:
        started = newest = self._clock.monotonic()
        patience = Patience(self._waiting.bump_after_s, self._waiting.give_up_after_s)
        while True:
            now = self._clock.monotonic()
            seen = self._look_or_nothing(intent, attempts, now - newest, now - started)
            step = next_step(seen, patience) if seen is not None else self._blind(now - started)
            if step is NextStep.ADOPT and seen is not None and seen.receipt is not None:
                if self._is_final(seen.receipt):
                    return seen.receipt
            elif step is NextStep.SEND_AGAIN:
                self._broadcast(attempts[-1])
            elif step is NextStep.BUMP:
                newest = now
                self._bump(intent, attempts)
            elif step is NextStep.GIVE_UP:
                raise self._unknown(intent, attempts, self._too_long(intent))
            if now - started >= self._waiting.give_up_after_s:
                raise self._unknown(intent, attempts, self._too_long(intent))
            self._wait(self._waiting.poll_s)

    def _bump(self, intent: Intent, attempts: list[Attempt]) -> None:
        last = attempts[-1]
        raised = bumped(
            Fees(last.max_fee_per_gas_wei, last.max_priority_fee_per_gas_wei), intent.payload.max_fee_cap_wei
        )
        if raised is not None:
            attempts.append(self._attempt(intent, raised))
            self._broadcast(attempts[-1])

    def _blind(self, total_s: float) -> NextStep:
        return NextStep.GIVE_UP if total_s >= self._waiting.give_up_after_s else NextStep.WAIT

    def _look_or_nothing(
        self, intent: Intent, attempts: Sequence[Attempt], waited_s: float, total_s: float
    ) -> Seen | None:
        """A node that does not answer changes nothing about what is out."""
        try:
            return self._look(intent, attempts, waited_s, total_s)
        except (NodeUnavailable, NodeUntrusted):
            return None

    def _look(self, intent: Intent, attempts: Sequence[Attempt], waited_s: float, total_s: float) -> Seen:
        receipts = (self._node.receipt(intent.intent_id, attempt.tx_hash) for attempt in attempts)
        receipt = next((found for found in receipts if found is not None), None)
        if receipt is not None or not attempts:
            return Seen(len(attempts), receipt, receipt is not None, receipt is not None, waited_s, total_s)
        return Seen(
            signed=len(attempts),
            receipt=None,
            nonce_used=self._node.mined_nonce(intent.payload.sender) > intent.nonce,
            known_to_node=self._node.knows(attempts[-1].tx_hash),
            waited_s=waited_s,
            total_s=total_s,
        )

    # -------------------------------------------------------------------- ends

    def _is_final(self, receipt: Receipt) -> bool:
        return self._node.block_number() - receipt.block_number + 1 >= self._waiting.confirmations

    def _conclude(self, intent: Intent, receipt: Receipt) -> None:
        self._log.add_receipt(receipt)
        self._log.move(intent.intent_id, IntentStatus.FINAL if receipt.succeeded else IntentStatus.REVERTED)

    def _too_long(self, intent: Intent) -> str:
        return f"no receipt for nonce {intent.nonce} within {self._waiting.give_up_after_s:.0f} s"

    def _unknown(self, intent: Intent, attempts: Sequence[Attempt], why: str) -> KeeperError:
        self._log.move(intent.intent_id, IntentStatus.UNKNOWN)
        hashes = ", ".join(attempt.tx_hash for attempt in attempts)
        return OutcomeUnknown(
            f"{why}: {hashes}",
            remedy="Nothing else is sent until one of these is mined; each cycle looks again and sends the same bytes.",
        )
