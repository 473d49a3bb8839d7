"""The loop around one intent: journal, sign, broadcast, wait. What to do at each turn is judged in ``send_state``,
what earlier processes left behind is finished in ``recovery``."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.errors import (
    GasUnaffordable,
    KeeperError,
    NodeUnavailable,
    NodeUntrusted,
    OutcomeUnknown,
    Overtaken,
    Reverted,
    WrongChain,
)
from keeper.domain.tx import (
    Attempt,
    AttemptKind,
    InFlight,
    Intent,
    IntentStatus,
    NonceReport,
    Payload,
    Receipt,
)
from keeper.runtime import failpoints
from keeper.runtime.failpoints import Failpoint
from keeper.tx import unblock
from keeper.tx.dispatch import Dispatch, Signer
from keeper.tx.fees import Fees, first_fees
from keeper.tx.nonce_selection import NonceSelection, Wait
from keeper.tx.ports import AttemptLog, Clock, FeeMarket, Node, Relay
from keeper.tx.recovery import Alarm, Recovery
from keeper.tx.refusals import Refusal
from keeper.tx.send_state import NextStep, Patience, Seen, Waited, next_step

HOPELESS = (Refusal.INVALID, Refusal.INSUFFICIENT_FUNDS)
"""Refusals that waiting does not change. The bytes are signed all the same, so their outcome counts as unknown."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Seconds. ``confirmations`` counts the block of the receipt as the first; finality is followed by later cycles."""

    poll_s: float = 0.25
    bump_after_s: float = 45.0
    give_up_after_s: float = 600.0
    private_s: float = 180.0
    confirmations: int = 1

    @property
    def patience(self) -> Patience:
        return Patience(self.bump_after_s, self.give_up_after_s, self.private_s)


