"""Known contracts per chain: the TOML files in this folder, and the operator's own entries over them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from keeper.domain.addresses import checksummed
from keeper.domain.errors import InvalidSetting
from keeper.domain.units import USD_DECIMALS
from keeper.runtime.text_files import toml_table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
Rollup = Literal["", "op-stack", "arbitrum"]
"""How the chain charges for publishing on its parent chain. Empty: it is not a rollup."""

FOLDER = Path(__file__).parent
VARIABLE = "KEEPER_ADDRESS_BOOK"
_CONTRACTS = ("multicall", "quoter", "router", "factory", "lending_pool_provider")


@dataclass(frozen=True, slots=True)
class BookToken:
    """``reference`` is the symbol of the feed that prices the token in USD, empty if the book has none."""

    symbol: str
    address: str
    decimals: int
    reference: str = ""


@dataclass(frozen=True, slots=True)
class BookFeed:
    """A Chainlink proxy. It publishes at least every ``heartbeat_s`` seconds, and when the price moves by
    ``deviation_bps`` (None: not known)."""

    symbol: str
    address: str
    description: str
    heartbeat_s: int
    deviation_bps: int | None = None
    decimals: int = USD_DECIMALS


@dataclass(frozen=True, slots=True)
class Book:
    """One chain. Addresses are checksummed. ``sequencer_feed`` is None on a chain without a sequencer. ``native_feed``
    is the symbol of the feed that prices the native coin in USD, empty if the book has none."""

    chain_id: int
    name: str
    rollup: Rollup
    multicall: str
    quoter: str
    router: str
    factory: str
    lending_pool_provider: str
    sequencer_feed: str | None = None
    sequencer_grace_s: int = 0
    native_feed: str = ""
    tokens: tuple[BookToken, ...] = ()
    feeds: tuple[BookFeed, ...] = ()

    def token(self, symbol: str) -> BookToken | None:
        return next((token for token in self.tokens if token.symbol == symbol), None)

    def feed_of(self, token: BookToken) -> BookFeed | None:
        """The feed that prices the token, None if the book has none."""
        return self._feed(token.reference)

    @property
    def native(self) -> BookFeed | None:
        """The feed that prices the native coin, None if the book has none."""
        return self._feed(self.native_feed)

    def _feed(self, symbol: str) -> BookFeed | None:
        return next((feed for feed in self.feeds if feed.symbol == symbol), None)


def book(chain_id: int, overrides: Path | None = None) -> Book | None:
    """The chain's book. An entry of ``overrides`` replaces the built-in entry of the same name. None if neither knows
    the chain. Raises InvalidSetting that names the mistake in the operator's file."""
    entry = _shipped().get(chain_id)
    if overrides is None:
        return None if entry is None else _book(entry, "built in")
    place = f"{VARIABLE} = {overrides}"
    above = toml_table(overrides, VARIABLE)
    if above.setdefault("chain_id", chain_id) != chain_id:
        raise InvalidSetting(
            f"{place}: it is for chain {above['chain_id']}, but KEEPER_CHAIN_ID is {chain_id}",
            remedy="Name the file of this chain, or unset it.",
        )
    return _book(_over(entry or {}, above), place)


@cache
def _shipped() -> Mapping[int, Mapping[str, Any]]:
    contents = [tomllib.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.toml"))]
    return {content["chain_id"]: content for content in contents}


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """A token or a feed is replaced as a whole, because half of one contract and half of another is no contract."""
    merged = {**below, **above}
    for name in ("tokens", "feeds"):
        table = above.get(name, {})
        merged[name] = {**below.get(name, {}), **table} if isinstance(table, Mapping) else table
    return merged


def _book(content: Mapping[str, Any], place: str) -> Book:
    values = dict(content)
    for name in (*_CONTRACTS, "sequencer_feed"):
        if name in values:
            values[name] = _address(values[name], name, place)
    values["tokens"] = _entries(BookToken, values.pop("tokens", {}), "tokens", place=place)
    values["feeds"] = _entries(BookFeed, values.pop("feeds", {}), "feeds", place=place)
    built = _built(Book, values, place)
    if built.rollup not in get_args(Rollup):
        raise _wrong(
            place, f"rollup = {built.rollup!r}", f"Use one of {', '.join(map(repr, get_args(Rollup)))}."
        )
    known = {feed.symbol for feed in built.feeds}
    if built.native_feed and built.native_feed not in known:
        raise _wrong(place, f"native_feed = {built.native_feed!r} is no feed of the book")
    for token in built.tokens:
        if token.reference and token.reference not in known:
            raise _wrong(
                place, f"tokens.{token.symbol}.reference = {token.reference!r} is no feed of the book"
            )
    return built


def _entries(kind: type[T], table: object, name: str, place: str) -> tuple[T, ...]:
    if not isinstance(table, Mapping) or not all(isinstance(entry, Mapping) for entry in table.values()):
        raise _wrong(place, f"{name} is not a table of tables", f"Write [{name}.WETH] and its values below.")
    return tuple(
        _entry(kind, symbol, entry, name=f"{name}.{symbol}", place=place) for symbol, entry in table.items()
    )


def _entry(kind: type[T], symbol: str, entry: Mapping[str, Any], name: str, place: str) -> T:
    values = {**entry, "symbol": symbol}
    if "address" in values:
        values["address"] = _address(values["address"], f"{name}.address", place)
    return _built(kind, values, f"{place}: {name}")


def _built(kind: type[T], values: Mapping[str, Any], place: str) -> T:
    known = {field.name: field for field in fields(kind)}
    foreign = sorted(set(values) - set(known))
    missing = [name for name, field in known.items() if field.default is MISSING and name not in values]
    if foreign:
        raise _wrong(place, f"unknown {', '.join(foreign)}", f"Known are {', '.join(known)}.")
    if missing:
        raise _wrong(
            place,
            f"missing {', '.join(missing)}",
            "It replaces the built-in entry as a whole. Give all values.",
        )
    for name, value in values.items():
        if str(known[name].type).startswith("int") and (type(value) is not int or value < 0):
            raise _wrong(place, f"{name} = {value!r} is not a whole number")
    return kind(**values)


def _address(value: object, name: str, place: str) -> str:
    try:
        return checksummed(value)
    except ValueError as error:
        raise _wrong(place, f"{name} = {value!r} is {error}") from None


def _wrong(place: str, what: str, remedy: str = "Correct that line. Nothing was started.") -> InvalidSetting:
    return InvalidSetting(f"{place}: {what}", remedy=remedy)
