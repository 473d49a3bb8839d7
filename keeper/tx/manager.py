"""Sends one transaction: select the nonce, store, sign, send, wait. ``send_state`` decides each step of the wait, and
``recovery`` finishes what earlier processes left behind."""

from __future__ import annotations

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
from keeper.tx.config import SenderConfig
from keeper.tx.dispatch import Dispatcher
from keeper.tx.fees import FeeMarket, first_fees
from keeper.tx.nonce_selection import NonceSelection
from keeper.tx.nonce_watermark import ChainWatermark
from keeper.tx.recovery import Recovery
from keeper.tx.refusals import Refusal, RefusalKind
from keeper.tx.send_state import NextStep, SendState, Waited, next_step

HOPELESS = (
    RefusalKind.INVALID,
    RefusalKind.INSUFFICIENT_FUNDS,
    RefusalKind.FEE_TOO_HIGH,
    RefusalKind.NOT_SUPPORTED,
)
"""Refusals that waiting does not change; no lower fee that can be mined passes FEE_TOO_HIGH. The signed bytes exist all
the same, so the outcome counts as unknown."""


class TransactionSender:
    """``ports.Sender`` for one key, one vault and one chain."""

    def __init__(self, config: SenderConfig) -> None:
        self._config = config
        self._node = config.node
        self._log = config.log
        self._timer = config.timer
        self._timing = config.timing
        self._chain_id = config.chain_id
        self._explain = config.explain
        self._targets = config.targets
        self._dispatcher = Dispatcher(config)
        self._watermark = ChainWatermark(config, self._dispatcher)
        self._recovery = Recovery(config, self._dispatcher, self._watermark)
        self._nonce_selection = NonceSelection(
            config, self._dispatcher, recovery=self._recovery, watermark=self._watermark
        )
        self._refused: Refusal | None = None

    def settle(self) -> InFlight | None:
        """ports.Sender. Takes one step for each transaction that was started earlier, and never waits."""
        self._require_chain()
        unfinished = self._recovery.settle()
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

        Raises before anything is signed: StillInFlight, WrongChain, GasUnaffordable, NodeUntrusted, NotAuthorised,
        SignerUnavailable. Raises afterwards: Reverted, Overtaken (another transaction of ours took the nonce),
        OutcomeUnknown. Raises JournalUnwritable at any time, because nothing is sent before it is on disk.
        """
        self._require_chain()
        if payload.chain_id != self._chain_id:
            raise _wrong_chain(str(self._chain_id), payload.chain_id)
        market = self._node.fee_market()
        self._require_gas(payload, market)
        failpoints.reach(Failpoint.INTENT_BEGINS)
        intent = self._nonce_selection.open_intent(payload, supersede=supersede)
        if not self._log.attempts(intent.intent_id):
            self._offer_first(intent)
        receipt = self._await(intent)
        if receipt.intent_id != intent.intent_id or self._kind(receipt) is AttemptKind.CANCEL:
            raise Overtaken(
                f"nonce {intent.nonce} was used by {receipt.tx_hash}, a competing transaction of this key",
                remedy="It is in the journal. The next cycle makes a new decision.",
            )
        if not receipt.succeeded:
            raise Reverted(
                f"transaction {receipt.tx_hash} was mined in block {receipt.block_number} and reverted: "
                f"{self._revert_reason(intent.payload, receipt)}",
                remedy="Only its gas is spent. The next cycle makes a new decision.",
            )
        return receipt

    def _revert_reason(self, payload: Payload, receipt: Receipt) -> str:
        if receipt.gas_used >= payload.gas_limit:
            return f"it used all of its {payload.gas_limit:,} gas"
        try:
            data = self._node.revert_data(payload, receipt.block_number)
        except (NodeUnavailable, NodeUntrusted):
            return "the node does not say why"
        if data is None:
            return "at the end of that block the call does not revert, so the chain changed within the block"
        return self._explain(data)

    def _offer_first(self, intent: Intent) -> None:
        fees = self._dispatcher.initial_fees(intent)
        if fees is None:
            raise self._unaffordable(intent.payload, self._node.fee_market())
        failpoints.reach(
            Failpoint.INTENT_COMMITTED if intent.supersedes is None else Failpoint.SUPERSESSION_COMMITTED
        )
        self._offer(intent, self._dispatcher.sign_first(intent, fees))
        if self._refused is not None and self._refused.kind in HOPELESS:
            raise self._unknown(intent, f"nonce {intent.nonce} is refused as {self._refused.kind}")

    # ------------------------------------------------------------- stuck nonces

    def nonces(self) -> NonceReport:
        """The key's nonces and its stuck transactions. Changes nothing."""
        return unblock.report(self._config, self._dispatcher)

    def unblock(self, cap_wei: int) -> tuple[Receipt, ...]:
        """Uses up, with no-ops, the nonces of waiting intents, and the gaps below foreign transactions. A waiting call
        may still be mined instead of its no-op: the receipts tell which. An intent that the chain cannot reach expires
        first. Raises as ``send``."""
        self._require_chain()
        unfinished = self._log.unfinished(self._chain_id, self._config.account)
        view = self._watermark.view(self._dispatcher.hashes(*unfinished))
        self._recovery.record_let_go(view)
        self._recovery.expire_out_of_reach(unfinished, view)
        nonces = self.nonces()
        receipts = [self._cancelled(intent) for intent in unblock.cancellable(nonces)]
        for nonce in nonces.gaps:
            intent = unblock.no_op(self._config, nonce, cap_wei, self._watermark.given_up_at(nonce))
            self._log.create(intent)
            self._log.move(intent.intent_id, IntentStatus.SIGNING)
            receipts.append(self._cancelled(intent))
        return tuple(receipts)

    def _cancelled(self, intent: Intent) -> Receipt:
        """The receipt of a no-op at the intent's nonce. Raises GasUnaffordable, OutcomeUnknown."""
        if not self._send_cancel(intent):
            raise GasUnaffordable(
                f"a no-op at nonce {intent.nonce} needs more than its cap of "
                f"{intent.payload.max_fee_cap_wei / 1e9:.1f} gwei, or no node answers",
                remedy="Wait for cheaper gas, or look at the node. What waits at this nonce is unchanged.",
            )
        return self._await(intent)

    def _send_cancel(self, intent: Intent) -> bool:
        """False if nothing was sent: the node does not answer, or the fee cap is too low."""
        state = self._state(intent)
        attempt = self._dispatcher.sign_cancel(state) if state is not None else None
        if attempt is not None:
            self._offer(intent, attempt)
        return attempt is not None

    # ------------------------------------------------------------ before signing

    def _require_chain(self) -> None:
        actual = self._node.chain_id()
        if actual != self._chain_id:
            raise _wrong_chain(f"{actual} by eth_chainId of {self._node.endpoint}", self._chain_id)

    def _require_gas(self, payload: Payload, market: FeeMarket) -> None:
        fees = first_fees(market, payload.max_fee_cap_wei)
        if fees is None:
            raise self._unaffordable(payload, market)
        worst, balance = fees.max_fee_wei * payload.gas_limit, self._node.balance(payload.sender)
        if balance < worst:
            raise GasUnaffordable(
                f"{payload.sender} has {balance / 1e18:.4f} ETH, the gas may cost {worst / 1e18:.4f}",
                remedy=f"Send ETH to {payload.sender}.",
            )

    def _unaffordable(self, payload: Payload, market: FeeMarket) -> GasUnaffordable:
        return GasUnaffordable(
            f"the base fee is {market.base_fee_wei / 1e9:.1f} gwei, and {payload.gas_limit:,} gas may be offered at "
            f"most {payload.max_fee_cap_wei / 1e9:.1f}",
            remedy="Wait for cheaper gas, or raise max_gas_price_gwei of that urgency or plan.max_fee_eth.",
        )

    # ------------------------------------------------------------------ waiting

    def _await(self, intent: Intent) -> Receipt:
        wait = _Wait(self._timer.monotonic(), self._log.attempts(intent.intent_id))
        while True:
            waited = wait.until(self._timer.monotonic())
            if waited.total_s >= self._timing.give_up_after_s:
                raise self._unknown(intent, self._no_receipt(intent))
            state = self._state(intent)
            step = NextStep.WAIT
            if state is not None:
                wait.seen(state)
                step = next_step(state, self._timing, wait.until(self._timer.monotonic()))
            if step is NextStep.ADOPT and state is not None and state.receipt is not None:
                self._recovery.record(state.receipt, state.view)
                if state.view.head - state.receipt.block_number + 1 >= self._timing.confirmations:
                    return state.receipt
            elif step is NextStep.GIVE_UP:
                raise self._unknown(intent, self._no_receipt(intent))
            elif state is not None and step is not NextStep.WAIT:
                self._carry_out(step, state)
                wait.acted(step, self._timer.monotonic(), self._log.attempts(intent.intent_id))
            self._timer.wait(self._timing.poll_s)

    def _carry_out(self, step: NextStep, state: SendState) -> None:
        """Of an intent that is not mined."""
        attempt: Attempt | None = None
        if step is NextStep.UNMINE:
            self._log.move(state.intent.intent_id, IntentStatus.UNMINED)
        if step in (NextStep.UNMINE, NextStep.SEND_AGAIN):
            attempt = state.attempts[-1]
        elif step is NextStep.BUMP:
            attempt = self._dispatcher.sign_bump(state.intent)
        elif step is NextStep.CANCEL:
            attempt = self._dispatcher.sign_cancel(state)
        if attempt is None:
            return
        self._offer(state.intent, attempt)
        if step in (NextStep.BUMP, NextStep.CANCEL):
            failpoints.reach(Failpoint.BUMP_BROADCAST)

    def _offer(self, intent: Intent, attempt: Attempt) -> None:
        self._refused = self._dispatcher.offer(intent, attempt)

    def _state(self, intent: Intent) -> SendState | None:
        """None if the node does not answer."""
        payload = intent.payload
        try:
            view = self._node.view(
                payload.sender, self._targets().rebalancer, self._dispatcher.hashes(intent)
            )
        except (NodeUnavailable, NodeUntrusted):
            return None
        return self._dispatcher.state(intent, view)

    # ----------------------------------------------------------------- outcomes

    def _kind(self, receipt: Receipt) -> AttemptKind:
        attempts = self._log.attempts(receipt.intent_id)
        return next(attempt.kind for attempt in attempts if attempt.tx_hash == receipt.tx_hash)

    def _no_receipt(self, intent: Intent) -> str:
        return f"no receipt for nonce {intent.nonce} within {self._timing.give_up_after_s:.0f} s"

    def _unknown(self, intent: Intent, why: str) -> KeeperError:
        if self._log.status(intent.intent_id) in (IntentStatus.SIGNED, IntentStatus.SENT):
            self._log.move(intent.intent_id, IntentStatus.UNKNOWN)
        failpoints.reach(Failpoint.UNKNOWN_COMMITTED)
        hashes = ", ".join(attempt.tx_hash for attempt in self._log.attempts(intent.intent_id))
        words = f"; the node says: {self._refused.words}" if self._refused is not None else ""
        return OutcomeUnknown(
            f"{why}{words} ({hashes})",
            remedy="Nothing else is sent until one of these is mined. Each cycle looks again and sends the same bytes.",
        )


