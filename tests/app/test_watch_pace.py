"""When the watch looks, by a clock that a test moves."""

from __future__ import annotations

import queue
import threading
import time

from keeper.app.watch_pace import LOOKS_FOR_A_HEAD, LOOKS_IN_VAIN, WatchPace
from keeper.settings.execution import SHORTEST_WATCH_S

EVERY_S = 2.0
FIRST, SECOND = 0, 1
"""Places of two sockets."""


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def looked(pace: WatchPace, seen: int | None = None) -> None:
    pace.look(lambda: seen)


def test_without_heads_it_looks_at_its_interval() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    assert pace.due_at == 100.0 + EVERY_S
    clock.now = 102.5
    looked(pace)
    assert pace.due_at == 102.5 + EVERY_S


def test_a_head_is_looked_for_at_once_and_then_the_interval_holds_again() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    pace.new_head(FIRST, 7)
    assert pace.due_at <= clock.now
    looked(pace, seen=7)
    assert pace.due_at == clock.now + EVERY_S


def test_heads_without_end_ask_for_no_more_than_one_look_in_the_shortest_time() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    looks = 0
    for _ in range(1_000):
        pace.new_head(FIRST, 10**9)
        if pace.due_at <= clock.now:
            looked(pace, seen=1)
            looks += 1
        clock.now += 0.01
    assert looks <= 10.0 / SHORTEST_WATCH_S + 1


def test_a_block_that_the_node_does_not_have_yet_is_looked_for_again_but_not_for_ever() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    pace.new_head(FIRST, 7)
    looks = 0
    while pace.due_at < clock.now + EVERY_S:
        clock.now = max(clock.now, pace.due_at)
        looked(pace, seen=6)
        looks += 1
    assert looks == LOOKS_FOR_A_HEAD
    assert clock.now < 100.0 + 1.0


def test_the_head_of_a_node_that_no_other_can_be_asked_about_is_looked_for_again_too() -> None:
    pace = WatchPace(EVERY_S, Clock())
    pace.new_head(FIRST, 7)
    looked(pace, seen=None)
    assert pace.due_at < 100.0 + EVERY_S


def test_a_head_that_is_told_during_a_look_is_not_lost() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    pace.new_head(FIRST, 7)

    def look() -> int:
        pace.new_head(FIRST, 8)
        return 8

    pace.look(look)
    assert pace.due_at == clock.now + SHORTEST_WATCH_S


def test_an_older_head_does_not_take_the_place_of_a_newer_one() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    pace.new_head(FIRST, 1_000)
    pace.new_head(FIRST, 988)
    looked(pace, seen=988)
    assert pace.due_at == clock.now + SHORTEST_WATCH_S


def test_a_head_older_than_what_was_seen_asks_for_nothing() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    looked(pace, seen=1_000)
    pace.new_head(FIRST, 999)
    assert pace.due_at == clock.now + EVERY_S


def test_a_look_that_lies_about_the_time_silences_no_head_after_the_next_look() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    looked(pace, seen=10**9)
    looked(pace, seen=1_000)
    pace.new_head(FIRST, 1_012)
    assert pace.due_at <= clock.now


def test_several_blocks_of_one_second_are_looked_at_but_not_without_end() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    looked(pace, seen=1_000)
    for _ in range(LOOKS_IN_VAIN):
        clock.now += SHORTEST_WATCH_S
        pace.new_head(FIRST, 1_000)
        assert pace.due_at <= clock.now
        looked(pace, seen=1_000)
    looked(pace, seen=999)
    looked(pace, seen=1_000)
    pace.new_head(FIRST, 1_000)
    assert pace.due_at == clock.now + EVERY_S
    pace.new_head(FIRST, 1_001)
    assert pace.due_at < clock.now + EVERY_S


def test_a_socket_that_invents_blocks_is_left_and_gets_another_chance() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    looks = told = 0
    while pace.new_head(FIRST, 10**9 + told):
        told += 1
        if pace.due_at <= clock.now:
            looked(pace, seen=1_000)
            looks += 1
        clock.now += 0.01
    assert looks == LOOKS_IN_VAIN
    assert pace.due_at == clock.now + EVERY_S - 0.01, "nobody looks for its last head"
    assert pace.new_head(FIRST, 2 * 10**9)
    assert pace.due_at <= clock.now + SHORTEST_WATCH_S


