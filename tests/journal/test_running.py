"""Running keepers announce themselves, so that a command finds the journal that counts."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from keeper.domain.orders import RunningKeeper
from keeper.journal.files import announced, running_keepers

KEEPER = RunningKeeper(
    process=os.getpid(),
    chain_id=1,
    vault="0xBEEF",
    journal="/var/lib/keeper/keeper.db",
    pause_file="/var/lib/keeper/keeper.pause",
    sends=True,
)


def test_a_keeper_is_known_while_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    assert running_keepers(folder) == ()
    with announced(folder, KEEPER):
        assert running_keepers(folder) == (KEEPER,)
    assert running_keepers(folder) == ()
    assert list(folder.iterdir()) == []


def test_what_a_killed_keeper_left_counts_for_nothing_and_the_next_keeper_sweeps_it(tmp_path: Path) -> None:
    left = tmp_path / "running-1.json"
    left.write_text(json.dumps(asdict(KEEPER)))
    assert running_keepers(tmp_path) == ()
    assert left.exists(), "a reader changes nothing"
    with announced(tmp_path, KEEPER):
        assert not left.exists()


def test_it_says_which_keeper_it_is() -> None:
    assert str(KEEPER).endswith("(live), journal /var/lib/keeper/keeper.db, vault 0xBEEF")