class _Wait:
    """When an attempt was begun and sent last, for ``next_step``."""

    def __init__(self, now: float, attempts: tuple[Attempt, ...]) -> None:
        self._started = self._newest = self._sent = now
        self._tx_hash = attempts[-1].tx_hash
        self._sends = 1

    def until(self, now: float) -> Waited:
        return Waited(
            total_s=now - self._started,
            newest_s=now - self._newest,
            sent_s=now - self._sent,
            sends=self._sends,
        )

    def seen(self, state: SendState) -> None:
        """A node that knew the bytes and forgets them is sent them at once."""
        if state.known_to_node:
            self._sends = 0

    def acted(self, step: NextStep, now: float, attempts: tuple[Attempt, ...]) -> None:
        """After a step. One that the cap did not allow sent nothing, and is tried again later."""
        if attempts[-1].tx_hash != self._tx_hash:
            self._tx_hash = attempts[-1].tx_hash
            self._newest, self._sends = now, 0
        elif step in (NextStep.BUMP, NextStep.CANCEL):
            self._newest = now
            return
        self._sent = now
        self._sends += 1


def _wrong_chain(actual: str, required: int) -> WrongChain:
    return WrongChain(
        f"the node is on chain {actual}, the transaction is for chain {required}",
        remedy="Point KEEPER_RPC_URL to a node of the configured chain. Nothing was signed.",
    )
