"""The root of all settings: endpoints and secrets, and the strategy's tables. Only it reads the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from keeper.domain.addresses import checksummed
from keeper.domain.chains import DEVELOPMENT_CHAIN_ID
from keeper.settings.budgets import require_budgets
from keeper.settings.execution import (
    DailyTable,
    DrillTable,
    LineTable,
    OracleTable,
    PlanTable,
    SendTable,
    WatchTable,
)
from keeper.settings.setting_types import AtStart
from keeper.settings.strategy import (
    HIGHEST_RISK_AVERSION,
    AssetTable,
    DecisionTable,
    EstimateTable,
    SizeTable,
)

LOWEST_IMPLIED_AVERSION = 0.3
"""Below it hardly any trade that lowers risk is worth its cost, which is not what a cautious owner wants."""
CANONICAL_MULTICALL = "0xcA11bde05977b3631167028862bE2a173976CA11"
PUBLIC_URLS = {
    "coinbase": "https://api.exchange.coinbase.com",
    "kraken": "https://api.kraken.com",
    "binance": "https://api.binance.com",
    "deribit": "https://www.deribit.com/api/v2",
}
STRATEGY = (
    "assets",
    "estimate",
    "size",
    "decision",
    "plan",
    "send",
    "daily",
    "line",
    "drill",
    "watch",
    "oracle",
)


LARGEST_SENDER_ID = 2**52
"""Telegram's ids have at most 52 bits."""
HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
ROLE_KEY = re.compile(r"0x[0-9a-fA-F]{64}")
ROLE_NAME_LENGTH = 31
"""Zodiac's app and SDK end a name in 32 bytes with a zero."""


def http_url(value: str) -> str:
    """The address of a node or a service without a slash at its end. Raises ValueError, whose text goes on after
    "is"."""
    return _address(value, "http", "https")


def _address(value: str, clear: str, secure: str) -> str:
    """With one of two schemes. As ``http_url``."""
    try:
        parts = urlsplit(value)
        well_formed = parts.scheme in (clear, secure) and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number, or an IPv6 address that does not end
        well_formed = False
    # A letter outside ASCII may look like another one, so a host is written as the network knows it (xn--).
    if not well_formed or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"not {'an' if clear == 'http' else 'a'} {clear}:// or {secure}:// address")
    return value.rstrip("/")


def _http_urls(value: str) -> str:
    """One or several, separated by commas; joined by a comma alone."""
    urls = [http_url(url.strip()) for url in value.split(",")]
    if len(set(urls)) < len(urls):
        raise ValueError("the same node is listed twice, so it would confirm itself")
    return ",".join(urls)


def _ws_urls(value: str) -> str:
    """As ``_http_urls``."""
    urls = [_address(url.strip(), "ws", "wss") for url in value.split(",")]
    if len(set(urls)) < len(urls):
        raise ValueError("the same WebSocket is listed twice")
    return ",".join(urls)


def _journal_url(value: str) -> str:
    if not value.startswith(("sqlite:", "sqlite+", "postgresql:", "postgresql+")):
        raise ValueError(
            "neither a SQLite file (sqlite:///keeper.db) nor PostgreSQL (postgresql://user@host/database)"
        )
    return value


def _host_names(value: str) -> str:
    """Separated by blanks. A port, a scheme or a comma would make a name that no request has."""
    for name in value.split():
        if not HOST_NAME.fullmatch(name):
            raise ValueError(f"not names of hosts: {name!r} has more than a name, such as a port or a comma")
    return value


def role_key(value: str) -> str:
    """Zodiac's role key, 32 bytes in 0x-hex, of the same or of a name of printable ASCII. Raises ValueError, whose text
    goes on after "is"."""
    if ROLE_KEY.fullmatch(value):
        return value.lower()
    if not value or not value.isascii() or not value.isprintable() or len(value) > ROLE_NAME_LENGTH:
        raise ValueError("neither a name of at most 31 ASCII characters nor 32 bytes in 0x-hex")
    return "0x" + value.encode().ljust(32, b"\0").hex()


def _sender_ids(value: str) -> str:
    """Separated by blanks."""
    for word in value.split():
        if not (word.isascii() and word.isdecimal() and 0 < int(word) < LARGEST_SENDER_ID):
            raise ValueError(f"not ids of people: {word!r} is no positive whole number")
    return value


Address = Annotated[str, AfterValidator(checksummed)]
HttpUrl = Annotated[str, AfterValidator(http_url)]
HttpUrls = Annotated[str, AfterValidator(_http_urls)]
WsUrls = Annotated[str, AfterValidator(_ws_urls)]
JournalUrl = Annotated[str, AfterValidator(_journal_url)]

