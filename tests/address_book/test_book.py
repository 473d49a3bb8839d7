"""The address books as shipped, and what an operator's file makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_utils.address import is_checksum_address

from keeper.address_book.book import FOLDER, Book, book
from keeper.domain.errors import InvalidSetting

CHAINS = {1: "ethereum", 10: "optimism", 8453: "base", 42161: "arbitrum"}
TOKEN = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def shipped(chain_id: int) -> Book:
    found = book(chain_id)
    assert found is not None
    return found


def addresses(one: Book) -> Iterator[str]:
    yield from (one.multicall, one.quoter, one.router, one.factory, one.lending_pool_provider)
    yield from (token.address for token in one.tokens)
    yield from (feed.address for feed in one.feeds)
    if one.sequencer_feed is not None:
        yield one.sequencer_feed


def overridden(tmp_path: Path, text: str, chain_id: int = 1) -> Book:
    path = tmp_path / "addresses.toml"
    path.write_text(text, encoding="utf-8")
    found = book(chain_id, path)
    assert found is not None
    return found


# -------------------------------------------------------------------- shipped


def test_there_is_a_file_for_each_chain_and_no_other() -> None:
    assert {file.stem for file in FOLDER.glob("*.toml")} == set(CHAINS.values())
    assert book(31_337) is None


@pytest.mark.parametrize("chain_id", CHAINS)
def test_every_address_has_its_checksum_in_the_file_itself(chain_id: int) -> None:
    text = (FOLDER / f"{CHAINS[chain_id]}.toml").read_text(encoding="utf-8")
    for address in addresses(shipped(chain_id)):
        assert is_checksum_address(address)
        assert f'"{address}"' in text


@pytest.mark.parametrize("chain_id", CHAINS)
def test_gas_has_a_feed_in_usd_on_every_chain(chain_id: int) -> None:
    native = shipped(chain_id).native
    assert native is not None
    assert (native.description, native.decimals) == ("ETH / USD", 8)


@pytest.mark.parametrize("chain_id", CHAINS)
def test_no_address_stands_for_two_things(chain_id: int) -> None:
    found = list(addresses(shipped(chain_id)))
    assert len(found) == len(set(found))


@pytest.mark.parametrize("chain_id", CHAINS)
def test_every_feed_has_a_heartbeat_and_every_token_sane_decimals(chain_id: int) -> None:
    one = shipped(chain_id)
    assert all(20 * 60 <= feed.heartbeat_s <= 86_400 for feed in one.feeds)
    assert all(
        feed.decimals == (8 if feed.symbol.endswith(("/USD", "WBTC/BTC")) else 18) for feed in one.feeds
    )
    assert all(feed.deviation_bps is None or 1 <= feed.deviation_bps <= 200 for feed in one.feeds)
    assert {(token.symbol, token.decimals) for token in one.tokens} >= {("USDC", 6), ("WETH", 18)}


@pytest.mark.parametrize("chain_id", CHAINS)
def test_what_prices_a_token_is_in_usd_with_the_decimals_that_the_vault_takes(chain_id: int) -> None:
    one = shipped(chain_id)
    priced = {token.symbol: one.feed_of(token) for token in one.tokens if token.reference}
    assert {"USDC", "WETH"} <= set(priced)
    for feed in priced.values():
        assert feed is not None
        assert (feed.symbol.partition("/")[2], feed.decimals) == ("USD", 8)


@pytest.mark.parametrize("chain_id", CHAINS)
def test_a_rollup_has_a_sequencer_feed_and_ethereum_has_none(chain_id: int) -> None:
    one = shipped(chain_id)
    assert (one.rollup == "") == (chain_id == 1) == (one.sequencer_feed is None)
    assert one.sequencer_grace_s == (0 if chain_id == 1 else 3_600)


def test_the_vaults_example_names_the_books_addresses() -> None:
    example = (FOLDER.parents[1] / "deploy" / "vault.example.toml").read_text(encoding="utf-8")
    one = shipped(1)
    assert f'"{one.factory}"' in example
    for symbol in ("USDC", "WBTC", "WETH", "LINK"):
        token = one.token(symbol)
        assert token is not None
        feed = one.feed_of(token)
        assert feed is not None
        assert f'"{token.address}"' in example
        assert f'"{feed.address}"' in example


# ----------------------------------------------------------------- overridden


def test_an_entry_of_the_operators_replaces_the_built_in_one_and_no_other(tmp_path: Path) -> None:
    changed = overridden(
        tmp_path,
        f'router = "{TOKEN}"\n[tokens.WETH]\naddress = "{TOKEN.lower()}"\ndecimals = 9\n'
        f'[feeds."UNI/USD"]\naddress = "{TOKEN}"\ndescription = "UNI / USD"\nheartbeat_s = 3600\n',
    )
    before, weth = shipped(1), changed.token("WETH")
    assert weth is not None
    assert (weth.address, weth.decimals, weth.reference) == (TOKEN, 9, "")
    assert (changed.router, changed.quoter) == (TOKEN, before.quoter)
    assert changed.token("USDC") == before.token("USDC")
    assert changed.feeds[:-1] == before.feeds
    assert changed.feeds[-1].symbol == "UNI/USD"


def test_a_chain_without_a_book_can_be_given_a_whole_one(tmp_path: Path) -> None:
    text = "\n".join(
        f'{name} = "{TOKEN}"'
        for name in ("multicall", "quoter", "router", "factory", "lending_pool_provider")
    )
    found = overridden(tmp_path, f'name = "Own"\nrollup = "op-stack"\n{text}\n', 31_337)
    assert (found.chain_id, found.name, found.rollup, found.tokens) == (31_337, "Own", "op-stack", ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chain_id = 10", "it is for chain 10, but KEEPER_CHAIN_ID is 1"),
        ("router = 5", "router = 5 is not an Ethereum address"),
        (f'router = "{TOKEN[:-1]}D"', "a digit is mistyped"),
        ("rooter = 5", "unknown rooter"),
        ('rollup = "zk"', "rollup = 'zk'"),
        ("tokens = 5", "tokens"),
        (f'[tokens.WETH]\naddress = "{TOKEN}"', "tokens.WETH: missing decimals"),
        (f'[tokens.WETH]\naddress = "{TOKEN}"\ndecimals = "18"', "decimals = '18' is not a whole number"),
        (f'[tokens.WETH]\naddress = "{TOKEN}"\ndecimals = -1', "decimals = -1 is not a whole number"),
        (
            f'[tokens.WETH]\naddress = "{TOKEN}"\ndecimals = 18\nreference = "X/USD"',
            "'X/USD' is no feed of the book",
        ),
        ("router = ", "not TOML"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        overridden(tmp_path, text)
    assert caught.value.message.startswith(f"KEEPER_ADDRESS_BOOK = {tmp_path / 'addresses.toml'}")
    assert said in caught.value.message


def test_half_a_book_for_an_unknown_chain_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="missing rollup, multicall, quoter, router, factory"):
        overridden(tmp_path, 'name = "Own"', 31_337)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="cannot be read"):
        book(1, tmp_path / "nowhere.toml")
