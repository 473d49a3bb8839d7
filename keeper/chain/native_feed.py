"""Which feed prices gas. One that cannot is no reason to refuse the vault: an emergency does not ask what gas costs."""

from __future__ import annotations

from collections.abc import Iterator

from keeper.address_book.book import Book
from keeper.chain.calls import Answers
from keeper.chain.contracts import feed
from keeper.chain.deployed import NativeCoin, SoughtFeed
from keeper.domain.units import USD_DECIMALS


def sought(native: NativeCoin, book: Book | None) -> SoughtFeed | None:
    """The feed that prices gas where no token of the vault does: the operator's, else the address book's."""
    known = None if book is None else book.native
    description = native.description or (None if known is None else known.description)
    if native.feed is not None:
        return SoughtFeed(native.feed, description)
    return None if known is None else SoughtFeed(known.address, description)


def token(native: NativeCoin, book: Book | None) -> str | None:
    """Symbol of the vault's token whose feed prices gas, None where none may."""
    if native.feed is not None or ignored(native.wrapped, book) is not None:
        return None
    return native.wrapped


def ignored(symbol: str | None, book: Book | None) -> str | None:
    """Why the setting ``plan.gas_usd_price_symbol`` is not followed, for people; None where it is. A book that knows
    the native coin's feed knows which tokens have its price."""
    if symbol is None or book is None or not book.native_feed:
        return None
    known = book.token(symbol)
    if known is not None and known.reference == book.native_feed:
        return None
    return (
        f"plan.gas_usd_price_symbol is {symbol!r} and is ignored, because gas on {book.name} is not paid in {symbol}: "
        f"delete the line, and the address book's {book.native_feed} feed prices gas"
    )


def fits(candidate: SoughtFeed, answers: Answers) -> bool:
    """Whether the contract says that it is this feed, and reports USD."""
    return answers.maybe(feed.decimals(candidate.feed)) == USD_DECIMALS and (
        candidate.description is None
        or answers.maybe(feed.description(candidate.feed)) == candidate.description
    )


def chosen(candidate: SoughtFeed | None, of_token: str | None, answers: Answers) -> str | None:
    """The feed of the vault's token (``of_token``), else the one that is sought. None where there is none, or it does
    not fit."""
    if of_token is not None or candidate is None:
        return of_token
    return candidate.feed if fits(candidate, answers) else None


def notes(
    native: NativeCoin, book: Book | None, chosen_feed: str | None, *, answers: Answers
) -> Iterator[str]:
    """What is wrong or unusual about the pricing of gas, for people."""
    wrong, candidate = ignored(native.wrapped, book), sought(native, book)
    if wrong is not None:
        yield wrong
    if chosen_feed is None:
        yield _missing(candidate, answers)
    known = None if book is None else book.native
    if native.feed is not None and known is not None and native.feed.lower() != known.address.lower():
        yield (
            f"KEEPER_NATIVE_FEED is {native.feed}, not the address book's {known.symbol} feed {known.address}"
        )


def _missing(candidate: SoughtFeed | None, answers: Answers) -> str:
    if candidate is None:
        why = "no feed of the native coin is known"
    elif answers.maybe(feed.decimals(candidate.feed)) != USD_DECIMALS:
        why = f"the feed {candidate.feed} does not report USD with {USD_DECIMALS} decimals"
    else:
        name = answers.maybe(feed.description(candidate.feed))
        why = f"the feed {candidate.feed} has the description {name!r}, not {candidate.description!r}"
    return (
        f"{why}, so what gas costs is unknown and no ROUTINE trade buys: set KEEPER_NATIVE_FEED to the native coin's "
        "feed in USD"
    )
