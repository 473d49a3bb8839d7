"""Runs kill scenarios and compares how each ends with its twin, in which no keeper is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keeper.devnet.vault_reading import VaultReading, read_vault
from keeper.domain.tx import IntentStatus
from tests.faults.fixtures import Stage, Trial, VaultNow
from tests.faults.kill_scenarios import CampaignResult, KillScenario, campaign, twin

KILLS = int(os.environ.get("KEEPER_KILLS", "16"))
SEED = int(os.environ.get("KEEPER_SEED", "1"))
QUIET = 100
COLD_EVERY = 12
TOLERANCE = 1e-5

End = tuple[VaultNow, VaultReading]
"""Of one scenario."""


def run(stage: Stage, kills: int, times: int, capsys: pytest.CaptureFixture[str]) -> CampaignResult:
    """At least ``kills`` kills, and ``times`` at every failpoint. A long run shows its progress."""
    result = CampaignResult()
    twins: dict[str, End] = {}
    for number, scenario in enumerate(campaign(SEED), start=1):
        enough = result.total >= kills
        if enough and result.fewest_kills() >= times:
            break
        if enough and result.kills.get(scenario.failpoint.value, 0) >= times:
            continue
        if scenario.kind not in twins:
            twins[scenario.kind] = _end_of_twin(stage, scenario.kind)
        _play(stage, scenario, twins[scenario.kind], result, cold=number % COLD_EVERY == 0)
        if kills > QUIET:
            with capsys.disabled():
                sys.stderr.write(f"\r{result.total} kills in {number} scenarios, {len(result.broken)} broken")
    if kills > QUIET:
        with capsys.disabled():
            _show(result)
    return result


def require_no_difference(result: CampaignResult, kills: int, times: int) -> None:
    assert not result.broken, "\n".join(result.broken)
    assert not result.differences, "\n".join(result.differences)
    assert (result.double, result.lost) == (0, 0)
    assert result.total >= kills
    assert result.fewest_kills() >= times


def _end_of_twin(stage: Stage, kind: str) -> End:
    with stage.trial() as trial:
        twin(trial, kind)
        trial.come_to_rest()
        assert trial.check() == []
        return trial.vault(), read_vault(trial.world)


def _play(stage: Stage, scenario: KillScenario, twin_end: End, result: CampaignResult, *, cold: bool) -> None:
    with stage.trial() as trial:
        scenario.play(trial, scenario.again)
        if cold:
            result.seconds.append(_cold_start(trial))
        trial.come_to_rest()
        broken = trial.check()
        now, twin_now = trial.vault(), twin_end[0]
        end = (now, read_vault(trial.world))
        result.scenarios += 1
        result.total += trial.kills
        for name, count in trial.killed_at.items():
            result.kills[name] = result.kills.get(name, 0) + count
        result.in_recovery += trial.kills - 1
        result.lost += sum(problem.startswith("lost rows") for problem in broken)
        result.double += now.rebalanced + now.deleveraged > twin_now.rebalanced + twin_now.deleveraged
        result.broken += [f"{scenario.name}: {problem}" for problem in broken]
        if not trial.killed_at:
            result.broken.append(f"{scenario.name}: no keeper was killed")
        if not _alike(end, twin_end):
            result.differences.append(f"{scenario.name}: {end}, its twin {twin_end}")
        if scenario.kind == "displaced" and trial.pauses() != ("foreign_transaction",):
            result.broken.append(f"{scenario.name}: paused by {trial.pauses()}")
        unknown = [
            status for status in trial.statuses() if status in (IntentStatus.OPEN, IntentStatus.UNKNOWN)
        ]
        if unknown:
            result.broken.append(f"{scenario.name}: left {unknown}")


def _cold_start(trial: Trial) -> float:
    """Seconds from starting the command in a cold process until the cycle has settled and begins to read."""
    environment = {**os.environ, **trial.environment, "KEEPER_FAILPOINT": "settled"}
    began = time.monotonic()
    done = subprocess.run(
        [Path(sys.executable).with_name("keeper"), "rebalance", "--execute", "--json"],
        env=environment,
        capture_output=True,
        check=False,
    )
    taken = time.monotonic() - began
    if done.returncode != -9:
        trial.broken.append(f"a cold start ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return taken


def _alike(end: End, other: End) -> bool:
    held, other_held = end[1], other[1]
    pairs = (
        (held.nav_usd, other_held.nav_usd),
        (held.debt_usd, other_held.debt_usd),
        (held.leverage, other_held.leverage),
    )
    return end[0] == other[0] and all(abs(a - b) <= TOLERANCE * max(abs(a), abs(b)) for a, b in pairs)


def _show(result: CampaignResult) -> None:
    seconds = sorted(result.seconds) or [0.0]
    lines = [
        "",
        f"{result.total} kills in {result.scenarios} scenarios, {result.in_recovery} of them while recovering",
        *(f"  {name:<24}{count:>6}" for name, count in sorted(result.kills.items())),
        f"double rebalances {result.double}, lost rows {result.lost}, differences from the twin {len(result.differences)}",
        f"cold start to settled: median {seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s",
    ]
    sys.stderr.write("\n".join(lines) + "\n")
