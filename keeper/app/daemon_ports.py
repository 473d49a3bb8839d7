"""What the daemon needs of a keeper, and of the people who ask it for something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from keeper.cycle.serve import LineService
from keeper.domain.orders import Order
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.record import DecisionRecord, Failure, Mode


class Cycles(Protocol):
    """The part of a keeper that the daemon uses."""

    def cycle(
        self, mode: Mode, deleverage_request: DeleverageRequest | None = None, *, next_look_at: float | None
    ) -> DecisionRecord: ...

    def serve(self, mode: Mode) -> LineService: ...

    @property
    def trouble(self) -> Failure | None:
        """Which failure of a journal let the last cycle send only emergencies."""
        ...


class Orders(Protocol):
    """What people ask of the running keeper (keeper.app.desk)."""

    @property
    def waiting(self) -> bool:
        """Whether an order waits for its cycle."""
        ...

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]: ...

    def next_order(self) -> Order | None: ...

    def cycle_ended(self, record: DecisionRecord | None, why: str = "") -> None: ...


class NoOrders:
    """Nobody can ask for anything."""

    waiting = False

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        del wake
        return lambda: None

    def next_order(self) -> Order | None:
        return None

    def cycle_ended(self, record: DecisionRecord | None, why: str = "") -> None:
        del record, why
