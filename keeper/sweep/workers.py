"""Where candidates run: this machine's cores, or a Dask cluster. Either survives a worker that dies."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import Any

from keeper.domain.errors import InvalidSetting, KeeperError, SchedulerUnavailable, install_extra
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.runtime.worker_process import begin_worker, spawning
from keeper.sweep.code import code_digest
from keeper.sweep.outcome import CandidateOutcome

RETRIES = 2
"""Of a candidate whose worker died."""
CONNECT_SECONDS = 5
POLL_SECONDS = 0.1
LOOK_SECONDS = 5
"""Between two looks at whether a cluster still has workers."""
WORKERLESS_SECONDS = 60
"""A cluster without any worker has this long to get one."""
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

Job = Callable[[MarketPath, Policy], CandidateOutcome]
Jobs = Mapping[int, Policy]


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a candidate has no outcome."""

    reason: str


Finished = tuple[int, CandidateOutcome | Failed]


# ------------------------------------------------------------------ this machine


def on_this_machine(job: Job, path: MarketPath, jobs: Jobs, workers: int) -> Iterator[Finished]:
    """Candidates as they finish, in any order, each worker on one core. The path goes to each worker once."""
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    waiting, deaths = deque(jobs), Counter[int]()
    # Each worker has its own pool. A worker's death then concerns its own candidate alone, and the shared pool of
    # Python 3.11 can deadlock when a worker dies while another one starts.
    idle: list[ProcessPoolExecutor] = []
    running: dict[Future[CandidateOutcome | Failed], tuple[int, ProcessPoolExecutor]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                pool, number = idle.pop() if idle else _worker(job, path), waiting.popleft()
                running[pool.submit(_work, jobs[number])] = (number, pool)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, pool = running.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    pool.shutdown()
                    deaths[number] += 1
                    if deaths[number] <= RETRIES:
                        waiting.appendleft(number)
                        continue
                    outcome = Failed(f"its worker died {deaths[number]} times")
                else:
                    idle.append(pool)
                yield number, outcome
    finally:
        for pool in (*idle, *(pool for _, pool in running.values())):
            pool.shutdown(wait=False, cancel_futures=True)


def _worker(job: Job, path: MarketPath) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=spawning(), initializer=_begin, initargs=(job, path))


_here: list[tuple[Job, MarketPath]] = []


def _begin(job: Job, path: MarketPath) -> None:
    begin_worker()
    _here[:] = [(job, path)]


def _work(policy: Policy) -> CandidateOutcome | Failed:
    job, path = _here[0]
    return _tried(job, path, policy)


def _tried(job: Job, path: MarketPath, policy: Policy) -> CandidateOutcome | Failed:
    """An expected failure is the candidate's result; anything else is a bug and ends the sweep."""
    try:
        return job(path, policy)
    except KeeperError as error:
        return Failed(f"{error.name}: {error.message}")


# ----------------------------------------------------------------- a Dask cluster


def on_cluster(job: Job, path: MarketPath, jobs: Jobs, scheduler: str) -> Iterator[Finished]:
    """The same on the workers of an existing Dask scheduler (tcp://host:port), which must have keeper installed.

    Raises InvalidSetting without Dask, SchedulerUnavailable where no scheduler answers.
    """
    if find_spec("distributed") is None:
        raise InvalidSetting("scheduler: Dask is not installed here", remedy=install_extra("research"))
    distributed: Any = import_module("distributed")
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise SchedulerUnavailable(
            f"scheduler: no Dask scheduler answers at {scheduler} ({error})",
            remedy="Start one with `dask scheduler`, and workers with `dask worker`, or leave --scheduler out.",
        ) from None
    with client:
        _require_worker(client, scheduler, CONNECT_SECONDS)
        # A task, because a worker's data is lost with it: the scheduler runs the task again on another worker.
        everywhere = client.submit(_itself, path, pure=False)
        futures = {
            client.submit(_there, code_digest(), job, everywhere, policy, retries=RETRIES, pure=False): number
            for number, policy in jobs.items()
        }
        try:
            yield from _as_they_finish(client, futures, scheduler)
        except CancelledError as error:
            raise SchedulerUnavailable(
                f"scheduler: {scheduler} forgot the candidates ({error})",
                remedy="If it was restarted, run the same command again: finished candidates are kept.",
            ) from None


def _as_they_finish(client: Any, futures: Mapping[Any, int], scheduler: str) -> Iterator[Finished]:
    """Raises SchedulerUnavailable once no worker has been there for WORKERLESS_SECONDS."""
    distributed: Any = import_module("distributed")
    # One queue for all: a second iterator over the same futures would leave a coroutine for each behind.
    finished: SimpleQueue[Any] = SimpleQueue()
    for future in futures:
        future.add_done_callback(finished.put)
    waiting = len(futures)
    while waiting:
        try:
            future = finished.get(timeout=LOOK_SECONDS)
        except Empty:
            _require_worker(client, scheduler, WORKERLESS_SECONDS)
            continue
        waiting -= 1
        try:
            outcome = future.result()
        except distributed.KilledWorker as error:
            outcome = Failed(f"its worker died: {error}")
        yield futures[future], outcome


def _require_worker(client: Any, scheduler: str, seconds: float) -> None:
    """Waits for one. A worker that is paused, because its memory is full, is one. Raises SchedulerUnavailable where
    none comes, or where the scheduler does not answer."""
    end, pause = time.monotonic() + seconds, threading.Event()
    try:
        while not client.scheduler_info()["workers"]:
            if time.monotonic() >= end:
                raise SchedulerUnavailable(
                    f"scheduler: {scheduler} has had no worker for {seconds:g} s",
                    remedy="Start some with `dask worker tcp://host:port`, and run the same command again: finished "
                    "candidates are kept.",
                )
            pause.wait(POLL_SECONDS)
    except OSError as error:  # TimeoutError and Dask's CommClosedError are of this kind
        raise SchedulerUnavailable(
            f"scheduler: {scheduler} does not answer any more ({error})",
            remedy="Start it and its workers, and run the same command again: finished candidates are kept.",
        ) from None


def _itself(path: MarketPath) -> MarketPath:
    return path


def _there(code: str, job: Job, path: MarketPath, policy: Policy) -> CandidateOutcome | Failed:
    """Runs on a worker of the cluster, which may have another keeper installed."""
    if code_digest() != code:
        return Failed("its worker has another keeper installed than this machine")
    return _tried(job, path, policy)
