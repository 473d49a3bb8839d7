from __future__ import annotations

import pytest

from keeper.app.daemon import Daemon
from keeper.app.schedule import trigger_from
from keeper.cycle.serve import LineService
from keeper.domain.line import LineDecision
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.record import CycleOutcome, DecisionRecord, Mode
from keeper.monitoring.events import CycleEnded, Event, Stopped, Waiting
from tests.views.records import a_record


class Keeper:
    """Holds."""

    trouble = None

    def cycle(
        self, mode: Mode, deleverage_request: DeleverageRequest | None = None, *, next_look_at: float | None
    ) -> DecisionRecord:
        return a_record(outcome=CycleOutcome.HELD)

    def serve(self, mode: Mode) -> LineService:
        return LineService(LineDecision(None, "nothing waits"))


def test_between_two_cycles_the_observers_hear_that_the_daemon_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeper.app.daemon.WAITING_EVERY_S", 0.001)
    after_the_cycle: list[type[Event]] = []

    def observer(event: Event) -> None:
        if after_the_cycle or isinstance(event, CycleEnded):
            after_the_cycle.append(type(event))
        if after_the_cycle.count(Waiting) == 2:
            daemon.stop()

    daemon = Daemon(Keeper(), Mode.DRY_RUN, trigger_from("1h"), observers=(observer,))
    assert daemon.run() == 0
    assert after_the_cycle == [CycleEnded, Waiting, Waiting, Stopped]
