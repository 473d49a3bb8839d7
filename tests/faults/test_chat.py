"""The chat of a daemon that runs: a real process, and a server of this machine in Telegram's place."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from keeper.chat.listener import chatting
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.settings.schema import Settings
from tests.faults.fixtures import Trial
from tests.faults.processes import Running
from tests.servers.telegram import TOKEN, Telegram, refusal, telegram

OPERATOR, STRANGER = 4_711, 99


@pytest.fixture
def service() -> Iterator[Telegram]:
    with telegram() as it:
        yield it


def cycles(trial: Trial) -> int:
    with Journal.open_for_reading(trial.journal_url) as journal:
        return len(StoredRecords(journal).latest(20))


def test_an_operator_pauses_by_chat_and_a_stranger_does_not(
    trial: Trial, daemon: Callable[..., Running], service: Telegram
) -> None:
    known, now = cycles(trial), time.time()
    service.broken += [refusal(429, "Too Many Requests: retry after 1", retry_after=1), (502, b"Bad Gateway")]
    service.write("/pause yesterday", OPERATOR, now - 86_400)
    service.write("/pause mine now", STRANGER, now)
    running = daemon(
        KEEPER_TELEGRAM_TOKEN=TOKEN,
        KEEPER_TELEGRAM_SENDERS=str(OPERATOR),
        KEEPER_TELEGRAM_URL=service.url,
        KEEPER_LOG_LEVEL="debug",
    )
    trial.until(lambda: cycles(trial) > known)
    assert service.wait_for(lambda: len(service.sent) == 1)
    assert trial.pauses() == ()

    for answers, text in enumerate(("/status", "/resume", "/pause LINK looks wrong"), start=2):
        service.write(text, OPERATOR, time.time())
        assert service.wait_for(lambda answers=answers: len(service.sent) == answers)  # type: ignore[misc]
    assert {answer["chat_id"] for answer in service.sent} == {OPERATOR}
    late, status, resume, pause = (answer["text"] for answer in service.sent)
    assert "did nothing" in late
    assert "health factor" in status
    assert "I know three words" in resume
    assert f"Telegram user {OPERATOR} asked in the chat: LINK looks wrong" in pause
    assert f"Acknowledged by process {running.pid}" in pause
    assert trial.pauses() == ("operator",)
    log = Path(f"{running.output}.err").read_text(encoding="utf-8")
    assert "chat_lost" in log
    assert "canary" not in log


def test_a_service_that_hangs_holds_neither_the_start_nor_the_end_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        settings = Settings(
            telegram_token=SecretStr(TOKEN),
            telegram_senders=str(OPERATOR),
            telegram_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
        )
        with chatting(settings) as chat:
            connection, _ = silent.accept()
            assert chat().counts.answered == 0
        with connection:
            assert time.monotonic() - began < 5.0
