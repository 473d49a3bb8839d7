"""The vault's tokens and feeds held against an address book, on the local chain with the real contracts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from web3.types import RPCEndpoint

from keeper.address_book.book import Book, BookFeed, BookToken
from keeper.chain.chain_reader import ChainReader
from keeper.chain.deployed import ReadingScope
from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import LocalChain
from keeper.domain.errors import WrongContract
from tests.chain.node_scene import CHAIN_ID, TWAP_WINDOW_S, addresses_of, node_of, url_of
from tests.chain.vault_scene import RISKY, Scene, scene_on
from tests.factories import a_book


@pytest.fixture
def scene(chain: LocalChain) -> Scene:
    return scene_on(chain)


@pytest.fixture
def rpc(scene: Scene) -> Iterator[Rpc]:
    with Rpc(url_of(scene)) as rpc:
        yield rpc


@pytest.fixture
def listed(scene: Scene, rpc: Rpc) -> Book:
    """A book that says of the local chain what is there."""
    found = node_of(scene, rpc).discover()
    symbols = {listing.token.symbol: f"{listing.token.symbol}/USD" for listing in found.listings}
    return a_book(
        lending_pool_provider=found.provider,
        sequencer_feed=found.sequencer_feed,
        tokens=tuple(
            BookToken(one.token.symbol, one.token.address, one.token.decimals, symbols[one.token.symbol])
            for one in found.listings
        ),
        feeds=tuple(
            BookFeed(symbols[one.token.symbol], one.feed, one.description, 3_600) for one in found.listings
        ),
    )


def with_token(book: Book, symbol: str, **changes: object) -> Book:
    tokens = tuple(replace(one, **changes) if one.symbol == symbol else one for one in book.tokens)  # type: ignore[arg-type]
    return replace(book, tokens=tokens)


def told(scene: Scene, rpc: Rpc, book: Book | None, symbols: tuple[str, ...] = RISKY) -> list[str]:
    """What discovery says beside that it looks."""
    said: list[str] = []
    scope = ReadingScope(CHAIN_ID, addresses_of(scene), symbols, scene.people.keeper, TWAP_WINDOW_S, book)
    ChainReader(rpc, scope, said.append).discover()
    return said[1:]


def test_a_vault_whose_contracts_are_the_books_is_taken_without_a_word(
    scene: Scene, rpc: Rpc, listed: Book
) -> None:
    assert told(scene, rpc, listed) == []
    assert told(scene, rpc, None) == []


def test_a_token_at_another_address_is_refused_naming_both(scene: Scene, rpc: Rpc, listed: Book) -> None:
    other, ours = scene.people.stranger, scene.tokens["WETH"].address
    with pytest.raises(WrongContract) as caught:
        told(scene, rpc, with_token(listed, "WETH", address=other))
    assert caught.value.message == (
        f"the vault's WETH is {ours} with 18 decimals, but WETH on the local chain is {other} with 18"
    )
    assert "KEEPER_ADDRESS_BOOK" in caught.value.remedy


def test_other_decimals_are_refused(scene: Scene, rpc: Rpc, listed: Book) -> None:
    with pytest.raises(WrongContract, match="with 8 decimals, but WBTC on the local chain is .* with 18"):
        told(scene, rpc, with_token(listed, "WBTC", decimals=18))


def test_a_token_that_the_vault_lists_and_the_keeper_does_not_trade_is_looked_at_too(
    scene: Scene, rpc: Rpc, listed: Book
) -> None:
    with pytest.raises(WrongContract, match="the vault's UNI is"):
        told(scene, rpc, with_token(listed, "UNI", address=scene.people.stranger), ("WBTC", "WETH"))


def test_a_token_that_the_book_does_not_know_is_the_admins_affair(
    scene: Scene, rpc: Rpc, listed: Book
) -> None:
    assert told(scene, rpc, replace(listed, tokens=(), feeds=())) == []


def test_another_feed_is_told_and_not_refused(scene: Scene, rpc: Rpc, listed: Book) -> None:
    feed = scene.loose_feed("LINK")
    known = next(one.address for one in listed.feeds if one.symbol == "LINK/USD")
    assert told(scene, rpc, listed) == [
        f"LINK is priced by {feed.address}, not by the address book's LINK/USD feed {known}"
    ]


def test_a_feed_without_code_is_refused(scene: Scene, rpc: Rpc, listed: Book) -> None:
    known = next(one.address for one in listed.feeds if one.symbol == "WETH/USD")
    scene.w3.provider.make_request(RPCEndpoint("anvil_setCode"), [known, "0x"])
    with pytest.raises(
        WrongContract, match=f"price feed {known.lower()} gave an answer that cannot be decoded"
    ):
        told(scene, rpc, listed)


def test_another_market_and_a_missing_sequencer_feed_are_told(scene: Scene, rpc: Rpc, listed: Book) -> None:
    somewhere = scene.people.stranger
    said = told(scene, rpc, replace(listed, lending_pool_provider=somewhere, sequencer_feed=somewhere))
    assert [line.partition(" is ")[0] for line in said] == [
        "the vault's lending market",
        "the vault's sequencer feed",
    ]
    assert f"the local chain's is {somewhere}" in said[1]
