from __future__ import annotations

import threading

from keeper.monitoring.worker import Worker


def test_what_does_not_fit_is_dropped_and_counted_and_nobody_waits() -> None:
    began, release, done = threading.Event(), threading.Event(), []

    def work(item: int) -> None:
        began.set()
        release.wait()
        done.append(item)

    worker = Worker("test", work, capacity=2)
    worker.put(0)
    began.wait()
    for item in range(1, 10):
        worker.put(item)
    assert worker.dropped == 7
    release.set()
    worker.close(5.0)
    assert done == [0, 1, 2]


def test_an_error_costs_its_own_item_only() -> None:
    done: list[float] = []
    worker: Worker[int] = Worker("test", lambda item: done.append(1 / item), capacity=10)
    for item in (0, 2, 0, 4):
        worker.put(item)
    worker.close(5.0)
    assert done == [0.5, 0.25]


def test_a_thread_that_hangs_is_left_behind() -> None:
    release = threading.Event()

    def hang(_: None) -> None:
        release.wait()

    worker = Worker("test", hang, capacity=1)
    worker.put(None)
    worker.put(None)
    worker.close(0.05)
    release.set()


def test_a_full_queue_is_worked_off_and_its_thread_ends() -> None:
    began, release, done = threading.Event(), threading.Event(), []

    def work(item: int) -> None:
        began.set()
        release.wait()
        done.append(item)

    worker = Worker("the full one", work, capacity=2)
    worker.put(0)
    began.wait()
    worker.put(1)
    worker.put(2)
    worker.close(0.0)
    (thread,) = (each for each in threading.enumerate() if each.name == "the full one")
    release.set()
    thread.join(5.0)
    assert (done, thread.is_alive()) == ([0, 1, 2], False)
