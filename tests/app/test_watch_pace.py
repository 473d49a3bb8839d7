"""When the watch looks, by a clock that a test moves."""

from __future__ import annotations

import queue
import threading
import time

from keeper.app.watch_pace import DEAF_S, LOOKS_FOR_A_HEAD, LOOKS_IN_VAIN, WatchPace
from keeper.settings.execution import SHORTEST_WATCH_S

EVERY_S = 2.0


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
    pace.new_head(7)
    assert pace.due_at <= clock.now
    looked(pace, seen=7)
    assert pace.due_at == clock.now + EVERY_S


def test_heads_without_end_ask_for_no_more_than_one_look_in_the_shortest_time() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    looks = 0
    for _ in range(1_000):
        pace.new_head(10**9)
        if pace.due_at <= clock.now:
            looked(pace, seen=1)
            looks += 1
        clock.now += 0.01
    assert looks <= 10.0 / SHORTEST_WATCH_S + 1


def test_a_block_that_the_node_does_not_have_yet_is_looked_for_again_but_not_for_ever() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    pace.new_head(7)
    looks = 0
    while pace.due_at < clock.now + EVERY_S:
        clock.now = max(clock.now, pace.due_at)
        looked(pace, seen=6)
        looks += 1
    assert looks == LOOKS_FOR_A_HEAD
    assert clock.now < 100.0 + 1.0


def test_the_head_of_a_node_that_no_other_can_be_asked_about_is_looked_for_again_too() -> None:
    pace = WatchPace(EVERY_S, Clock())
    pace.new_head(7)
    looked(pace, seen=None)
    assert pace.due_at < 100.0 + EVERY_S


def test_a_head_that_is_told_during_a_look_is_not_lost() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    pace.new_head(7)

    def look() -> int:
        pace.new_head(8)
        return 8

    pace.look(look)
    assert pace.due_at == clock.now + SHORTEST_WATCH_S


def test_an_older_head_does_not_take_the_place_of_a_newer_one() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    pace.new_head(1_000)
    pace.new_head(988)
    looked(pace, seen=988)
    assert pace.due_at == clock.now + SHORTEST_WATCH_S


def test_a_head_older_than_what_was_seen_asks_for_nothing() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    looked(pace, seen=1_000)
    pace.new_head(999)
    assert pace.due_at == clock.now + EVERY_S


def test_several_blocks_of_one_second_are_looked_at_but_not_without_end() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    looked(pace, seen=1_000)
    for _ in range(LOOKS_IN_VAIN):
        clock.now += SHORTEST_WATCH_S
        pace.new_head(1_000)
        assert pace.due_at <= clock.now
        looked(pace, seen=1_000)
    pace.new_head(1_000)
    assert pace.due_at == clock.now + EVERY_S
    pace.new_head(1_001)
    assert pace.due_at < clock.now + EVERY_S


def test_whoever_invents_blocks_is_not_listened_to_for_a_while() -> None:
    clock = Clock()
    pace = WatchPace(EVERY_S, clock)
    looks = 0
    for told in range(6_000):
        pace.new_head(10**9 + told)
        if pace.due_at <= clock.now:
            looked(pace, seen=1)
            looks += 1
        clock.now += 0.01
    assert looks <= LOOKS_IN_VAIN + 60.0 / EVERY_S + 1
    clock.now += DEAF_S
    looked(pace, seen=1)
    pace.new_head(2 * 10**9)
    assert pace.due_at <= clock.now


def test_a_head_that_is_told_while_it_is_held_is_looked_for_afterwards() -> None:
    pace = WatchPace(600.0, time.monotonic)
    pace.hold()
    due: queue.Queue[bool] = queue.Queue()
    waits = threading.Thread(target=lambda: due.put(pace.wait()))
    waits.start()
    pace.new_head(7)
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
    pace.new_head(7)
    assert due.get(timeout=10.0)
    assert looked_at_it.wait(10.0)
    pace.end()
    assert not due.get(timeout=10.0)
    waits.join(10.0)
