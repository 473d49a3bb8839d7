"""Files that an operator brings, as other programs write them: each is read, or refused by the name of its setting."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keeper.address_book.book import book
from keeper.domain.errors import InvalidSetting
from keeper.settings.load import load

Encode = Callable[[str], bytes]

MARKED: Encode = lambda text: codecs.BOM_UTF8 + text.encode()  # noqa: E731
NOT_UTF_8: dict[str, Encode] = {
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, big endian": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "Latin-1": lambda text: (text + "# für\n").encode("latin-1"),
    "binary": lambda _: bytes(range(256)),
}
STRATEGY = "[size]\nmax_leverage = 1.25\n"
DOTENV = "KEEPER_SIZE__MAX_LEVERAGE=1.25\n"
DEPLOYMENT = json.dumps({"chain_id": 31_337, "rpc_url": "http://127.0.0.1:8545"})


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(("name", "text"), [("keeper.toml", STRATEGY), (".env", DOTENV)])
def test_a_byte_order_mark_and_other_line_ends_change_nothing(
    bare: Path, name: str, text: str, line_end: str
) -> None:
    (bare / name).write_bytes(MARKED(text.replace("\n", line_end)))
    assert load().size.max_leverage == 1.25


def test_a_deployment_file_may_have_a_byte_order_mark(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "deployment.json").write_bytes(MARKED(DEPLOYMENT))
    monkeypatch.setenv("KEEPER_DEPLOYMENT", "deployment.json")
    assert load().chain_id == 31_337


@pytest.mark.parametrize("encode", NOT_UTF_8.values(), ids=NOT_UTF_8.keys())
@pytest.mark.parametrize(
    ("name", "setting", "text"),
    [
        ("keeper.toml", "KEEPER_CONFIG", STRATEGY),
        (".env", ".env", DOTENV),
        ("deployment.json", "KEEPER_DEPLOYMENT", DEPLOYMENT),
    ],
)
def test_another_encoding_is_refused_by_the_name_of_the_setting(
    bare: Path, monkeypatch: pytest.MonkeyPatch, encode: Encode, name: str, setting: str, text: str
) -> None:
    (bare / name).write_bytes(encode(text))
    if setting == "KEEPER_DEPLOYMENT":
        monkeypatch.setenv(setting, name)
    named = name if setting == name else f"{setting} = {name}"
    with pytest.raises(InvalidSetting, match=f"^{named}: ") as caught:
        load()
    assert "UTF-8" in caught.value.message + caught.value.remedy


@pytest.mark.parametrize(
    "content", ["[" * 100_000, "x = " + "[" * 100_000, '{"a":' * 100_000, "\x01", "[[]]", "5", ""]
)
@pytest.mark.parametrize("name", ["keeper.toml", "deployment.json", "book.toml"])
def test_any_text_is_read_or_refused(
    bare: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    (bare / name).write_text(content, encoding="utf-8")
    if name == "deployment.json":
        monkeypatch.setenv("KEEPER_DEPLOYMENT", name)
    try:
        if name == "book.toml":
            book(1, bare / name)
        else:
            load()
    except InvalidSetting:
        pass
    else:
        assert content in ("", "\x01")  # no setting is set


@pytest.mark.parametrize("value", [".", "missing.toml", "~nobody-of-this-name/keeper.toml"])
def test_a_path_that_is_no_file_is_refused_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("KEEPER_CONFIG", value)
    with pytest.raises(InvalidSetting, match=f"^KEEPER_CONFIG = {value}"):
        load()


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://[::1]:port",
        "http://node:99999",
        "http://node:0",
        "http://",
        "http://:8545",
        "http://no de",
        "http://nöde",
        "http://node\n.example",
        "ftp://node",
        "node:8545",
    ],
)
@pytest.mark.parametrize("variable", ["KEEPER_RPC_URL", "KEEPER_SIGNER_URL", "KEEPER_DERIBIT_URL"])
def test_an_address_that_is_none_is_refused_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    monkeypatch.setenv(variable, url)
    with pytest.raises(InvalidSetting, match=f"{variable} = .*not an http:// or https:// address"):
        load()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://node.example", "not a ws:// or wss:// address"),
        ("ws://", "not a ws:// or wss:// address"),
        ("wss://node.example/secret-key-of-a-provider x", "not a ws:// or wss:// address"),
        ("ws://node,ws://node/", "listed twice"),
    ],
)
def test_a_websocket_that_is_none_is_refused_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, url: str, why: str
) -> None:
    monkeypatch.setenv("KEEPER_WS_URL", url)
    with pytest.raises(InvalidSetting, match=f"KEEPER_WS_URL = .*{why}") as refused:
        load()
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "url", ["http://[::1]:8545", "http://127.0.0.1:8545/", "https://u:p@node.example/v2/key?a=b"]
)
def test_addresses_of_nodes_are_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KEEPER_RPC_URL", url)
    assert load().rpc_url == url.rstrip("/")


WRONG_VALUES: tuple[Any, ...] = (
    "nan",
    "inf",
    "-inf",
    "-1",
    "1e400",
    "[]",
    "{}",
    '""',
    "true",
    "[[1]]",
    '"\\u0000"',
)


@pytest.mark.parametrize("value", WRONG_VALUES)
@pytest.mark.parametrize(
    "name",
    [
        "size.target_volatility",
        "size.max_leverage",
        "decision.risk_share_band",
        "decision.rebalance_gas",
        "send.bump_after_s",
        "oracle.venues",
        "oracle.feeds",
        "size.scenarios",
        "assets",
        "daily.max_gas_eth",
    ],
)
def test_a_value_of_another_kind_is_read_or_refused(bare: Path, name: str, value: str) -> None:
    table, _, field = name.rpartition(".")
    heading = f"[{table}]\n" if table else ""
    (bare / "keeper.toml").write_text(f"{heading}{field} = {value}\n", encoding="utf-8")
    try:
        settings = load()
    except InvalidSetting:
        return
    assert all(number == number and abs(number) < 1e300 for number in numbers(settings.model_dump()))


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in numbers(inner)]
    if isinstance(value, (list, tuple)):
        return [number for inner in value for number in numbers(inner)]
    return [value] if isinstance(value, float) else []
