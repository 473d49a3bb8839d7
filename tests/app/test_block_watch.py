"""The watch between the cycles, with looks that a test gives."""

from __future__ import annotations

import threading
from dataclasses import replace

from keeper.app.block_watch import QUIET_S, BlockWatch, WatchSettings
from keeper.chain.heads.head_sockets import HeadSockets
from keeper.domain.block_look import BlockLook
from keeper.domain.errors import NodeUnavailable
from keeper.domain.record import DecisionRecord, Failure
from keeper.domain.units import WAD
from keeper.monitoring.events import CycleBegan, CycleEnded, CycleLost, Waiting
from tests.factories.market import a_snapshot
from tests.views.records import a_record

SNAPSHOT = a_snapshot()
CALM = BlockLook(
    SNAPSHOT.block.timestamp + 12,
    {0: 2.0},
    {feed.symbol: feed.round.answer for feed in SNAPSHOT.feeds},
    paused=False,
    epoch=4,
    nonce=9,
)
LOW = replace(CALM, health_factors={0: 1.2})
MOVED = replace(CALM, prices={symbol: round(0.95 * price) for symbol, price in CALM.prices.items()})
LIMITS = WatchSettings(every_s=0.01, alert=1.4, price_move=0.02)
LOST = CycleLost(1.0, Failure("NodeUnavailable", 3, message="", remedy=""))


def a_cycle(health_factor: float = 2.0) -> DecisionRecord:
    record = a_record()
    assert record.inputs is not None
    account = replace(SNAPSHOT.account, health_factor=round(health_factor * WAD))
    return replace(record, inputs=replace(record.inputs, snapshot=replace(SNAPSHOT, account=account)))


class Looks:
    """Gives one look or error after the other, the last one for ever."""

    def __init__(self, *looks: BlockLook | NodeUnavailable | None) -> None:
        self.left = list(looks)

    def look(self) -> BlockLook | None:
        given = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(given, NodeUnavailable):
            raise given
        return given


class Scene:
    def __init__(self, *looks: BlockLook | NodeUnavailable | None) -> None:
        self.woken = 0
        self.watch = BlockWatch(Looks(*looks), HeadSockets(), LIMITS)

    def look(self, at: float = 0.0) -> int:
        """How many cycles were asked for so far."""
        self.watch.once(self.wake, at)
        return self.woken

    def cycle(self, health_factor: float = 2.0) -> None:
        self.watch(CycleBegan(0.0, None))
        self.watch(CycleEnded(1.0, a_cycle(health_factor)))
        self.watch(Waiting(2.0))

    def lost_cycle(self) -> None:
        self.watch(CycleBegan(0.0, None))
        self.watch(LOST)
        self.watch(Waiting(2.0))

    def wake(self) -> None:
        self.woken += 1


def test_a_breach_between_two_cycles_asks_for_one() -> None:
    scene = Scene(CALM, LOW)
    scene.cycle()
    assert scene.look() == 0
    assert scene.look() == 1
    scene.cycle(health_factor=1.2)
    assert scene.look(QUIET_S) == 1, "the cycle has seen it"


def test_a_breach_after_a_recovery_is_a_new_one() -> None:
    scene = Scene(CALM, LOW)
    scene.cycle(health_factor=1.2)
    assert scene.look() == 0
    assert scene.look() == 1


def test_what_happened_after_the_cycle_read_the_chain_asks_for_one() -> None:
    scene = Scene(MOVED)
    scene.cycle()
    assert scene.look() == 1


def test_a_cycle_that_read_nothing_is_asked_for_again_and_not_at_once() -> None:
    scene = Scene(LOW)
    scene.cycle()
    assert scene.look() == 1
    scene.lost_cycle()
    assert scene.look(QUIET_S / 2) == 1
    assert scene.look(QUIET_S) == 2


def test_what_a_failed_cycle_saw_is_asked_for_again() -> None:
    scene = Scene(LOW)
    scene.cycle()
    assert scene.look() == 1
    scene.watch(CycleBegan(0.0, None))
    refused = replace(a_cycle(health_factor=1.2), failure=LOST.failure)
    scene.watch(CycleEnded(1.0, refused))
    scene.watch(Waiting(2.0))
    assert scene.look(QUIET_S) == 2


def test_what_the_cycle_itself_changed_asks_for_nothing() -> None:
    scene = Scene(CALM, replace(CALM, epoch=5, nonce=10))
    scene.cycle()
    scene.look()
    scene.cycle()
    assert scene.look(QUIET_S) == 0


def test_nothing_is_judged_from_the_begin_of_a_cycle_to_the_end_of_its_service() -> None:
    scene = Scene(LOW)
    scene.cycle()
    scene.watch(CycleBegan(3.0, None))
    assert scene.look() == 0
    scene.watch(CycleEnded(4.0, a_cycle()))
    assert scene.look() == 0, "the requests that wait may be served now"
    scene.watch(Waiting(5.0))
    assert scene.look() == 1


def test_moves_ask_at_most_once_in_the_quiet_time_and_a_breach_at_once() -> None:
    scene = Scene(MOVED, MOVED, MOVED, MOVED, MOVED, LOW)
    scene.cycle()
    assert scene.look(100.0) == 1
    assert scene.look(100.0 + QUIET_S / 2) == 1
    assert scene.look(100.0 + QUIET_S) == 2
    assert scene.look(100.0 + QUIET_S + 1) == 3


