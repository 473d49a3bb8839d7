from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keeper import __version__
from keeper.cli.main import main
from keeper.cli.output import console

HEAVY = ("web3", "pandas", "numpy", "scipy", "sqlalchemy", "pydantic", "httpx", "apscheduler", "structlog")
VAULT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import os

    for name in list(os.environ):
        if name.startswith("KEEPER_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code if isinstance(caught.value.code, int) else 0


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from keeper.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "rebalance" in done.stdout
    assert "loaded: []" in done.stdout


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert f"keeper {__version__}\n" == capsys.readouterr().out


@pytest.mark.parametrize("given", [(), ("--simulate", "--execute")])
def test_rebalance_needs_exactly_one_of_its_two_words(
    given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("rebalance", *given) == 2
    told = capsys.readouterr()
    assert "--simulate shows what would be done" in told.err
    assert told.out == ""


def test_an_error_is_one_json_object_on_standard_output_when_json_was_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code("rebalance", "--json") == 2
    told = capsys.readouterr()
    error = json.loads(told.out)["error"]
    assert (error["name"], error["exit_code"]) == ("BadInput", 2)
    assert error["remedy"]
    assert told.err == ""


@pytest.mark.parametrize(
    "command", [("rebalance", "--simulate"), ("rebalance", "--execute"), ("run",), ("status",)]
)
def test_missing_endpoints_start_nothing(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str], bare: Path
) -> None:
    assert exit_code(*command) == 2
    told = capsys.readouterr().err
    assert "InvalidSetting" in told
    assert "KEEPER_RPC_URL" in told
    assert list(bare.iterdir()) == []


def test_a_wrong_setting_starts_nothing_and_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEEPER_SIZE__TARGET_VOLATILITY", "80")
    assert exit_code("rebalance", "--simulate") == 2
    assert "KEEPER_SIZE__TARGET_VOLATILITY = 80" in capsys.readouterr().err


@pytest.mark.faults
def test_a_node_that_does_not_answer_is_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    for name, value in (
        ("RPC_URL", "http://127.0.0.1:9"),
        ("CHAIN_ID", "31337"),
        ("VAULT", VAULT),
        ("QUOTER", VAULT),
    ):
        monkeypatch.setenv(f"KEEPER_{name}", value)
    monkeypatch.setenv("KEEPER_SENDER", VAULT)
    assert exit_code("rebalance", "--simulate", "--json") == 3
    shown = json.loads(capsys.readouterr().out)
    assert shown["error"]["name"] == "NodeUnavailable"
    assert shown["mode"] == "simulate"


def test_config_show_hides_secrets_and_names_origins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEEPER_PRIVATE_KEY", "0x" + "5e" * 32)
    assert exit_code("config", "show", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["settings"]["private_key"] == {"value": "********", "origin": "environment"}
    assert len(shown["settings_hash"]) == 64


@pytest.mark.parametrize("every", ["", "1", "0h", "-1h", "1w", "1s", "61 * * * *", "* * *"])
def test_a_schedule_that_means_nothing_is_refused(every: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("run", "--every", every) == 2
    assert "--every" in capsys.readouterr().err


@pytest.mark.slow
def test_a_reader_that_closes_the_pipe_ends_the_command_quietly() -> None:
    program = [sys.executable, "-c", "from keeper.cli.main import main; main()", "config", "show"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        errors = command.stderr.read()
    assert (command.returncode, errors) == (141, b"")


@pytest.mark.parametrize("module", ["keeper.cli.app", "keeper.settings.load"])
def test_an_interrupt_during_imports_shows_no_traceback(module: str) -> None:
    program = (
        "import signal, sys\n"
        # A process that a shell starts in the background ignores the signal.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from keeper.cli.main import main\n"
        "main(['config', 'show'])\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 130
    assert ended.stderr.startswith("Interrupted.")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["devnet", "demo"])
def test_the_local_chain_of_an_installed_package_asks_for_a_checkout(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bare: Path
) -> None:
    monkeypatch.setattr("keeper.devnet.paths.CONTRACTS", bare / "deploy" / "contracts")
    assert exit_code(command) == 2
    assert "Clone the repository" in capsys.readouterr().err


@pytest.mark.parametrize(("columns", "width"), [("140", 140), ("80", 80), (None, 100)])
def test_piped_output_is_as_wide_as_columns_says(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert console().width == width


def test_config_show_prints_addresses_in_one_piece(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://{'a' * 60}.{'b' * 60}.example:18745"
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("KEEPER_DERIBIT_URL", url)
    assert exit_code("config", "show") == 0
    assert url in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "offered"),
    [("keeper re", {"rebalance", "resume", "replay"}), ("keeper rebalance --sim", {"--simulate"})],
)
def test_the_shell_completes_commands_and_their_options(typed: str, offered: set[str]) -> None:
    completed = subprocess.run(
        [Path(sys.executable).with_name("keeper")],
        env={
            **os.environ,
            "_KEEPER_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(typed.split()) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(completed.stdout.split()) == offered


def test_a_file_that_cannot_be_used_is_an_error_with_its_name(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (bare / "pause").mkdir()
    monkeypatch.setenv("KEEPER_PAUSE_FILE", str(bare / "pause"))
    assert exit_code("resume", "--reason", "test") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "FileUnusable" in told
    assert "Is a directory" in told
