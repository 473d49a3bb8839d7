"""What a vault's contracts tell people: roles, terms of the shares, and the lens that looks at all of it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keeper.chain.abi import artifact_of, load
from keeper.chain.calls import Call, call, mapped
from keeper.chain.contracts.vault import AssetEntry, LineView, RebalancerState
from keeper.domain.market import VaultPolicy
from keeper.domain.vault_state import ShareTermsInForce

_SHARES = load("VaultShares")
_REGISTRY = load("PolicyRegistry")
_TIMELOCK = load("TimelockController")
_LENS = load("VaultLens")
LENS_CODE: str = artifact_of("VaultLens")["runtime"]
"""The lens has no state, so its code can run within a call; it need not be on the chain."""


@dataclass(frozen=True, slots=True)
class QuoteView:
    """IPriceBook.Quote: USD with 8 decimals; ``fault`` is the place in IPriceBook.Fault."""

    price: int
    venue: int
    low: int
    high: int
    fault: int


@dataclass(frozen=True, slots=True)
class AccountView:
    """VaultLens.AccountView: raw, in the order of the assets."""

    account: str
    health_factor: int
    supplied: tuple[int, ...]
    owed: tuple[int, ...]
    thresholds_bps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LensView:
    """VaultLens.VaultView. ``idle`` is raw, in the order of the assets."""

    policy: VaultPolicy
    assets: tuple[AssetEntry, ...]
    quotes: tuple[QuoteView, ...]
    idle: tuple[int, ...]
    accounts: tuple[AccountView, ...]
    state: RebalancerState
    sequencer_up: bool
    paused: bool
    silent: bool
    closed: bool
    net_assets: int
    fairly_priced: bool
    share_supply: int
    line: LineView


def look(lens: str, shares: str) -> Call[LensView]:
    return mapped("lens", lens, _LENS["look"], _lens_view, shares)


def _lens_view(members: tuple[Any, ...]) -> LensView:
    policy, assets, quotes, idle, accounts, state, *plain = members
    return LensView(
        policy=VaultPolicy(*policy),
        assets=tuple(AssetEntry(*entry) for entry in assets),
        quotes=tuple(QuoteView(*entry) for entry in quotes),
        idle=tuple(idle),
        accounts=tuple(AccountView(*entry) for entry in accounts),
        state=RebalancerState(*state),
        sequencer_up=plain[0],
        paused=plain[1],
        silent=plain[2],
        closed=plain[3],
        net_assets=plain[4],
        fairly_priced=plain[5],
        share_supply=plain[6],
        line=LineView(*plain[7:]),
    )


def name(shares: str) -> Call[str]:
    return call("vault", shares, _SHARES["name"])


def interval(shares: str) -> Call[int]:
    """Seconds between two closings."""
    return call("vault", shares, _SHARES["INTERVAL"])


def terms(shares: str) -> Call[ShareTermsInForce]:
    return mapped("vault", shares, _SHARES["terms"], ShareTermsInForce)


def admin(registry: str) -> Call[str]:
    return call("registry", registry, _REGISTRY["admin"])


def guardian(registry: str) -> Call[str]:
    return call("registry", registry, _REGISTRY["guardian"])


def operations(registry: str) -> Call[str]:
    return call("registry", registry, _REGISTRY["operations"])


def last_seen(registry: str) -> Call[int]:
    """When keeper or admin last showed themselves to the registry, Unix seconds."""
    return call("registry", registry, _REGISTRY["lastSeen"])


def silence(registry: str) -> Call[int]:
    """Seconds without them after which anybody may wind the vault down."""
    return call("registry", registry, _REGISTRY["silence"])


def min_delay(timelock: str) -> Call[int]:
    """Seconds. Reverts where the address is no timelock."""
    return call("timelock", timelock, _TIMELOCK["getMinDelay"])
