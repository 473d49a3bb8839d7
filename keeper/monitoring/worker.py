"""A thread with a bounded queue: whoever gives it work never waits, and never learns of its troubles."""

from __future__ import annotations

from collections.abc import Callable
from queue import Full, Queue
from threading import Thread
from typing import Generic, TypeVar

from keeper.runtime.logs import logger

Item = TypeVar("Item")
_END = object()


class Worker(Generic[Item]):
    """Calls ``work`` with each item, in order. An error of ``work`` is logged and the next item follows."""

    def __init__(self, name: str, work: Callable[[Item], None], *, capacity: int) -> None:
        self.dropped = 0
        self._name = name
        self._work = work
        self._queue: Queue[object] = Queue(maxsize=capacity)
        self._closing = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Drops the item, and counts it, where too many wait."""
        try:
            self._queue.put_nowait(item)
        except Full:
            self.dropped += 1

    def close(self, wait_s: float) -> None:
        """Lets it finish what waits, for so long at most. A thread that hangs is left behind; it ends with the
        process."""
        self._closing = True  # a full queue has no room for the mark
        try:
            self._queue.put(_END, timeout=wait_s)
        except Full:
            return
        self._thread.join(wait_s)

    def _run(self) -> None:
        while (item := self._queue.get()) is not _END:
            self._tried(item)
            if self._closing and self._queue.empty():
                return

    def _tried(self, item: object) -> None:
        try:
            self._work(item)  # type: ignore[arg-type]  # only _END is of another type
        except Exception as error:  # noqa: BLE001 -- the thread must live; the text may hold a channel's secret
            logger().error("not_told", worker=self._name, error=type(error).__name__)
