"""Keepers killed at every failpoint, and again while they recover, against twins that nobody killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keeper.domain.tx import IntentStatus
from tests.faults.scene import Stage, Trial, VaultNow
from tests.faults.stories import STORIES, Story, Summary, campaign, twin

KILLS = int(os.environ.get("KEEPER_KILLS", "70"))
SEED = int(os.environ.get("KEEPER_SEED", "1"))
QUIET = 100
COLD_EVERY = 12
TOLERANCE = 1e-5


def run(stage: Stage, kills: int, times: int, capsys: pytest.CaptureFixture[str]) -> Summary:
    """At least so many kills, and so many ``times`` at every failpoint; long ones show how far they are."""
    found = Summary()
    twins = {kind: _ending_of_twin(stage, kind) for kind in {story.kind for story in STORIES}}
    for number, story in enumerate(campaign(SEED), start=1):
        enough = found.total >= kills
        if enough and found.least() >= times:
            break
        if enough and found.kills.get(story.failpoint.value, 0) >= times:
            continue
        _tell(stage, story, twins, found, cold=number % COLD_EVERY == 0)
        if kills > QUIET:
            with capsys.disabled():
                sys.stderr.write(f"\r{found.total} kills in {number} stories, {len(found.broken)} broken")
    if kills > QUIET:
        with capsys.disabled():
            _show(found)
    return found


def nobody_noticed(found: Summary, kills: int, times: int) -> None:
    assert not found.broken, "\n".join(found.broken)
    assert not found.differences, "\n".join(found.differences)
    assert (found.double, found.lost) == (0, 0)
    assert found.total >= kills
    assert found.least() >= times


def _ending_of_twin(stage: Stage, kind: str) -> VaultNow:
    with stage.trial() as trial:
        twin(trial, kind)
        trial.come_to_rest()
        assert trial.check() == []
        return trial.vault()


def _tell(stage: Stage, story: Story, twins: dict[str, VaultNow], found: Summary, *, cold: bool) -> None:
    with stage.trial() as trial:
        story.tell(trial, story.again)
        if cold:
            found.seconds.append(_cold_start(trial))
        trial.come_to_rest()
        broken = trial.check()
        now, expected = trial.vault(), twins[story.kind]
        found.stories += 1
        found.total += trial.kills
        for name, count in trial.killed_at.items():
            found.kills[name] = found.kills.get(name, 0) + count
        found.in_recovery += trial.kills - 1
        found.lost += sum(one.startswith("lost rows") for one in broken)
        found.double += now.rebalanced + now.deleveraged > expected.rebalanced + expected.deleveraged
        found.broken += [f"{story.name}: {one}" for one in broken]
        if not trial.killed_at:
            found.broken.append(f"{story.name}: nobody was killed")
        if not _alike(now, expected):
            found.differences.append(f"{story.name}: {now}, its twin {expected}")
        if story.kind == "displaced" and trial.pauses() != ("foreign_transaction",):
            found.broken.append(f"{story.name}: paused by {trial.pauses()}")
        unknown = [
            status for status in trial.statuses() if status in (IntentStatus.OPEN, IntentStatus.UNKNOWN)
        ]
        if unknown:
            found.broken.append(f"{story.name}: left {unknown}")


def _cold_start(trial: Trial) -> float:
    """Seconds from starting the command, nothing warm, to a cycle that has settled what was left and begun to read."""
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


def _alike(one: VaultNow, other: VaultNow) -> bool:
    if (one.epoch, one.rebalanced, one.deleveraged) != (other.epoch, other.rebalanced, other.deleveraged):
        return False
    return all(
        abs(a - b) <= TOLERANCE * max(abs(a), abs(b))
        for a, b in zip(one.position, other.position, strict=True)
    )


def _show(found: Summary) -> None:
    seconds = sorted(found.seconds) or [0.0]
    lines = [
        "",
        f"{found.total} kills in {found.stories} stories, {found.in_recovery} of them while recovering",
        *(f"  {name:<24}{count:>6}" for name, count in sorted(found.kills.items())),
        f"double rebalances {found.double}, lost rows {found.lost}, differences from the twin {len(found.differences)}",
        f"cold start to settled: median {seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s",
    ]
    sys.stderr.write("\n".join(lines) + "\n")
