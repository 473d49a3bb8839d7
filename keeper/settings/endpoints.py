"""Node, contracts, exchanges, journal and key, from checked settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from keeper.address_book.book import Book, book
from keeper.domain.chains import DEVELOPMENT_CHAIN_ID
from keeper.domain.errors import InvalidSetting
from keeper.domain.roles_modifier import RolesModifier
from keeper.settings.fields import variable
from keeper.settings.redact import redacted
from keeper.settings.schema import PUBLIC_URLS, Settings

REFERENCES = {"WETH": "ETH", "WBTC": "BTC", "cbBTC": "BTC"}
"""Tokens that exchanges trade under another name."""
BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}")
REQUIRED = ("rpc_url", "chain_id", "vault")
WRAPPED_COIN = "WETH"
"""The native coin as a token, where an address book says so and on the development chain."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of everything that the keeper talks to. ``quorum`` of the nodes must agree.

    ``venues`` are the exchanges that are asked for prices, address by name. ``descriptions`` are the names that feeds
    must report, by token. ``modifier`` is None where the key calls the vault itself. ``book`` is None on a chain
    without an address book. URLs may carry credentials, so they are not in the repr. ``native_feed`` is None where the
    operator names none.
    """

    rpc_urls: tuple[str, ...] = field(repr=False)
    ws_urls: tuple[str, ...] = field(repr=False)
    quorum: int
    chain_id: int
    vault: str
    quoter: str
    multicall: str
    native_feed: str | None
    wrapped_coin: str | None
    book: Book | None = field(repr=False)
    deribit_url: str
    venues: Mapping[str, str]
    descriptions: Mapping[str, str]
    private_rpc_url: str | None = field(repr=False)
    modifier: RolesModifier | None
    journal_url: str = field(repr=False)
    fallback_journal: Path | None
    lease_s: float
    pause_file: Path
    lock_directory: Path | None


@dataclass(frozen=True, slots=True)
class KeySource:
    """The place of the keeper's key: a keystore, a raw key on the development chain, a remote signer, or none."""

    keystore: Path | None
    password_file: Path | None
    private_key: str | None = field(repr=False)
    signer_url: str | None = field(repr=False)


def endpoints(settings: Settings) -> Endpoints:
    """Raises InvalidSetting, listing every endpoint that is missing."""
    known = address_book(settings)
    quoter = settings.quoter or (known.quoter if known is not None else None)
    if settings.rpc_url is None or settings.chain_id is None or settings.vault is None or quoter is None:
        missing = [variable(name) for name in REQUIRED if getattr(settings, name) is None]
        if (
            quoter is None and settings.chain_id is not None
        ):  # which book applies is known only with the chain
            missing.append(variable("quoter"))
        raise InvalidSetting(
            f"missing: {', '.join(missing)}",
            remedy="Set them in the environment or in .env (see .env.example), or set KEEPER_DEPLOYMENT "
            "to the deployment file that `keeper devnet` wrote. Nothing was started.",
        )
    urls, fallback = tuple(settings.rpc_url.split(",")), settings.fallback_journal
    feeds = settings.oracle.feeds
    return Endpoints(
        rpc_urls=urls,
        ws_urls=tuple(settings.ws_url.split(",")) if settings.ws_url is not None else (),
        quorum=settings.rpc_quorum if settings.rpc_quorum is not None else len(urls) // 2 + 1,
        chain_id=settings.chain_id,
        vault=settings.vault,
        quoter=quoter,
        multicall=settings.multicall,
        native_feed=settings.native_feed,
        wrapped_coin=_wrapped_coin(settings, known),
        book=known,
        deribit_url=settings.deribit_url,
        venues=venues(settings),
        descriptions={feed.symbol: feed.description for feed in feeds if feed.description is not None},
        private_rpc_url=settings.private_rpc_url,
        modifier=RolesModifier(settings.roles_modifier, settings.role)
        if settings.roles_modifier is not None and settings.role is not None
        else None,
        journal_url=settings.journal_url,
        fallback_journal=_in_directory("fallback_journal", fallback, fallback)
        if fallback is not None
        else None,
        lease_s=settings.lease_s,
        pause_file=_in_directory("pause_file", settings.pause_file, settings.pause_file.parent),
        lock_directory=settings.lock_directory,
    )


def _wrapped_coin(settings: Settings, known: Book | None) -> str | None:
    """On any other chain a token of that name may be another coin than gas is paid in."""
    chosen = settings.plan.gas_usd_price_symbol
    if chosen is not None:
        return chosen
    says_so = known is not None and known.native is not None
    return WRAPPED_COIN if says_so or settings.chain_id == DEVELOPMENT_CHAIN_ID else None


@dataclass(frozen=True, slots=True)
class MonitoringEndpoints:
    """Where the daemon serves metrics and the status page, and whom it tells. ``alert_urls`` and ``dead_man_url`` are
    secrets."""

    metrics_address: str
    metrics_port: int | None
    metrics_hosts: tuple[str, ...]
    status_page: bool
    alert_urls: tuple[str, ...] = field(repr=False)
    dead_man_url: str | None = field(repr=False)
    summary_hour: int


