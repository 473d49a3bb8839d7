"""Work that runs beside the caller, in a thread that nobody has to wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def run_in_background(work: Callable[[], T]) -> Future[T]:
    """The future of ``work``, begun at once. The thread is a daemon: an answer that never comes does not keep the
    process from ending, as a pool's threads would."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised again where the result is asked for)
            future.set_exception(error)

    Thread(target=run, name="abreast", daemon=True).start()
    return future


def results_in_time(
    works: Sequence[Callable[[], T]], enough: Callable[[T], bool], quorum: int, patience_s: float
) -> list[T]:
    """Results of all works in their order, but for those that come later than ``patience_s`` after ``quorum`` others
    were ``enough``. What a work raises is raised here."""
    futures = [run_in_background(work) for work in works]
    pending = set(futures)
    while pending:
        good = sum(one.done() and enough(one.result()) for one in futures)
        done, pending = wait(
            pending, timeout=patience_s if good >= quorum else None, return_when=FIRST_COMPLETED
        )
        if not done:
            break
    return [one.result() for one in futures if one.done()]
