"""Structured log lines on stderr, one event each."""

from __future__ import annotations

import logging
import sys
from typing import Any

from keeper.runtime.absent import absent

with absent("rich"):  # for tracebacks in colours, which would show the values of variables
    import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(log_format: str, level: str) -> None:
    """``log_format`` "auto" writes console lines on a terminal and JSON elsewhere."""
    silence_addresses()
    for_people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    ending: list[Any] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if for_people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *ending,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def silence_addresses() -> None:
    """The HTTP libraries' own lines have whole addresses, and some addresses hold a secret."""
    for library in ("httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)


def logger(**bound: Any) -> Any:
    """A logger that adds ``bound`` to every line. Each line is written as ``configure`` said last."""
    return structlog.get_logger(**bound)