def monitoring_endpoints(settings: Settings) -> MonitoringEndpoints:
    """Off where nothing is set."""
    urls, dead_man = settings.alert_urls, settings.dead_man_url
    return MonitoringEndpoints(
        metrics_address=settings.metrics_address,
        metrics_port=settings.metrics_port,
        metrics_hosts=tuple(settings.metrics_hosts.split()),
        status_page=settings.status_page == "on"
        or (settings.status_page == "auto" and _is_loopback(settings.metrics_address)),
        alert_urls=tuple(urls.get_secret_value().split()) if urls is not None else (),
        dead_man_url=dead_man.get_secret_value() if dead_man is not None else None,
        summary_hour=settings.alert_summary_hour,
    )


@dataclass(frozen=True, slots=True)
class ChatEndpoints:
    """The bot, and the ids of the people whom it answers."""

    url: str
    token: SecretStr
    senders: frozenset[int]


def chat_endpoints(settings: Settings) -> ChatEndpoints | None:
    """None where no bot is set. Raises InvalidSetting, which names no token."""
    token, url = settings.telegram_token, settings.telegram_url
    if token is None:
        return None
    if not BOT_TOKEN.fullmatch(token.get_secret_value()):
        raise InvalidSetting(
            "KEEPER_TELEGRAM_TOKEN is not a bot's token, which is a number, a colon, and letters",
            remedy="Copy it from @BotFather, without blanks or quotation marks.",
        )
    if not settings.telegram_senders.split():
        raise InvalidSetting(
            "KEEPER_TELEGRAM_TOKEN is set and KEEPER_TELEGRAM_SENDERS is empty, so nobody may ask",
            remedy="List the numeric ids of those who may. docs/chat.md says how to learn yours.",
        )
    if urlsplit(url).scheme != "https" and not _is_loopback(urlsplit(url).hostname or ""):
        raise InvalidSetting(
            f"KEEPER_TELEGRAM_URL = {redacted('telegram_url', url)}: the token would cross the network in clear text",
            remedy="Use https, or an address of this machine such as http://127.0.0.1:8081.",
        )
    return ChatEndpoints(url, token, frozenset(map(int, settings.telegram_senders.split())))


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def address_book(settings: Settings) -> Book | None:
    """The chain's address book with the entries of KEEPER_ADDRESS_BOOK. Raises InvalidSetting."""
    return None if settings.chain_id is None else book(settings.chain_id, settings.address_book)


def venues(settings: Settings) -> Mapping[str, str]:
    """Address by exchange, of those in ``oracle.venues``. A development chain has its own time and prices, so there
    only those whose address is set."""
    on_development_chain = settings.chain_id == DEVELOPMENT_CHAIN_ID
    public: Mapping[str, str] = {} if on_development_chain else PUBLIC_URLS
    given = _given_urls(settings)
    return {
        name: given[name] or public[name] for name in settings.oracle.venues if given[name] or name in public
    }


def venue_url(settings: Settings, name: str) -> str:
    """The address of an exchange, the public one where none is set."""
    return _given_urls(settings)[name] or PUBLIC_URLS[name]


def _given_urls(settings: Settings) -> Mapping[str, str | None]:
    return {
        "coinbase": settings.coinbase_url,
        "kraken": settings.kraken_url,
        "binance": settings.binance_url,
        "deribit": settings.deribit_url if settings.deribit_url != PUBLIC_URLS["deribit"] else None,
    }


def references(settings: Settings) -> Mapping[str, str]:
    """Exchange symbol by token, of USDC, the assets and ``oracle.feeds``. Tokens without one are left out."""
    symbols = ("USDC", *(asset.symbol for asset in settings.assets))
    usual = {symbol: REFERENCES.get(symbol, symbol) for symbol in symbols}
    given = {feed.symbol: feed.reference for feed in settings.oracle.feeds if feed.reference is not None}
    return {symbol: reference for symbol, reference in (usual | given).items() if reference}


def key_source(settings: Settings) -> KeySource:
    """A keystore or a remote signer takes precedence over a raw key, which a deployment file may contain."""
    raw = settings.private_key if settings.keystore is None and settings.signer_url is None else None
    return KeySource(
        keystore=settings.keystore,
        password_file=settings.keystore_password_file,
        private_key=raw.get_secret_value() if raw is not None else None,
        signer_url=settings.signer_url,
    )


def _in_directory(name: str, path: Path, directory: Path) -> Path:
    """The path, whose directory must exist: it is more likely misspelt than new. Raises InvalidSetting."""
    if not directory.is_dir():
        raise InvalidSetting(
            f"{variable(name)} = {path}: there is no directory {directory.absolute()}",
            remedy="Create it, or correct the path. Nothing was started.",
        )
    return path
