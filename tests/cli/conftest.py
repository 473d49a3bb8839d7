"""Commands configure logging for their own process; tests give it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logging_given_back() -> Iterator[None]:
    yield
    structlog.reset_defaults()
