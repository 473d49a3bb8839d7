"""The client of ``tests.faults.stepped_keeper``: asks for cycles one by one, and hears what the daemon says of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.faults.processes import ROOT

PATIENCE_S = 180.0
"""Longest wait for a line of the daemon: more than a cycle that waits for a node that hangs takes."""
KEPT_LINES = 300
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class SteppedKeeper:
    """``defects`` are log lines of what must never happen, whatever the world does."""

    process: subprocess.Popen[str]
    defects: list[str] = field(default_factory=list)
    log: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    steps: int = 0
    _lines: SimpleQueue[dict[str, Any] | None] = field(default_factory=SimpleQueue)

    @property
    def pid(self) -> int:
        return self.process.pid

    def step(self, now: int) -> list[dict[str, Any]]:
        """Asks for a cycle at ``now``. Returns all that the daemon said until it waits again after that cycle, each
        line with ``excused``: whether its cycle had begun before."""
        self.steps += 1
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"step": self.steps, "now": now}) + "\n")
        self.process.stdin.flush()
        return self.until("Waiting", self.steps)

    def until(self, event: str, step: int | None = None) -> list[dict[str, Any]]:
        """What it said up to this event, of this step if one is given."""
        heard = []
        while True:
            line = self._next()
            heard.append(line | {"excused": step is not None and line["step"] < step})
            if line["event"] == event and (step is None or line["step"] == step):
                return heard

    def hang_up(self, until: str) -> list[dict[str, Any]]:
        os.kill(self.pid, signal.SIGHUP)
        return self.until(until)

    # ---------------------------------------------------------------- what it uses

    @property
    def rss_mb(self) -> float:
        """Memory in use, megabytes of 10^6 bytes."""
        return resident_mb(self.pid)

    @property
    def cpu_s(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    # ------------------------------------------------------------------ inside

    def _next(self) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=PATIENCE_S)
        except Empty:
            raise TimeoutError("\n".join(("the daemon says nothing", *self.log))) from None
        if line is None:
            raise ChildProcessError("\n".join(("the daemon ended", *self.log)))
        return line

    def hear(self) -> None:
        """On a thread of its own, until the daemon ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def read_log(self) -> None:
        """As ``hear``. An exception in the log is a defect; so is an alert that did not leave."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            if '"exception"' in line or "Traceback" in line or '"alert_not_sent"' in line:
                self.defects.append(line.rstrip())


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS"))


@contextmanager
def stepped_keeper(environment: Mapping[str, str], folder: Path, now: int) -> Iterator[SteppedKeeper]:
    """A daemon after its first cycle, whose clock began at ``now``. It is ended as an operator does, and must end well."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER_")}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.stepped_keeper", str(now)],
        cwd=folder,
        env={**inherited, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        keeper = SteppedKeeper(process)
        readers = [threading.Thread(target=read, daemon=True) for read in (keeper.hear, keeper.read_log)]
        for reader in readers:
            reader.start()
        try:
            keeper.until("CycleEnded")
            keeper.until("Waiting")
            yield keeper
        finally:
            process.send_signal(signal.SIGINT)
            try:
                code = process.wait(PATIENCE_S)
            finally:
                process.kill()
            for reader in readers:
                reader.join()
        assert code == 0, "\n".join(keeper.log)
