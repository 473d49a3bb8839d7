"""Deploys a RiskParityVault in one transaction.

The constructor grants the roles, so the deployer holds none unless it is the admin. The compiled contract is in
contracts_abi/RiskParityVault.json, so deploying needs no compiler.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from keeper.chain.admin.transactions import VaultDeployment, deploy
from keeper.chain.admin.vault_parameters import PolicyParameters, VaultParameters, check

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3


def deploy_vault(w3: Web3, sender: LocalAccount | str, parameters: VaultParameters) -> VaultDeployment:
    """Sends the deployment and waits for its receipt.

    ``sender`` as for ``mined``. Raises InvalidSetting before anything is sent, Refused if the constructor reverts,
    NodeUnavailable if no receipt comes.
    """
    return deploy(w3, sender, "vault", argument=constructor_argument(parameters))


def constructor_argument(parameters: VaultParameters) -> tuple[Any, ...]:
    """RiskParityVault.Deployment, in its order. Raises InvalidSetting for values that are wrong on every chain."""
    check(parameters)
    policy = tuple(getattr(parameters.policy, field.name) for field in fields(PolicyParameters))
    return (
        parameters.asset,
        parameters.name,
        parameters.symbol,
        parameters.lending_pool,
        parameters.swap_router,
        parameters.swap_factory,
        parameters.admin,
        parameters.keeper,
        parameters.guardian,
        policy,
        tuple(
            (entry.token, entry.feed, entry.max_age_s, entry.max_weight_bps, entry.enabled)
            for entry in parameters.assets
        ),
        parameters.fee_tiers,
        parameters.sequencer_feed,
        parameters.sequencer_grace_s,
    )
