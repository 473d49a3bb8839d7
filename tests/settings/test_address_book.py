"""Where a chain has an address book, its quoter need not be named; what the operator names goes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.address_book.book import book
from keeper.domain.errors import InvalidSetting
from keeper.settings.endpoints import endpoints
from keeper.settings.policy import settings_hash
from keeper.settings.schema import Settings

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


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
