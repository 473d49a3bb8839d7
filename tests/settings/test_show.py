from __future__ import annotations

from pathlib import Path

import pytest

from keeper.settings.endpoints import monitoring_endpoints
from keeper.settings.redact import HIDDEN, redacted_url
from keeper.settings.show import settings_with_rows

KEY = "0x" + "5e" * 32


def test_every_value_says_where_it_is_from_and_secrets_are_hidden(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "keeper.toml").write_text("[size]\nmax_leverage = 1.2\n", encoding="utf-8")
    (bare / ".env").write_text("KEEPER_CHAIN_ID=31337\n", encoding="utf-8")
    monkeypatch.setenv("KEEPER_PRIVATE_KEY", KEY)
    monkeypatch.setenv("KEEPER_RPC_URL", "https://node.example/v2/0123456789abcdef0123")
    rows = {row.field: row for row in settings_with_rows()[1]}
    assert (rows["size.max_leverage"].value, rows["size.max_leverage"].origin) == ("1.2", "keeper.toml")
    assert (rows["chain_id"].value, rows["chain_id"].origin) == ("31337", ".env")
    assert (rows["private_key"].value, rows["private_key"].origin) == (HIDDEN, "environment")
    assert f"https://node.example/v2/{HIDDEN}" == rows["rpc_url"].value
    assert rows["assets[0].symbol"].origin == "default"
    assert not any(KEY in row.value for row in rows.values())


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("sqlite:///keeper.db", "sqlite:///keeper.db"),
        ("postgresql://keeper:hunter2@db/journal", f"postgresql://{HIDDEN}@db/journal"),
        ("https://x.infura.io/v3/0123456789abcdef0123456789abcdef", f"https://x.infura.io/v3/{HIDDEN}"),
        ("https://node.example/?apikey=hunter2", f"https://node.example/?{HIDDEN}"),
        ("hunter2", HIDDEN),
        ("http://[::1", "http://[::1"),
        ("127.0.0.1:8545", "127.0.0.1:8545"),
        ("http:/127.0.0.1:8545", "http:/127.0.0.1:8545"),
        ("http://127.0.0.1:85451234", f"http://127.0.0.1:{HIDDEN}"),
        ("http://node:85a5/v3/0123456789abcdef", f"http://node:85a5/v3/{HIDDEN}"),
        ("keeper:hunter2", f"keeper:{HIDDEN}"),
        ("//keeper:hunter2@db/journal", f"{HIDDEN}@db/journal"),
        ("db://keeper:hun/ter2@db:5432x", f"db://{HIDDEN}@db:5432x"),
        ("db://keeper:12/ter2@db", f"db://{HIDDEN}@db"),
        ("node.example/?apikey=hunter2", f"node.example/?{HIDDEN}"),
    ],
)
def test_an_address_is_shown_without_its_credentials(url: str, safe: str) -> None:
    assert safe == redacted_url(url)


@pytest.mark.parametrize("name", ["alert_urls", "dead_man_url", "telegram_token"])
def test_the_addresses_of_channels_are_secrets(
    name: str, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"KEEPER_{name.upper()}", "tgram://123:canary/chat")
    settings, rows = settings_with_rows()
    assert {row.field: row.value for row in rows}[name] == HIDDEN
    assert "canary" not in f"{settings!r} {monitoring_endpoints(settings)!r} {rows!r}"
