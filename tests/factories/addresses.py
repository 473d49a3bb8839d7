"""An address book."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keeper.address_book.book import Book
from tests.factories.constants import an_address

BOOK_CONTRACTS = ("multicall", "quoter", "router", "factory", "lending_pool_provider")


def a_book(**changes: Any) -> Book:
    """Of the local chain; it knows no token and no feed."""
    contracts: dict[str, Any] = {name: an_address(0xB0 + place) for place, name in enumerate(BOOK_CONTRACTS)}
    return replace(Book(chain_id=31337, name="the local chain", rollup="", **contracts), **changes)
