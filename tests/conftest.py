"""Fixtures for every folder, the kinds of tests, and the profiles of the property tests."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import structlog

from tests import kinds, machine, properties
from tests.databases import journal_url, postgres_server, sqlite_url

__all__ = ["journal_url", "postgres_server", "sqlite_url"]

machine.lighten()
properties.register()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tables", action="store_true", help="print the tables that some tests measure")


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in kinds.KINDS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    kinds.mark_kinds(items)
    kinds.slowest_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A hook instead of a fixture, so that fixtures of a module are guarded too."""
    unit = item.get_closest_marker(kinds.UNIT)
    with kinds.no_sockets(item.nodeid) if unit else nullcontext():
        return (yield)


@pytest.fixture
def show(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints what a test has measured, where ``--tables`` (``make tables``) asks for it."""

    def write(text: str) -> None:
        if request.config.getoption("--tables"):
            with capsys.disabled():
                sys.stdout.write(f"\n{text}\n")

    return write


@pytest.fixture(autouse=True)
def logs_go_where_they_went() -> Iterator[None]:
    """A keeper that starts in a test sends the logs to that test's stderr, which is closed after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def state_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A path per test. Nothing is there until a keeper locks its key: a folder for each of thousands of tests takes
    longer than most of them."""
    base = tmp_path_factory.mktemp("states")
    return (base / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def keys_are_locked_per_test(state_folders: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run side by side use one development key."""
    monkeypatch.setenv("XDG_STATE_HOME", str(next(state_folders)))
