"""The two methods of Telegram's Bot API that the chat needs, over HTTP.

The token is a part of each address. So no error names an address or has a cause that does, and the HTTP library's own
lines are silenced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import SecretStr

from keeper.domain.errors import ChatAnswerUnusable, ChatUnavailable
from keeper.domain.remote_text import printable, printable_lines
from keeper.runtime.deadline import DeadlineTransport, within
from keeper.runtime.json_text import parsed_json
from keeper.runtime.logs import silence_addresses
from keeper.settings.redact import HIDDEN

POLL_S = 25
"""How long the service may keep a request for updates that are not there yet."""
TIMEOUT_S = 10.0
MAX_UPDATES = 20
MAX_BODY_BYTES = 1 << 20
FIRST_NUMBER = re.compile(
    rb'\s*{\s*"ok"\s*:\s*true\s*,\s*"result"\s*:\s*\[\s*{\s*"update_id"\s*:\s*([0-9]{1,18})\s*[,}]'
)
"""How an answer with updates begins. Nobody who writes to the bot can put a text before it."""
MAX_TEXT_UNITS = 4_096
"""The service's limit of a message, in UTF-16 units, which are at least as many as its characters."""
MAX_DESCRIPTION_CHARS = 200
MAX_WAIT_S = 3_600.0
REMEDY = "The keeper goes on without its chat, which tries again."
REMEDIES = {
    401: "Correct KEEPER_TELEGRAM_TOKEN, which @BotFather shows, and restart the keeper.",
    404: "Correct KEEPER_TELEGRAM_TOKEN, which @BotFather shows, and restart the keeper.",
    409: "One reader alone gets a bot's messages. Stop the other one, or delete the bot's webhook. If there is none of "
    "yours, somebody has the token: revoke it with @BotFather.",
}


class BotApi:
    """Every method raises ChatUnavailable. One thread at a time."""

    def __init__(
        self,
        base_url: str,
        token: SecretStr,
        *,
        poll_s: int = POLL_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        silence_addresses()
        self._base_url = base_url
        self._token = token
        self._poll_s = poll_s
        self._http = httpx.Client(
            timeout=TIMEOUT_S, trust_env=False, transport=transport or DeadlineTransport()
        )

    def close(self) -> None:
        self._http.close()

    def updates(self, offset: int) -> list[object]:
        """Those from ``offset`` on; what is before it will not be given again. Waits while there are none.

        Anybody can write to the bot. So where their messages together make an answer that cannot be used, the first one
        is asked for alone. Where that one alone does, it is given as its number only, so that the next ones are heard.
        """
        try:
            return self._updates(offset, MAX_UPDATES)
        except ChatAnswerUnusable:
            return self._first_update(offset)

    def send(self, chat: int, text: str) -> None:
        """Plain text, cut at the service's limit."""
        parameters = {
            "chat_id": chat,
            "text": shortened(printable_lines(text)),
            "link_preview_options": {"is_disabled": True},
        }
        self._result("sendMessage", parameters, TIMEOUT_S)

    # ------------------------------------------------------------------ inside

    def _first_update(self, offset: int) -> list[object]:
        try:
            return self._updates(offset, 1)
        except ChatAnswerUnusable as error:
            if error.first is None or error.first < offset:
                raise
            return [{"update_id": error.first}]

    def _updates(self, offset: int, limit: int) -> list[object]:
        parameters = {
            "offset": offset,
            "limit": limit,
            "timeout": self._poll_s,
            "allowed_updates": ["message"],
        }
        result = self._result("getUpdates", parameters, self._poll_s + TIMEOUT_S)
        if not isinstance(result, list):
            raise _unavailable("getUpdates", "the answer has no list of updates")
        return result

    def _result(self, method: str, parameters: Mapping[str, Any], timeout_s: float) -> Any:
        status, body = self._exchanged(method, parameters, timeout_s)
        answer = _parsed(method, status, body)
        if answer.get("ok") is True and status == httpx.codes.OK:
            return answer.get("result")
        raise _unavailable(
            method, f"HTTP {status}{self._described(answer)}", status=status, wait_s=_requested_wait(answer)
        )

    def _exchanged(self, method: str, parameters: Mapping[str, Any], timeout_s: float) -> tuple[int, bytes]:
        address = f"{self._base_url}/bot{self._token.get_secret_value()}/{method}"
        body = bytearray()
        try:
            with (
                within(timeout_s),
                self._http.stream("POST", address, json=parameters, timeout=timeout_s) as response,
            ):
                for part in response.iter_bytes():
                    body += part
                    if len(body) > MAX_BODY_BYTES:
                        why = f"the answer has more than {MAX_BODY_BYTES} bytes"
                        raise _unusable(method, bytes(body), why, status=response.status_code)
                return response.status_code, bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _unavailable(method, f"no answer ({type(error).__name__})") from None

    def _described(self, answer: Mapping[str, Any]) -> str:
        """What the service says of its refusal. It may repeat the request."""
        text = answer.get("description")
        if not isinstance(text, str):
            return ""
        shown = printable(text.replace(self._token.get_secret_value(), HIDDEN))
        return f": {shown[:MAX_DESCRIPTION_CHARS]}"


def shortened(text: str) -> str:
    """At most what the service takes. The end says how much is left out."""
    if _units(text) <= MAX_TEXT_UNITS:
        return text
    kept = MAX_TEXT_UNITS - 40
    begin = text.encode("utf-16-le")[: 2 * kept].decode("utf-16-le", errors="ignore")
    return f"{begin}\n… ({len(text) - len(begin):,} more characters)"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _parsed(method: str, status: int, body: bytes) -> Mapping[str, Any]:
    try:
        answer = parsed_json(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _unusable(method, body, f"HTTP {status}, and the answer is no JSON object", status=status)
    return answer


def _unusable(method: str, body: bytes, why: str, *, status: int) -> ChatUnavailable:
    """The status of an answer that was refused stays with it."""
    if status != httpx.codes.OK:
        return _unavailable(method, why, status=status)
    error = ChatAnswerUnusable(f"{method}: {why}", remedy=REMEDY, status=status)
    begin = FIRST_NUMBER.match(body)
    error.first = int(begin[1]) if begin is not None else None
    return error


def _requested_wait(answer: Mapping[str, Any]) -> float:
    parameters = answer.get("parameters")
    wait = parameters.get("retry_after") if isinstance(parameters, Mapping) else None
    if isinstance(wait, bool) or not isinstance(wait, int):
        return 0.0
    return min(max(float(min(wait, 10**9)), 0.0), MAX_WAIT_S)


def _unavailable(method: str, why: str, *, status: int = 0, wait_s: float = 0.0) -> ChatUnavailable:
    return ChatUnavailable(
        f"{method}: {why}", remedy=REMEDIES.get(status, REMEDY), status=status, wait_s=wait_s
    )
