"""A keeper whose settings are read again: what is refused, and what stays open meanwhile. No node answers here."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from unittest.mock import create_autospec

import pytest
from eth_account import Account
from eth_typing import HexStr

from keeper.app import operator
from keeper.app.clocks import SystemClock
from keeper.app.composition import DaemonParts, held_key
from keeper.app.monitors import monitors
from keeper.app.running import announcing
from keeper.app.service import Service, serving
from keeper.chain.block_look import BlockWatcher
from keeper.chain.chain_reader import ChainReader
from keeper.chain.heads.head_sockets import HeadSockets
from keeper.cycle.run import Keeper
from keeper.domain.errors import (
    InvalidSetting,
    JournalUnwritable,
    KeeperError,
    NodeUnavailable,
    RestartNeeded,
    Tampered,
)
from keeper.domain.record import Mode
from keeper.runtime.logs import configure
from keeper.settings.load import load
from keeper.settings.schema import Settings

pytestmark = pytest.mark.faults

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
KEY = "0x" + "5e" * 32
NOBODY = "http://127.0.0.1:9"


class Folder:
    """A daemon's directory, with its files of settings."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def strategy(self, text: str) -> None:
        (self.path / "keeper.toml").write_text(text, encoding="utf-8")

    def environment(self, **changes: str) -> None:
        values = {
            "RPC_URL": NOBODY,
            "CHAIN_ID": "31337",
            "VAULT": ADDRESS,
            "QUOTER": ADDRESS,
            "PRIVATE_KEY": KEY,
            "FALLBACK_JOURNAL": str(self.path),
            "LOCK_DIRECTORY": str(self.path / "locks"),
        }
        lines = (f"KEEPER_{name}={value}\n" for name, value in (values | changes).items())
        (self.path / ".env").write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    made = Folder(tmp_path)
    made.environment()
    return made


@pytest.fixture
def start(folder: Folder) -> Iterator[Callable[[], Service]]:
    with ExitStack() as stack:

        def started() -> Service:
            settings = load()
            watchers = stack.enter_context(monitors(settings))
            held = stack.enter_context(held_key(settings, Mode.LIVE, lambda: ""))
            service = stack.enter_context(
                serving(settings, held, watchers, progress=lambda _: None, clock=SystemClock())
            )
            stack.enter_context(announcing(settings, Mode.LIVE))
            return service

        yield started


def refusal(service: Service) -> KeeperError:
    before = service.in_force
    with pytest.raises(KeeperError) as refused:
        service.reload(lambda: None)
    assert service.in_force is before
    return refused.value


def test_what_needs_a_restart_is_refused_by_name_all_at_once(
    folder: Folder, start: Callable[[], Service]
) -> None:
    service = start()
    folder.environment(JOURNAL_URL="sqlite:///other.db", PRIVATE_KEY="0x" + "6f" * 32)
    error = refusal(service)
    assert isinstance(error, RestartNeeded)
    assert "KEEPER_JOURNAL_URL = sqlite:///other.db (it was sqlite:///keeper.db)" in error.message
    assert "KEEPER_PRIVATE_KEY changed; its value is secret" in error.message
    assert "systemctl restart keeper" in error.remedy
    assert error.message.startswith("2 changes need a restart:\n- ")
    assert not (folder.path / "other.db").exists()


def test_a_file_that_cannot_be_read_is_refused(folder: Folder, start: Callable[[], Service]) -> None:
    service = start()
    folder.strategy("[size\n")
    error = refusal(service)
    assert isinstance(error, InvalidSetting)
    assert "keeper.toml" in error.message


def test_settings_that_nobody_sealed_are_refused_until_they_are_sealed_beside_the_keeper(
    folder: Folder, start: Callable[[], Service]
) -> None:
    operator.seal(load())
    service = start()
    folder.strategy("[size]\nmax_leverage = 1.1\n")
    assert isinstance(refusal(service), Tampered)
    operator.seal(load())
    assert isinstance(refusal(service), NodeUnavailable)


