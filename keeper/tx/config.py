"""What the sender of one key works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keeper.tx.allowlist import Targets
from keeper.tx.ports import Alarm, AttemptLog, Relay, SendingNode, Signer, Timer
from keeper.tx.send_state import SendTiming


@dataclass(frozen=True, slots=True)
class SenderConfig:
    """For one key, one vault and one chain. Without a ``relay`` every transaction is public. ``explain`` puts revert
    data into words. ``require_lead`` raises LeaseLost where another keeper may act by now."""

    node: SendingNode
    relay: Relay | None
    log: AttemptLog
    signer: Signer
    alarm: Alarm
    timer: Timer
    timing: SendTiming
    chain_id: int
    targets: Targets
    explain: Callable[[bytes], str]
    require_lead: Callable[[], None]

    @property
    def account(self) -> str:
        return self.signer.address