def test_a_socket_that_lies_between_true_heads_is_left_too() -> None:
    clock = Clock()
    pace = WatchPace(600.0, clock)
    looks, told, seen = 0, True, 1_000
    while told and looks < 200:
        seen += looks % 10 == 0
        told = pace.new_head(FIRST, seen) and pace.new_head(FIRST, 10**9 + looks)
        clock.now += SHORTEST_WATCH_S
        looked(pace, seen=seen)
        looks += 1
    assert looks <= LOOKS_IN_VAIN + 2


def test_a_lie_is_not_forgotten_for_the_true_heads_that_follow() -> None:
    clock = Clock()
    pace = WatchPace(600.0, clock)
    told = [pace.new_head(FIRST, 10**9)]
    for block in range(1_000, 1_000 + LOOKS_IN_VAIN):
        for _ in range(LOOKS_FOR_A_HEAD):
            clock.now += SHORTEST_WATCH_S
            if pace.due_at <= clock.now:
                looked(pace, seen=block)
        told.append(pace.new_head(FIRST, block + 1))
    assert False in told


def test_a_socket_that_invents_blocks_costs_another_one_nothing() -> None:
    clock = Clock()
    pace = WatchPace(600.0, clock)
    lies = 0
    for block in range(1_000, 1_100, 12):
        for _ in range(100):
            clock.now += 0.1
            lies += 1
            pace.new_head(FIRST, 10**9 + lies)
            if pace.due_at <= clock.now:
                looked(pace, seen=block - 12)
        assert pace.new_head(SECOND, block)
        clock.now += SHORTEST_WATCH_S
        assert pace.due_at <= clock.now
        looked(pace, seen=block)


def test_an_older_head_of_another_socket_does_not_take_the_place_of_a_newer_one() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    pace.new_head(FIRST, 1_000)
    pace.new_head(SECOND, 988)
    looked(pace, seen=988)
    assert pace.due_at == clock.now + SHORTEST_WATCH_S
    looked(pace, seen=1_000)
    assert pace.due_at == clock.now + EVERY_S


def test_an_older_head_that_is_told_during_a_look_does_not_take_the_place_of_a_newer_one() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    pace.new_head(FIRST, 1_000)

    def look() -> int:
        pace.new_head(FIRST, 988)
        return 988

    pace.look(look)
    looked(pace, seen=988)
    assert pace.due_at == clock.now + SHORTEST_WATCH_S, "the block of second 1,000 is still looked for"


def test_the_heads_of_an_honest_socket_count_though_the_nodes_are_always_a_little_behind() -> None:
    clock = Clock()
    pace = WatchPace(600.0, clock)
    for tenths in range(0, 1_200, 4):  # a block every 0.4 s, which a look sees 1.2 s later
        assert pace.new_head(FIRST, 1_000 + tenths // 10)
        for _ in range(2):
            clock.now += SHORTEST_WATCH_S
            assert pace.due_at <= clock.now
            looked(pace, seen=1_000 + (tenths - 12) // 10)


def test_nodes_that_do_not_answer_prove_no_lie() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    for told in range(10 * LOOKS_IN_VAIN):
        assert pace.new_head(FIRST, 1_000 + told)
        looked(pace, seen=None)


def test_a_head_that_is_told_while_it_is_held_is_looked_for_afterwards() -> None:
    pace = WatchPace(600.0, time.monotonic)
    pace.hold()
    due: queue.Queue[bool] = queue.Queue()
    waits = threading.Thread(target=lambda: due.put(pace.wait()))
    waits.start()
    pace.new_head(FIRST, 7)
    assert due.empty()
    pace.go_on()
    assert due.get(timeout=10.0)
    waits.join(10.0)


def test_a_head_wakes_whoever_waits_and_so_does_the_end() -> None:
    pace = WatchPace(600.0, time.monotonic)
    due: queue.Queue[bool] = queue.Queue()
    looked_at_it = threading.Event()

    def watch() -> None:
        due.put(pace.wait())
        looked(pace, seen=7)
        looked_at_it.set()
        due.put(pace.wait())

    waits = threading.Thread(target=watch)
    waits.start()
    pace.new_head(FIRST, 7)
    assert due.get(timeout=10.0)
    assert looked_at_it.wait(10.0)
    pace.end()
    assert not due.get(timeout=10.0)
    waits.join(10.0)
