"""Which settings of the chat are refused, and that no refusal shows the token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from keeper.domain.errors import InvalidSetting
from keeper.settings.endpoints import chat_endpoints
from keeper.settings.load import load
from keeper.settings.schema import Settings
from keeper.settings.show import settings_with_rows

TOKEN = "7431000001:bot-token-canary-5518"


def test_without_a_token_there_is_no_chat() -> None:
    assert chat_endpoints(Settings(telegram_senders="4711")) is None


@pytest.mark.parametrize(
    "url", ["https://api.telegram.org", "http://127.0.0.1:8081", "http://localhost:8081"]
)
def test_a_bot_answers_the_people_of_the_list(url: str) -> None:
    where = chat_endpoints(
        Settings(telegram_token=SecretStr(TOKEN), telegram_senders=" 4711  4712 ", telegram_url=url)
    )
    assert where is not None
    assert (where.url, where.senders) == (url, frozenset({4711, 4712}))
    assert "canary" not in repr(where)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"telegram_senders": ""}, "KEEPER_TELEGRAM_SENDERS"),
        ({"telegram_url": "http://bot.example"}, "KEEPER_TELEGRAM_URL = http://bot.example"),
        (
            {"telegram_url": "http://user:canary@bot.example/canary-of-a-path"},
            "KEEPER_TELEGRAM_URL = http://********@bot.example/********:",
        ),
        ({"telegram_token": SecretStr("canary/../getMe")}, "KEEPER_TELEGRAM_TOKEN"),
        ({"telegram_token": SecretStr("canary")}, "KEEPER_TELEGRAM_TOKEN"),
    ],
)
def test_what_cannot_work_is_refused_by_name(changes: dict[str, Any], name: str) -> None:
    good: dict[str, Any] = {"telegram_token": SecretStr(TOKEN), "telegram_senders": "4711"}
    with pytest.raises(InvalidSetting) as error:
        chat_endpoints(Settings(**(good | changes)))
    assert name in error.value.message
    assert "canary" not in f"{error.value.message}{error.value.remedy}"


@pytest.mark.parametrize("senders", ["@name", "4711,4712", "-5", "0", "1.5", str(2**60)])
def test_only_ids_of_people_are_taken(senders: str, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_TELEGRAM_SENDERS", senders)
    with pytest.raises(InvalidSetting, match="KEEPER_TELEGRAM_SENDERS"):
        load()


def test_no_screen_shows_the_token(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_TELEGRAM_TOKEN", TOKEN)
    monkeypatch.setenv("KEEPER_SIZE__MAX_LEVERAGE", "99")
    with pytest.raises(InvalidSetting) as error:
        load()
    assert "canary" not in error.value.message
    monkeypatch.delenv("KEEPER_SIZE__MAX_LEVERAGE")
    assert "canary" not in f"{settings_with_rows()!r}"
