"""Deribit's spot index, an average of several exchanges, as one more opinion."""

from __future__ import annotations

import httpx

from keeper.domain.errors import FeedUnavailable
from keeper.feeds.deribit_api import api_url, result
from keeper.feeds.http import MAX_RESPONSE_BYTES, TIMEOUT_S, JsonSource, number


class DeribitIndex:
    """opinions.PriceVenue. ``base_url`` with or without /api/v2."""

    name = "deribit"

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._source = JsonSource(
            api_url(base_url),
            "Deribit",
            timeout_s,
            max_response_bytes=max_response_bytes,
            transport=transport,
        )

    def close(self) -> None:
        self._source.close()

    def instrument(self, reference: str) -> str:
        return f"{reference.lower()}_usd"

    def price(self, reference: str, as_of: int) -> tuple[float, int]:
        """USD. The index has no timestamp, so its price is dated ``as_of``. Raises FeedUnavailable."""
        name = self.instrument(reference)
        what = f"Deribit index {name}"
        answer = result(self._source, what, "public/get_index_price", params={"index_name": name})
        price = number(answer.get("index_price")) if isinstance(answer, dict) else None
        if price is None or price <= 0.0:
            raise self._unusable(what)
        return price, as_of

    def _unusable(self, what: str) -> FeedUnavailable:
        return self._source.unavailable(what, "no usable price in the answer")
