"""Recorded exchanges with real nodes, in the folder that KEEPER_DATA_DIR names. They are never part of this repository."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from keeper.chain.rpc.client import Rpc
from keeper.domain.errors import KeeperError
from keeper.jsonrpc.requests import Request

FOLDER = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data") / "rpc_fixtures"


@dataclass(frozen=True)
class Exchange:
    """``answer`` is the whole JSON-RPC answer."""

    source: str
    method: str
    params: list[Any]
    answer: dict[str, Any]

    @property
    def result(self) -> Any:
        return self.answer.get("result")


def lines(name: str) -> list[Exchange]:
    """Of a file with one exchange a line."""
    with (FOLDER / name).open(encoding="utf-8") as file:
        entries = [json.loads(line) for line in file]
    return [
        Exchange(
            source=f"{name}:{number}",
            method=entry["request"]["method"],
            params=entry["request"]["params"],
            answer=entry["response"],
        )
        for number, entry in enumerate(entries, start=1)
    ]


def conformance(method: str) -> Iterator[Exchange]:
    """Of the cross-client conformance set: ``>>`` is asked, ``<<`` is answered."""
    for path in sorted((FOLDER / "execution_apis" / method).glob("*.io")):
        asked: dict[str, Any] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith(">> "):
                asked = json.loads(line[3:])
            elif line.startswith("<< ") and asked.get("method") == method:
                yield Exchange(path.name, method, asked.get("params", []), json.loads(line[3:]))


def replayed(request: Request[Any], answer: dict[str, Any]) -> Any:
    """What the keeper's client makes of the answer: a value, or the error that it raises."""

    def respond(asked: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answer | {"id": json.loads(asked.content)["id"]})

    with Rpc(
        "http://recorded", transport=httpx.MockTransport(respond), attempts=1, pause=lambda _: None
    ) as rpc:
        try:
            return rpc.request(request)
        except KeeperError as error:
            return error
