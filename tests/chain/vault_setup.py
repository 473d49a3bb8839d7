"""Deploys a vault for a test onto the local chain."""

from __future__ import annotations

from collections.abc import Sequence

from web3 import Web3

from keeper.chain.admin.transactions import contract_at
from keeper.chain.admin.vault_deployment import deploy_vault
from keeper.chain.admin.vault_parameters import AssetParameters, VaultParameters
from keeper.devnet.local_chain import LocalChain
from tests.chain.vault_scene import RISKY, People, Scene


def vault_parameters(chain: LocalChain) -> VaultParameters:
    """All five tokens with the default policy; a price may be a day old, so that tests need not refresh feeds."""
    people = _people(chain.w3)
    return VaultParameters(
        asset=chain.tokens["USDC"].address,
        lending_pool=chain.pool.address,
        swap_router=chain.uniswap.router,
        swap_factory=chain.uniswap.factory,
        admin=people.admin,
        keeper=people.keeper,
        guardian=people.guardian,
        assets=tuple(
            AssetParameters(chain.tokens[symbol].address, chain.feeds.addresses[symbol], max_age_s=86_400)
            for symbol in ("USDC", *RISKY)
        ),
    )


def vault_scene(chain: LocalChain) -> Scene:
    """Deploys a vault onto the chain; the node's first account is the deployer."""
    w3: Web3 = chain.w3
    deployment = deploy_vault(w3, w3.eth.accounts[0], vault_parameters(chain))
    return Scene(
        w3=w3,
        vault=contract_at(w3, "vault", deployment.address),
        tokens={symbol: chain.tokens[symbol] for symbol in ("USDC", *RISKY)},
        people=_people(w3),
        pool=chain.pool,
        owner=chain.owner,
        uniswap=chain.uniswap,
        fund=chain.fund,
        deployment=deployment,
    )


def _people(w3: Web3) -> People:
    accounts: Sequence[str] = w3.eth.accounts
    admin, keeper, guardian, depositor, stranger = accounts[1:6]
    return People(admin, keeper, guardian, depositor, stranger)
