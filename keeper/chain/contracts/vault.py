"""The vault's contracts: its shares, registry, rebalancer, price book, pricer and accounts, and the keeper's calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.chain.abi import load
from keeper.chain.calls import Call, call, mapped
from keeper.domain.line import LineCall, RoundHint
from keeper.domain.market import VaultPolicy
from keeper.domain.plan import StepKind, VaultCall

_SHARES = load("VaultShares")
_REGISTRY = load("PolicyRegistry")
_REBALANCER = load("Rebalancer")
_BOOK = load("PriceBook")
_PRICER = load("SharePricer")
_PORTFOLIO = load("Portfolio")
_ACCOUNT = load("AaveV3Account")
_STEP_KINDS = tuple(StepKind)
_WEIGHED = False
"""Whether an account is asked for its thresholds with its position. The keeper reads them of the reserves."""


@dataclass(frozen=True, slots=True)
class AssetEntry:
    """IPolicyRegistry's Asset."""

    token: str
    decimals: int
    dust_exponent: int
    max_weight_bps: int
    slippage_bps: int
    lag_bps: int
    enabled: bool
    borrowable: bool


@dataclass(frozen=True, slots=True)
class RebalancerState:
    """IRebalancer.State: Unix seconds; ``reserved`` raw; the last three in 1e-9 of NAV, spent in any 24 hours."""

    epoch: int
    guardian_epoch: int
    last_call: int
    last_keeper: int
    last_ripcord: int
    levering_closed_until: int
    reserved: int
    loss: int
    turnover: int
    guardian_loss: int


@dataclass(frozen=True, slots=True)
class LineView:
    """VaultShares.line: when the oldest batches that wait were closed, 0 for none; what waits, raw."""

    deposits_closed_at: int
    redemptions_closed_at: int
    pending_assets: int
    pending_shares: int


@dataclass(frozen=True, slots=True)
class HoldingsView:
    """Portfolio.holdings: idle and supplied less owed, and owed, raw, in the order of the registry's assets."""

    net: tuple[int, ...]
    owed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """What an account has supplied and owes, raw, in the order of the tokens."""

    supplied: tuple[int, ...]
    owed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RawStep:
    """IPortfolio's Step."""

    kind: StepKind
    account: int
    token: str
    pool: str
    amount: int
    limit: int


@dataclass(frozen=True, slots=True)
class RawFlash:
    """IPortfolio's Flash."""

    account: int
    token: str
    amount: int


# ------------------------------------------------------------------ the shares


def asset(shares: str) -> Call[str]:
    return call("vault", shares, _SHARES["asset"])


def registry(shares: str) -> Call[str]:
    return call("vault", shares, _SHARES["REGISTRY"])


def portfolio(shares: str) -> Call[str]:
    return call("vault", shares, _SHARES["PORTFOLIO"])


def pricer(shares: str) -> Call[str]:
    return call("vault", shares, _SHARES["PRICER"])


def total_shares(shares: str) -> Call[int]:
    return call("vault", shares, _SHARES["totalSupply"])


def line(shares: str) -> Call[LineView]:
    return mapped("vault", shares, _SHARES["line"], LineView)


def net_assets(pricer_: str) -> Call[int]:
    """Raw of the accounting asset at the present prices, fair or not."""
    return mapped("share pricer", pricer_, _PRICER["present"], lambda assets, _fair: int(assets))


def line_calldata(function: LineCall, hints: Sequence[RoundHint]) -> bytes:
    """``hints`` has one entry per asset of the registry; a closing takes none."""
    if function is LineCall.CLOSE:
        return _SHARES[function.value].encode()
    return _SHARES[function.value].encode([(hint.first, hint.last) for hint in hints])


def holdings(portfolio_: str) -> Call[HoldingsView]:
    """Of all accounts together."""
    return mapped(
        "portfolio",
        portfolio_,
        _PORTFOLIO["holdings"],
        build=lambda _tokens, net, owed: HoldingsView(tuple(net), tuple(owed)),
    )


