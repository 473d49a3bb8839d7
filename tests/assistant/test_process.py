"""``keeper mcp`` as a process: the SDK's client over its pipes, and what its pipes carry."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters, stdio_client

from tests.assistant.journals import a_journal

pytestmark = pytest.mark.faults

PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")
SESSION = PAGE.partition("## An example session")[2]
COMMAND = [str(Path(sys.executable).with_name("keeper")), "mcp"]
LISTENING = "0A"


def session() -> list[tuple[str, dict[str, Any], list[str]]]:
    """Tool, arguments and the lines of the answer of each call on the page."""
    (block,) = re.findall(r"```text\n(.*?)```", SESSION, flags=re.DOTALL)
    calls = []
    for part in block.split("> ")[1:]:
        head, *lines = part.strip().splitlines()
        name, _, arguments = head.partition(" ")
        calls.append((name, json.loads(arguments), [line.strip() for line in lines if line.strip()]))
    return calls


def test_the_example_session_of_the_page(tmp_path: Path) -> None:
    environment = {"KEEPER_JOURNAL_URL": a_journal(tmp_path)}
    server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environment, cwd=tmp_path)

    async def run() -> list[str]:
        async with stdio_client(server) as pipes, ClientSession(*pipes) as client:
            await client.initialize()
            answers = [await client.call_tool(name, arguments) for name, arguments, _ in session()]
        return [json.dumps(answer.structured_content, ensure_ascii=False) for answer in answers]

    texts = anyio.run(run)
    assert len(texts) >= 4
    for (name, _, lines), text in zip(session(), texts, strict=True):
        assert lines
        for line in lines:
            assert line.removesuffix(" …") in text, f"{name}: {line}"


def test_it_listens_nowhere_and_standard_output_carries_only_answers(tmp_path: Path) -> None:
    requests: list[dict[str, Any]] = [
        {
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            },
        },
        {"method": "tools/call", "params": {"name": "records", "arguments": {"limit": "ten"}}},
        {"method": "tools/call", "params": {"name": "records", "arguments": 5}},
        {"method": "sampling/none"},
    ]
    lines = [json.dumps({"jsonrpc": "2.0", "id": number, **each}) for number, each in enumerate(requests)]
    lines.insert(1, json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
    with subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write("this is no JSON\n" + "\n".join(lines) + "\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in requests]
        listening = _listening(process.pid)
        process.stdin.close()
        rest, errors = process.stdout.read(), process.stderr.read()
    assert listening == set()
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in errors
    by_id = {answer.get("id"): answer for answer in answers}
    assert by_id[1]["result"]["isError"]
    assert "limit" in by_id[1]["result"]["content"][0]["text"]
    assert by_id[2]["error"]["code"] == -32602
    assert by_id[3]["error"]["code"] == -32601


def _listening(process: int) -> set[str]:
    """Inodes of the process's sockets that listen for TCP."""
    folder = Path(f"/proc/{process}")
    links = {str(link.readlink()) for link in (folder / "fd").iterdir()}
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        if (folder / "net" / name).exists()
        for line in (folder / "net" / name).read_text().splitlines()[1:]
    ]
    return {row[9] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in links}
