"""RiskParityVault: its policy, state and position, and the two calls the keeper makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from keeper.chain.abi import load
from keeper.chain.calls import Call, call, mapped
from keeper.domain.market import VaultPolicy
from keeper.domain.plan import StepKind, VaultCall

_ABI = load("RiskParityVault")
_NAME = "vault"
_KEEPER_ROLE = keccak(text="KEEPER_ROLE")
_STEP_KINDS = tuple(StepKind)


@dataclass(frozen=True, slots=True)
class AssetConfig:
    """IRiskParityVault.AssetConfig."""

    token: str
    feed: str
    max_age_s: int
    max_weight_bps: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class Budgets:
    """IRiskParityVault.Budgets: used parts, 1e18 fractions of NAV."""

    loss: int
    emergency_loss: int
    turnover: int


@dataclass(frozen=True, slots=True)
class PositionView:
    """IRiskParityVault.Position: USD with 8 decimals, ratios 1e18."""

    nav_usd: int
    gross_usd: int
    debt_usd: int
    leverage: int
    health_factor: int


@dataclass(frozen=True, slots=True)
class RawStep:
    """IRiskParityVault.Step with addresses instead of symbols."""

    kind: StepKind
    token: str
    amount: int
    limit: int
    path: bytes


def asset(vault: str) -> Call[str]:
    return call(_NAME, vault, _ABI["asset"])


def assets(vault: str) -> Call[tuple[AssetConfig, ...]]:
    return mapped(
        _NAME, vault, _ABI["assets"], build=lambda entries: tuple(AssetConfig(*entry) for entry in entries)
    )


def lending_pool(vault: str) -> Call[str]:
    return call(_NAME, vault, _ABI["lendingPool"])


def epoch(vault: str) -> Call[int]:
    return call(_NAME, vault, _ABI["epoch"])


def last_rebalance(vault: str) -> Call[int]:
    return call(_NAME, vault, _ABI["lastRebalance"])


def paused(vault: str) -> Call[bool]:
    return call(_NAME, vault, _ABI["paused"])


def policy(vault: str) -> Call[VaultPolicy]:
    return mapped(_NAME, vault, _ABI["policy"], build=lambda members: VaultPolicy(*members))


def budgets(vault: str) -> Call[Budgets]:
    return mapped(_NAME, vault, _ABI["budgets"], build=lambda members: Budgets(*members))


def position(vault: str) -> Call[PositionView]:
    """Reverts where a held asset's feed has no positive answer."""
    return mapped(_NAME, vault, _ABI["position"], build=lambda members: PositionView(*members))


def total_assets(vault: str) -> Call[int]:
    """Reverts where a held asset's feed has no positive answer."""
    return call(_NAME, vault, _ABI["totalAssets"])


def total_shares(vault: str) -> Call[int]:
    return call(_NAME, vault, _ABI["totalSupply"])


def fee_tier_allowed(vault: str, fee: int) -> Call[bool]:
    """``fee`` in hundredths of a bp, as Uniswap names it."""
    return call(_NAME, vault, _ABI["feeTierAllowed"], fee)


def sequencer(vault: str) -> Call[tuple[str, int]]:
    """Feed (the zero address: none) and grace period in seconds."""
    return mapped(_NAME, vault, _ABI["sequencer"], build=lambda feed, grace: (feed, grace))


def is_keeper(vault: str, account: str) -> Call[bool]:
    return call(_NAME, vault, _ABI["hasRole"], _KEEPER_ROLE, account)


def calldata(
    function: VaultCall, epoch: int, deadline: int, flash_amount: int, steps: Sequence[RawStep]
) -> bytes:
    """rebalance or deleverage."""
    return _ABI[function.value].encode(
        epoch,
        deadline,
        flash_amount,
        [(_STEP_KINDS.index(step.kind), step.token, step.amount, step.limit, step.path) for step in steps],
    )


def swap_router(vault: str) -> Call[str]:
    return call(_NAME, vault, _ABI["swapRouter"])


def allowance(token: str, owner: str, spender: str) -> Call[int]:
    """Raw; the vault's own ABI has an ERC-20's."""
    return call("token", token, _ABI["allowance"], owner, spender)
