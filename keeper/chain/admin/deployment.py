"""Sends a deployment plan. It may stop at any moment: nobody has power over a vault before its last transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keeper.chain.abi import artifact_of, load
from keeper.chain.admin.deployment_plan import (
    TIMELOCK,
    DeploymentPlan,
    DeploymentTransaction,
    VaultContracts,
    planned,
)
from keeper.chain.admin.transactions import mined_transaction
from keeper.chain.admin.vault_blueprint import MIN_TIMELOCK_S, VaultBlueprint, check
from keeper.domain.errors import Refused, WrongContract

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3


@dataclass(frozen=True, slots=True)
class DeployedVault:
    """``gas`` is the gas used by the ``transactions`` that this run sent; ``block`` is the set-up's."""

    contracts: VaultContracts
    transactions: tuple[str, ...]
    gas: int
    block: int


def deploy_vault(
    w3: Web3,
    sender: LocalAccount | str,
    blueprint: VaultBlueprint,
    first_nonce: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> DeployedVault:
    """Deploys every contract of a vault, and sets it up.

    ``sender`` is a local account that signs, or the address of an account that the node has unlocked. ``first_nonce``
    continues a deployment that stopped: that of its first transaction. Raises InvalidSetting and WrongContract before
    anything is sent, Refused if a transaction reverts, NodeUnavailable if no receipt comes.
    """
    deployer = sender if isinstance(sender, str) else str(sender.address)
    plan = prepared(w3, deployer, blueprint, first_nonce=first_nonce)
    waiting = unsent(w3, plan)
    receipts = []
    for transaction in waiting:
        progress(f"{transaction.what}  {transaction.creates or transaction.to}")
        receipts.append(mined_transaction(w3, sender, _fields(deployer, transaction), what=transaction.what))
    if blueprint.timelock is not None:
        check_timelock(w3, plan.contracts.admin)
    return DeployedVault(
        plan.contracts,
        tuple(receipt["transactionHash"].to_0x_hex() for receipt in receipts),
        gas=sum(receipt["gasUsed"] for receipt in receipts),
        block=receipts[-1]["blockNumber"] if receipts else w3.eth.block_number,
    )


def prepared(
    w3: Web3, deployer: str, blueprint: VaultBlueprint, first_nonce: int | None = None
) -> DeploymentPlan:
    """The plan, once everything that can be known before sending is right. Raises as ``deploy_vault``."""
    check(blueprint)
    if blueprint.roles.admin is not None:
        check_timelock(w3, blueprint.roles.admin)
    account = w3.to_checksum_address(deployer)
    mined = w3.eth.get_transaction_count(account, "latest")
    if w3.eth.get_transaction_count(account, "pending") != mined:
        raise Refused(
            f"transactions of {account} are waiting to be mined",
            remedy="Wait until they are mined, and repeat: their nonces decide the vault's addresses.",
        )
    return planned(blueprint, account, mined if first_nonce is None else first_nonce)


def unsent(w3: Web3, plan: DeploymentPlan) -> tuple[DeploymentTransaction, ...]:
    """What is left to send. Raises Refused where the deployer's nonces went to something else."""
    mined = w3.eth.get_transaction_count(w3.to_checksum_address(plan.deployer), "latest")
    first = plan.transactions[0].nonce
    if not first <= mined <= first + len(plan.transactions):
        raise Refused(
            f"nonce {mined} of {plan.deployer} is not within a deployment that began at {first}",
            remedy="Give the --first-nonce that the deployment printed, or start a new one without it.",
        )
    for transaction in plan.transactions[: mined - first]:
        if transaction.creates is None:
            continue
        if not w3.eth.get_code(w3.to_checksum_address(transaction.creates)):
            raise Refused(
                f"nonce {transaction.nonce} of {plan.deployer} made no {transaction.what}",
                remedy="Start a new deployment without --first-nonce: what is there has no power and no money.",
            )
    return plan.transactions[mined - first :]


def check_timelock(w3: Web3, address: str) -> int:
    """The delay in seconds of a TimelockController. Raises WrongContract for other code than OpenZeppelin's build, and
    for a delay that the registry does not take."""
    from eth_utils.crypto import keccak

    at = w3.to_checksum_address(address)
    known = artifact_of(TIMELOCK)
    if keccak(w3.eth.get_code(at)).hex() != known["runtime_hash"]:
        raise WrongContract(
            f"the code at {at} is not the TimelockController of {known['source']}",
            remedy="Deploy one with --timelock SECONDS: nothing proves the delay of other code.",
        )
    delay: int = load(TIMELOCK)["getMinDelay"].decode(
        w3.eth.call({"to": at, "data": load(TIMELOCK)["getMinDelay"].encode()})
    )[0]
    if delay < MIN_TIMELOCK_S:
        raise WrongContract(
            f"the timelock at {at} has a delay of {delay} s, under {MIN_TIMELOCK_S} s",
            remedy="Let it raise its delay, or deploy one with --timelock SECONDS.",
        )
    return delay


def _fields(deployer: str, transaction: DeploymentTransaction) -> dict[str, Any]:
    fields: dict[str, Any] = {"from": deployer, "data": transaction.data, "nonce": transaction.nonce}
    if transaction.to is not None:
        fields["to"] = transaction.to
    return fields
