"""A vault as a person looks at it: roles, limits, lists, what it holds, and who waits. The keeper does not decide by
it."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.line import Line
from keeper.domain.market import Block, SwapPool, VaultPolicy


@dataclass(frozen=True, slots=True)
class RoleHolder:
    """``account`` is None where the keeper was removed. ``delay_s`` is the timelock's, None for other roles."""

    role: str
    account: str | None
    delay_s: int | None = None


@dataclass(frozen=True, slots=True)
class ListedAsset:
    """One asset of the registry. ``price`` has 8 decimals; ``fault`` is the price book's word for what is wrong with
    it, empty if nothing is. Amounts are raw."""

    symbol: str
    token: str
    decimals: int
    feed: str
    max_age_s: int
    price: int
    fault: str
    idle: int
    dust: int
    max_weight_bps: int
    slippage_bps: int
    lag_bps: int
    enabled: bool
    borrowable: bool


@dataclass(frozen=True, slots=True)
class AccountPosition:
    """What one account has of one asset, raw."""

    account: str
    symbol: str
    decimals: int
    supplied: int
    owed: int


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """``health_factor`` has 18 decimals, 2^256-1 without debt."""

    account: str
    health_factor: int
    positions: tuple[AccountPosition, ...]


@dataclass(frozen=True, slots=True)
class UsedWindows:
    """What the last 24 hours used, fractions of NAV."""

    loss: float
    turnover: float
    guardian_loss: float


@dataclass(frozen=True, slots=True)
class ShareTermsInForce:
    """VaultShares.terms: ``cap`` raw, costs in bps."""

    cap: int
    allowed_only: bool
    management_bps: int
    performance_bps: int
    spread_bps: int
    fee_receiver: str


@dataclass(frozen=True, slots=True)
class VaultState:
    """``assets[0]`` is the accounting asset; ``net_assets``, ``reserved`` and ``line`` are in its raw units or in raw
    shares. Times are Unix seconds, 0 for never."""

    block: Block
    address: str
    name: str
    symbol: str
    share_decimals: int
    registry: str
    portfolio: str
    rebalancer: str
    roles: tuple[RoleHolder, ...]
    paused: bool
    silent: bool
    closed: bool
    last_seen: int
    silence_s: int
    epoch: int
    last_call: int
    levering_closed_until: int
    policy: VaultPolicy
    used: UsedWindows
    net_assets: int
    fairly_priced: bool
    total_shares: int
    reserved: int
    assets: tuple[ListedAsset, ...]
    accounts: tuple[AccountHealth, ...]
    pools: tuple[SwapPool, ...]
    terms: ShareTermsInForce
    batch_interval_s: int
    line: Line
