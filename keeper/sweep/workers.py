"""Where candidates run: this machine's cores, or a Dask cluster. Either survives a worker that dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from keeper.domain.errors import InvalidSetting, KeeperError, SchedulerUnavailable, install_extra
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.sweep.code import code_digest
from keeper.sweep.outcome import CandidateOutcome

RETRIES = 2
"""Of a candidate whose worker died."""
CONNECT_SECONDS = 5
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
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(job, path)
    )


_here: list[tuple[Job, MarketPath]] = []


def _begin(job: Job, path: MarketPath) -> None:
    # Ctrl-C is for the one who waits, not for the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here[:] = [(job, path)]


def _end_with_parent() -> None:
    """A worker of a sweep that was killed would wait for its next candidate for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


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
        try:
            everywhere = client.scatter(path, broadcast=True, hash=False)
        except TimeoutError:
            raise SchedulerUnavailable(
                f"scheduler: {scheduler} has no workers", remedy="Start some: dask worker tcp://host:port."
            ) from None
        futures = {
            client.submit(_there, code_digest(), job, everywhere, policy, retries=RETRIES, pure=False): number
            for number, policy in jobs.items()
        }
        for future in distributed.as_completed(futures, loop=client.loop):
            try:
                outcome = future.result()
            except distributed.KilledWorker as error:
                outcome = Failed(f"its worker died: {error}")
            yield futures[future], outcome


def _there(code: str, job: Job, path: MarketPath, policy: Policy) -> CandidateOutcome | Failed:
    """Runs on a worker of the cluster, which may have another keeper installed."""
    if code_digest() != code:
        return Failed("its worker has another keeper installed than this machine")
    return _tried(job, path, policy)
