"""The start of the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import structlog

from keeper.app.start import when_possible
from keeper.domain.errors import JournalUnwritable


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as captured:
        yield captured
    structlog.reset_defaults()


def test_a_journal_that_cannot_be_opened_at_the_start_is_told_and_tried_again(lines: list[Any]) -> None:
    full = JournalUnwritable("the disk is full", remedy="Free disk space.")
    left, told, waits = [full, full], list[object](), list[float]()

    @contextmanager
    def opened() -> Iterator[str]:
        if left:
            raise left.pop()
        yield "a keeper"

    with ExitStack() as stack:
        assert when_possible(stack, opened, (told.append,), wait=waits.append) == "a keeper"
    assert len(told) == len(waits) == 2
    assert [line["event"] for line in lines] == ["not_started"] * 2
