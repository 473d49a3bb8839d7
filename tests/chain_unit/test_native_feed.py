"""Which feed prices gas: the operator's, else the vault's own of the wrapped coin, else the address book's."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from eth_abi.abi import encode

from keeper.address_book.book import Book, book
from keeper.chain.calls import Answers, CallResult
from keeper.chain.contracts import feed
from keeper.chain.deployed import Deployment, NativeCoin, NativeFeed, SoughtFeed
from keeper.chain.native_feed import chosen, ignored, notes, sought, token
from keeper.chain.snapshot import SnapshotReader

OPERATORS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
OF_WETH = "0x00000000000000000000000000000000000000e7"


def ethereum() -> Book:
    known = book(1)
    assert known is not None
    return known


def of_books() -> str:
    known = ethereum().native
    assert known is not None
    return known.address


def reporting(decimals: int | None, price_feed: str, description: str = "ETH / USD") -> Answers:
    """Answers of this feed; None: it reverts."""
    answered = decimals is not None
    return Answers(
        [feed.decimals(price_feed), feed.description(price_feed)],
        [
            CallResult(answered, (decimals or 0).to_bytes(32, "big")),
            CallResult(answered, encode(["string"], [description])),
        ],
        "a test",
    )


def pricing(
    native: NativeCoin, known: Book | None, *, answers: Answers, weth: str | None = OF_WETH
) -> str | None:
    """The feed that prices gas in a vault that lists WETH, WBTC and UNI."""
    listed = {"WETH": weth, "WBTC": "0xB1", "UNI": "0x01"}
    return chosen(sought(native, known), listed.get(token(native, known) or ""), answers)


def said(native: NativeCoin, known: Book | None, *, answers: Answers) -> str:
    return "; ".join(notes(native, known, pricing(native, known, answers=answers), answers=answers))


def test_the_operators_goes_before_the_vaults_and_the_vaults_before_the_books() -> None:
    in_book = reporting(8, of_books())
    own = NativeCoin(feed=OPERATORS)
    assert pricing(own, ethereum(), answers=reporting(8, OPERATORS)) == OPERATORS
    assert pricing(NativeCoin(), ethereum(), answers=in_book) == OF_WETH
    assert pricing(NativeCoin(), ethereum(), answers=in_book, weth=None) == of_books()
    assert said(NativeCoin(), ethereum(), answers=in_book) == ""


@pytest.mark.parametrize("decimals", [None, 18])
def test_a_feed_that_does_not_answer_in_usd_prices_nothing(decimals: int | None) -> None:
    answers, own = reporting(decimals, OPERATORS), NativeCoin(feed=OPERATORS)
    assert pricing(own, None, answers=answers) is None
    assert f"the feed {OPERATORS} does not report USD" in said(own, None, answers=answers)


def test_a_feed_of_another_coin_prices_nothing() -> None:
    answers = reporting(8, OPERATORS, "USDC / USD")
    own = NativeCoin(feed=OPERATORS)
    assert pricing(own, ethereum(), answers=answers) is None
    assert "has the description 'USDC / USD', not 'ETH / USD'" in said(own, ethereum(), answers=answers)
    assert pricing(replace(own, description="ETH / USD"), None, answers=answers) is None
    assert pricing(replace(own, description="USDC / USD"), ethereum(), answers=answers) == OPERATORS


def test_another_feed_than_the_books_is_noted() -> None:
    answers = reporting(8, OPERATORS)
    assert "not the address book's ETH/USD feed" in said(
        NativeCoin(feed=OPERATORS), ethereum(), answers=answers
    )
    same = NativeCoin(feed=of_books().lower())
    assert said(same, ethereum(), answers=reporting(8, of_books().lower())) == ""


@pytest.mark.parametrize("symbol", ["WBTC", "UNI", "cbETH", "nonsense"])
def test_a_token_that_is_not_the_coin_is_ignored_and_the_books_feed_counts(symbol: str) -> None:
    native, answers = NativeCoin(wrapped=symbol), reporting(8, of_books())
    assert pricing(native, ethereum(), answers=answers) == of_books()
    why = ignored(symbol, ethereum())
    assert why is not None
    assert f"plan.gas_usd_price_symbol is '{symbol}' and is ignored" in why
    assert why in said(native, ethereum(), answers=answers)


def test_a_book_without_a_native_feed_says_nothing_of_tokens() -> None:
    older = replace(ethereum(), native_feed="")
    assert sought(NativeCoin(), older) is None
    assert ignored("WETH", older) is None
    assert pricing(NativeCoin(wrapped=None), older, answers=reporting(8, OPERATORS)) is None


def test_without_any_feed_the_sentence_names_the_setting() -> None:
    nothing = NativeCoin(wrapped=None)
    assert pricing(nothing, None, answers=reporting(8, OPERATORS)) is None
    assert "set KEEPER_NATIVE_FEED" in said(nothing, None, answers=reporting(8, OPERATORS))
    assert sought(NativeCoin(feed=OPERATORS), None) == SoughtFeed(OPERATORS, None)


def test_another_aggregator_or_a_feed_that_fits_now_is_noticed() -> None:
    def noticed(answers: Answers, **changes: Any) -> bool:
        nothing = dict.fromkeys(field.name for field in fields(Deployment))
        deployment: Any = Deployment(**{**nothing, **changes})
        unused: Any = None
        return not SnapshotReader(deployment, unused, "", twap_window_s=0).prices_gas(answers)

    def behind(aggregator: str) -> Answers:
        return Answers(
            [feed.aggregator(OPERATORS)], [CallResult(True, encode(["address"], [aggregator]))], "a test"
        )

    priced = NativeFeed(OPERATORS, aggregator=OF_WETH, bounds=(0, 0), max_age_s=1)
    assert not noticed(behind(OF_WETH), native=priced)
    assert noticed(behind(OPERATORS), native=priced)
    candidate = SoughtFeed(OPERATORS, "ETH / USD")
    assert noticed(reporting(8, OPERATORS), sought=candidate)
    assert not noticed(reporting(None, OPERATORS), sought=candidate)
    assert not noticed(reporting(8, OPERATORS, "USDC / USD"), sought=candidate)
