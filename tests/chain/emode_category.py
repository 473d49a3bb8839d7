"""An eMode category on the local chain."""

from __future__ import annotations

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at, send


def make_category(
    chain: LocalChain, number: int, label: str, *, collateral: str, ltv_zero: bool = False
) -> None:
    """In which USDC may be borrowed."""
    provider = contract_at(
        chain.w3, "PoolAddressesProvider", chain.deployment.contracts["aave_addresses_provider"]
    )
    configurator = contract_at(
        chain.w3, "PoolConfiguratorInstance", provider.functions.getPoolConfigurator().call()
    ).functions
    token, usdc = chain.tokens[collateral].address, chain.tokens["USDC"].address
    send(chain.w3, configurator.setEModeCategory(number, 9_300, 9_500, 10_100, label), chain.owner)
    send(chain.w3, configurator.setAssetCollateralInEMode(token, number, True), chain.owner)
    send(chain.w3, configurator.setAssetBorrowableInEMode(usdc, number, True), chain.owner)
    if ltv_zero:
        send(chain.w3, configurator.setAssetLtvzeroInEMode(token, number, True), chain.owner)
