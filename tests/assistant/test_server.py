"""The server through the SDK's own client, in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog
from mcp import Client, MCPError
from mcp_types import TextContent

from keeper.assistant import server as served
from keeper.assistant.server import server
from keeper.assistant.tools import QUESTIONS, Reply


def asked(ask: Callable[[Client], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with Client(server()) as client:
            return await ask(client)

    return anyio.run(run)


def test_every_tool_is_listed_as_one_that_only_reads() -> None:
    tools = asked(lambda client: client.list_tools()).tools
    assert [tool.name for tool in tools] == list(QUESTIONS)
    for tool in tools:
        assert tool.annotations.read_only_hint
        assert not tool.annotations.destructive_hint
        assert tool.input_schema["type"] == "object"


def test_an_answer_is_an_object_and_the_same_as_text() -> None:
    result = asked(lambda client: client.call_tool("explain", {"what": "5"}))
    (text,) = result.content
    assert isinstance(text, TextContent)
    assert json.loads(text.text) == result.structured_content
    assert result.structured_content["meanings"][0]["kind"] == "exit code"
    assert not result.is_error


def test_a_failure_is_an_error_of_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = asked(lambda client: client.call_tool("records", {}))
    assert result.is_error
    assert result.structured_content["error"]["name"] == "JournalMissing"


def test_an_unknown_tool_is_refused_with_the_names_of_the_others() -> None:
    async def refused(client: Client) -> str:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("pause", {})
        return str(caught.value)

    assert asked(refused).startswith("name = 'pause': no such tool. The tools are status, explain")


def test_a_defect_shows_no_traceback_and_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, given: object) -> Reply:
        raise RuntimeError("secret path")

    monkeypatch.setattr(served, "call", broken)
    with structlog.testing.capture_logs() as lines:
        result = asked(lambda client: client.call_tool("explain", {}))
    assert result.is_error
    assert result.structured_content["error"]["name"] == "Defect"
    assert "secret path" not in result.content[0].text
    assert [(line["event"], line["tool"]) for line in lines] == [("defect", "explain")]


def test_a_cancelled_call_ends_before_the_next_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    began, may_end, running, most = threading.Event(), threading.Event(), [0], [0]

    def slow(name: str, given: Mapping[str, Any]) -> Reply:
        running[0] += 1
        most[0] = max(most[0], running[0])
        began.set()
        may_end.wait(5.0)
        running[0] -= 1
        return Reply({"asked": name})

    async def cancelled_then_asked(client: Client) -> Any:
        async with anyio.create_task_group() as calls:
            calls.start_soon(client.call_tool, "simulate", {})
            await anyio.to_thread.run_sync(began.wait, 5.0)
            calls.cancel_scope.cancel()
        with anyio.move_on_after(0.05):
            await client.call_tool("status", {})
        may_end.set()
        return await client.call_tool("explain", {})

    monkeypatch.setattr(served, "call", slow)
    result = asked(cancelled_then_asked)
    assert result.structured_content == {"asked": "explain"}
    assert most == [1]