SAME_VAULT = AtStart("Commands and the key's lock are bound to the keeper of one vault.")
SAME_JOURNAL = AtStart("The journal stays open, with its lock, so that no row and no order is lost.")
SAME_LEASE = AtStart("The database measures the lease of the term that runs by it.")
SAME_PLACE = AtStart("Commands look for the running keeper there.")
SAME_KEY = AtStart("The key stays open, with its lock, so that nobody types its password again.")
SAME_CHAT = AtStart("One thread reads the chat, and keeps its place there.")
SAME_SOCKET = AtStart("The listener keeps its socket, so that no scrape finds it closed.")


class Settings(BaseSettings):
    """All settings. In the environment each has the prefix ``KEEPER_``; tables are reached with ``__``."""

    model_config = SettingsConfigDict(
        env_prefix="KEEPER_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        dotenv_filtering="only_existing",
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
        use_attribute_docstrings=True,
    )

    rpc_url: HttpUrls | None = None
    """JSON-RPC address of the node; several, separated by commas, must agree"""
    rpc_quorum: Annotated[int, Field(ge=1, le=20)] | None = None
    """number of nodes that must agree, of several at least 2; default: more than half of them"""
    ws_url: WsUrls | None = None
    """WebSocket of the node, which tells the watch each new block; several, separated by commas; default: none"""
    chain_id: Annotated[Annotated[int, Field(gt=0)] | None, SAME_VAULT] = None
    """chain id that the node must report"""
    vault: Annotated[Address | None, SAME_VAULT] = None
    """address of the vault's shares (VaultShares)"""
    quoter: Address | None = None
    """address of Uniswap's QuoterV2; default: the address book's"""
    multicall: Address = CANONICAL_MULTICALL
    """address of Multicall3"""
    native_feed: Address | None = None
    """feed of the native coin in USD, which prices gas; default: that of the vault's WETH, else the address book's"""
    address_book: Path | None = None
    """TOML file whose entries replace those of the built-in address book"""
    deribit_url: HttpUrl = PUBLIC_URLS["deribit"]
    """address of Deribit's API"""
    coinbase_url: HttpUrl | None = Field(
        default=None, description=f"address of Coinbase's API; default: {PUBLIC_URLS['coinbase']}"
    )
    kraken_url: HttpUrl | None = Field(
        default=None, description=f"address of Kraken's API; default: {PUBLIC_URLS['kraken']}"
    )
    binance_url: HttpUrl | None = Field(
        default=None, description=f"address of Binance's API; default: {PUBLIC_URLS['binance']}"
    )
    journal_url: Annotated[JournalUrl, SAME_JOURNAL] = "sqlite:///keeper.db"
    """the journal: a SQLite file or a PostgreSQL database"""
    fallback_journal: Annotated[Path | None, SAME_JOURNAL] = None
    """directory of a second journal, for emergencies while the first cannot be written; best on another disk"""
    lease_s: Annotated[float, Field(ge=2, le=10), SAME_LEASE] = 8.0
    """silence after which the database lets another daemon lead, with `keeper run --standby`"""
    deployment: Annotated[Path | None, SAME_VAULT] = None
    """deployment file of a devnet; its node, chain id, addresses and key apply unless they are set"""
    config: Path | None = None
    """strategy file; default: ./keeper.toml if it exists, else the built-in defaults"""
    keystore: Annotated[Path | None, SAME_KEY] = None
    """encrypted keystore V3 file of the keeper's key"""
    keystore_password_file: Annotated[Path | None, SAME_KEY] = None
    """file whose first line is the keystore's password; without it the terminal asks"""
    private_key: Annotated[SecretStr | None, SAME_KEY] = Field(
        default=None, description=f"raw private key; accepted on chain id {DEVELOPMENT_CHAIN_ID} only"
    )
    sender: Annotated[Address | None, SAME_KEY] = None
    """account of a simulation without a key, or of the remote signer"""
    signer_url: Annotated[HttpUrl | None, SAME_KEY] = None
    """remote signer (web3signer's eth_signTransaction) that holds the key"""
    roles_modifier: Annotated[Address | None, SAME_VAULT] = None
    """Zodiac Roles modifier through which the key acts as the Safe that is the vault's keeper; default: none"""
    role: Annotated[Annotated[str, AfterValidator(role_key)] | None, SAME_VAULT] = None
    """the key's role there (Zodiac's role key): a name, or 32 bytes in 0x-hex"""
    private_rpc_url: HttpUrl | None = None
    """relay that keeps trades out of the public mempool"""
    pause_file: Annotated[Path, SAME_PLACE] = Path("keeper.pause")
    """while this file exists, the keeper only deleverages"""
    lock_directory: Annotated[Path | None, SAME_PLACE] = None
    """directory of the locks that keep a second keeper from using the same key; default: ~/.local/state/keeper"""
    metrics_port: Annotated[Annotated[int, Field(ge=1, le=65_535)] | None, SAME_SOCKET] = None
    """port of the status page, of Prometheus' metrics and of the health pages; default: none are served"""
    metrics_address: Annotated[Annotated[str, Field(min_length=1)], SAME_SOCKET] = "127.0.0.1"
    """address of this machine on which they are served; other machines see them on any but the loopback"""
    metrics_hosts: Annotated[str, AfterValidator(_host_names)] = ""
    """names by which other machines ask for them, separated by blanks; an IP address and localhost need none"""
    status_page: Literal["auto", "on", "off"] = "auto"
    """whether the status page is among them; auto: only on the loopback, because it needs no password"""
    alert_urls: SecretStr | None = None
    """channels of alerts as apprise writes them, separated by blanks (Slack, Telegram, e-mail …); secret"""
    dead_man_url: SecretStr | None = None
    """address that each good cycle asks for, such as a check of healthchecks.io, which alarms on silence; secret"""
    alert_summary_hour: Annotated[int, Field(ge=0, le=23)] = 7
    """hour of the daily summary, UTC"""
    telegram_token: Annotated[SecretStr | None, SAME_CHAT] = None
    """token of the Telegram bot that takes status, explain and pause; secret; default: there is no chat"""
    telegram_senders: Annotated[Annotated[str, AfterValidator(_sender_ids)], SAME_CHAT] = ""
    """numeric ids of the Telegram users whom it answers, separated by blanks; nobody else is"""
    telegram_url: Annotated[HttpUrl, SAME_CHAT] = "https://api.telegram.org"
    """address of Telegram's Bot API, or of a server that speaks it; https, or a loopback"""
    log_format: Literal["auto", "console", "json"] = "auto"
    """format of log lines; auto is console on a terminal, else json"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """lowest level of log lines"""

    assets: tuple[AssetTable, ...] = Field(
        default=(
            AssetTable(symbol="WBTC", budget=0.25, implied_underlying="BTC"),
            AssetTable(symbol="WETH", budget=0.25, implied_underlying="ETH"),
            AssetTable(symbol="LINK", budget=0.25),
            AssetTable(symbol="UNI", budget=0.25),
        ),
        min_length=1,
    )
    """the risk assets"""
    estimate: EstimateTable = EstimateTable()
    size: SizeTable = SizeTable()
    decision: DecisionTable = DecisionTable()
    plan: PlanTable = PlanTable()
    send: SendTable = SendTable()
    daily: DailyTable = DailyTable()
    line: LineTable = LineTable()
    drill: DrillTable = DrillTable()
    watch: WatchTable = WatchTable()
    oracle: OracleTable = OracleTable()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is given: ``load`` reads the sources, so that it knows where each value is from."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        symbols = [asset.symbol for asset in self.assets]
        twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        if twice:
            raise ValueError(f"assets: {', '.join(twice)} is listed twice")
        require_budgets(self.assets, self.size)
        if self.decision.alert_health_factor > self.size.min_health_factor:
            raise ValueError(
                f"decision.alert_health_factor {self.decision.alert_health_factor} is above "
                f"size.min_health_factor {self.size.min_health_factor}, so every target would raise the alert"
            )
        if self.decision.risk_aversion is None and self.size.reward_per_risk == 0.0:
            raise ValueError(
                "decision.risk_aversion is not set and follows from size.reward_per_risk, which is 0: "
                "set one of the two"
            )
        implied = self.size.reward_per_risk / self.size.target_volatility
        if (
            self.decision.risk_aversion is None
            and not LOWEST_IMPLIED_AVERSION <= implied <= HIGHEST_RISK_AVERSION
        ):
            raise ValueError(
                f"decision.risk_aversion is not set and would be {implied:.3g}, size.reward_per_risk / "
                f"size.target_volatility: set it, {LOWEST_IMPLIED_AVERSION:g} to {HIGHEST_RISK_AVERSION:g}"
            )
        if self.signer_url is not None and (self.keystore is not None or self.sender is None):
            raise ValueError(
                "KEEPER_SIGNER_URL needs KEEPER_SENDER, the account whose key the signer holds, and no KEEPER_KEYSTORE"
            )
        if (self.roles_modifier is None) != (self.role is None):
            raise ValueError(
                "KEEPER_ROLES_MODIFIER and KEEPER_ROLE are both set or both not: the key acts in a role of the modifier"
            )
        nodes = len(self.rpc_url.split(",")) if self.rpc_url is not None else 1
        if self.rpc_quorum is not None and not min(2, nodes) <= self.rpc_quorum <= nodes:
            raise ValueError(
                f"KEEPER_RPC_QUORUM = {self.rpc_quorum}: KEEPER_RPC_URL names {nodes} node(s), so it is "
                + ("1" if nodes == 1 else f"at least 2 and at most {nodes}")
            )
        if self.private_key is not None and self.chain_id not in (None, DEVELOPMENT_CHAIN_ID):
            raise ValueError(
                f"KEEPER_PRIVATE_KEY is accepted on chain id {DEVELOPMENT_CHAIN_ID} only, not on {self.chain_id}: "
                "use KEEPER_KEYSTORE and KEEPER_KEYSTORE_PASSWORD_FILE"
            )
        return self
