"""Which update is a message, who may ask, and what for."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.chat.messages import (
    LIMIT,
    LIMIT_S,
    MAX_AGE_S,
    MAX_ARGUMENT_CHARS,
    Message,
    Pace,
    Permission,
    command_of,
    judged,
    message_of,
    update_id,
)

OPERATOR, NOW = 4_711, 1_800_000_000
ASKED = Message(OPERATOR, private=True, at=NOW, text="/status")


def an_update(**changes: Any) -> dict[str, Any]:
    message = {
        "message_id": 1,
        "from": {"id": OPERATOR, "is_bot": False},
        "chat": {"id": OPERATOR, "type": "private"},
        "date": NOW,
        "text": "/status",
    }
    return {"update_id": 7, "message": message | changes}


def test_a_private_text_of_a_person_is_a_message() -> None:
    assert message_of(an_update()) == ASKED
    assert update_id(an_update()) == 7


@pytest.mark.parametrize(
    "changes",
    [
        {"from": {"id": OPERATOR, "is_bot": True}},
        {"from": {"id": OPERATOR}},
        {"from": {"id": True, "is_bot": False}},
        {"from": {"id": "4711", "is_bot": False}},
        {"from": {"id": 2**64, "is_bot": False}},
        {"from": None},
        {"chat": []},
        {"text": None},
        {"text": 7},
        {"date": "yesterday"},
        {"date": 1.5},
        {"forward_origin": {"type": "user"}},
        {"forward_date": NOW},
        {"sender_chat": {"id": -100}},
        {"via_bot": {"id": 1}},
    ],
)
def test_what_no_person_wrote_now_is_no_message(changes: dict[str, Any]) -> None:
    assert message_of(an_update(**changes)) is None


@pytest.mark.parametrize(
    "update",
    [None, [], "text", 7, {}, {"update_id": 7}, {"update_id": 7, "edited_message": {}}, {"message": []}],
)
def test_garbage_is_no_message(update: object) -> None:
    assert message_of(update) is None


@pytest.mark.parametrize("number", [None, -1, True, "7", 2**63, 1.0])
def test_an_update_without_a_number_has_none(number: object) -> None:
    assert update_id({"update_id": number}) is None


@pytest.mark.parametrize(
    ("changes", "permission"),
    [
        ({}, Permission.ALLOWED),
        ({"from": {"id": 99, "is_bot": False}}, Permission.STRANGER),
        ({"chat": {"id": -5, "type": "group"}}, Permission.STRANGER),
        ({"chat": {"id": 99, "type": "private"}}, Permission.STRANGER),
        ({"date": NOW - MAX_AGE_S}, Permission.ALLOWED),
        ({"date": NOW - MAX_AGE_S - 1}, Permission.LATE),
        ({"date": NOW - 86_400, "text": "pause"}, Permission.LATE),
        ({"date": NOW + MAX_AGE_S + 1}, Permission.LATE),
    ],
)
def test_who_may_ask_and_when(changes: dict[str, Any], permission: Permission) -> None:
    message = message_of(an_update(**changes))
    assert message is not None
    assert judged(message, frozenset({OPERATOR}), float(NOW)) is permission


@pytest.mark.parametrize(
    ("text", "name", "argument"),
    [
        ("/status", "status", ""),
        (" Status ", "status", ""),
        ("/pause@keeper_bot what  I\nsaw", "pause", "what I saw"),
        ("explain health_factor_act", "explain", "health_factor_act"),
        ("pause\nI saw it", "pause", "I saw it"),
        ("/pause\tx", "pause", "x"),
        ("pause\u00a0x", "pause", "x"),
        ("Pause!", "pause", ""),
        ("pause: x", "pause", "x"),
        ("«pause»… now\u200b", "pause", "now\\u200b"),
        ("/pause@keeper_bot, x", "pause", "x"),
        ("...", "", ""),
        ("pause\x1b[2J", "pause\\x1b[2j", ""),
        ("pause \x1b[2J \ud800", "pause", "\\x1b[2J \\ud800"),
        ("", "", ""),
        (f"pause {'x' * 5_000}", "pause", "x" * MAX_ARGUMENT_CHARS),
    ],
)
def test_a_command_is_a_word_and_the_rest_on_one_printable_line(text: str, name: str, argument: str) -> None:
    command = command_of(Message(OPERATOR, private=True, at=NOW, text=text))
    assert (command.name, command.argument) == (name, argument)


def test_answers_are_limited_in_a_stretch_of_time() -> None:
    pace = Pace()
    assert [pace.allows(float(second)) for second in range(LIMIT + 2)] == [True] * LIMIT + [False] * 2
    assert not pace.allows(LIMIT_S - 0.1)
    assert pace.allows(LIMIT_S)
