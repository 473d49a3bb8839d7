"""Walking back through a feed's rounds: pages, gaps, phases, and where to stop."""

from __future__ import annotations

import pytest

from keeper.chain.feed_rounds import PAGE, MissingRounds, fetch, joined, since, split
from keeper.domain.market import Round
from tests.chain_unit.memory_node import BLOCK, MemoryNode

FEED = "0x" + "fe" * 20
OTHER = "0x" + "0f" * 20
HOUR = 3_600
ALL_TIME = 2_000_000_000


def hourly(phase: int, count: int, last_at: int = BLOCK.timestamp) -> dict[int, Round]:
    """Rounds 1..count of a phase, an hour apart, the last at ``last_at``."""
    return {
        joined(phase, n): Round(joined(phase, n), 10**8 + n, last_at - (count - n) * HOUR)
        for n in range(1, count + 1)
    }


def latest(rounds: dict[int, Round]) -> Round:
    return rounds[max(rounds)]


def fetched(
    node: MemoryNode, known: int | None = None, history_s: int = ALL_TIME, feed: str = FEED
) -> tuple[Round, ...]:
    wanted = {"WETH": MissingRounds(feed, latest(node.rounds[feed]), known)}
    return fetch(node.multicall, BLOCK, wanted, history_s, lambda _: None)["WETH"]


def test_a_cold_start_gets_every_round_once_oldest_first() -> None:
    rounds = hourly(1, 2 * PAGE + 500)
    node = MemoryNode({FEED: rounds})
    assert tuple(rounds[number] for number in sorted(rounds)) == fetched(node)
    assert 3 == node.rpc.round_trips


def test_rounds_older_than_the_history_are_not_fetched() -> None:
    node = MemoryNode({FEED: hourly(1, 5 * PAGE)})
    found = fetched(node, history_s=100 * HOUR)
    assert 101 == len(found)
    assert 1 == node.rpc.round_trips


def test_nothing_is_asked_when_only_the_latest_round_is_new() -> None:
    rounds = hourly(1, 10)
    node = MemoryNode({FEED: rounds})
    assert (latest(rounds),) == fetched(node, known=joined(1, 9))
    assert () == fetched(node, known=joined(1, 10))
    assert 0 == node.rpc.round_trips


def test_a_warm_read_asks_exactly_for_the_gap_in_one_round_trip() -> None:
    node = MemoryNode({FEED: hourly(1, 500)})
    found = fetched(node, known=joined(1, 480))
    assert [joined(1, n) for n in range(481, 501)] == [round_.round_id for round_ in found]
    assert (1, 19) == (node.rpc.round_trips, node.asked)


@pytest.mark.parametrize("reverts", [True, False])
def test_ids_that_the_feed_does_not_know_are_left_out(reverts: bool) -> None:
    rounds = hourly(1, 50)
    for n in (7, 8, 30):
        del rounds[joined(1, n)]
    node = MemoryNode({FEED: rounds}, reverts=reverts)
    assert sorted(rounds) == [round_.round_id for round_ in fetched(node)]


@pytest.mark.parametrize("reverts", [True, False])
def test_a_new_phase_is_read_together_with_what_the_old_one_still_got(reverts: bool) -> None:
    old = hourly(3, 200, last_at=BLOCK.timestamp - 20 * HOUR)
    new = hourly(4, 20)
    node = MemoryNode({FEED: old | new}, reverts=reverts)
    found = fetched(node, known=joined(3, 150))
    expected = [joined(3, n) for n in range(151, 201)] + [joined(4, n) for n in range(1, 21)]
    assert expected == [round_.round_id for round_ in found]
    assert 1 == node.rpc.round_trips


def test_an_old_phase_longer_than_a_window_is_followed_to_its_end() -> None:
    node = MemoryNode({FEED: hourly(3, 500, BLOCK.timestamp - 5 * HOUR) | hourly(4, 5)})
    found = fetched(node, known=joined(3, 100))
    assert 405 == len(found)


