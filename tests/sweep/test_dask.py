"""The sweep on a real Dask scheduler with two worker processes, one of which is killed. Uses sockets on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from keeper.domain.errors import SchedulerUnavailable
from keeper.sweep.outcome import CandidateOutcome
from keeper.sweep.workers import on_cluster, on_this_machine
from tests.sweep import jobs
from tests.sweep.jobs import PATH, some_jobs

Client = pytest.importorskip("distributed", reason="Dask comes with the extra research").Client
ROOT = Path(__file__).parents[2]
WORKERS = 2


def until(met: Callable[[], bool], what: str) -> None:
    pause = threading.Event()
    for _ in range(12_000):
        if met():
            return
        pause.wait(0.01)
    raise AssertionError(f"never: {what}")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The scheduler's address, and the folder that the jobs meet in."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    scheduler_file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "dask"]
    with ExitStack() as running:

        def start(*arguments: str) -> None:
            process = subprocess.Popen(
                [*command, *arguments],
                env=environment,
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            running.callback(process.wait)
            running.callback(lambda: os.killpg(process.pid, signal.SIGKILL))

        start(
            *("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--no-show"),
            *("--scheduler-file", str(scheduler_file)),
        )
        until(lambda: scheduler_file.exists() and bool(scheduler_file.read_text()), "the scheduler is up")
        address = json.loads(scheduler_file.read_text())["address"]
        for number in range(WORKERS):
            start(
                *("worker", address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"),
                *("--local-directory", str(tmp_path / f"worker-{number}"), "--death-timeout", "60"),
            )
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(WORKERS, timeout=60)
        yield address, tmp_path


@pytest.mark.slow
def test_two_workers_one_killed_give_what_this_machine_gives(cluster: tuple[str, Path]) -> None:
    address, folder = cluster
    found: dict[int, object] = {}

    def sweep() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.update(on_cluster(partial(jobs.waiting, str(folder)), PATH, some_jobs(), address))

    sweeping = threading.Thread(target=sweep, daemon=True)
    sweeping.start()
    until(lambda: len(list(folder.glob("running-*"))) == WORKERS, "both workers run a candidate")
    victim = int(min(folder.glob("running-*")).name.partition("-")[2])
    os.kill(victim, signal.SIGKILL)
    (folder / "go").touch()
    sweeping.join(60)
    assert not sweeping.is_alive()

    here = dict(on_this_machine(jobs.quick, PATH, some_jobs(), 1))
    assert set(found) == set(here)
    for number, outcome in here.items():
        there = found[number]
        assert isinstance(outcome, CandidateOutcome)
        assert isinstance(there, CandidateOutcome)
        assert there.returns.tobytes() == outcome.returns.tobytes()


@pytest.mark.faults
def test_a_scheduler_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeper.sweep.workers.CONNECT_SECONDS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SchedulerUnavailable, match=r"tcp://127\.0\.0\.1:9") as caught:
            list(on_cluster(jobs.quick, PATH, some_jobs(), "tcp://127.0.0.1:9"))
    assert "dask scheduler" in (caught.value.remedy or "")
