"""From checked settings to the frozen values the rest of the keeper takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keeper.domain.errors import InvalidSetting
from keeper.domain.policy import (
    AssetPolicy,
    DailyPolicy,
    DecisionPolicy,
    EstimatePolicy,
    Group,
    PlanPolicy,
    Policy,
    Scenario,
    SizePolicy,
    UrgencyLimits,
)
from keeper.domain.urgency import Urgency
from keeper.settings.fields import variable
from keeper.settings.schema import STRATEGY, Settings
from keeper.settings.strategy import UrgencyTable

WEI_PER_GWEI = 10**9
WEI_PER_ETH = 10**18
REQUIRED = ("rpc_url", "chain_id", "vault", "quoter")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the world is. ``rpc_url`` and ``journal_url`` may carry credentials: they are not in the repr."""

    rpc_url: str = field(repr=False)
    chain_id: int
    vault: str
    quoter: str
    multicall: str
    deribit_url: str
    journal_url: str = field(repr=False)
    pause_file: Path
    lock_directory: Path | None
    private_rpc_url: str | None = field(default=None, repr=False)


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
    missing = [name for name in REQUIRED if getattr(settings, name) is None]
    if (
        settings.rpc_url is None
        or settings.chain_id is None
        or settings.vault is None
        or settings.quoter is None
    ):
        raise InvalidSetting(
            f"missing: {', '.join(variable(name) for name in missing)}",
            remedy="Set them in the environment or in .env (see .env.example), or point KEEPER_DEPLOYMENT "
            "to the deployment file that `keeper devnet` wrote. Nothing was started.",
        )
    return Endpoints(
        rpc_url=settings.rpc_url,
        chain_id=settings.chain_id,
        vault=settings.vault,
        quoter=settings.quoter,
        multicall=settings.multicall,
        deribit_url=settings.deribit_url,
        journal_url=settings.journal_url,
        pause_file=settings.pause_file,
        lock_directory=settings.lock_directory,
        private_rpc_url=settings.private_rpc_url,
    )


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
            groups=tuple(Group(group.name, group.symbols, group.max_share) for group in size.groups),
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
    """SHA-256 of strategy and addresses in canonical JSON; no secret, no URL that may carry one."""
    values = settings.model_dump(mode="json", include={*STRATEGY, "chain_id", "vault", "quoter", "multicall"})
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _require_allocation(whole: Policy) -> None:
    """What sizing would refuse at every cycle is refused before the first."""
    from keeper.risk.allocations import require_available
    from keeper.risk.caps import caps_of, limits

    require_available(whole.size.allocation)
    caps = caps_of(whole.assets, whole.size.groups)
    if caps:
        limits(caps, tuple(asset.symbol for asset in whole.assets))


def _limits(urgency: Urgency, row: UrgencyTable) -> UrgencyLimits:
    return UrgencyLimits(
        urgency=urgency,
        max_gas_price_wei=round(row.max_gas_price_gwei * WEI_PER_GWEI),
        max_slippage_bps=row.max_slippage_bps,
        max_trade=row.max_trade,
        cooldown_s=row.cooldown_s,
        recentring=row.recentring,
    )
