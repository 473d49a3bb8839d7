"""From checked settings to the frozen values the rest of the keeper takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from keeper.address_book.book import Book, book
from keeper.domain.errors import InvalidSetting
from keeper.domain.policy import (
    AssetGroup,
    AssetPolicy,
    DailyPolicy,
    DecisionPolicy,
    EstimatePolicy,
    FeedPolicy,
    OraclePolicy,
    PlanPolicy,
    Policy,
    Scenario,
    SizePolicy,
    UrgencyLimits,
)
from keeper.domain.urgency import Urgency
from keeper.settings.fields import variable
from keeper.settings.schema import DEV_CHAIN_ID, PUBLIC_DERIBIT, STRATEGY, Settings
from keeper.settings.strategy import FeedTable, UrgencyTable

WEI_PER_GWEI = 10**9
WEI_PER_ETH = 10**18
VENUES = {
    "coinbase": "https://api.exchange.coinbase.com",
    "kraken": "https://api.kraken.com",
    "binance": "https://api.binance.com",
}
REFERENCES = {"WETH": "ETH", "WBTC": "BTC", "cbBTC": "BTC"}
"""Tokens that exchanges trade under another name."""
MAX_HEAD_AGE_S = 180
USUAL_DEVIATION_BPS = 50
REQUIRED = ("rpc_url", "chain_id", "vault", "quoter")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the world is. ``quorum`` of the nodes must say the same. ``rpc_urls`` and ``journal_url`` may carry
    credentials: they are not in the repr."""

    rpc_urls: tuple[str, ...] = field(repr=False)
    quorum: int
    chain_id: int
    vault: str
    quoter: str
    multicall: str
    deribit_url: str
    journal_url: str = field(repr=False)
    pause_file: Path
    lock_directory: Path | None
    private_rpc_url: str | None = field(default=None, repr=False)
    venues: Mapping[str, str] = field(default_factory=dict)
    """Exchanges that are asked for prices, by name: the address of each."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """What the feeds of some tokens must call themselves."""
    book: Book | None = field(default=None, repr=False)
    """What is known of the chain; None on a chain that has no address book."""
    redemption_queue: str | None = None


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the keeper's key comes from: a keystore, a raw key on the development chain, a remote signer, or
    nowhere."""

    keystore: Path | None
    password_file: Path | None
    private_key: str | None = field(repr=False)
    signer_url: str | None = field(default=None, repr=False)


def endpoints(settings: Settings) -> Endpoints:
    """Raises InvalidSetting, listing every endpoint that is missing."""
    listed = address_book(settings)
    quoter = settings.quoter or (listed.quoter if listed is not None else None)
    missing = [
        name for name in REQUIRED if getattr(settings, name) is None and not (name == "quoter" and quoter)
    ]
    if settings.rpc_url is None or settings.chain_id is None or settings.vault is None or quoter is None:
        raise InvalidSetting(
            f"missing: {', '.join(variable(name) for name in missing)}",
            remedy="Set them in the environment or in .env (see .env.example), or point KEEPER_DEPLOYMENT "
            "to the deployment file that `keeper devnet` wrote. Nothing was started.",
        )
    urls = tuple(settings.rpc_url.split(","))
    return Endpoints(
        rpc_urls=urls,
        quorum=settings.rpc_quorum if settings.rpc_quorum is not None else len(urls) // 2 + 1,
        chain_id=settings.chain_id,
        vault=settings.vault,
        quoter=quoter,
        multicall=settings.multicall,
        deribit_url=settings.deribit_url,
        journal_url=settings.journal_url,
        pause_file=settings.pause_file,
        lock_directory=settings.lock_directory,
        private_rpc_url=settings.private_rpc_url,
        venues=venues(settings),
        descriptions={
            feed.symbol: feed.description for feed in settings.oracle.feeds if feed.description is not None
        },
        book=listed,
        redemption_queue=settings.redemption_queue,
    )


def address_book(settings: Settings) -> Book | None:
    """The chain's address book under what KEEPER_ADDRESS_BOOK says. Raises InvalidSetting."""
    return None if settings.chain_id is None else book(settings.chain_id, settings.address_book)


def venues(settings: Settings) -> Mapping[str, str]:
    """The exchanges of ``oracle.venues`` with their addresses. A development chain has a time and prices of its own:
    there only those whose address is set."""
    own_time = settings.chain_id == DEV_CHAIN_ID
    told = {
        "coinbase": settings.coinbase_url,
        "kraken": settings.kraken_url,
        "binance": settings.binance_url,
        "deribit": settings.deribit_url,
    }
    found = {name: told[name] or (None if own_time else VENUES[name]) for name in settings.oracle.venues}
    if own_time and settings.deribit_url == PUBLIC_DERIBIT:
        found.pop("deribit", None)
    return {name: url for name, url in found.items() if url is not None}


def references(settings: Settings) -> Mapping[str, str]:
    """What exchanges call the assets, the tokens of ``oracle.feeds`` and USDC; those that none trades are left out."""
    symbols = ["USDC", *(asset.symbol for asset in settings.assets)]
    wanted = {symbol: REFERENCES.get(symbol, symbol) for symbol in symbols}
    named = {feed.symbol: feed.reference for feed in settings.oracle.feeds if feed.reference is not None}
    return {symbol: reference for symbol, reference in (wanted | named).items() if reference}


def key_source(settings: Settings) -> KeySource:
    """A keystore or a remote signer goes before a raw key, which a deployment file may carry."""
    raw, elsewhere = settings.private_key, settings.keystore is not None or settings.signer_url is not None
    secret = raw.get_secret_value() if raw is not None and not elsewhere else None
    return KeySource(settings.keystore, settings.keystore_password_file, secret, settings.signer_url)


