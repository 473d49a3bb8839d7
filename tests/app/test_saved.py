"""A simulated cycle in a file, and its replay without a journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from keeper.app import saved
from keeper.app.saved import SavedCycle, replayed_file
from keeper.cycle.run import Keeper
from keeper.domain.errors import BadInput
from keeper.domain.record import Mode
from keeper.journal.codec import decode
from tests.cycle.fakes import FREE, FakeChain, FakePauses, a_keeper, with_rounds
from tests.cycle.rounds import some_rounds
from tests.factories import a_snapshot


@pytest.fixture
def keeper() -> Keeper:
    rounds = some_rounds()
    chain = FakeChain(with_rounds(a_snapshot(), rounds), rounds)
    return a_keeper(chain, FakePauses([FREE]), None)


def cycle_in(file: Path, keeper: Keeper) -> str:
    keeping, candles = saved.saving(keeper)
    record = keeping.cycle(Mode.SIMULATE)
    saved.save(file, record, keeping, candles)
    return record.record_id


def test_a_saved_cycle_replays_to_the_same_bits(keeper: Keeper, tmp_path: Path) -> None:
    file = tmp_path / "cycle.gz"
    record_id = cycle_in(file, keeper)
    result = replayed_file(file)
    assert result.record_id == record_id
    assert result.same, result.differences


def test_a_cycle_whose_history_was_changed_differs(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cycle.gz"
    cycle_in(file, keeper)

    def changed(body: bytes, kind: type[SavedCycle]) -> SavedCycle:
        cycle = decode(body, kind)
        first = cycle.history[0]
        rounds = (replace(first.rounds[0], answer=first.rounds[0].answer + 1), *first.rounds[1:])
        return replace(cycle, history=(replace(first, rounds=rounds), *cycle.history[1:]))

    monkeypatch.setattr("keeper.app.saved.decode", changed)
    assert any("the journal's rounds are not those" in line for line in replayed_file(file).differences)


@pytest.mark.parametrize("content", [b"", b"not a cycle", b"\x1f\x8b\x08\x00"])
def test_another_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)
    with pytest.raises(BadInput, match="other holds no cycle"):
        replayed_file(file)


def test_a_file_that_cannot_be_written_is_refused_by_name(keeper: Keeper, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--save"):
        cycle_in(tmp_path / "nope" / "cycle.gz", keeper)
