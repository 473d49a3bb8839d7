"""The Bot API's requests, answers and errors on a socket of this machine; and nowhere the token."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from keeper.chat.bot_api import MAX_BODY_BYTES, MAX_TEXT_UNITS, MAX_UPDATES, BotApi, shortened
from keeper.chat.listener import ChatListener
from keeper.chat.messages import Command
from keeper.domain.errors import ChatUnavailable
from keeper.runtime.json_text import MAX_BRACKETS
from tests.servers.telegram import TOKEN, Telegram, refusal, telegram

pytestmark = pytest.mark.faults
NOW = 1_800_000_000
OPERATOR, STRANGER = 5, 99


@pytest.fixture
def service() -> Iterator[Telegram]:
    with telegram() as it:
        yield it


@pytest.fixture
def bot(service: Telegram) -> Iterator[BotApi]:
    api = BotApi(service.url, SecretStr(TOKEN), poll_s=1)
    yield api
    api.close()


def refused(bot: BotApi) -> ChatUnavailable:
    with pytest.raises(ChatUnavailable) as error:
        bot.updates(0)
    shown = "".join(traceback.format_exception(error.value))
    assert TOKEN not in f"{shown}{error.value!r}{error.value.remedy}{bot!r}"
    return error.value


def test_updates_come_once_they_are_there_and_go_when_they_are_confirmed(
    service: Telegram, bot: BotApi
) -> None:
    assert bot.updates(0) == []
    service.write("/status", 5, NOW)
    (update,) = bot.updates(0)
    assert isinstance(update, dict)
    assert update["message"]["text"] == "/status"
    assert bot.updates(update["update_id"] + 1) == []
    assert service.waiting == []
    assert service.polls[0] == {
        "offset": 0,
        "limit": MAX_UPDATES,
        "timeout": 1,
        "allowed_updates": ["message"],
    }


def test_a_long_answer_is_cut_to_what_the_service_takes(service: Telegram, bot: BotApi) -> None:
    bot.send(5, "𝟘" * 5_000)
    (sent,) = service.sent
    assert sent["chat_id"] == 5
    assert len(sent["text"].encode("utf-16-le")) // 2 <= MAX_TEXT_UNITS
    assert sent["text"].endswith("more characters)")
    assert "parse_mode" not in sent


@pytest.mark.parametrize("text", ["", "short", "x" * MAX_TEXT_UNITS])
def test_what_fits_is_sent_whole(text: str) -> None:
    assert shortened(text) == text


def test_what_does_not_print_is_sent_as_its_escape(service: Telegram, bot: BotApi) -> None:
    bot.send(5, "line\nhalf \ud83d of a pair \x1b[2J")
    assert service.sent[0]["text"] == "line\nhalf \\ud83d of a pair \\x1b[2J"


@pytest.mark.parametrize(
    ("answer", "status", "wait_s", "word"),
    [
        (refusal(401, "Unauthorized"), 401, 0.0, "Unauthorized"),
        (refusal(409, "Conflict: terminated by other getUpdates request"), 409, 0.0, "Conflict"),
        (refusal(429, "Too Many Requests: retry after 35", retry_after=35), 429, 35.0, "retry after 35"),
        (refusal(429, "Too Many Requests", retry_after=10**12), 429, 3_600.0, "429"),
        (refusal(429, "Too Many Requests", retry_after=-5), 429, 0.0, "429"),
        (refusal(400, f"Bad Request: no path /bot{TOKEN}/x"), 400, 0.0, "********"),
        ((502, b"<html>Bad Gateway</html>"), 502, 0.0, "no JSON object"),
        ((200, b"garbage"), 200, 0.0, "no JSON object"),
        ((200, b"\xff\xfe"), 200, 0.0, "no JSON object"),
        ((200, b"[" * 200_000), 200, 0.0, "no JSON object"),
        ((200, b'["a list"]'), 200, 0.0, "no JSON object"),
        ((200, b'{"ok": true, "result": {}}'), 0, 0.0, "no list of updates"),
        ((200, b'{"ok": "yes", "result": []}'), 200, 0.0, "HTTP 200"),
        ((200, b" " * (MAX_BODY_BYTES + 1)), 200, 0.0, "more than"),
        ((302, b'{"ok": true, "result": []}'), 302, 0.0, "HTTP 302"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str | int) else "",
)
def test_a_refusal_is_named_with_its_wait_and_without_the_token(
    service: Telegram, bot: BotApi, answer: tuple[int, bytes], status: int, wait_s: float, word: str
) -> None:
    service.broken += [answer, answer]  # what cannot be used is asked for a second time
    error = refused(bot)
    assert (error.status, error.wait_s) == (status, wait_s)
    assert word in error.message


@pytest.mark.parametrize(
    "text", ["[{" * 2_048, "\U0001f6d1" * 2_048, '\\"[' * 1_365], ids=["brackets", "long", "escapes"]
)
def test_what_strangers_write_keeps_no_pause_from_being_heard(
    service: Telegram, bot: BotApi, text: str
) -> None:
    for _ in range(2 * MAX_UPDATES):
        service.write(text, STRANGER, NOW)
        service.waiting[-1]["message"]["reply_to_message"] = {"text": text, "quote": {"text": text}}
    service.write("pause", OPERATOR, NOW)
    assert heard(bot) == ["pause"]


@pytest.mark.parametrize("size", [MAX_BODY_BYTES, 0])
def test_an_update_that_cannot_be_used_is_stepped_over_and_counted(
    service: Telegram, bot: BotApi, size: int
) -> None:
    """One that is too large, and one with too many brackets."""
    for text in ("status", "unusable", "pause"):
        service.write(text, OPERATOR, NOW)
    service.waiting[1]["message"]["entities"] = ["x" * size, *([{}] * MAX_BRACKETS if size == 0 else [])]
    assert heard(bot, 1) == ["status", "pause"]


def heard(bot: BotApi, unreadable: int = 0) -> list[str]:
    commands: list[str] = []

    def answer(command: Command) -> str:
        commands.append(command.name)
        return "answer"

    listener = ChatListener(bot, frozenset({OPERATOR}), answer, now=lambda: NOW)
    while listener.once() == 0.0 and "pause" not in commands:
        pass
    assert listener.counts.unreadable == unreadable
    assert listener.counts.failures == 0
    return commands


def test_a_service_that_is_gone_is_no_answer() -> None:
    assert "ConnectError" in refused(BotApi("http://127.0.0.1:9", SecretStr(TOKEN))).message


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_no_library_logs_the_token(
    service: Telegram, bot: BotApi, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    with caplog.at_level(level):
        bot.updates(0)
        bot.send(5, "hello")
        service.broken.append(refusal(401, "Unauthorized"))
        refused(bot)
    assert "token-canary" not in caplog.text
