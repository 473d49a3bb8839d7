"""The start of a daemon, which waits for its journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

from keeper.app.daemon import Observer
from keeper.domain.errors import JournalUnreadable, JournalUnwritable, LeaseLost
from keeper.domain.record import Failure
from keeper.monitoring.events import CycleLost
from keeper.runtime.logs import logger

START_AGAIN_S = 10.0
Opened = TypeVar("Opened")


def when_possible(
    stack: ExitStack,
    opened: Callable[[], AbstractContextManager[Opened]],
    observers: Sequence[Observer],
    *,
    wait: Callable[[float], None],
) -> Opened:
    """Enters ``opened()``. While the journal cannot be opened it tells so, and tries again. Raises LeaseLost."""
    log = logger()
    while True:
        try:
            return stack.enter_context(opened())
        except LeaseLost:
            raise
        except (JournalUnwritable, JournalUnreadable) as error:
            log.warning("not_started", error=error.name, reason=error.message, remedy=error.remedy)
            failure = Failure(error.name, error.exit_code, message=error.message, remedy=error.remedy)
            for observer in observers:
                observer(CycleLost(time.time(), failure))
            wait(START_AGAIN_S)