class TransactionSender:
    """``ports.Sender`` for one key, one vault and one chain."""

    def __init__(
        self,
        node: Node,
        log: AttemptLog,
        signer: Signer,
        alarm: Alarm,
        chain_id: int,
        vault: str,
        clock: Clock,
        wait: Wait,
        waiting: Waiting,
        relay: Relay | None = None,
    ) -> None:
        self._node = node
        self._log = log
        self._signer = signer
        self._chain_id = chain_id
        self._vault = vault
        self._clock = clock
        self._wait = wait
        self._waiting = waiting
        self._dispatch = Dispatch(node, relay, log, signer)
        self._recovery = Recovery(node, log, self._dispatch, alarm, chain_id, signer.address)
        self._opening = NonceSelection(
            node, log, self._dispatch, self._recovery, alarm, chain_id, clock, wait, waiting.poll_s
        )

    def settle(self) -> InFlight | None:
        """ports.Sender. One look at what was started earlier and one step for each; never waits."""
        self._require_chain()
        unfinished = self._recovery.settle(self._vault)
        if not unfinished:
            return None
        intent = unfinished[0]
        return InFlight(
            intent_id=intent.intent_id,
            status=self._log.status(intent.intent_id),
            epoch=intent.payload.epoch,
            since=self._log.created_at(intent.intent_id),
        )

    def send(self, payload: Payload, *, supersede: bool = False) -> Receipt:
        """ports.Sender: journal, sign, broadcast, wait for the confirmations.

        Raises before anything is signed: StillInFlight, WrongChain, GasUnaffordable, NodeUntrusted,
        NotAuthorised, SignerUnavailable; and after: Reverted, Overtaken (something else took the nonce, of ours),
        OutcomeUnknown. JournalUnwritable at any time: nothing leaves that is not on disk.
        """
        self._require_chain()
        if payload.chain_id != self._chain_id:
            raise _wrong_chain(self._chain_id, payload.chain_id)
        market = self._node.fee_market()
        self._require_gas(payload, market)
        failpoints.reach(Failpoint.INTENT_BEGINS)
        intent = self._opening.open(payload, supersede=supersede)
        fees = self._fees(intent, market)
        failpoints.reach(
            Failpoint.INTENT_COMMITTED if intent.supersedes is None else Failpoint.SUPERSESSION_COMMITTED
        )
        attempt = self._dispatch.first(intent, fees)
        refused = self._dispatch.send(intent, attempt)
        if refused in HOPELESS:
            raise self._unknown(intent, f"the node refuses nonce {intent.nonce} as {refused}")
        if refused is Refusal.REPLACEMENT_UNDERPRICED:
            self._outbid(intent)
        receipt = self._await(intent)
        if receipt.intent_id != intent.intent_id or self._kind(receipt) is AttemptKind.CANCEL:
            raise Overtaken(
                f"nonce {intent.nonce} was taken by {receipt.tx_hash}, which this transaction competed with",
                remedy="It is in the journal. The next cycle decides anew.",
            )
        if not receipt.succeeded:
            raise Reverted(
                f"transaction {receipt.tx_hash} was mined in block {receipt.block_number} and reverted",
                remedy="The chain changed between simulation and block; the next cycle decides anew.",
            )
        return receipt

    # ----------------------------------------------------------------- by hand

    def nonces(self) -> NonceReport:
        """The key's nonces and what is stuck. Changes nothing."""
        return unblock.report(
            self._node, self._log, self._dispatch, self._chain_id, self._signer.address, self._vault
        )

    def unblock(self, cap_wei: int) -> tuple[Receipt, ...]:
        """Uses up, by transfers of nothing, the nonces of what waits and of gaps below what others sent. The call may
        win all the same: the receipts say which was mined. Raises as ``send``."""
        self._require_chain()
        found = self.nonces()
        mined = []
        for intent in unblock.waiting(found):
            seen = self._look(intent)
            attempt = self._dispatch.cancel(seen) if seen is not None else None
            if attempt is None:
                raise GasUnaffordable(
                    f"nonce {intent.nonce} cannot be outbid within its cap of "
                    f"{intent.payload.max_fee_cap_wei / 1e9:.1f} gwei",
                    remedy="Wait for cheaper gas; what is out stays out.",
                )
            self._dispatch.send(intent, attempt)
            mined.append(self._await(intent))
        for nonce in found.gaps:
            intent = unblock.no_op(self._chain_id, self._signer.address, nonce, cap_wei)
            self._log.create(intent)
            self._log.move(intent.intent_id, IntentStatus.SIGNING)
            seen = self._look(intent)
            attempt = self._dispatch.cancel(seen) if seen is not None else None
            if attempt is not None:
                self._dispatch.send(intent, attempt)
            mined.append(self._await(intent))
        return tuple(mined)

    # ------------------------------------------------------------ before signing

    def _require_chain(self) -> None:
        actual = self._node.chain_id()
        if actual != self._chain_id:
            raise _wrong_chain(actual, self._chain_id)

    def _require_gas(self, payload: Payload, market: FeeMarket) -> None:
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

    def _fees(self, intent: Intent, market: FeeMarket) -> Fees:
        """What the market asks, and enough to outbid what is superseded. Where the cap is too low for that, the cap:
        one of the two is mined, and either may be."""
        cap = intent.payload.max_fee_cap_wei
        fees = self._dispatch.outbidding(self._dispatch.rivals(intent), cap) or first_fees(market, cap)
        return fees if fees is not None else Fees(cap, cap)

    # --------------------------------------------------------------- on the way

    def _await(self, intent: Intent) -> Receipt:
        started = newest = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            waited = Waited(newest_s=now - newest, total_s=now - started)
            if waited.total_s >= self._waiting.give_up_after_s:
                raise self._unknown(intent, self._too_long(intent))
            seen = self._look(intent)
            step = next_step(seen, waited, self._waiting.patience) if seen is not None else NextStep.WAIT
            if step is NextStep.ADOPT and seen is not None and seen.receipt is not None:
                self._recovery.record(seen.receipt, seen.outlook)
                if seen.outlook.head - seen.receipt.block_number + 1 >= self._waiting.confirmations:
                    return seen.receipt
            elif step is NextStep.GIVE_UP:
                raise self._unknown(intent, self._too_long(intent))
            elif seen is not None and self._pushed(seen, step):
                newest = now
            self._wait(self._waiting.poll_s)

    def _pushed(self, seen: Seen, step: NextStep) -> bool:
        """Acts on what is not mined; whether a new attempt is out."""
        attempt: Attempt | None = None
        if step is NextStep.UNMINE:
            self._log.move(seen.intent.intent_id, IntentStatus.UNMINED)
        if step in (NextStep.UNMINE, NextStep.SEND_AGAIN):
            refused = self._dispatch.send(seen.intent, seen.attempts[-1])
            if refused is Refusal.REPLACEMENT_UNDERPRICED:
                attempt = self._dispatch.bump(seen)
        elif step is NextStep.BUMP:
            attempt = self._dispatch.bump(seen)
        elif step is NextStep.CANCEL:
            attempt = self._dispatch.cancel(seen)
        if attempt is None:
            return step is NextStep.BUMP
        self._dispatch.send(seen.intent, attempt)
        failpoints.reach(Failpoint.BUMP_BROADCAST)
        return True

    def _outbid(self, intent: Intent) -> None:
        """Something is out for this nonce that we do not see: at once a higher price."""
        seen = self._look(intent)
        if seen is not None:
            self._pushed(seen, NextStep.BUMP)

    def _look(self, intent: Intent) -> Seen | None:
        """None when the node does not answer: that changes nothing about what is out."""
        payload = intent.payload
        try:
            outlook = self._node.look(payload.sender, payload.vault, self._dispatch.hashes(intent))
        except (NodeUnavailable, NodeUntrusted):
            return None
        return self._dispatch.seen(intent, outlook)

    # -------------------------------------------------------------------- ends

    def _kind(self, receipt: Receipt) -> AttemptKind:
        attempts = self._log.attempts(receipt.intent_id)
        return next(attempt.kind for attempt in attempts if attempt.tx_hash == receipt.tx_hash)

    def _too_long(self, intent: Intent) -> str:
        return f"no receipt for nonce {intent.nonce} within {self._waiting.give_up_after_s:.0f} s"

    def _unknown(self, intent: Intent, why: str) -> KeeperError:
        if self._log.status(intent.intent_id) in (IntentStatus.SIGNED, IntentStatus.SENT):
            self._log.move(intent.intent_id, IntentStatus.UNKNOWN)
        failpoints.reach(Failpoint.UNKNOWN_COMMITTED)
        hashes = ", ".join(attempt.tx_hash for attempt in self._log.attempts(intent.intent_id))
        return OutcomeUnknown(
            f"{why}: {hashes}",
            remedy="Nothing else is sent until one of these is mined; each cycle looks again and sends the same bytes.",
        )


def _wrong_chain(actual: int, wanted: int) -> WrongChain:
    return WrongChain(
        f"the node is on chain {actual}, the transaction is for chain {wanted}",
        remedy="Point KEEPER_RPC_URL to a node of the configured chain. Nothing was signed.",
    )
