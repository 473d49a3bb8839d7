"""File locks. The operating system releases them when the process ends, also after `kill -9`."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from keeper.domain.errors import AlreadyRunning, JournalUnwritable
from keeper.domain.orders import RunningKeeper


@contextmanager
def locked_file(path: Path, in_use: str, remedy: str) -> Iterator[None]:
    """``in_use`` begins the message of AlreadyRunning, ``remedy`` is that of JournalUnwritable where the file cannot be
    written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")
    except OSError as error:
        raise JournalUnwritable(f"{path}: {error.strerror}", remedy=remedy) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise AlreadyRunning(
                f"{in_use} by process {holder}",
                remedy="One keeper per journal and key: stop the other one, or use its commands.",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def locked_key(directory: Path | None, chain_id: int, account: str) -> Iterator[None]:
    """One process per key on this machine, whatever journal it uses. ``directory`` None: $XDG_STATE_HOME/keeper or
    ~/.local/state/keeper. Raises AlreadyRunning, JournalUnwritable."""
    with locked_file(
        _folder(directory) / f"{chain_id}-{account.lower()}.lock",
        f"the key {account} on chain {chain_id} is in use",
        "Point KEEPER_LOCK_DIRECTORY to a directory that the keeper may write to.",
    ):
        yield


@contextmanager
def announced(directory: Path | None, keeper: RunningKeeper) -> Iterator[None]:
    """Tells the commands of this machine which journal a running keeper uses, until the block is left or the process
    dies. Raises JournalUnwritable."""
    _sweep(directory)
    path = _folder(directory) / f"running-{keeper.process}.json"
    with locked_file(
        path, f"{path} is in use", "Point KEEPER_LOCK_DIRECTORY to a directory that the keeper may write to."
    ):
        path.write_text(json.dumps(asdict(keeper)), encoding="utf-8")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def running_keepers(directory: Path | None) -> tuple[RunningKeeper, ...]:
    """The keepers that announced themselves in this directory and live."""
    alive = []
    for path in sorted(_folder(directory).glob("running-*.json")):
        with suppress(OSError, ValueError, TypeError), path.open("r", encoding="utf-8") as content:
            if _is_locked(content.fileno()):
                alive.append(RunningKeeper(**json.load(content)))
    return tuple(alive)


def _sweep(directory: Path | None) -> None:
    """Removes what killed keepers left. Readers leave it, because they change nothing."""
    for path in _folder(directory).glob("running-*.json"):
        with suppress(OSError), path.open("r", encoding="utf-8") as content:
            if not _is_locked(content.fileno()):
                path.unlink()


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _folder(directory: Path | None) -> Path:
    return directory if directory is not None else state_directory()


def state_directory() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "keeper"
