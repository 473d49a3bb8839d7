"""Compares the vault's tokens, feeds and market with the chain's address book."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keeper.address_book.book import VARIABLE, Book
from keeper.chain.deployed import Deployment, Listing
from keeper.domain.errors import WrongContract


def require_as_listed(deployment: Deployment, listings: Sequence[Listing], book: Book) -> tuple[str, ...]:
    """Raises WrongContract for a token with a symbol of the book but another address or other decimals.

    ``listings`` are all of the vault's listings, because all of them count in NAV. Differences that may be intended are
    returned as sentences: another feed or feed name, another lending market, another sequencer feed or none. Every one
    of these addresses holds code, because each has answered.
    """
    for listing in listings:
        _require_token(listing, book)
    return (*_about_feeds(listings, book), *_about_market(deployment, book))


def _require_token(listing: Listing, book: Book) -> None:
    token, known = listing.token, book.token(listing.token.symbol)
    if known is None or (token.address, token.decimals) == (known.address, known.decimals):
        return
    raise WrongContract(
        f"the vault's {token.symbol} is {token.address} with {token.decimals} decimals, but {token.symbol} on "
        f"{book.name} is {known.address} with {known.decimals}",
        remedy=f"If the vault is right, list its token in the file that {VARIABLE} names. "
        "If not, the admin must remove it from the vault.",
    )


def _about_feeds(listings: Sequence[Listing], book: Book) -> Iterator[str]:
    for listing in listings:
        token = book.token(listing.token.symbol)
        feed = None if token is None else book.feed_of(token)
        if feed is not None and listing.feed != feed.address:
            yield (
                f"{listing.token.symbol} is priced by {listing.feed}, not by the address book's "
                f"{feed.symbol} feed {feed.address}"
            )
        elif feed is not None and listing.description != feed.description:
            yield (
                f"the feed of {listing.token.symbol} is described as {listing.description!r}; the address book says "
                f"{feed.description!r}"
            )


def _about_market(deployment: Deployment, book: Book) -> Iterator[str]:
    if deployment.provider != book.lending_pool_provider:
        yield (
            f"the vault's lending market is that of {deployment.provider}, not {book.name}'s "
            f"{book.lending_pool_provider}"
        )
    if deployment.sequencer_feed != book.sequencer_feed:
        yield (
            f"the vault's sequencer feed is {deployment.sequencer_feed or 'none'}, {book.name}'s is "
            f"{book.sequencer_feed or 'none'}"
        )
