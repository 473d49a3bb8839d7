"""Keepers as real processes, forked by a server that has all imports done."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How one keeper process ended: its exit code, or the signal that killed it; and what it printed."""

    exit_code: int | None
    killed_by: int | None
    out: str
    err: str

    @property
    def killed(self) -> bool:
        return self.killed_by == signal.SIGKILL

    @property
    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.out)
        return record


class ForkServer:
    """The client of ``tests.faults.fork_server``."""

    def __init__(self, folder: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER_")}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fork_server"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path | None = None
    ) -> Running:
        """``folder``: the working directory, the server's own if None."""
        output = self._folder / "keeper"
        command = {
            "arguments": arguments,
            "environment": dict(environment),
            "output": str(output),
            "folder": str(folder or self._folder),
        }
        self._write(json.dumps(command))
        return Running(int(self._read()["pid"]), output, self._process.stdout)

    def run(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path | None = None
    ) -> Ended:
        return self.start(arguments, environment, folder).wait()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@dataclass(frozen=True)
class Running:
    pid: int
    output: Path
    answers: IO[str] | None

    def wait(self) -> Ended:
        assert self.answers is not None
        status = int(json.loads(self.answers.readline())["status"])
        code = os.waitstatus_to_exitcode(status)
        return Ended(
            exit_code=code if code >= 0 else None,
            killed_by=-code if code < 0 else None,
            out=Path(f"{self.output}.out").read_text(encoding="utf-8"),
            err=Path(f"{self.output}.err").read_text(encoding="utf-8"),
        )


@contextmanager
def warm_keepers(folder: Path) -> Iterator[ForkServer]:
    fork_server = ForkServer(folder)
    try:
        yield fork_server
    finally:
        fork_server.close()
        shutil.rmtree(folder / "locks", ignore_errors=True)
