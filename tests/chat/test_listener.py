"""What the chat does with messages, with a bot that a test plays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from keeper.chat.listener import FIRST_WAIT_S, LATE, LONGEST_WAIT_S, REFUSED_WAIT_S, ChatListener
from keeper.chat.messages import LIMIT, LIMIT_S, Command
from keeper.domain.errors import ChatUnavailable, JournalMissing
from keeper.monitoring.daemon_state import ChatCounts
from tests.chat.test_messages import NOW, OPERATOR, an_update

STRANGER = 99


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as captured:
        yield captured
    structlog.reset_defaults()


class Scene:
    """``batches`` are what the service gives, one after the other. ``mute``: answers cannot be sent."""

    def __init__(self, *batches: list[object] | ChatUnavailable) -> None:
        self.batches = list(batches)
        self.offsets: list[int] = []
        self.sent: list[tuple[int, str]] = []
        self.commands: list[Command] = []
        self.mute = False
        self.fails: Exception | None = None
        self.seconds = 0.0
        self.takes_s = 0.0
        self.listener = ChatListener(
            self,
            frozenset({OPERATOR}),
            self._answer,
            now=lambda: NOW + self.seconds,
            monotonic=lambda: self.seconds,
        )

    def updates(self, offset: int) -> list[object]:
        self.offsets.append(offset)
        batch = self.batches.pop(0) if self.batches else []
        if isinstance(batch, ChatUnavailable):
            raise batch
        return batch

    def send(self, chat: int, text: str) -> None:
        if self.mute:
            raise lost(403)
        self.sent.append((chat, text))

    def run(self) -> list[float]:
        """The waits between the batches."""
        return [self.listener.once() for _ in range(len(self.batches))]

    def _answer(self, command: Command) -> str:
        self.commands.append(command)
        self.seconds += self.takes_s
        if self.fails is not None:
            raise self.fails
        return f"answer to {command.name}"


def lost(status: int = 0, wait_s: float = 0.0) -> ChatUnavailable:
    return ChatUnavailable("getUpdates: no", remedy="Wait.", status=status, wait_s=wait_s)


def numbered(*texts: str, **changes: Any) -> list[object]:
    return [an_update(text=text, **changes) | {"update_id": 7 + place} for place, text in enumerate(texts)]


def test_a_command_is_carried_out_and_answered_in_private() -> None:
    scene = Scene(numbered("/status", "/pause I saw it"))
    assert scene.run() == [0.0]
    assert scene.commands == [Command(OPERATOR, "pause", "I saw it"), Command(OPERATOR, "status", "")]
    assert scene.sent == [(OPERATOR, "answer to pause"), (OPERATOR, "answer to status")]
    assert scene.listener.counts == ChatCounts(answered=2)


def test_a_stranger_is_counted_never_answered_and_logged_once_a_minute(lines: list[Any]) -> None:
    from_stranger = {"from": {"id": STRANGER, "is_bot": False}, "chat": {"id": STRANGER, "type": "private"}}
    scene = Scene(numbered(*["/pause"] * 5, **from_stranger))
    scene.run()
    assert (scene.commands, scene.sent) == ([], [])
    assert scene.listener.counts == ChatCounts(strangers=5)
    assert [line["event"] for line in lines] == ["chat_stranger"]


def test_what_was_written_long_ago_does_nothing_and_says_so() -> None:
    scene = Scene(numbered("/pause", date=NOW - 86_400))
    scene.run()
    assert scene.commands == []
    assert scene.sent == [(OPERATOR, LATE)]
    assert scene.listener.counts == ChatCounts(late=1)


def test_too_many_are_not_answered_but_a_pause_always_acts() -> None:
    scene = Scene(numbered(*["/status"] * (LIMIT + 3), "Pause!\nnow"), [an_update() | {"update_id": 500}])
    scene.listener.once()
    assert [command.name for command in scene.commands] == ["pause"] + ["status"] * (LIMIT - 1)
    assert scene.listener.counts == ChatCounts(answered=LIMIT, limited=4)
    scene.seconds = LIMIT_S
    scene.batches[0] = [an_update(date=NOW + int(LIMIT_S)) | {"update_id": 500}]
    scene.listener.once()
    assert len(scene.commands) == LIMIT + 1


def test_a_pause_is_never_too_many_and_is_as_old_as_at_its_receipt() -> None:
    scene = Scene(numbered(*["/status"] * LIMIT), [])
    scene.listener.once()
    scene.takes_s = 100.0
    scene.batches[0] = [an_update(text="pause") | {"update_id": 500 + place} for place in range(3)]
    scene.listener.once()
    assert [command.name for command in scene.commands] == ["status"] * LIMIT + ["pause"] * 3
    assert scene.listener.counts == ChatCounts(answered=LIMIT + 3)


def test_each_message_is_confirmed_and_a_number_that_begins_again_is_no_old_one() -> None:
    scene = Scene(numbered("a", "b"), [], [an_update() | {"update_id": 3}])
    assert scene.run() == [0.0] * 3
    assert scene.offsets == [0, 9, 0]
    assert len(scene.commands) == 3


@pytest.mark.parametrize("again", [[an_update()], [{"message": {}}], ["garbage"]])
def test_updates_that_would_come_again_for_ever_are_waited_for(again: list[object]) -> None:
    scene = Scene(numbered("/status"), again, again)
    assert scene.run() == [0.0, FIRST_WAIT_S, 2 * FIRST_WAIT_S]
    assert len(scene.commands) == 1


def test_the_wait_grows_to_its_limit_and_begins_again(lines: list[Any]) -> None:
    scene = Scene(*[lost(502)] * 8, [], lost(502))
    waits = scene.run()
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_WAIT_S, LONGEST_WAIT_S, 0.0, 1.0]
    assert [line["event"] for line in lines] == ["chat_lost", "chat_is_back", "chat_lost"]
    assert scene.listener.counts == ChatCounts(failures=9)


def test_when_it_last_heard_and_why_it_does_not_now() -> None:
    scene = Scene([], lost(401), [])
    states = []
    for scene.seconds in (10.0, 20.0, 30.0):
        scene.listener.once()
        states.append((scene.listener.state.heard_at, scene.listener.state.trouble))
    assert states == [(NOW + 10.0, ""), (NOW + 10.0, "getUpdates: no. Wait."), (NOW + 30.0, "")]


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [(lost(429, wait_s=17.0), 17.0), (lost(401), REFUSED_WAIT_S), (lost(409), FIRST_WAIT_S)],
)
def test_the_wait_is_what_the_refusal_asks_for(error: ChatUnavailable, wait_s: float) -> None:
    assert Scene(error).run() == [wait_s]


def test_an_error_of_the_journal_is_the_answer() -> None:
    scene = Scene(numbered("/status"))
    scene.fails = JournalMissing("there is no journal", remedy="Start the keeper.")
    scene.run()
    assert scene.sent == [(OPERATOR, "JournalMissing: there is no journal\nStart the keeper.")]


def test_a_bug_is_an_answer_without_details_and_the_next_message_is_read(lines: list[Any]) -> None:
    scene = Scene(numbered("/status", "/status"))
    scene.fails = RuntimeError("inner matters")
    scene.run()
    assert len(scene.sent) == 2
    assert "inner matters" not in str(scene.sent)
    assert [line["event"] for line in lines].count("chat_answer_failed") == 2


def test_an_answer_that_cannot_be_sent_is_logged_and_the_command_is_done(lines: list[Any]) -> None:
    scene = Scene(numbered("/pause"))
    scene.mute = True
    assert scene.run() == [0.0]
    assert [command.name for command in scene.commands] == ["pause"]
    assert "chat_not_answered" in [line["event"] for line in lines]
    assert scene.listener.counts.failures == 1
