"""An Aave V3.6 market: its own contracts, mainnet's parameters, and other people's supplies and debts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from keeper.devnet import all_weather_terms
from keeper.devnet.compile import artifact
from keeper.devnet.feeds import Feeds
from keeper.devnet.tokens import fund
from keeper.devnet.transactions import NO_ADDRESS, contract_at, deployed, send
from keeper.domain.market import Token
from keeper.domain.units import BPS, UINT256_MAX, USD
from keeper.recorded.aave import FLASH_LOAN_PREMIUM_BPS, RESERVES, ReserveParameters
from keeper.recorded.stable import STABLE

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.contract import Contract

VARIABLE_RATE = 2
LISTED = (*RESERVES, *all_weather_terms.RESERVES)
GOLD = "XAUt"
GOLD_CATEGORY = (43, 7_500, 8_000, BPS + 600, "XAUt__USDC")
"""Number, LTV, liquidation threshold, bonus (bps) and label. The number is mainnet's; its terms are from memory."""
RESERVES_PER_TRANSACTION = 5
"""Each takes some 1.5 M gas; EIP-7825 lets one transaction use 16.8 M."""


def categories(symbols: Collection[str]) -> tuple[int, ...]:
    """The eMode of each of a vault's accounts: one at plain terms, and beside gold one in gold's."""
    return (0, GOLD_CATEGORY[0]) if GOLD in symbols else (0,)


def deploy_aave(
    w3: Web3,
    deployer: ChecksumAddress,
    tokens: Mapping[str, Token],
    feeds: Feeds,
    progress: Callable[[str], None],
) -> dict[str, str]:
    """Deploys the market and lists every token; its oracle reads the same feeds as the vault. Returns the addresses as
    the deployment file names them."""
    progress("Aave pool and libraries")
    provider = deployed(w3, deployer, "PoolAddressesProvider", "Local", deployer)
    send(w3, provider.functions.setACLAdmin(deployer), deployer)
    acl = deployed(w3, deployer, "ACLManager", provider.address)
    send(w3, provider.functions.setACLManager(acl.address), deployer)
    send(w3, acl.functions.addPoolAdmin(deployer), deployer)

    listed = [reserve for reserve in LISTED if reserve.symbol in tokens]
    symbols = [reserve.symbol for reserve in listed]
    oracle = deployed(
        w3,
        deployer,
        "AaveOracle",
        provider.address,
        [tokens[symbol].address for symbol in symbols],
        [feeds.addresses[symbol] for symbol in symbols],
        NO_ADDRESS,
        NO_ADDRESS,
        USD,
    )
    send(w3, provider.functions.setPriceOracle(oracle.address), deployer)
    rates = deployed(w3, deployer, "DefaultReserveInterestRateStrategyV2", provider.address)
    logic = _deploy_linked(w3, deployer, "PoolInstance", provider.address, rates.address, made={})
    send(w3, provider.functions.setPoolImpl(logic.address), deployer)
    pool = contract_at(w3, "PoolInstance", provider.functions.getPool().call())
    logic = _deploy_linked(w3, deployer, "PoolConfiguratorInstance", made={})
    send(w3, provider.functions.setPoolConfiguratorImpl(logic.address), deployer)
    configurator = contract_at(
        w3, "PoolConfiguratorInstance", provider.functions.getPoolConfigurator().call()
    )
    data_provider = deployed(w3, deployer, "AaveProtocolDataProvider", provider.address)
    send(w3, provider.functions.setPoolDataProvider(data_provider.address), deployer)

    progress("Aave reserves")
    _list_reserves(w3, deployer, pool, configurator=configurator, tokens=tokens, listed=listed)
    return {
        "aave_addresses_provider": provider.address,
        "aave_pool": pool.address,
        "aave_oracle": oracle.address,
        "aave_data_provider": data_provider.address,
    }


