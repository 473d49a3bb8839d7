"""One bounded GET of JSON: a deadline for the whole request, a limit of bytes and of nesting."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import httpx

from keeper.domain.errors import FeedUnavailable, HttpRefusal, RateLimited
from keeper.runtime.deadline import DeadlineTransport, passed, within
from keeper.runtime.json_text import parsed_json

TIMEOUT_S = 8.0
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
TOO_MANY = (429, 418)  # Binance answers 418 to a client that went on after 429.
RETRY_AFTER_S = 1.0
MAX_RETRY_AFTER_S = 60.0
MIN_ERROR_STATUS = 300  # redirections are not followed
_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?")


class JsonSource:
    """A host that answers GET with JSON. ``name`` is for messages; ``timeout_s`` bounds each request as a
    whole, ``max_response_bytes`` its decoded body. Threads may share one."""

    def __init__(
        self,
        base_url: str,
        name: str,
        timeout_s: float = TIMEOUT_S,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        transport: httpx.BaseTransport | None = None,
        remedy: str = "",
    ) -> None:
        self.name = name
        self.remedy = remedy or f"The next cycle asks again. If it lasts, check {name} and its URL."
        self._base = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._max_response_bytes = max_response_bytes
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s), trust_env=False, transport=transport or DeadlineTransport()
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, params: Mapping[str, str | int], what: str) -> Any:
        """The answer to ``base_url + path``. Every message begins with ``what``.

        Raises RateLimited, HttpRefusal, and FeedUnavailable if there is no answer or it is not JSON.
        """
        try:
            with (
                within(self._timeout_s),
                self._http.stream("GET", self._base + path, params=dict(params)) as response,
            ):
                status, headers = response.status_code, response.headers
                body = self._body(what, response)
        except httpx.TimeoutException as error:
            raise self.unavailable(what, "timed out") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.unavailable(what, f"no answer ({type(error).__name__})") from error
        if status in TOO_MANY:
            raise self.rate_limited(what, f"HTTP {status}", _retry_after(headers))
        answer = self._parsed(what, status, body)
        if status >= MIN_ERROR_STATUS:
            raise HttpRefusal(f"{what}: HTTP {status}", remedy=self.remedy, status=status, answer=answer)
        return answer

    def unavailable(self, what: str, why: str) -> FeedUnavailable:
        return FeedUnavailable(f"{what}: {why}", remedy=self.remedy)

    def rate_limited(self, what: str, why: str, retry_after_s: float = RETRY_AFTER_S) -> RateLimited:
        return RateLimited(
            f"{what}: rate limit ({why}), again in {retry_after_s:g} s",
            remedy=self.remedy,
            retry_after_s=retry_after_s,
        )

    def _body(self, what: str, response: httpx.Response) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > self._max_response_bytes:
                raise self.unavailable(what, f"the answer is larger than {self._max_response_bytes} bytes")
            if passed():
                raise self.unavailable(what, "timed out")
        return b"".join(chunks)

    def _parsed(self, what: str, status: int, body: bytes) -> Any:
        try:
            return parsed_json(body)
        except ValueError as error:
            raise self.unavailable(what, f"HTTP {status}, and the answer is not JSON") from error


def number(value: object) -> float | None:
    """A finite number. None for anything else, also for booleans, text and integers that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def decimal(value: object) -> float | None:
    """As ``number``, and also reads decimal text as exchanges write it."""
    if not isinstance(value, str):
        return number(value)
    return number(float(value)) if _DECIMAL.fullmatch(value) else None


def _retry_after(headers: httpx.Headers) -> float:
    """Seconds. The default if the header is missing, a date, or not a sensible number."""
    seconds = decimal(headers.get("retry-after", ""))
    return RETRY_AFTER_S if seconds is None or seconds < 0 else min(seconds, MAX_RETRY_AFTER_S)
