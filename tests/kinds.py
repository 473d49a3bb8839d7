"""Which of the four kinds a test is of, and the socket guard of the unit tests.

A kind is decided here: by the test's folder, or by a marker on the test or its module, which wins.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from unittest import mock

import pytest

TESTS: Final = Path(__file__).parent

UNIT, CHAIN, FAULTS, SLOW = "unit", "chain", "faults", "slow"

KINDS: Final = {
    UNIT: "no network socket; less than a second",
    CHAIN: "needs Anvil: the real protocols on a local chain",
    FAULTS: "injects a fault, or needs a server on this machine: an exchange's or a node's double, or PostgreSQL",
    SLOW: "a campaign whose length is a number, a benchmark, or a check that takes a second or more",
}

FOLDERS: Final = {"chain": CHAIN, "faults": FAULTS, "bench": SLOW, "peers": SLOW}
"""Every other folder holds unit tests."""


DATABASE: Final = "postgres_server"
"""The fixture that starts a PostgreSQL server."""


def kind_of(path: Path, marked: Sequence[str], fixtures: Collection[str] = ()) -> str:
    """The kind of a test in ``path`` whose markers, its own and its module's, are ``marked``."""
    explicit = [name for name in marked if name in KINDS]
    if len(explicit) > 1:
        raise pytest.UsageError(f"{path} has a test with the markers {explicit}: a test is of one kind")
    if explicit:
        return explicit[0]
    folder = FOLDERS.get(path.relative_to(TESTS).parts[0], UNIT)
    return FAULTS if folder == UNIT and DATABASE in fixtures else folder


def mark_kinds(items: Sequence[pytest.Item]) -> None:
    """Gives every collected test its kind and checks that each has exactly one."""
    for item in items:
        marked = [marker.name for marker in item.iter_markers()]
        kind = kind_of(item.path, marked, _fixtures(item))
        if kind not in marked:
            item.add_marker(kind)
        kinds = [marker.name for marker in item.iter_markers() if marker.name in KINDS]
        if kinds != [kind]:
            raise pytest.UsageError(f"{item.nodeid} has the kinds {kinds} instead of one")


def slowest_first(items: list[pytest.Item]) -> None:
    """Campaigns before faults, the chain and units. Workers that share the tests then end together on short ones, and
    no fixture of a long module is built twice."""
    order = list(KINDS)
    items.sort(
        key=lambda item: (
            -max(order.index(marker.name) for marker in item.iter_markers() if marker.name in order)
        )
    )


def _fixtures(item: pytest.Item) -> set[str]:
    """The fixtures of a test. A journal in PostgreSQL asks for its server when the test runs."""
    if not isinstance(item, pytest.Function):
        return set()
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return {*item.fixturenames, *([DATABASE] if parameters.get("journal_url") == "postgresql" else [])}


@contextmanager
def no_sockets(test: str) -> Iterator[None]:
    """Fails ``test`` when it connects anywhere but to a Unix socket of this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family == socket.AF_UNIX:
            connect(self, address)  # type: ignore[arg-type]
            return
        pytest.fail(f"{test} is a unit test and connects to {address}: mark it chain or faults")

    with (
        mock.patch.object(socket.socket, "connect", guarded),
        mock.patch.object(socket.socket, "connect_ex", guarded),
    ):
        yield
