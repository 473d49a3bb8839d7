from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.cycle.history_references import digest, references
from keeper.domain.errors import JournalCorrupt
from keeper.domain.market import Round
from keeper.journal.rounds import MemoryRounds, StoredRounds
from keeper.journal.store import Journal

PHASE = 9 << 64


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[StoredRounds]:
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}") as journal:
        yield StoredRounds(journal)


def some_rounds(first: int, last: int) -> tuple[Round, ...]:
    return tuple(Round(PHASE | n, 10**8 * n, 3_600 * n) for n in range(first, last + 1))


def test_rounds_come_back_oldest_first_from_a_moment_on(stored: StoredRounds) -> None:
    stored.extend({"WETH": tuple(reversed(some_rounds(1, 12)))})
    assert stored.since(3_600 * 9) == {"WETH": some_rounds(9, 12)}


def test_the_newest_round_of_each_symbol_is_known(stored: StoredRounds) -> None:
    stored.extend({"WETH": some_rounds(1, 11), "LINK": some_rounds(2, 9)})
    assert stored.last_known() == {"WETH": PHASE | 11, "LINK": PHASE | 9}


def test_a_round_id_wider_than_64_bits_and_an_answer_as_wide_as_int256_are_kept(stored: StoredRounds) -> None:
    wide = Round(2**80 - 1, 2**255 - 1, 1)
    stored.extend({"WETH": (wide,)})
    assert stored.since(0) == {"WETH": (wide,)}


def test_rounds_already_known_are_left_as_they_are(stored: StoredRounds) -> None:
    stored.extend({"WETH": some_rounds(1, 3)})
    stored.extend({"WETH": some_rounds(2, 5)})
    assert stored.since(0) == {"WETH": some_rounds(1, 5)}


def test_a_known_round_with_another_answer_halts_and_adds_nothing(stored: StoredRounds) -> None:
    stored.extend({"WETH": some_rounds(1, 3)})
    with pytest.raises(JournalCorrupt, match="WETH"):
        stored.extend({"LINK": some_rounds(1, 1), "WETH": (*some_rounds(4, 4), Round(PHASE | 2, 1, 7_200))})
    assert stored.since(0) == {"WETH": some_rounds(1, 3)}


def test_a_simulation_sees_stored_and_new_rounds_and_stores_nothing(stored: StoredRounds) -> None:
    stored.extend({"WETH": some_rounds(1, 3)})
    seen = MemoryRounds(stored)
    seen.extend({"WETH": some_rounds(3, 5), "LINK": some_rounds(1, 1)})
    assert seen.since(7_200) == {"WETH": some_rounds(2, 5)}
    assert seen.since(0) == {"WETH": some_rounds(1, 5), "LINK": some_rounds(1, 1)}
    assert seen.last_known() == {"WETH": PHASE | 5, "LINK": PHASE | 1}
    assert stored.since(0) == {"WETH": some_rounds(1, 3)}


def test_a_simulation_notices_a_stored_round_that_the_chain_contradicts(stored: StoredRounds) -> None:
    stored.extend({"WETH": some_rounds(1, 3)})
    with pytest.raises(JournalCorrupt):
        MemoryRounds(stored).extend({"WETH": (Round(PHASE | 2, 1, 7_200),)})


def test_a_reference_names_the_rounds_by_their_hash() -> None:
    (reference,) = references({"WETH": some_rounds(1, 2), "UNI": ()})
    lines = f"{PHASE | 1} 100000000 3600\n{PHASE | 2} 200000000 7200\n"
    assert (reference.symbol, reference.since, reference.until, reference.count) == ("WETH", 3_600, 7_200, 2)
    assert reference.sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_rounds_that_differ_in_one_unit_have_another_hash() -> None:
    assert digest(some_rounds(1, 2)) != digest((*some_rounds(1, 1), Round(PHASE | 2, 200_000_001, 7_200)))


def test_a_long_history_is_stored_in_one_go(stored: StoredRounds) -> None:
    stored.extend({"WETH": some_rounds(1, 3_000)})
    stored.extend({"WETH": some_rounds(1, 3_000)})
    assert len(stored.since(0)["WETH"]) == 3_000
