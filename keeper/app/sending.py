"""Puts together what sends the transactions of one key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.app.clocks import SystemClock
from keeper.chain.reverts import explain
from keeper.chain.rpc.client import Rpc
from keeper.chain.rpc.reads import Reads
from keeper.settings.endpoints import endpoints
from keeper.settings.schema import Settings

if TYPE_CHECKING:
    from keeper.domain.roles_modifier import RolesModifier
    from keeper.tx.allowlist import Targets
    from keeper.tx.manager import TransactionSender
    from keeper.tx.ports import Alarm, AttemptLog, SendingNode, Signer, Timer


@dataclass(frozen=True, slots=True)
class KeyWork:
    """What the sender of one key works with. It waits by ``timer``, None for the system's clock. ``require_lead``:
    tx.config."""

    key: Signer
    log: AttemptLog
    alarm: Alarm
    targets: Targets
    require_lead: Callable[[], None]
    timer: Timer | None = None


@contextmanager
def transaction_sender(settings: Settings, reads: Reads, work: KeyWork) -> Iterator[TransactionSender]:
    """The only part that spends."""
    from keeper.tx.config import SenderConfig
    from keeper.tx.manager import TransactionSender
    from keeper.tx.node import PrivateRelay
    from keeper.tx.send_state import POLL_S, SendTiming

    where, send = endpoints(settings), settings.send
    timing = SendTiming(
        poll_s=POLL_S,
        bump_after_s=send.bump_after_s,
        give_up_after_s=send.give_up_after_s,
        private_s=send.private_patience_s,
        confirmations=send.confirmations,
    )
    with ExitStack() as stack:
        relay = None
        if where.private_rpc_url is not None:
            relay = PrivateRelay(stack.enter_context(Rpc(where.private_rpc_url)))
        config = SenderConfig(
            node=_sending_node(reads, send.finality_blocks, where.modifier),
            relay=relay,
            log=work.log,
            signer=work.key,
            alarm=work.alarm,
            timer=work.timer if work.timer is not None else SystemClock(),
            timing=timing,
            chain_id=where.chain_id,
            targets=work.targets,
            explain=explain,
            require_lead=work.require_lead,
        )
        yield TransactionSender(config)


def _sending_node(reads: Reads, finality_blocks: int | None, modifier: RolesModifier | None) -> SendingNode:
    from keeper.tx.node import RpcNode
    from keeper.tx.node_pool import NodePool

    through = modifier.address if modifier is not None else None
    nodes = [RpcNode(member, finality_blocks, through) for member in reads.members]
    return nodes[0] if len(nodes) == 1 else NodePool(nodes, reads.quorum)
