from __future__ import annotations

from keeper.monitoring.chat_watch import LOST_AFTER_S, ChatWatch
from keeper.monitoring.daemon_state import Chat
from keeper.monitoring.events import ChatBack, ChatLost, Event, Waiting
from tests.monitoring.reported import a_quiet_record, ended

BEGAN = 1_800_000_000.0


class Scene:
    def __init__(self, heard_at: float | None = BEGAN) -> None:
        self.chat = Chat(heard_at=heard_at, trouble="HTTP 401")
        self.told: list[Event] = []
        self.watch = ChatWatch(lambda: self.chat, self.told.append)

    def waits(self, *after_s: float) -> list[Event]:
        for seconds in after_s:
            self.watch(Waiting(BEGAN + seconds))
        return self.told


def test_a_chat_that_hears_nobody_is_told_once_between_two_cycles_and_again_with_each() -> None:
    scene, late = Scene(), LOST_AFTER_S + 1.0
    assert scene.waits(0.0, 60.0, LOST_AFTER_S) == []
    assert scene.waits(late, late + 60.0, late + 120.0) == [ChatLost(BEGAN + late, "HTTP 401")]
    scene.watch(ended(a_quiet_record(), BEGAN + late + 180.0))
    assert scene.told[1:] == [ChatLost(BEGAN + late + 180.0, "HTTP 401")]


def test_its_return_is_told_once() -> None:
    scene = Scene()
    scene.waits(1_000.0)
    scene.chat = Chat(heard_at=BEGAN + 1_050.0)
    assert scene.waits(1_060.0, 1_120.0)[1:] == [ChatBack(BEGAN + 1_060.0)]


def test_without_a_chat_nothing_is_told() -> None:
    assert Scene(heard_at=None).waits(0.0, 1e6) == []