def test_while_the_second_journal_holds_rows_nothing_is_read(
    folder: Folder, start: Callable[[], Service]
) -> None:
    service = start()
    (folder.path / "fallback.db").write_bytes(b"rows")
    assert isinstance(refusal(service), JournalUnwritable)


def test_a_node_that_hangs_holds_the_daemon_up_for_the_deadline_only(
    folder: Folder, start: Callable[[], Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start()
    monkeypatch.setattr("keeper.app.service.LONGEST_RELOAD_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as node:
        folder.environment(RPC_URL=f"http://127.0.0.1:{node.getsockname()[1]}")
        began = time.monotonic()
        assert isinstance(refusal(service), NodeUnavailable)
        assert time.monotonic() - began < 10.0


def test_journal_and_key_stay_locked_through_a_refusal(folder: Folder, start: Callable[[], Service]) -> None:
    service = start()
    refusal(service)
    (announced,) = (folder.path / "locks").glob("running-*.json")
    assert json.loads(announced.read_text(encoding="utf-8"))["sends"]
    with pytest.raises(KeeperError) as refused:
        start()
    assert refused.value.name == "AlreadyRunning"


@pytest.fixture
def no_nodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keepers that need no node. The list has what becomes of each, by its largest leverage."""
    happened: list[str] = []

    @contextmanager
    def parts(opened: object, settings: Settings, progress: object) -> Iterator[DaemonParts]:
        name = f"{settings.size.max_leverage}"
        happened.append(f"{name} opened")
        chain = create_autospec(ChainReader, instance=True)
        try:
            yield DaemonParts(
                create_autospec(Keeper), create_autospec(BlockWatcher), heads=HeadSockets(), chain=chain
            )
        finally:
            happened.append(f"{name} closed")

    monkeypatch.setattr("keeper.app.service.daemon_parts", parts)
    return happened


def test_a_thread_that_cannot_start_leaves_the_old_keeper_open(
    folder: Folder, start: Callable[[], Service], no_nodes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start()
    folder.strategy("[size]\nmax_leverage = 1.1\n")
    folder.environment(DEAD_MAN_URL=f"{NOBODY}/ping")
    before = service.in_force
    broken = create_autospec(Thread, side_effect=RuntimeError("can't start new thread"))
    monkeypatch.setattr("keeper.monitoring.worker.Thread", broken)
    with pytest.raises(RuntimeError):
        service.reload(lambda: None)
    assert service.in_force is before
    assert no_nodes == ["2.0 opened", "1.1 opened", "1.1 closed"]


def test_a_log_that_cannot_follow_leaves_the_new_keeper_in_force(
    folder: Folder, start: Callable[[], Service], no_nodes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start()
    folder.strategy("[size]\nmax_leverage = 1.1\n")
    monkeypatch.setattr("keeper.app.service.configure", create_autospec(configure, side_effect=OSError))
    in_force = service.reload(lambda: None)
    assert service.in_force is in_force
    assert in_force.changes == ("size.max_leverage = 1.1 (it was 2.0)",)
    assert no_nodes == ["2.0 opened", "1.1 opened", "2.0 closed"]


def test_a_keystore_that_was_replaced_under_its_name_is_refused(
    folder: Folder, start: Callable[[], Service], no_nodes: list[str]
) -> None:
    keystore, password = folder.path / "key.json", folder.path / "password"
    password.write_text("correct horse\n", encoding="utf-8")

    def write(key: str) -> None:
        encrypted = Account.encrypt(HexStr(key), "correct horse", kdf="pbkdf2", iterations=2)
        keystore.write_text(json.dumps(encrypted), encoding="utf-8")

    write(KEY)
    folder.environment(KEYSTORE=str(keystore), KEYSTORE_PASSWORD_FILE=str(password))
    service = start()
    write(KEY)  # the same key with another salt is the same key
    service.reload(lambda: None)
    write("0x" + "6f" * 32)
    error = refusal(service)
    assert isinstance(error, RestartNeeded)
    assert Account.from_key("0x" + "6f" * 32).address.lower() in error.message
    assert Account.from_key(KEY).address in error.message
    assert no_nodes == ["2.0 opened", "2.0 opened", "2.0 closed"]
