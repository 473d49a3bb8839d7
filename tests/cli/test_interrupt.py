"""Ctrl-C ends the command within a second wherever it is, and never with a traceback. Real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
COMMAND = "from keeper.cli.main import main; main()"
SECOND = 1.0
ROOT = Path(__file__).parents[2]


def settings(url: str) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER_")}
    given = {"RPC_URL": url, "CHAIN_ID": "31337", "VAULT": ADDRESS, "QUOTER": ADDRESS, "SENDER": ADDRESS}
    return kept | {f"KEEPER_{name}": value for name, value in given.items()}


def interrupted(
    command: subprocess.Popen[str], number: signal.Signals = signal.SIGINT
) -> tuple[int, float, str]:
    """Exit code, seconds from the signal to the end, and what else stands on standard error."""
    began = time.monotonic()
    command.send_signal(number)
    _, errors = command.communicate(timeout=30)
    lines = [line for line in errors.splitlines() if not line.startswith("import time:")]
    return command.returncode, time.monotonic() - began, "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    ["typer", "keeper.cli.app", "pydantic_core", "numpy", "httpx", "sqlalchemy", "keeper.settings.load"],
)
def test_an_interrupt_during_imports_ends_the_command_at_once(module: str, tmp_path: Path) -> None:
    """Python reports each import when it is done; the interrupt comes right after that report."""
    command = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-c", COMMAND, "status"],
        cwd=tmp_path,
        env=settings("http://127.0.0.1:9"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stderr is not None
    assert any(line.rstrip().endswith(module) for line in iter(command.stderr.readline, ""))
    code, took, errors = interrupted(command)
    assert (code, errors.splitlines()[-1][:12]) == (130, "Interrupted.")
    assert "Traceback" not in errors
    assert took < SECOND


def test_the_daemon_ends_in_order_on_sigterm_during_its_start_and_a_hang_up_does_not_end_it(
    tmp_path: Path,
) -> None:
    command = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-c", COMMAND, "run"],
        cwd=tmp_path,
        env=settings("http://127.0.0.1:9"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stderr is not None
    assert any(line.rstrip().endswith("typer") for line in iter(command.stderr.readline, ""))
    command.send_signal(signal.SIGHUP)
    assert any(line.rstrip().endswith("sqlalchemy") for line in iter(command.stderr.readline, ""))
    code, took, errors = interrupted(command, signal.SIGTERM)
    assert (code, errors[:11]) == (143, "Terminated.")
    assert "Traceback" not in errors
    assert took < SECOND


@pytest.mark.faults
@pytest.mark.parametrize(
    "arguments", [("status",), ("rebalance", "--simulate"), ("deleverage", "--simulate")]
)
def test_an_interrupt_while_a_node_hangs_ends_the_command_at_once(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """The node's machine takes the connection, and the node never reads from it."""
    with socket.create_server(("127.0.0.1", 0)) as node:
        command = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments],
            cwd=tmp_path,
            env=settings(f"http://127.0.0.1:{node.getsockname()[1]}"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = node.accept()
        with connection:
            code, took, errors = interrupted(command)
    assert (code, errors.splitlines()[-1][:12]) == (130, "Interrupted.")
    assert "Traceback" not in errors
    assert took < SECOND


@pytest.mark.slow
def test_an_interrupt_among_the_benchmark_strategies_leaves_no_process_and_says_so_once(
    tmp_path: Path,
) -> None:
    """As a terminal does it: every process of the command gets the signal."""
    arguments = [
        "backtest",
        "--strategy",
        str(ROOT / "keeper.toml"),
        "--from",
        "2019-01-01",
        "--to",
        "2019-02-01",
    ]
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "KEEPER_DATA_DIR"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert command.stderr is not None
    assert any("benchmark strategies" in line for line in iter(command.stderr.readline, ""))
    os.killpg(command.pid, signal.SIGINT)
    _, errors = command.communicate(timeout=30)  # ends only when no process holds the pipe
    assert command.returncode == 130
    assert errors.count("Interrupted.") == 1
    assert "Traceback" not in errors
    assert "resource_tracker" not in errors