# ---------------------------------------------------------------- the registry


def rebalancer(registry_: str) -> Call[str]:
    return call("registry", registry_, _REGISTRY["rebalancer"])


def book(registry_: str) -> Call[str]:
    return call("registry", registry_, _REGISTRY["book"])


def swap_factory(registry_: str) -> Call[str]:
    return call("registry", registry_, _REGISTRY["FACTORY"])


def keeper(registry_: str) -> Call[str]:
    """The zero address where the keeper was removed."""
    return call("registry", registry_, _REGISTRY["keeper"])


def paused(registry_: str) -> Call[bool]:
    return call("registry", registry_, _REGISTRY["paused"])


def policy(registry_: str) -> Call[VaultPolicy]:
    return mapped("registry", registry_, _REGISTRY["policy"], build=lambda members: VaultPolicy(*members))


def assets(registry_: str) -> Call[tuple[AssetEntry, ...]]:
    return mapped(
        "registry",
        registry_,
        _REGISTRY["assets"],
        build=lambda entries: tuple(AssetEntry(*entry) for entry in entries),
    )


def accounts(registry_: str) -> Call[tuple[str, ...]]:
    return mapped("registry", registry_, _REGISTRY["accounts"], build=tuple)


def is_listed(registry_: str, pool: str) -> Call[bool]:
    return mapped("registry", registry_, _REGISTRY["pool"], lambda members: bool(members[2]), pool)


def feed_of(book_: str, token: str) -> Call[tuple[str, int]]:
    """The token's feed, and the age in seconds up to which its price is fresh."""
    return mapped("price book", book_, _BOOK["feedOf"], lambda feed, max_age: (feed, max_age), token)


def prices(book_: str, account: str, tokens: Sequence[str]) -> Call[tuple[int, ...]]:
    """USD with 8 decimals, as the vault counts: the feed's, or the venue's where the feed has none."""
    return mapped(
        "price book",
        book_,
        _BOOK["quotes"],
        lambda quotes, _up: tuple(int(quote[0]) for quote in quotes),
        list(tokens),
        account,
        0,
    )


def sequencer(book_: str) -> Call[tuple[str, int]]:
    """Feed (the zero address: none) and grace period in seconds."""
    return mapped("price book", book_, _BOOK["sequencer"], lambda feed, grace: (feed, grace))


# ------------------------------------------------------------------ an account


def lending_pool(account: str) -> Call[str]:
    return call("account", account, _ACCOUNT["POOL"])


def position(account: str, tokens: Sequence[str]) -> Call[Position]:
    return mapped(
        "account",
        account,
        _ACCOUNT["positions"],
        lambda supplied, owed, _thresholds: Position(tuple(supplied), tuple(owed)),
        list(tokens),
        _WEIGHED,
    )


def health_factor(account: str) -> Call[int]:
    """With 18 decimals, 2^256-1 without debt."""
    return call("account", account, _ACCOUNT["healthFactor"])


# -------------------------------------------------------------- the rebalancer


def state(rebalancer_: str) -> Call[RebalancerState]:
    return mapped(
        "rebalancer", rebalancer_, _REBALANCER["state"], build=lambda members: RebalancerState(*members)
    )


def calldata(
    function: VaultCall, epoch: int, deadline: int, flash: RawFlash, steps: Sequence[RawStep]
) -> bytes:
    """rebalance or deleverage."""
    return _REBALANCER[function.value].encode(
        epoch,
        deadline,
        (flash.account, flash.token, flash.amount),
        [
            (
                _STEP_KINDS.index(step.kind),
                step.account,
                step.token,
                step.pool,
                step.amount,
                step.limit,
            )
            for step in steps
        ],
    )


def allowance(token: str, owner: str, spender: str) -> Call[int]:
    """Raw; the shares' own ABI has an ERC-20's."""
    return call("token", token, _SHARES["allowance"], owner, spender)
