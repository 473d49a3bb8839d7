"""Transactions without a final outcome: what the journal knows of each."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.tx import Attempt, InFlight
from keeper.views import formats as unit
from keeper.views.status import IN_FLIGHT
from keeper.views.view import Field, View, lifted

GWEI = 10**9


@dataclass(frozen=True, slots=True)
class PendingTransaction:
    """An intent without a final outcome, and its signed attempts, the newest last."""

    intent: InFlight
    nonce: int
    attempts: tuple[Attempt, ...]

    @property
    def newest(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None


PENDING = View[PendingTransaction](
    "pending transactions",
    **lifted(IN_FLIGHT, "intent"),
    nonce=Field(unit.INTEGER, "Nonce of the key that it uses."),
    attempts=Field(unit.COUNT, "How many transactions were signed for it.", lambda it: len(it.attempts)),
    kind=Field(unit.TEXT, "CALL or CANCEL, of the newest attempt.", "newest.kind"),
    tx_hash=Field(unit.TEXT, "Hash of the newest attempt; null before the first.", "newest.tx_hash"),
    max_fee_gwei=Field(
        unit.AMOUNT,
        "Its maximum price of gas, gwei.",
        lambda it: it.newest.max_fee_per_gas_wei / GWEI if it.newest is not None else None,
    ),
)
