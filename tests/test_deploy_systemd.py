"""The systemd unit: as hardened as it says, and in step with the keeper's own times."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from keeper.domain.errors import BadInput, Halted
from keeper.monitoring.daemon_state import LONGEST_CYCLE_S
from keeper.settings.execution import SendTable

UNIT_FILE = Path(__file__).parents[1] / "deploy" / "keeper.service"
UNIT = UNIT_FILE.read_text(encoding="utf-8")
ANALYZE = shutil.which("systemd-analyze")
HIGHEST_EXPOSURE = 2.0


def setting(name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT, flags=re.MULTILINE)
    return str(value)


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is missing: install Debian's package systemd")
def test_its_exposure_is_low_and_as_it_says() -> None:
    assert ANALYZE is not None
    command = (
        ANALYZE,
        "security",
        "--offline=true",
        f"--threshold={HIGHEST_EXPOSURE * 10:.0f}",
        str(UNIT_FILE),
    )
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (measured,) = re.findall(r"Overall exposure level for keeper.service: (\d+\.\d)", ran.stdout)
    assert f"`systemd-analyze security` gives this {measured}," in UNIT


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is missing: install Debian's package systemd")
def test_systemd_understands_every_line() -> None:
    assert ANALYZE is not None
    ran = subprocess.run((ANALYZE, "verify", str(UNIT_FILE)), capture_output=True, text=True, check=False)
    about_it = [line for line in (ran.stdout + ran.stderr).splitlines() if "keeper.service" in line]
    assert all("is not executable: No such file" in line for line in about_it), about_it


def test_the_watchdog_waits_as_long_as_the_longest_cycle() -> None:
    assert (setting("Type"), setting("NotifyAccess")) == ("notify", "main")
    assert float(setting("WatchdogSec")) == LONGEST_CYCLE_S


def test_a_cycle_that_sends_may_end_before_it_is_killed() -> None:
    assert setting("KillSignal") == "SIGINT"
    assert float(setting("TimeoutStopSec")) > SendTable().give_up_after_s


def test_what_a_restart_does_not_cure_is_not_restarted() -> None:
    assert setting("RestartPreventExitStatus") == f"{BadInput.exit_code} {Halted.exit_code}"


def test_it_starts_as_a_dry_run_and_a_core_file_never_holds_the_key() -> None:
    assert setting("ExecStart") == "/opt/keeper/.venv/bin/keeper run"
    assert setting("LimitCORE") == "0"


def test_a_reload_is_a_hang_up_and_no_setting_is_frozen_in_the_environment() -> None:
    assert setting("ExecReload") == "/bin/kill -HUP $MAINPID"
    assert setting("Environment") == "KEEPER_ENV_FILE=/etc/keeper/keeper.env"
    assert not re.findall(r"^EnvironmentFile=", UNIT, flags=re.MULTILINE)
