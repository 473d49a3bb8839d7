"""What a person may do about nonces that are stuck: look, cancel what waits, fill gaps by transfers of nothing."""

from __future__ import annotations

import uuid

from keeper.domain.tx import (
    WAITING,
    Intent,
    IntentStatus,
    NonceReport,
    Payload,
    StuckIntent,
)
from keeper.tx.dispatch import Dispatch
from keeper.tx.ports import AttemptLog, Node, Outlook

NO_OP_GAS = 21_000
FAR_OFF = 2**62
NO_EPOCH = -1
"""Of no vault: whoever finds this intent later sees that only a no-op is left to sign."""


def report(
    node: Node, log: AttemptLog, dispatch: Dispatch, chain_id: int, account: str, vault: str
) -> NonceReport:
    """Changes nothing. Raises NodeUnavailable, NodeUntrusted."""
    unfinished = log.unfinished(chain_id, account)
    ours = {tx_hash: owner for one in unfinished for tx_hash, owner in dispatch.hashes(one).items()}
    outlook = node.look(account, vault, ours)
    stuck = tuple(
        StuckIntent(
            intent=one,
            status=log.status(one.intent_id),
            since=log.created_at(one.intent_id),
            hashes=tuple(attempt.tx_hash for attempt in log.attempts(one.intent_id)),
            known=outlook.known,
        )
        for one in unfinished
    )
    foreign = tuple((nonce, one) for nonce, one in sorted((outlook.pool or {}).items()) if one not in ours)
    return NonceReport(
        account=account,
        mined_nonce=outlook.mined_nonce,
        pending_nonce=outlook.pending_nonce,
        watermark=log.next_nonce(chain_id, account),
        stuck=stuck,
        foreign=foreign,
        gaps=_gaps(outlook, unfinished, foreign),
    )


def waiting(found: NonceReport) -> tuple[Intent, ...]:
    """What a no-op can take the nonce of: not mined, and perhaps signed."""
    return tuple(
        one.intent for one in found.stuck if one.status in WAITING and one.status is not IntentStatus.OPEN
    )


def no_op(chain_id: int, account: str, nonce: int, cap_wei: int) -> Intent:
    """An intent that only uses a nonce up."""
    payload = Payload(
        chain_id=chain_id,
        sender=account,
        vault=account,
        epoch=NO_EPOCH,
        calldata="0x",
        gas_limit=NO_OP_GAS,
        max_fee_cap_wei=cap_wei,
        deadline=FAR_OFF,
        as_of=0,
        turnover=0.0,
        private=False,
    )
    return Intent(uuid.uuid4().hex, nonce, payload)


def _gaps(
    outlook: Outlook, unfinished: tuple[Intent, ...], foreign: tuple[tuple[int, str], ...]
) -> tuple[int, ...]:
    taken = {one.nonce for one in unfinished} | {nonce for nonce, _ in foreign}
    highest = max(taken, default=outlook.mined_nonce)
    return tuple(nonce for nonce in range(outlook.mined_nonce, highest) if nonce not in taken)
