"""Where candidates run: this machine's cores, or a Dask cluster. Either survives a worker that dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from keeper.domain.errors import InvalidSetting, KeeperError, SchedulerUnavailable
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.sweep.outcome import Outcome

RETRIES = 2
"""Of a candidate whose worker died."""
CONNECT_SECONDS = 10
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

Job = Callable[[MarketPath, Policy], Outcome]
Jobs = Mapping[int, Policy]


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a candidate has no outcome."""

    reason: str


Finished = tuple[int, Outcome | Failed]


# ------------------------------------------------------------------ this machine


def on_this_machine(job: Job, path: MarketPath, jobs: Jobs, workers: int) -> Iterator[Finished]:
    """Candidates as they finish, in any order, each worker on one core. The path goes to each worker once."""
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    waiting, deaths = deque(jobs), Counter[int]()
    while waiting:
        running: dict[Future[Outcome | Failed], int] = {}
        with ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(job, path),
        ) as pool:
            try:
                yield from _through(pool, jobs, waiting, running, workers)
            except BrokenProcessPool:
                # Which of those running killed its worker is not known: each has one try less.
                for number in running.values():
                    deaths[number] += 1
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        for number in running.values():
            if deaths[number] > RETRIES:
                yield number, Failed(f"its worker died {deaths[number]} times")
            else:
                waiting.appendleft(number)


def _through(
    pool: ProcessPoolExecutor,
    jobs: Jobs,
    waiting: deque[int],
    running: dict[Future[Outcome | Failed], int],
    workers: int,
) -> Iterator[Finished]:
    """No more at once than there are workers, so that few are in doubt when one dies."""
    while waiting or running:
        while waiting and len(running) < workers:
            number = waiting.popleft()
            running[pool.submit(_work, jobs[number])] = number
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            found = future.result()
            yield running.pop(future), found


_here: list[tuple[Job, MarketPath]] = []


def _begin(job: Job, path: MarketPath) -> None:
    # Ctrl-C is for the one who waits, not for the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _here[:] = [(job, path)]


def _work(policy: Policy) -> Outcome | Failed:
    job, path = _here[0]
    return _tried(job, path, policy)


def _tried(job: Job, path: MarketPath, policy: Policy) -> Outcome | Failed:
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
        raise InvalidSetting(
            "scheduler: Dask is not installed here", remedy="Run: pip install 'keeper[research]'."
        )
    distributed: Any = import_module("distributed")
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise SchedulerUnavailable(
            f"scheduler: no Dask scheduler answers at {scheduler} ({error})",
            remedy="Start one with `dask scheduler`, and workers with `dask worker`, or leave --scheduler out.",
        ) from None
    with client:
        everywhere = client.scatter(path, broadcast=True, hash=False)
        futures = {
            client.submit(_tried, job, everywhere, policy, retries=RETRIES, pure=False): number
            for number, policy in jobs.items()
        }
        for future in distributed.as_completed(futures, loop=client.loop):
            try:
                found = future.result()
            except distributed.KilledWorker as error:
                found = Failed(f"its worker died: {error}")
            yield futures[future], found