def policy(settings: Settings) -> Policy:
    """The strategy in the domain's words and units. Raises InvalidSetting where its allocation cannot be made."""
    estimate, size, decision, plan = settings.estimate, settings.size, settings.decision, settings.plan
    urgencies = decision.urgency
    whole = Policy(
        assets=tuple(AssetPolicy(**asset.model_dump()) for asset in settings.assets),
        estimate=EstimatePolicy(**estimate.model_dump()),
        size=SizePolicy(
            **size.model_dump(exclude={"scenarios", "groups"}),
            scenarios=tuple(Scenario(scenario.name, scenario.loss) for scenario in size.scenarios),
            groups=tuple(AssetGroup(group.name, group.symbols, group.max_share) for group in size.groups),
        ),
        decision=DecisionPolicy(
            **decision.model_dump(exclude={"urgency", "gas_reserve_eth"}),
            gas_reserve_wei=round(decision.gas_reserve_eth * WEI_PER_ETH),
            limits=(
                _limits(Urgency.ROUTINE, urgencies.routine),
                _limits(Urgency.OUT_OF_BAND, urgencies.out_of_band),
                _limits(Urgency.EMERGENCY, urgencies.emergency),
            ),
        ),
        plan=PlanPolicy(**plan.model_dump()),
        daily=DailyPolicy(
            **settings.daily.model_dump(exclude={"max_gas_eth"}),
            max_gas_wei=round(settings.daily.max_gas_eth * WEI_PER_ETH),
        ),
        oracle=_oracle(settings),
    )
    _require_allocation(whole)
    return whole


def held(whole: Policy, symbols: Sequence[str]) -> tuple[Policy, tuple[str, ...]]:
    """The policy of these assets alone, budgets scaled to sum to 1, and the symbols that were left out.

    Groups lose the assets left out. Raises InvalidSetting when no asset is left, or the caps allow no portfolio
    of those that are.
    """
    left_out = tuple(asset.symbol for asset in whole.assets if asset.symbol not in symbols)
    if len(left_out) == len(whole.assets):
        raise InvalidSetting(
            f"assets: none of {', '.join(left_out)} is in the deployment ({', '.join(symbols) or 'empty'})",
            remedy="Name assets that the vault holds, spelled as the token's symbol.",
        )
    remaining = whole.of(symbols)
    _require_allocation(remaining)
    return remaining, left_out


def settings_hash(settings: Settings) -> str:
    """SHA-256 of strategy and addresses, the address book's too, in canonical JSON; no secret, no URL that may carry
    one. Raises InvalidSetting where the operator's address book is wrong."""
    values = settings.model_dump(mode="json", include={*STRATEGY, "chain_id", "vault", "quoter", "multicall"})
    if settings.redemption_queue is not None:
        values["redemption_queue"] = settings.redemption_queue
    listed = address_book(settings)
    if listed is not None:
        values["address_book"] = asdict(listed)
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _oracle(settings: Settings) -> OraclePolicy:
    table = settings.oracle
    own_time = settings.chain_id in (None, DEV_CHAIN_ID)
    told = {feed.symbol: feed for feed in table.feeds}
    listed = address_book(settings)
    known = [] if listed is None else [token.symbol for token in listed.tokens]
    return OraclePolicy(
        feeds=tuple(
            _feed(told.get(symbol, FeedTable(symbol=symbol)), listed)
            for symbol in dict.fromkeys((*told, *known))
        ),
        default_feed=_feed(FeedTable(symbol="*"), None),
        disagreement_bps=table.disagreement_bps,
        opinion_max_age_s=table.opinion_max_age_s,
        twap_window_s=table.twap_window_s,
        twap_min_depth_usd=table.twap_min_depth_usd,
        max_head_age_s=table.max_head_age_s or (None if own_time else MAX_HEAD_AGE_S),
    )


def _feed(table: FeedTable, listed: Book | None) -> FeedPolicy:
    """What the operator says; what is left open, as the address book knows it."""
    token = None if listed is None else listed.token(table.symbol)
    known = None if listed is None or token is None else listed.feed_of(token)
    heartbeat, deviation = table.heartbeat_s, table.deviation_bps
    if known is not None:
        heartbeat = known.heartbeat_s if heartbeat is None else heartbeat
        deviation = known.deviation_bps if deviation is None else deviation
    return FeedPolicy(
        symbol=table.symbol,
        heartbeat_s=heartbeat,
        grace_s=table.grace_s,
        deviation_bps=USUAL_DEVIATION_BPS if deviation is None else deviation,
        max_jump=table.max_jump,
    )


def _require_allocation(whole: Policy) -> None:
    """What sizing would refuse at every cycle is refused before the first."""
    from keeper.risk.allocations import require_available
    from keeper.risk.caps import caps_of, feasible_caps

    require_available(whole.size.allocation)
    caps = caps_of(whole.assets, whole.size.groups)
    if caps:
        feasible_caps(caps, tuple(asset.symbol for asset in whole.assets))


def _limits(urgency: Urgency, row: UrgencyTable) -> UrgencyLimits:
    return UrgencyLimits(
        urgency=urgency,
        max_gas_price_wei=round(row.max_gas_price_gwei * WEI_PER_GWEI),
        max_slippage_bps=row.max_slippage_bps,
        max_trade=row.max_trade,
        cooldown_s=row.cooldown_s,
        recentring=row.recentring,
    )
