"""The ``keeper`` command. It imports the commands inside ``main``, so that Ctrl-C never ends in a traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

INTERRUPTED = 130
BROKEN_PIPE = 128 + signal.SIGPIPE
"""As a shell reports it: whoever read standard output, such as ``head``, has closed it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Always ends with SystemExit. Exit codes: docs/exit-codes.md."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.exit(_exit_code(given))
    except KeyboardInterrupt:
        sys.exit(_interrupted())


def _exit_code(arguments: list[str]) -> int | str | None:
    from keeper.cli.app import app
    from keeper.cli.failures import report
    from keeper.domain.errors import KeeperError

    try:
        app(args=arguments)
    except KeeperError as error:
        return report(error, as_json="--json" in arguments)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            # Python flushes standard output once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        return _interrupted() if end.code == INTERRUPTED else end.code
    return 0


def _interrupted() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr.write("Interrupted. The journal has what was begun; the next start goes on from there.\n")
    return INTERRUPTED
