"""The sweep on a real Dask scheduler whose worker processes are killed. Uses sockets on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from keeper.domain.errors import KeeperError, SchedulerUnavailable
from keeper.sweep.outcome import CandidateOutcome
from keeper.sweep.workers import _require_worker, on_cluster, on_this_machine
from tests.sweep import jobs
from tests.sweep.jobs import PATH, some_jobs

pytest.importorskip("distributed", reason="Dask comes with the extra research")
ROOT = Path(__file__).parents[2]
WORKERS = 2


def until(met: Callable[[], bool], what: str) -> None:
    pause = threading.Event()
    for _ in range(12_000):
        if met():
            return
        pause.wait(0.01)
    raise AssertionError(f"never: {what}")


@dataclass(frozen=True, slots=True)
class Cluster:
    """``address`` of the scheduler; ``folder`` that the jobs meet in."""

    address: str
    folder: Path
    start: Callable[..., None]

    def add_worker(self, name: str) -> None:
        self.start(
            *("worker", self.address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"),
            *("--local-directory", str(self.folder / name), "--death-timeout", "60", "--no-nanny"),
        )

    def kill_a_worker(self) -> None:
        """The one with the lowest number that runs a candidate."""
        mark = min(self.folder.glob("running-*"))
        os.kill(int(mark.name.partition("-")[2]), signal.SIGKILL)
        mark.unlink()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler without workers."""
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
            running.callback(ended, process.pid)

        start(
            *("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--no-show"),
            *("--scheduler-file", str(scheduler_file)),
        )
        until(lambda: scheduler_file.exists() and bool(scheduler_file.read_text()), "the scheduler is up")
        yield Cluster(json.loads(scheduler_file.read_text())["address"], tmp_path, start)


def ended(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def sweeping(cluster: Cluster, found: dict[int, object]) -> threading.Thread:
    """A sweep of ``waiting`` jobs in another thread. An expected error is found under -1."""

    def sweep() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            job = partial(jobs.waiting, str(cluster.folder))
            try:
                found.update(on_cluster(job, PATH, some_jobs(), cluster.address))
            except KeeperError as error:
                found[-1] = error

    thread = threading.Thread(target=sweep, daemon=True)
    thread.start()
    return thread


def run_candidates(cluster: Cluster) -> int:
    return len(list(cluster.folder.glob("running-*")))


def assert_as_on_this_machine(found: dict[int, object]) -> None:
    here = dict(on_this_machine(jobs.quick, PATH, some_jobs(), 1))
    assert set(found) == set(here)
    for number, outcome in here.items():
        there = found[number]
        assert isinstance(outcome, CandidateOutcome)
        assert isinstance(there, CandidateOutcome)
        assert there.returns.tobytes() == outcome.returns.tobytes()


@pytest.mark.slow
def test_two_workers_one_killed_give_what_this_machine_gives(cluster: Cluster) -> None:
    found: dict[int, object] = {}
    for number in range(WORKERS):
        cluster.add_worker(f"worker-{number}")
    thread = sweeping(cluster, found)
    until(lambda: run_candidates(cluster) == WORKERS, "both workers run a candidate")
    cluster.kill_a_worker()
    (cluster.folder / "go").touch()
    thread.join(60)
    assert not thread.is_alive()
    assert_as_on_this_machine(found)


@pytest.mark.slow
def test_the_only_worker_is_killed_with_the_prices_and_a_new_one_goes_on(cluster: Cluster) -> None:
    found: dict[int, object] = {}
    cluster.add_worker("first")
    thread = sweeping(cluster, found)
    until(lambda: run_candidates(cluster) == 1, "the worker runs a candidate")
    cluster.kill_a_worker()
    cluster.add_worker("second")
    (cluster.folder / "go").touch()
    thread.join(60)
    assert not thread.is_alive()
    assert_as_on_this_machine(found)


@pytest.mark.slow
def test_a_cluster_without_any_worker_left_is_named_and_not_waited_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.sweep.workers.LOOK_SECONDS", 0.2)
    monkeypatch.setattr("keeper.sweep.workers.WORKERLESS_SECONDS", 1)
    found: dict[int, object] = {}
    cluster.add_worker("only")
    thread = sweeping(cluster, found)
    until(lambda: run_candidates(cluster) == 1, "the worker runs a candidate")
    cluster.kill_a_worker()
    thread.join(60)
    assert not thread.is_alive()
    (error,) = found.values()
    assert isinstance(error, SchedulerUnavailable)
    assert "has had no worker" in error.message
    assert "same command again" in (error.remedy or "")


@pytest.mark.faults
def test_a_scheduler_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeper.sweep.workers.CONNECT_SECONDS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SchedulerUnavailable, match=r"tcp://127\.0\.0\.1:9") as caught:
            list(on_cluster(jobs.quick, PATH, some_jobs(), "tcp://127.0.0.1:9"))
    assert "dask scheduler" in (caught.value.remedy or "")


@dataclass
class FakeClient:
    """Of a scheduler whose workers have these states; None: it does not answer."""

    states: tuple[str, ...] | None

    def scheduler_info(self) -> dict[str, object]:
        if self.states is None:
            raise OSError("in <TCP>: Stream is closed")
        return {"workers": {str(number): {"status": state} for number, state in enumerate(self.states)}}


@pytest.mark.faults
def test_paused_workers_count_and_a_scheduler_that_dies_is_named() -> None:
    _require_worker(FakeClient(("paused",)), "tcp://here", 0)
    with pytest.raises(SchedulerUnavailable, match="has had no worker"):
        _require_worker(FakeClient(()), "tcp://here", 0)
    with pytest.raises(SchedulerUnavailable, match="does not answer any more") as caught:
        _require_worker(FakeClient(None), "tcp://here", 0)
    assert "same command again" in (caught.value.remedy or "")
