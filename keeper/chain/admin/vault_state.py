"""A vault for its operator: limits, used budgets, allowlist, roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.chain.admin.transactions import contract_at
from keeper.chain.admin.vault_parameters import AssetParameters, PolicyParameters
from keeper.chain.contracts.vault import Budgets, PositionView
from keeper.chain.listed_pools import FEE_TIERS
from keeper.domain.errors import WrongContract

if TYPE_CHECKING:
    from web3 import Web3
    from web3.contract import Contract

ROLES = ("DEFAULT_ADMIN_ROLE", "KEEPER_ROLE", "GUARDIAN_ROLE")


@dataclass(frozen=True, slots=True)
class VaultState:
    """One vault at the latest block. ``roles`` maps names to holders; None if the node keeps no old logs."""

    address: str
    name: str
    epoch: int
    last_rebalance: int
    paused: bool
    position: PositionView
    policy: PolicyParameters
    used: Budgets
    assets: tuple[AssetParameters, ...]
    fee_tiers: tuple[int, ...]
    sequencer_feed: str
    sequencer_grace_s: int
    roles: dict[str, tuple[str, ...]] | None


def read_vault_state(w3: Web3, address: str) -> VaultState:
    """Reads the vault with plain calls. Raises WrongContract if the address is not a vault."""
    from web3.exceptions import BadFunctionCallOutput, ContractLogicError

    vault = contract_at(w3, "vault", address)
    call = vault.functions
    try:
        sequencer_feed, grace = call.sequencer().call()
        return VaultState(
            address=str(vault.address),
            name=call.name().call(),
            epoch=call.epoch().call(),
            last_rebalance=call.lastRebalance().call(),
            paused=call.paused().call(),
            position=PositionView(*call.position().call()),
            policy=PolicyParameters(*call.policy().call()),
            used=Budgets(*call.budgets().call()),
            assets=tuple(AssetParameters(*entry) for entry in call.assets().call()),
            fee_tiers=tuple(fee for fee in FEE_TIERS if call.feeTierAllowed(fee).call()),
            sequencer_feed=sequencer_feed,
            sequencer_grace_s=grace,
            roles=_roles(vault),
        )
    except (BadFunctionCallOutput, ContractLogicError) as error:
        raise WrongContract(
            f"{address} does not answer as a RiskParityVault: {error}", remedy="Check the vault's address."
        ) from error


def _roles(vault: Contract) -> dict[str, tuple[str, ...]] | None:
    from web3.exceptions import Web3RPCError

    try:
        granted = vault.events.RoleGranted().get_logs(from_block=0)
    except Web3RPCError:
        return None
    holders = {}
    for name in ROLES:
        role = vault.functions[name]().call()
        accounts = dict.fromkeys(log["args"]["account"] for log in granted if log["args"]["role"] == role)
        holders[name] = tuple(
            account for account in accounts if vault.functions.hasRole(role, account).call()
        )
    return holders