def test_a_single_lie_asks_for_nothing() -> None:
    scene = Scene(LOW, CALM, LOW, MOVED, CALM)
    scene.cycle()
    assert scene.look() == 0, "the next node does not say so"
    assert scene.look() == 0, "the next node says something else"


def test_a_fall_that_one_node_invents_does_not_delay_a_true_one() -> None:
    scene = Scene(replace(MOVED, health_factors={0: 1.2}), MOVED, LOW)
    scene.cycle()
    assert scene.look(100.0) == 1, "the move of the price is true"
    assert scene.look(101.0) == 2


def test_a_fall_that_one_node_invents_does_not_ask_for_the_other_causes_more_often() -> None:
    scene = Scene(MOVED, MOVED, replace(MOVED, health_factors={0: 1.2}), MOVED)
    scene.cycle()
    assert scene.look(100.0) == 1
    assert scene.look(101.0) == 1
    assert scene.look(100.0 + QUIET_S) == 2


def test_the_fall_of_one_account_does_not_delay_that_of_another() -> None:
    """The first is stuck at 0 since the last cycle."""
    low, both = replace(CALM, health_factors={0: 2.0, 1: 0.0}), replace(CALM, health_factors={0: 1.2, 1: 0.0})
    scene = Scene(low, low, both)
    scene.cycle()
    assert scene.look(100.0) == 1
    assert scene.look(101.0) == 2


def test_two_nodes_that_name_different_accounts_confirm_nothing() -> None:
    scene = Scene(
        replace(CALM, health_factors={0: 1.2, 1: 2.0}), replace(CALM, health_factors={0: 2.0, 1: 1.2})
    )
    scene.cycle()
    assert scene.look() == 0


def test_what_only_the_newer_look_shows_is_not_taken_for_judged() -> None:
    newer = replace(MOVED, health_factors={0: 1.2}, timestamp=MOVED.timestamp + 12)
    scene = Scene(newer, MOVED)
    scene.cycle()
    assert scene.watch.once(scene.wake, 0.0) == MOVED.timestamp
    assert scene.woken == 1


def test_what_a_lagging_node_cannot_confirm_is_not_taken_for_judged() -> None:
    newer = replace(LOW, timestamp=CALM.timestamp + 12)
    scene = Scene(newer, CALM, newer)
    scene.cycle()
    assert scene.watch.once(scene.wake, 0.0) == CALM.timestamp
    assert scene.woken == 0
    assert scene.watch.once(scene.wake, 0.2) == newer.timestamp
    assert scene.woken == 1


def test_a_node_that_lags_behind_the_cycle_is_not_compared() -> None:
    scene = Scene(replace(MOVED, timestamp=SNAPSHOT.block.timestamp - 12, epoch=3))
    scene.cycle()
    assert scene.look() == 0


def test_nodes_that_do_not_answer_blind_it_only_for_that_look() -> None:
    scene = Scene(NodeUnavailable("eth_call: no answer", remedy=""), LOW)
    scene.cycle()
    assert scene.look() == 0
    assert scene.look() == 1


def test_before_a_deployment_or_a_cycle_there_is_nothing_to_compare() -> None:
    assert Scene(None).look() == 0
    assert Scene(LOW).look() == 0


def test_the_watch_of_new_settings_knows_what_the_old_one_saw() -> None:
    scene = Scene(CALM)
    scene.cycle()
    scene.look()
    scene.watch = scene.watch.succeeded_by(Looks(LOW), HeadSockets(), LIMITS)
    assert scene.look() == 1


def test_the_watch_of_new_settings_judges_by_their_limits() -> None:
    scene = Scene(CALM)
    scene.cycle()
    scene.look()
    scene.watch = scene.watch.succeeded_by(Looks(LOW), HeadSockets(), replace(LIMITS, alert=1.1))
    assert scene.look() == 0


def test_it_looks_on_its_own_until_it_is_closed_and_outlives_a_bug() -> None:
    class Broken(Looks):
        def look(self) -> BlockLook | None:
            if len(self.left) == 2:
                self.left.pop(0)
                raise RuntimeError("a bug")
            return super().look()

    watch, woken = BlockWatch(Broken(CALM, LOW), HeadSockets(), LIMITS), threading.Event()
    watch(CycleEnded(1.0, a_cycle()))
    watch(Waiting(2.0))
    with watch.watching(woken.set, lambda: 0.0):
        assert woken.wait(10.0)
    assert not [thread for thread in threading.enumerate() if thread.name == "watch"]


def test_with_no_time_between_the_looks_it_is_off_with_its_sockets() -> None:
    sockets = HeadSockets(("ws://127.0.0.1:9",), 1)
    watch = BlockWatch(Looks(LOW), sockets, replace(LIMITS, every_s=0.0))
    with watch.watching(lambda: None, lambda: 0.0):
        assert not [thread for thread in threading.enumerate() if thread.name in ("watch", "heads")]
        assert watch.head_sockets == (), "no rule may say that it is told no blocks"
