"""``keeper vault show``: roles, limits with what is used of them, lists, positions, and the line of requests."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.market import SwapPool
from keeper.domain.units import BPS, USD, WAD, health_factor_of
from keeper.domain.vault_state import AccountHealth, AccountPosition, ListedAsset, RoleHolder, VaultState
from keeper.views import formats as unit
from keeper.views.view import Field, View, nested_list

UNLIMITED = 2**128 - 1
FEE_UNIT = 1_000_000
"""Uniswap counts fees in hundredths of a bp."""


@dataclass(frozen=True, slots=True)
class LimitRow:
    """``limit`` and ``used`` in the unit that ``written`` writes; ``used`` is None where nothing is counted."""

    name: str
    limit: float
    used: float | None
    written: unit.Format


@dataclass(frozen=True, slots=True)
class RequestsRow:
    """One side of the line. ``pending`` is raw, ``closed_at`` when its oldest batch that waits closed, 0 for none."""

    side: str
    pending: int
    decimals: int
    symbol: str
    worth: int
    closed_at: int


def limit_rows(state: VaultState) -> tuple[LimitRow, ...]:
    policy, used = state.policy, state.used
    parts = (
        ("loss in 24 hours", policy.daily_loss_bps, used.loss),
        ("sold in 24 hours", policy.daily_turnover_bps, used.turnover),
        ("guardian's loss in 24 hours", policy.guardian_loss_bps, used.guardian_loss),
        ("loss of one call", policy.max_loss_bps, None),
        ("emergency's loss, of debt", policy.emergency_loss_bps, None),
        ("ripcord's loss, of debt", policy.ripcord_loss_bps, None),
        ("gap of feed and venue", policy.max_gap_bps, None),
    )
    ratios = (
        ("leverage", policy.max_leverage),
        ("health after a rebalance", policy.min_health),
        ("health of an emergency", policy.emergency_health),
        ("health that an emergency may reach", policy.target_health),
        ("health of the ripcord", policy.ripcord_health),
    )
    times = (
        ("between two rebalances", policy.min_interval),
        ("between two ripcords", policy.ripcord_interval),
    )
    return (
        *(LimitRow(name, bps / BPS, spent, written=unit.FRACTION_2) for name, bps, spent in parts),
        *(LimitRow(name, wad / WAD, None, written=unit.RATIO) for name, wad in ratios),
        *(LimitRow(name, seconds, None, written=unit.SECONDS) for name, seconds in times),
    )


def requests_rows(state: VaultState) -> tuple[RequestsRow, ...]:
    cash, line = state.assets[0], state.line
    worth = 0 if state.total_shares == 0 else line.pending_shares * state.net_assets // state.total_shares
    return (
        RequestsRow(
            side="deposits",
            pending=line.pending_assets,
            decimals=cash.decimals,
            symbol=cash.symbol,
            worth=line.pending_assets,
            closed_at=line.deposits_closed_at,
        ),
        RequestsRow(
            side="redemptions",
            pending=line.pending_shares,
            decimals=state.share_decimals,
            symbol=state.symbol,
            worth=worth,
            closed_at=line.redemptions_closed_at,
        ),
    )


def _health(account: AccountHealth) -> float:
    return health_factor_of(account.health_factor)


def _share_price(state: VaultState) -> float | None:
    if state.total_shares == 0:
        return None
    per_raw = state.net_assets / state.total_shares
    return per_raw * 10.0 ** (state.share_decimals - state.assets[0].decimals)


ROLE = View[RoleHolder](
    "roles",
    role=Field(unit.TEXT, "Name of the role."),
    account=Field(unit.TEXT, "Account that has it; null where the keeper was removed."),
    delay_s=Field(unit.SECONDS, "Delay of the timelock; null for the other roles."),
)
LIMIT = View[LimitRow](
    "limits",
    name=Field(unit.TEXT, "What is limited."),
    limit=Field(unit.LIMIT, "The limit: a fraction, a ratio or seconds."),
    used=Field(
        unit.LIMIT, "What the last 24 hours used of it, fraction of NAV; null where nothing is counted."
    ),
)
LISTED_ASSET = View[ListedAsset](
    "listed assets",
    symbol=Field(unit.TEXT, "The asset."),
    token=Field(unit.TEXT, "Address of the token."),
    price_usd=Field(unit.PRICE, "Price by the vault's price book.", lambda it: it.price / USD),
    fault=Field(unit.TEXT, "What is wrong with the price: gap, venue only, dead; empty if nothing is."),
    idle=Field(unit.RAW, "Idle in the portfolio."),
    dust=Field(unit.RAW, "Less of it counts for nothing."),
    max_weight=Field(
        unit.FRACTION, "Largest value / NAV after a purchase.", lambda it: it.max_weight_bps / BPS
    ),
    slippage=Field(
        unit.FRACTION_2, "Shortfall of a swap beyond the pool's fee.", lambda it: it.slippage_bps / BPS
    ),
    lag=Field(unit.FRACTION_2, "How far the feed may lag behind the market.", lambda it: it.lag_bps / BPS),
    feed=Field(unit.TEXT, "Address of the price feed."),
    max_age_s=Field(unit.SECONDS, "Age up to which its price is fresh."),
    enabled=Field(unit.FLAG, "Whether it may be bought."),
    borrowable=Field(unit.FLAG, "Whether it may be owed."),
)
POSITION = View[AccountPosition](
    "positions",
    symbol=Field(unit.TEXT, "The asset."),
    supplied=Field(unit.RAW, "Supplied as collateral."),
    owed=Field(unit.RAW, "Debt."),
)
ACCOUNT = View[AccountHealth](
    "accounts",
    account=Field(unit.TEXT, "Address of the account."),
    health_factor=Field(unit.RATIO, "Aave's health factor; null without debt.", _health),
    positions=Field(nested_list(POSITION), "What it has supplied and owes."),
)
LISTED_POOL = View[SwapPool](
    "listed pools",
    symbols=Field(unit.TEXTS, "The two tokens."),
    fee=Field(unit.FRACTION_2, "The pool's fee.", lambda it: it.fee / FEE_UNIT),
    address=Field(unit.TEXT, "Address of the pool."),
)
REQUESTS = View[RequestsRow](
    "requests",
    side=Field(unit.TEXT, "deposits or redemptions."),
    pending=Field(unit.RAW, "What is requested and not settled, of the accounting asset or of shares."),
    worth=Field(unit.RAW, "The same in the accounting asset, at the present price of a share."),
    closed_at=Field(
        unit.TIME,
        "When the oldest batch that waits for its price closed; null if none did.",
        lambda it: it.closed_at or None,
    ),
)
VAULT_STATE = View[VaultState](
    "vault state",
    block_number=Field(unit.COUNT, "Number of the block that everything was read at.", "block.number"),
    block_time=Field(unit.TIME, "Time of that block.", "block.timestamp"),
    address=Field(unit.TEXT, "Address of the vault's shares."),
    name=Field(unit.TEXT, "Name of the shares."),
    symbol=Field(unit.TEXT, "Their symbol."),
    registry=Field(unit.TEXT, "Address of the registry."),
    portfolio=Field(unit.TEXT, "Address of the portfolio."),
    rebalancer=Field(unit.TEXT, "Address of the rebalancer."),
    paused=Field(unit.FLAG, "Whether the vault is paused."),
    closed=Field(unit.FLAG, "Whether holders may leave in kind."),
    silent=Field(unit.FLAG, "Whether anybody may wind the vault down."),
    last_seen=Field(unit.TIME, "When keeper or admin last showed themselves."),
    silence_s=Field(unit.SECONDS, "Time without them after which anybody may wind the vault down."),
    epoch=Field(unit.INTEGER, "Number of calls so far."),
    last_call=Field(unit.TIME, "Time of the last call; null if none.", lambda it: it.last_call or None),
    levering_closed_until=Field(
        unit.TIME,
        "Nothing is borrowed before; null if it may be.",
        lambda it: it.levering_closed_until if it.levering_closed_until > it.block.timestamp else None,
    ),
    net_assets=Field(unit.RAW, "Net assets, of the accounting asset."),
    fairly_priced=Field(unit.FLAG, "Whether shares can be priced now."),
    total_shares=Field(unit.RAW, "Shares that exist."),
    share_price=Field(
        unit.PRICE, "Price of a share in the accounting asset; null without shares.", _share_price
    ),
    reserved=Field(unit.RAW, "Cash that a rebalance leaves to the redemptions."),
    cap=Field(
        unit.RAW,
        "Cap on the accounting asset, requests included; null for none.",
        lambda it: None if it.terms.cap == UNLIMITED else it.terms.cap,
    ),
    allowed_only=Field(unit.FLAG, "Whether only allowed depositors may deposit.", "terms.allowed_only"),
    management=Field(unit.FRACTION_2, "Management fee a year.", lambda it: it.terms.management_bps / BPS),
    performance=Field(unit.FRACTION_2, "Performance fee.", lambda it: it.terms.performance_bps / BPS),
    spread=Field(
        unit.FRACTION_2, "Stays in the vault at entry and exit.", lambda it: it.terms.spread_bps / BPS
    ),
    batch_interval_s=Field(unit.SECONDS, "Shortest time between two closings."),
    roles=Field(nested_list(ROLE), "Accounts with power."),
    limits=Field(nested_list(LIMIT), "The policy, with what is used of it.", limit_rows),
    assets=Field(nested_list(LISTED_ASSET), "Listed assets; the first is the accounting asset."),
    accounts=Field(nested_list(ACCOUNT), "Positions on the lending market."),
    pools=Field(nested_list(LISTED_POOL), "Pools that swaps may use."),
    requests=Field(nested_list(REQUESTS), "What waits to be settled.", requests_rows),
)
