"""A server of this machine that speaks the paths, JSON and errors of Telegram's Bot API as far as the chat uses them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "7431000001:bot-token-canary-5518"
LONGEST_POLL_S = 0.2
"""Shorter than the real service's, so that no test waits."""


@dataclass
class Telegram:
    """``waiting`` are updates that nobody confirmed, ``sent`` the bodies of sendMessage, ``polls`` those of getUpdates.

    ``broken`` are raw answers (status, body) that the next requests get instead.
    """

    port: int = 0
    token: str = TOKEN
    waiting: list[dict[str, Any]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    polls: list[dict[str, Any]] = field(default_factory=list)
    broken: list[tuple[int, bytes]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    number: int = 100

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write(self, text: str, sender: int, at: float) -> None:
        """A person writes to the bot in private."""
        with self.changed:
            self.number += 1
            message = {
                "message_id": self.number,
                "from": {"id": sender, "is_bot": False, "first_name": "A"},
                "chat": {"id": sender, "type": "private"},
                "date": int(at),
                "text": text,
            }
            self.waiting.append({"update_id": self.number, "message": message})
            self.changed.notify_all()

    def wait_for(self, true: Callable[[], bool], within_s: float = 30.0) -> bool:
        with self.changed:
            return self.changed.wait_for(true, within_s)

    def answer(self, path: str, body: Mapping[str, Any]) -> tuple[int, bytes]:
        with self.changed:
            if self.broken:
                return self.broken.pop(0)
        if path == f"/bot{self.token}/getUpdates":
            return _ok(self._updates(body))
        if path == f"/bot{self.token}/sendMessage":
            return self._send(body)
        return refusal(401, "Unauthorized")

    def _updates(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        with self.changed:
            self.polls.append(dict(body))
            offset = body.get("offset", 0)
            self.waiting = [update for update in self.waiting if update["update_id"] >= offset]
            self.changed.notify_all()
            self.changed.wait_for(lambda: bool(self.waiting), min(body.get("timeout", 0), LONGEST_POLL_S))
            return self.waiting[: body.get("limit", 100)]

    def _send(self, body: Mapping[str, Any]) -> tuple[int, bytes]:
        if not 0 < len(body["text"]) <= 4_096:
            return refusal(400, "Bad Request: message is too long")
        with self.changed:
            self.sent.append(dict(body))
            self.changed.notify_all()
        return _ok({"message_id": 1, "date": 0, "chat": {"id": body["chat_id"], "type": "private"}})


def refusal(status: int, description: str, **parameters: int) -> tuple[int, bytes]:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return status, json.dumps(body).encode()


def _ok(result: object) -> tuple[int, bytes]:
    return 200, json.dumps({"ok": True, "result": result}).encode()


@contextmanager
def telegram() -> Iterator[Telegram]:
    service = Telegram()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
    server.daemon_threads = True
    service.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(service: Telegram) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            status, body = service.answer(self.path, json.loads(content))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    return Handler
