"""The envelope that Deribit's public methods answer in: a result, or an error with a code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from keeper.domain.errors import HttpRefusal
from keeper.feeds.http import MAX_RESPONSE_BYTES, TIMEOUT_S, JsonSource

API = "/api/v2"
RATE_LIMIT = 10028


class DeribitClient:
    """``base_url`` with or without /api/v2; ``timeout_s`` bounds each request."""

    remedy = ""
    """Of its errors, where it is not that of every source."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._source = JsonSource(
            base_url.rstrip("/").removesuffix(API) + API,
            "Deribit",
            timeout_s,
            max_response_bytes=max_response_bytes,
            transport=transport,
            remedy=self.remedy,
        )

    def close(self) -> None:
        self._source.close()


def result(source: JsonSource, what: str, method: str, params: Mapping[str, str | int]) -> Any:
    """The result of ``method``, such as "public/get_index_price". Raises FeedUnavailable, RateLimited."""
    status, answer = _answer(source, what, method, params=params)
    if not isinstance(answer, dict):
        raise source.unavailable(what, "the answer is not an object")
    error = answer.get("error")
    if isinstance(error, dict):
        text = f"error {error.get('code')!s:.20} {error.get('message')!s:.80}"
        if error.get("code") == RATE_LIMIT:
            raise source.rate_limited(what, text)
        raise source.unavailable(what, text)
    if status >= 300 or "result" not in answer:
        raise source.unavailable(what, f"HTTP {status} without a result")
    return answer["result"]


def _answer(
    source: JsonSource, what: str, method: str, params: Mapping[str, str | int]
) -> tuple[int, object]:
    try:
        return 200, source.get(f"/{method}", params, what)
    except HttpRefusal as refusal:
        return refusal.status, refusal.answer
