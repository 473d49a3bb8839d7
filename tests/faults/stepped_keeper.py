"""A live daemon whose clock is moved, and whose cycles are asked for, by lines on its standard input.

It is put together as ``keeper run --live`` is, and only two things are its own: a line ``{"step": n, "now": seconds}`` sets
the clock and asks for a cycle, as the schedule does; and each cycle, reload and wait is a line on standard output.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any


class MovedClock:
    """A clock that shows ``now`` when it is made, goes as fast as the machine's, and can be set ahead."""

    def __init__(self, now: float) -> None:
        self._time, self._monotonic = time.time, time.monotonic
        self._ahead_s = self._first_s = now - self._time()

    def move_to(self, now: float) -> None:
        """Only ahead: a clock that goes back is another fault."""
        self._ahead_s = max(self._ahead_s, now - self._time())

    def install(self) -> None:
        """Before the keeper is imported, because some of its functions keep the clock that they found."""
        time.time = lambda: self._time() + self._ahead_s
        time.monotonic = lambda: self._monotonic() + self._ahead_s - self._first_s


class Steps:
    """Lines in, lines out. ``step`` is the newest that a cycle has begun for."""

    def __init__(self, clock: MovedClock) -> None:
        self._clock = clock
        self._now = 0.0
        self._asked = 0
        self._begun = 0

    def listen(self, request_cycle: Callable[[], None]) -> None:
        """Asks for a cycle after each line, on a thread of its own."""

        def read() -> None:
            for line in sys.stdin:
                asked = json.loads(line)
                self._now, self._asked = asked["now"], asked["step"]
                request_cycle()

        threading.Thread(target=read, name="steps", daemon=True).start()

    def tell(self, event: Any) -> None:
        """app.daemon.Observer."""
        name = type(event).__name__
        said: dict[str, Any] = {"event": name}
        if name == "CycleBegan":
            # Not earlier: a clock that jumps within a cycle would end its deadlines.
            self._begun = self._asked
            self._clock.move_to(self._now)
        elif name == "CycleEnded":
            said |= _of(event.record) | {"trouble": event.trouble.name if event.trouble is not None else ""}
        elif name in ("CycleLost", "ReloadRefused"):
            said["error"] = event.failure.name
        print(json.dumps(said | {"step": self._begun}), flush=True)  # noqa: T201 -- the protocol


def _of(record: Any) -> dict[str, Any]:
    held = record.inputs.held if record.inputs is not None else None
    return {
        "record_id": record.record_id,
        "outcome": record.outcome.value,
        "summary": record.summary,
        "error": record.failure.name if record.failure is not None else "",
        "message": record.failure.message if record.failure is not None else "",
        "missing": list(record.conclusions.target.missing) if record.conclusions is not None else [],
        "leverage": held.leverage if held is not None else None,
        "health_factor": held.health_factor if held is not None else None,
        "stages": {stage.stage: stage.seconds for stage in record.stages},
    }


def main(now: float) -> int:
    """As keeper.cli.run, without the screen. ``now`` is what its clock shows first."""
    clock = MovedClock(now)
    clock.install()
    steps = Steps(clock)
    from keeper.app.composition import held_key
    from keeper.app.daemon import Daemon, Observer
    from keeper.app.desk import OrderDesk
    from keeper.app.monitors import Monitors
    from keeper.app.schedule import trigger_from
    from keeper.app.service import Service
    from keeper.app.terms import Process, run_alone
    from keeper.domain.record import Mode
    from keeper.runtime.logs import configure
    from keeper.settings.load import load

    class Stepped(Process):
        def daemon(self, service: Service, desk: OrderDesk) -> Daemon:
            daemon = super().daemon(service, desk)
            steps.listen(daemon.request_cycle)
            return daemon

    class Reporting(Monitors):
        @property
        def observers(self) -> tuple[Observer, ...]:
            return (*super().observers, steps.tell)

    settings = load()
    configure(settings.log_format, settings.log_level)
    watchers = Reporting(settings)
    try:
        with held_key(settings, Mode.LIVE, _no_password) as held:
            process = Stepped(trigger_from("1h"), held, watchers=watchers, progress=lambda _: None)
            return run_alone(process, settings)
    finally:
        watchers.close()


def _no_password() -> str:
    raise AssertionError("the password was asked for")


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
