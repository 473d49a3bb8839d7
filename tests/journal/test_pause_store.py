from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.domain.pause_state import DAY_S, PausedBy
from keeper.domain.policy import DailyPolicy
from keeper.domain.tx import Intent, IntentStatus, SendingKey
from keeper.journal.attempts import StoredAttempts
from keeper.journal.pause_store import StoredPauses, paused_by_file
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from tests.journal.rows import PAYLOAD, SENDER, a_receipt, an_attempt

NOW = 1_700_000_000
DAILY = DailyPolicy(max_loss=0.02, max_turnover=6.0, max_gas_wei=10**18, max_failures=2)


class PauseSetup:
    def __init__(self, journal: Journal, folder: Path) -> None:
        self.journal = journal
        self.file = folder / "keeper.pause"
        self.switches = Switches(journal, lambda: float(NOW))
        self.log = StoredAttempts(journal, lambda: float(NOW))

    def pause_store(self, *, keeps: bool = True) -> StoredPauses:
        return StoredPauses(
            self.switches,
            self.log,
            SendingKey(31_337, SENDER),
            pause_file=self.file,
            daily=DAILY,
            keeps=keeps,
        )

    def sent(self, nonce: int, *, ago: int = 60, loses: float = 0.0, reverts: bool = False) -> None:
        name = f"intent {nonce}"
        payload = replace(PAYLOAD, as_of=NOW - ago, turnover=1.5)
        self.log.create(Intent(name, nonce, payload))
        self.log.move(name, IntentStatus.SIGNING)
        attempt = an_attempt(name, nonce)
        self.log.add_attempt(attempt)
        receipt = replace(
            a_receipt(attempt),
            succeeded=not reverts,
            nav_before=None if reverts else 10**12,
            nav_after=None if reverts else round(10**12 * (1 - loses)),
        )
        self.log.add_receipt(receipt)


@pytest.fixture
def setup(journal_url: str, tmp_path: Path) -> Iterator[PauseSetup]:
    with Journal.open(journal_url) as journal:
        yield PauseSetup(journal, tmp_path)


def causes(setup: PauseSetup) -> list[str]:
    return [pause.cause for pause in setup.pause_store().pause_state(NOW).pauses]


def test_nothing_stops_a_keeper_that_did_nothing(setup: PauseSetup) -> None:
    pause_state = setup.pause_store().pause_state(NOW)
    assert pause_state.pauses == ()
    assert (pause_state.usage.loss, pause_state.usage.turnover, pause_state.usage.failures) == (0.0, 0.0, 0)


def test_what_lost_too_much_in_a_day_pauses_and_stays_paused_when_the_day_is_over(setup: PauseSetup) -> None:
    setup.sent(0, loses=0.012)
    assert causes(setup) == []
    setup.sent(1, loses=0.012)
    assert causes(setup) == ["day_loss"]
    assert [pause.cause for pause in setup.pause_store().pause_state(NOW + 2 * DAY_S).pauses] == ["day_loss"]


def test_what_is_older_than_a_day_does_not_count(setup: PauseSetup) -> None:
    setup.sent(0, loses=0.5, ago=DAY_S + 1)
    assert causes(setup) == []


def test_as_many_reverts_as_allowed_pause(setup: PauseSetup) -> None:
    setup.sent(0, reverts=True)
    assert causes(setup) == []
    setup.sent(1, reverts=True)
    assert causes(setup) == ["day_failures"]


def test_what_a_person_lifted_does_not_pause_again_and_something_new_does(setup: PauseSetup) -> None:
    setup.sent(0, loses=0.03)
    assert causes(setup) == ["day_loss"]
    setup.switches.resume("looked at it")
    assert causes(setup) == []
    setup.sent(1, loses=0.03)
    assert causes(setup) == ["day_loss"]


def test_a_simulation_sees_and_orders_nothing(setup: PauseSetup) -> None:
    setup.sent(0, loses=0.03)
    entries = setup.journal.verify()
    assert setup.pause_store(keeps=False).pause_state(NOW).usage.loss == pytest.approx(0.03)
    assert setup.journal.verify() == entries


def test_the_pause_file_pauses_while_it_is_there(setup: PauseSetup) -> None:
    setup.file.write_text("unlock tonight\nsecond line")
    (pause,) = setup.pause_store().pause_state(NOW).pauses
    assert (pause.by, pause.cause, pause.reason) == (PausedBy.FILE, "operator", "unlock tonight")
    setup.file.unlink()
    assert causes(setup) == []


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00"])
def test_an_empty_or_unreadable_pause_file_pauses_as_well(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keeper.pause").write_bytes(content)
    assert len(paused_by_file(tmp_path / "keeper.pause")) == 1


def test_a_directory_in_its_place_pauses_as_well(tmp_path: Path) -> None:
    (tmp_path / "keeper.pause").mkdir()
    assert len(paused_by_file(tmp_path / "keeper.pause")) == 1
