"""The blueprint of a vault on the local chain, and what a pool needs before it can be listed."""

from __future__ import annotations

from keeper.chain.admin.vault_blueprint import AssetListing, TimelockTerms, VaultBlueprint, VaultRoles
from keeper.devnet.local_chain import HEARTBEAT_GRACE_S, LocalChain
from keeper.devnet.market_hours import heartbeat_s

DAY_S = 86_400
OBSERVED_S = 5 * 3_600
"""A pool must remember four hours."""
DUST_EXPONENTS = {"USDC": 5, "WBTC": 3, "WETH": 14, "LINK": 17, "UNI": 17}
SLOW_S = 86_400


def let_pools_age(chain: LocalChain) -> None:
    chain.pass_time(OBSERVED_S)


def blueprint(chain: LocalChain) -> VaultBlueprint:
    """Every token and pool of the chain, with a new timelock whose proposer is the chain's admin."""
    accounts = chain.deployment.accounts
    return VaultBlueprint(
        lending_pool=chain.deployment.contracts["aave_pool"],
        swap_factory=chain.deployment.contracts["uniswap_factory"],
        roles=VaultRoles(
            keeper=accounts["keeper"], guardian=accounts["guardian"], operations=accounts["stranger"]
        ),
        timelock=TimelockTerms(DAY_S, (accounts["admin"],), (accounts["admin"],)),
        assets=tuple(
            AssetListing(
                token=token.address,
                decimals=token.decimals,
                feed=chain.feeds.addresses[symbol],
                max_age_s=heartbeat_s(symbol) + HEARTBEAT_GRACE_S,
                dust_exponent=DUST_EXPONENTS[symbol],
                borrowable=symbol == "USDC",
            )
            for symbol, token in sorted(chain.tokens.items(), key=lambda entry: entry[0] != "USDC")
        ),
        pools=tuple(pool.address for pool in chain.deployment.pools),
        sequencer_feed=chain.feeds.sequencer,
        sequencer_grace_s=3_600,
    )
