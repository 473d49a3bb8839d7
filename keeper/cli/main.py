"""The ``keeper`` command. It imports the commands inside ``main``, so that Ctrl-C never ends in a traceback."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

INTERRUPTED = 130
TERMINATED = 128 + signal.SIGTERM
BROKEN_PIPE = 128 + signal.SIGPIPE
"""As a shell reports it: whoever read standard output, such as ``head``, has closed it."""
PATIENCE_S = 0.7
"""An interrupted command has this long to end by itself."""
_interruption = threading.Event()
_terminated = threading.Event()


def main(arguments: Sequence[str] | None = None) -> None:
    """Always ends with SystemExit. Exit codes: docs/exit-codes.md.

    Without ``arguments`` it is the command of this process, and Ctrl-C or SIGTERM ends the process within a second. The
    daemon has its own way to end once it runs; a hang-up never ends it.
    """
    try:
        if arguments is None:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _on_interrupt)
            if sys.argv[1:2] == ["run"]:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
        code = _exit_code(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        code = _interrupted()
    except BaseException:
        # A library may turn an interrupt during its import into an error of its own.
        if not _interruption.is_set():
            raise
        code = _code()
    if arguments is None and _interruption.is_set():
        os._exit(_code())  # to take down the imported libraries can take longer than the second
    sys.exit(code)


def _exit_code(arguments: list[str]) -> int | str | None:
    from keeper.cli.app import app
    from keeper.cli.failures import report
    from keeper.domain.errors import FileUnusable, KeeperError

    try:
        app(args=arguments)
    except KeeperError as error:
        return report(error, as_json="--json" in arguments)
    except OSError as error:
        if error.filename is None:
            raise
        remedy = "Correct the path, or its permissions, or free space on its disk."
        unusable = FileUnusable(f"{error.filename}: {error.strerror}", remedy=remedy)
        return report(unusable, as_json="--json" in arguments)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            # Python flushes standard output once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        return _interrupted() if end.code == INTERRUPTED else end.code
    return 0


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    """Raises KeyboardInterrupt. If that is swallowed, or something goes on waiting, the process ends all the same. That
    is safe anywhere, because the journal knows what was begun."""
    del frame
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    if number == signal.SIGTERM:
        _terminated.set()
    _interrupted()
    threading.Thread(target=_end, name="interrupt", daemon=True).start()
    raise KeyboardInterrupt


def _end() -> None:
    threading.Event().wait(PATIENCE_S)
    os._exit(_code())


def _code() -> int:
    return TERMINATED if _terminated.is_set() else INTERRUPTED


def _interrupted() -> int:
    """Says so, once."""
    if not _interruption.is_set():
        _interruption.set()
        word = b"Terminated" if _terminated.is_set() else b"Interrupted"
        os.write(2, word + b". If a transaction was begun, the journal has it. The next start goes on.\n")
    return _code()