def lend_and_borrow(
    w3: Web3, others: ChecksumAddress, owner: ChecksumAddress, pool_address: str, tokens: Mapping[str, Token]
) -> None:
    """What other people have supplied and owe, so that there is liquidity, a utilisation and a rate."""
    pool = contract_at(w3, "PoolInstance", pool_address)
    listed = [reserve for reserve in LISTED if reserve.symbol in tokens]
    for reserve in listed:
        token = tokens[reserve.symbol]
        amount = reserve.supplied * 10**token.decimals
        fund(w3, owner, token, account=others, amount=amount)
        erc20 = contract_at(w3, "ERC20", token.address)
        send(w3, erc20.functions.approve(pool.address, UINT256_MAX), others)
        send(w3, pool.functions.supply(token.address, amount, others, 0), others)
    for reserve in listed:
        token = tokens[reserve.symbol]
        amount = reserve.borrowed * 10**token.decimals
        send(w3, pool.functions.borrow(token.address, amount, VARIABLE_RATE, 0, others), others)


def _deploy_linked(
    w3: Web3, deployer: ChecksumAddress, name: str, *arguments: object, made: dict[str, str]
) -> Contract:
    """Deploys the contract, after those of its libraries that are not in ``made``, name to address."""
    for library in sorted({library for libraries in artifact(name).links.values() for library in libraries}):
        if library not in made:
            made[library] = _deploy_linked(w3, deployer, library, made=made).address
    return deployed(w3, deployer, name, *arguments, libraries=made)


def _list_reserves(
    w3: Web3,
    deployer: ChecksumAddress,
    pool: Contract,
    configurator: Contract,
    tokens: Mapping[str, Token],
    listed: Sequence[ReserveParameters],
) -> None:
    a_token = deployed(w3, deployer, "ATokenInstance", pool.address, NO_ADDRESS, deployer).address
    debt_token = deployed(w3, deployer, "VariableDebtTokenInstance", pool.address, NO_ADDRESS).address
    inputs = [
        (
            a_token,
            debt_token,
            tokens[reserve.symbol].address,
            f"Aave Ethereum {reserve.symbol}",
            f"aEth{reserve.symbol}",
            f"Aave Ethereum Variable Debt {reserve.symbol}",
            f"variableDebtEth{reserve.symbol}",
            b"",
            w3.codec.encode(
                ["(uint16,uint32,uint32,uint32)"],
                [(reserve.optimal, reserve.base, reserve.slope1, reserve.slope2)],
            ),
        )
        for reserve in listed
    ]
    for first in range(0, len(inputs), RESERVES_PER_TRANSACTION):
        chunk = inputs[first : first + RESERVES_PER_TRANSACTION]
        send(w3, configurator.functions.initReserves(chunk), deployer)
    for reserve in listed:
        token = tokens[reserve.symbol].address
        functions = configurator.functions
        collateral = (token, reserve.ltv, reserve.liquidation_threshold, BPS + reserve.liquidation_bonus)
        for call in (
            functions.configureReserveAsCollateral(*collateral),
            functions.setReserveBorrowing(token, True),
            functions.setReserveFlashLoaning(token, True),
            functions.setReserveFactor(token, reserve.reserve_factor),
            functions.setSupplyCap(token, reserve.supply_cap),
            functions.setBorrowCap(token, reserve.borrow_cap),
        ):
            send(w3, call, deployer)
    if GOLD in tokens:
        _add_gold_category(w3, deployer, configurator, tokens=tokens)
    send(w3, configurator.functions.updateFlashloanPremium(FLASH_LOAN_PREMIUM_BPS), deployer)


def _add_gold_category(
    w3: Web3, deployer: ChecksumAddress, configurator: Contract, tokens: Mapping[str, Token]
) -> None:
    """Gold's eMode: gold as the only collateral, the dollar as the only debt."""
    functions = configurator.functions
    for call in (
        functions.setEModeCategory(*GOLD_CATEGORY),
        functions.setAssetCollateralInEMode(tokens[GOLD].address, GOLD_CATEGORY[0], True),
        functions.setAssetBorrowableInEMode(tokens[STABLE].address, GOLD_CATEGORY[0], True),
    ):
        send(w3, call, deployer)