@pytest.mark.parametrize("count", [1, 2, 3, 255, 256, 257, 1_000, 4_999])
def test_a_cold_start_goes_back_through_phases_and_finds_their_last_rounds(count: int) -> None:
    old = hourly(1, count, last_at=BLOCK.timestamp - 10 * HOUR)
    new = hourly(2, 10)
    node = MemoryNode({FEED: old | new})
    assert sorted(old | new) == [round_.round_id for round_ in fetched(node)]


def test_phases_without_rounds_and_phases_skipped_are_survived() -> None:
    rounds = hourly(2, 30, BLOCK.timestamp - 10 * HOUR) | hourly(5, 10)
    node = MemoryNode({FEED: rounds})
    assert sorted(rounds) == [round_.round_id for round_ in fetched(node)]
    after = [number for number in sorted(rounds) if number > joined(2, 20)]
    assert after == [round_.round_id for round_ in fetched(node, known=joined(2, 20))]


def test_a_feed_without_phases_is_read_as_well() -> None:
    rounds = hourly(0, 30)
    node = MemoryNode({FEED: rounds})
    assert sorted(rounds) == [round_.round_id for round_ in fetched(node)]


def test_answers_that_are_no_evidence_are_left_out() -> None:
    rounds = hourly(1, 10)
    bad = {3: (0, 0), 4: (-5, 0), 5: (10**8, BLOCK.timestamp + 1)}
    for n, (answer, at) in bad.items():
        known = rounds[joined(1, n)]
        rounds[joined(1, n)] = Round(known.round_id, answer, at or known.updated_at)
    node = MemoryNode({FEED: rounds})
    assert [1, 2, 6, 7, 8, 9, 10] == [split(round_.round_id)[1] for round_ in fetched(node)]


def test_a_feed_that_went_back_gives_nothing_new() -> None:
    node = MemoryNode({FEED: hourly(1, 10)})
    assert () == fetched(node, known=joined(1, 12))
    assert () == fetched(node, known=joined(2, 1))


def test_all_feeds_are_paged_side_by_side() -> None:
    node = MemoryNode({FEED: hourly(1, 2 * PAGE), OTHER: hourly(1, 2 * PAGE)})
    told: list[str] = []
    wanted = {
        "WETH": MissingRounds(FEED, latest(node.rounds[FEED]), None),
        "WBTC": MissingRounds(OTHER, latest(node.rounds[OTHER]), None),
    }
    found = fetch(node.multicall, BLOCK, wanted, ALL_TIME, told.append)
    assert {"WETH": 2 * PAGE, "WBTC": 2 * PAGE} == {symbol: len(rounds) for symbol, rounds in found.items()}
    assert 2 == node.rpc.round_trips
    assert 2 == len(told)


# ----------------------------------------------------------- since a moment


def rounds_since(node: MemoryNode, time: int) -> tuple[Round, ...]:
    return since(node.multicall, BLOCK, {FEED: latest(node.rounds[FEED])}, time)[FEED]


def test_rounds_since_a_moment_begin_with_the_last_one_before_it() -> None:
    rounds = hourly(1, 500)
    node = MemoryNode({FEED: rounds})
    ordered = [rounds[number] for number in sorted(rounds)]
    for back in (0, 1, 63, 64, 200):
        moment = ordered[-1 - back].updated_at
        assert rounds_since(node, moment) == tuple(ordered[-1 - back :])
        assert rounds_since(node, moment + 1) == tuple(ordered[-1 - back :])


def test_rounds_since_a_moment_stay_in_the_present_phase() -> None:
    rounds = hourly(1, 50, last_at=BLOCK.timestamp - 3 * HOUR) | hourly(2, 3)
    node = MemoryNode({FEED: rounds})
    assert [split(round_.round_id) for round_ in rounds_since(node, BLOCK.timestamp - 40 * HOUR)] == [
        (2, 1),
        (2, 2),
        (2, 3),
    ]
