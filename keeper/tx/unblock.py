"""Stuck nonces, for `keeper unblock`: report them, and the no-op that cancels one or fills a gap."""

from __future__ import annotations

import uuid
from itertools import islice

from keeper.domain.tx import (
    WAITING,
    Intent,
    IntentStatus,
    NonceReport,
    Payload,
    StuckIntent,
)
from keeper.tx.allowlist import NO_OP_GAS
from keeper.tx.config import SenderConfig
from keeper.tx.dispatch import Dispatcher
from keeper.tx.ports import NodeView

MAX_GAPS = 64
"""Reported and filled at once. geth keeps 64 transactions of a key behind a gap; a node may name any nonce."""
NO_EPOCH = -1
"""Epoch of a cancel-only intent. Recovery must never sign a vault call for it."""
OVER = 0
"""Its deadline: there is no call that could still be valid."""


def report(config: SenderConfig, dispatcher: Dispatcher) -> NonceReport:
    """Changes nothing. Raises NodeUnavailable, NodeUntrusted."""
    log, account = config.log, config.account
    unfinished = log.unfinished(config.chain_id, account)
    view = config.node.view(account, config.targets().rebalancer, dispatcher.hashes(*unfinished))
    own_hashes = dispatcher.own_hashes(unfinished)
    stuck = tuple(
        StuckIntent(
            intent=intent,
            status=log.status(intent.intent_id),
            since=log.created_at(intent.intent_id),
            hashes=tuple(attempt.tx_hash for attempt in log.attempts(intent.intent_id)),
            known=view.known,
        )
        for intent in unfinished
    )
    pool = sorted((view.pool or {}).items())
    foreign = tuple((nonce, tx_hash) for nonce, tx_hash in pool if tx_hash not in own_hashes)
    return NonceReport(
        account=account,
        mined_nonce=view.mined_nonce,
        pending_nonce=view.pending_nonce,
        watermark=log.watermark(config.chain_id, account).next_nonce,
        stuck=stuck,
        foreign=foreign,
        gaps=_gaps(view, unfinished, foreign),
    )


def cancellable(nonces: NonceReport) -> tuple[Intent, ...]:
    """The intents whose nonce a no-op can take: not mined, and perhaps signed."""
    return tuple(
        stuck.intent
        for stuck in nonces.stuck
        if stuck.status in WAITING and stuck.status is not IntentStatus.OPEN
    )


def no_op(config: SenderConfig, nonce: int, cap_wei: int, supersedes: str | None) -> Intent:
    """An intent that only uses up a nonce."""
    payload = Payload(
        chain_id=config.chain_id,
        sender=config.account,
        to=config.account,
        epoch=NO_EPOCH,
        calldata="0x",
        gas_limit=NO_OP_GAS,
        max_fee_cap_wei=cap_wei,
        deadline=OVER,
        as_of=0,
        turnover=0.0,
        private=False,
    )
    return Intent(uuid.uuid4().hex, nonce, payload, supersedes=supersedes)


def _gaps(
    view: NodeView, unfinished: tuple[Intent, ...], foreign: tuple[tuple[int, str], ...]
) -> tuple[int, ...]:
    taken = {intent.nonce for intent in unfinished} | {nonce for nonce, _ in foreign}
    highest = max(taken, default=view.mined_nonce)
    gaps = (nonce for nonce in range(view.mined_nonce, highest) if nonce not in taken)
    return tuple(islice(gaps, MAX_GAPS))
