"""Work in daemon threads, which never keep the process from ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def run_in_background(work: Callable[[], T]) -> Future[T]:
    """Starts ``work`` at once and returns its future. The thread is a daemon, so that an answer that never comes does
    not keep the process from ending, as the threads of a pool would. The caller's deadlines hold in it too."""
    future: Future[T] = Future()
    context = copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 (the future raises it again)
            future.set_exception(error)

    Thread(target=run, name="background", daemon=True).start()
    return future


def results_in_time(
    works: Sequence[Callable[[], T]], enough: Callable[[T], bool], quorum: int, patience_s: float
) -> list[T]:
    """Results in the order of ``works``. When ``quorum`` results are ``enough``, the others have ``patience_s`` left;
    later ones are left out. An error of a work is raised here."""
    futures = [run_in_background(work) for work in works]
    pending = set(futures)
    while pending:
        good = sum(future.done() and enough(future.result()) for future in futures)
        done, pending = wait(
            pending, timeout=patience_s if good >= quorum else None, return_when=FIRST_COMPLETED
        )
        if not done:
            break
    return [future.result() for future in futures if future.done()]
