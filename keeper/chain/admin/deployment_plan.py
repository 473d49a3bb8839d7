"""The transactions that make a vault, and the addresses that come of them. Pure: the deployer's nonce decides all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass

from keeper.chain.abi import artifact_of, constructor_types, load
from keeper.chain.admin.vault_blueprint import NOBODY, AssetListing, VaultBlueprint

LIBRARIES = ("PolicyBounds", "ListingChecks", "RequestQueue", "Fees")
TIMELOCK = "TimelockController"


@dataclass(frozen=True, slots=True)
class DeploymentTransaction:
    """``creates`` is the address of the new contract ``what``; None where ``to`` is called."""

    what: str
    nonce: int
    to: str | None
    data: bytes
    creates: str | None


@dataclass(frozen=True, slots=True)
class VaultContracts:
    """Addresses of one vault. ``shares`` is the one that a keeper and depositors name."""

    admin: str
    registry: str
    book: str
    portfolio: str
    rebalancer: str
    account_implementation: str
    pricer: str
    shares: str
    lens: str


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """``transactions`` in order, with consecutive nonces of ``deployer``, which is a contract where a Safe deploys."""

    deployer: str
    transactions: tuple[DeploymentTransaction, ...]
    contracts: VaultContracts
    by_contract: bool = False

    def next_nonce(self, counted: int) -> int:
        """By the node's count, which is 0 for a contract that is not there yet; its first nonce is 1 (EIP-161)."""
        return max(counted, 1) if self.by_contract else counted


def transaction_gas(transaction: DeploymentTransaction) -> int:
    """What it costs before anything runs: EIP-2028's price of its bytes, EIP-2's of a creation."""
    zeros = transaction.data.count(0)
    data = 4 * zeros + 16 * (len(transaction.data) - zeros)
    return 21_000 + data if transaction.creates is None else 53_000 + data


def planned(blueprint: VaultBlueprint, deployer: str, first_nonce: int) -> DeploymentPlan:
    """The same for the same three arguments: whoever starts again where a deployment stopped gets the same vault."""
    plan = _PlanInMaking(deployer, first_nonce)
    for library in LIBRARIES:
        plan.create(library)
    admin = blueprint.roles.admin
    if blueprint.timelock is not None:
        terms = blueprint.timelock
        admin = plan.create(TIMELOCK, terms.delay_s, terms.proposers, terms.executors, NOBODY)
    assert admin is not None, "a checked blueprint names an admin or a timelock"
    roles, asset = blueprint.roles, blueprint.assets[0].token
    registry = plan.create(
        "PolicyRegistry",
        (admin, roles.keeper, roles.guardian, roles.operations),
        astuple(blueprint.policy),
        blueprint.swap_factory,
        blueprint.silence_s,
    )
    book = plan.create("PriceBook", registry)
    portfolio = plan.create("Portfolio", registry, asset, plan.address_after(1))
    rebalancer = plan.create("Rebalancer", registry, book, portfolio)
    implementation = plan.create("AaveV3Account", blueprint.lending_pool)
    pricer = plan.create("SharePricer", registry, book, portfolio)
    shares = plan.create(
        "VaultShares",
        blueprint.name,
        blueprint.symbol,
        asset,
        registry,
        portfolio,
        pricer,
        blueprint.batch_interval_s,
        astuple(blueprint.terms),
    )
    made = VaultContracts(
        admin=admin,
        registry=registry,
        book=book,
        portfolio=portfolio,
        rebalancer=rebalancer,
        account_implementation=implementation,
        pricer=pricer,
        shares=shares,
        lens=plan.create("VaultLens"),
    )
    plan.call("setUp", registry, _set_up(blueprint, made))
    return DeploymentPlan(deployer, tuple(plan.transactions), made)


def _set_up(blueprint: VaultBlueprint, made: VaultContracts) -> bytes:
    """PolicyRegistry.setUp."""
    return load("PolicyRegistry")["setUp"].encode(
        (
            made.portfolio,
            made.rebalancer,
            made.shares,
            made.book,
            [_asset(listing) for listing in blueprint.assets],
            [(listing.feed, listing.max_age_s) for listing in blueprint.assets],
            blueprint.pools,
            [made.account_implementation] * len(blueprint.accounts),
            blueprint.accounts,
            blueprint.sequencer_feed,
            blueprint.sequencer_grace_s,
        )
    )


def _asset(listing: AssetListing) -> tuple[object, ...]:
    """PolicyRegistry's Asset."""
    return (
        listing.token,
        listing.decimals,
        listing.dust_exponent,
        listing.max_weight_bps,
        listing.slippage_bps,
        listing.lag_bps,
        listing.enabled,
        listing.borrowable,
    )


class _PlanInMaking:
    """Transactions of one account, each with the nonce after the one before."""

    def __init__(self, deployer: str, first_nonce: int) -> None:
        self.transactions: list[DeploymentTransaction] = []
        self._deployer = deployer
        self._nonce = first_nonce
        self._libraries: dict[str, str] = {}

    def create(self, name: str, *arguments: object) -> str:
        """Address of the new contract."""
        from eth_abi.abi import encode

        data = linked(name, self._libraries) + encode(constructor_types(name), arguments)
        address = self.address_after(0)
        self._add(DeploymentTransaction(name, self._nonce, to=None, data=data, creates=address))
        if name in LIBRARIES:
            self._libraries[name] = address
        return address

    def address_after(self, transactions: int) -> str:
        """Of the contract that will be made once so many more transactions have been."""
        from eth_typing import ChecksumAddress
        from web3.utils.address import get_create_address

        nonce = self._nonce + transactions
        address: str = get_create_address(ChecksumAddress(self._deployer), nonce)  # type: ignore[arg-type]
        return address

    def call(self, what: str, to: str, data: bytes) -> None:
        self._add(DeploymentTransaction(what, self._nonce, to=to, data=data, creates=None))

    def _add(self, transaction: DeploymentTransaction) -> None:
        self.transactions.append(transaction)
        self._nonce += 1


def linked(name: str, libraries: Mapping[str, str]) -> bytes:
    """The creation code with the libraries' addresses in their places. Raises KeyError for a library without one."""
    artifact = artifact_of(name)
    code = artifact["bytecode"].removeprefix("0x")
    for library, starts in artifact["links"].items():
        address = libraries[library].removeprefix("0x").lower()
        for start in starts:
            code = code[: 2 * start] + address + code[2 * start + len(address) :]
    return bytes.fromhex(code)
