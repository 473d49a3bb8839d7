"""Every test is of one kind, and a unit test opens no network socket."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.kinds import CHAIN, FAULTS, KINDS, SLOW, TESTS, UNIT, kind_of, mark_kinds, no_sockets

ANYWHERE = ("127.0.0.1", 9)


@pytest.mark.parametrize(
    ("path", "marked", "kind"),
    [
        ("planning/test_route.py", [], UNIT),
        ("test_docs.py", ["parametrize"], UNIT),
        ("chain/test_doctor.py", [], CHAIN),
        ("faults/test_node_rows.py", ["parametrize"], FAULTS),
        ("bench/test_cycle_bench.py", ["benchmark"], SLOW),
        ("feeds/test_http.py", ["faults"], FAULTS),
        ("faults/test_chaos.py", ["slow"], SLOW),
    ],
)
def test_the_folder_decides_and_a_marker_wins(path: str, marked: Sequence[str], kind: str) -> None:
    assert kind_of(TESTS / path, marked) == kind


def test_a_test_with_a_database_server_is_no_unit_test() -> None:
    path = TESTS / "journal" / "test_store.py"
    assert kind_of(path, [], {"journal_url", "postgres_server"}) == FAULTS
    assert kind_of(path, [], {"journal_url"}) == UNIT


def test_two_kinds_are_refused() -> None:
    with pytest.raises(pytest.UsageError, match="of one kind"):
        kind_of(TESTS / "faults" / "test_chaos.py", ["slow", "faults"])


def test_every_collected_test_is_of_exactly_one_kind(request: pytest.FixtureRequest) -> None:
    mark_kinds(request.session.items)


def test_the_tests_of_the_slowest_kind_come_first(request: pytest.FixtureRequest) -> None:
    kinds = [
        marker.name
        for item in request.session.items
        for marker in item.iter_markers()
        if marker.name in KINDS
    ]
    assert kinds == sorted(kinds, key=[SLOW, FAULTS, CHAIN, UNIT].index)


def test_a_unit_test_that_connects_fails_and_is_named() -> None:
    with (
        no_sockets("test_this"),
        socket.socket() as opened,
        pytest.raises(pytest.fail.Exception, match=r"test_this .* connects to \('127.0.0.1', 9\)"),
    ):
        opened.connect(ANYWHERE)


def test_the_guard_is_on_in_this_very_test() -> None:
    with socket.socket() as opened, pytest.raises(pytest.fail.Exception, match="guard_is_on"):
        opened.connect_ex(ANYWHERE)


def test_a_unix_socket_is_allowed() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        path = str(Path(folder) / "s")
        server.bind(path)
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


@pytest.mark.faults
def test_a_fault_test_may_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
