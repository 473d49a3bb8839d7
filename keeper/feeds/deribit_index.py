"""Deribit's spot index, an average of several exchanges, as one more opinion."""

from __future__ import annotations

from keeper.feeds.deribit_api import DeribitClient, result
from keeper.feeds.http import number


class DeribitIndex(DeribitClient):
    """opinions.PriceVenue."""

    name = "deribit"

    def instrument(self, reference: str) -> str:
        return f"{reference.lower()}_usd"

    def price(self, reference: str, as_of: int) -> tuple[float, int]:
        """USD. The index has no timestamp, so its price is dated ``as_of``. Raises FeedUnavailable."""
        name = self.instrument(reference)
        what = f"Deribit index {name}"
        answer = result(self._source, what, "public/get_index_price", params={"index_name": name})
        price = number(answer.get("index_price")) if isinstance(answer, dict) else None
        if price is None or price <= 0.0:
            raise self._source.unavailable(what, "no usable price in the answer")
        return price, as_of
