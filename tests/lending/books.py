"""A book once its steps have gone by."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.domain.plan import Step
from keeper.lending.book import LendingBook


def after(book: LendingBook, steps: Iterable[Step]) -> LendingBook:
    """``book`` itself, once all swaps have filled as expected."""
    for step in steps:
        book.apply(step, as_expected=True)
    return book
