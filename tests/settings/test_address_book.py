"""Where a chain has an address book, its quoter need not be named; what the operator names goes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.address_book.book import book
from keeper.domain.errors import InvalidSetting
from keeper.domain.native_coin import COIN
from keeper.settings.endpoints import endpoints
from keeper.settings.execution import FeedTable, OracleTable, PlanTable
from keeper.settings.policy import policy, settings_hash
from keeper.settings.schema import Settings

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

OLDER_BOOK = f"""\
name = "Polygon"
rollup = ""
multicall = "{ADDRESS}"
quoter = "{ADDRESS}"
router = "{ADDRESS}"
factory = "{ADDRESS}"
lending_pool_provider = "{ADDRESS}"

[tokens.WETH]
address = "{ADDRESS}"
decimals = 18
reference = "ETH/USD"

[feeds."ETH/USD"]
address = "{ADDRESS}"
description = "ETH / USD"
heartbeat_s = 3600
"""
"""Of a version that did not know which feed prices gas."""


def settings(chain_id: int = 8453, **changes: object) -> Settings:
    return Settings(rpc_url="http://127.0.0.1:1", chain_id=chain_id, vault=ADDRESS, **changes)  # type: ignore[arg-type]


@pytest.fixture
def overrides(bare: Path) -> Path:
    path = bare / "addresses.toml"
    path.write_text(f'quoter = "{ADDRESS}"\n', encoding="utf-8")
    return path


@pytest.mark.parametrize("chain_id", [1, 10, 8453, 42161])
def test_the_books_quoter_is_the_default(chain_id: int) -> None:
    known = book(chain_id)
    assert known is not None
    found = endpoints(settings(chain_id))
    assert (found.quoter, found.book) == (known.quoter, known)


def test_a_quoter_in_the_settings_goes_before_the_books() -> None:
    assert endpoints(settings(quoter=ADDRESS)).quoter == ADDRESS


def test_so_does_one_in_the_operators_book(overrides: Path) -> None:
    found = endpoints(settings(address_book=overrides))
    assert found.quoter == ADDRESS
    assert found.book is not None
    assert found.book.quoter == ADDRESS


def test_on_a_chain_without_a_book_it_is_missing() -> None:
    with pytest.raises(InvalidSetting, match="missing: KEEPER_QUOTER$"):
        endpoints(settings(31_337))


def test_what_was_sealed_was_sealed_with_its_addresses(overrides: Path) -> None:
    plain = settings_hash(settings(address_book=overrides))
    assert plain != settings_hash(settings())
    overrides.write_text(f'router = "{ADDRESS}"\n', encoding="utf-8")
    assert plain != settings_hash(settings(address_book=overrides))


def test_the_native_coins_feed_is_the_operators_where_he_names_one() -> None:
    assert endpoints(settings()).native_feed is None
    assert endpoints(settings(native_feed=ADDRESS)).native_feed == ADDRESS
    assert settings_hash(settings(native_feed=ADDRESS)) != settings_hash(settings())


def test_what_is_expected_of_the_native_coins_feed_is_the_books_unless_it_is_set() -> None:
    assert policy(settings()).oracle.feed(COIN).heartbeat_s == 1_200
    slow = OracleTable(feeds=(FeedTable(symbol=COIN, heartbeat_s=3_600),))
    assert policy(settings(oracle=slow)).oracle.feed(COIN).heartbeat_s == 3_600


def test_no_token_that_prices_gas_refuses_the_keeper(tmp_path: Path) -> None:
    assert policy(settings(1, plan=PlanTable(gas_usd_price_symbol="WBTC"))).plan.gas_usd_price_symbol
    assert policy(settings(1)).plan.gas_usd_price_symbol == "WETH"
    older = tmp_path / "older.toml"
    older.write_text(OLDER_BOOK, encoding="utf-8")
    assert policy(settings(137, address_book=older)).plan.gas_usd_price_symbol == "WETH"


def test_weth_prices_gas_only_where_somebody_says_so() -> None:
    named = PlanTable(gas_usd_price_symbol="WPOL")
    assert endpoints(settings(1)).wrapped_coin == "WETH"
    assert endpoints(settings(31337, quoter=ADDRESS)).wrapped_coin == "WETH"
    assert endpoints(settings(137, quoter=ADDRESS)).wrapped_coin is None
    assert endpoints(settings(137, quoter=ADDRESS, plan=named)).wrapped_coin == "WPOL"
