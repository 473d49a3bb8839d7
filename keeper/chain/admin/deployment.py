"""Sends a deployment plan. It may stop at any moment: nobody has power over a vault before its last transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hexbytes import HexBytes

from keeper.chain.abi import DecodeError, artifact_of, decode_values, load
from keeper.chain.admin.deployment_plan import (
    TIMELOCK,
    DeploymentPlan,
    DeploymentTransaction,
    VaultContracts,
    planned,
    transaction_gas,
)
from keeper.chain.admin.transactions import GAS_MARGIN, fees, mined_transaction
from keeper.chain.admin.vault_blueprint import MIN_TIMELOCK_S, NOBODY, VaultBlueprint, check
from keeper.chain.reverts import explain
from keeper.domain.errors import Refused, WrongContract
from keeper.domain.units import WAD

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3
    from web3.types import StateOverride, StateOverrideParams, TxParams

REHEARSAL = "Rehearsal"
GAS_OF_A_REHEARSAL = 50_000_000
"""What geth lets a call use at most."""


@dataclass(frozen=True, slots=True)
class DeployedVault:
    """``gas`` is the gas used by the ``transactions`` that this run sent; ``block`` is the set-up's."""

    contracts: VaultContracts
    transactions: tuple[str, ...]
    gas: int
    block: int


def deploy_vault(w3: Web3, sender: LocalAccount | str, blueprint: VaultBlueprint) -> DeployedVault:
    """Deploys every contract of a vault, and sets it up. Raises as ``prepared`` and ``send_plan``."""
    deployer = sender if isinstance(sender, str) else str(sender.address)
    return send_plan(w3, sender, prepared(w3, deployer, blueprint))


def send_plan(
    w3: Web3,
    sender: LocalAccount | str,
    plan: DeploymentPlan,
    progress: Callable[[str], None] = lambda _: None,
) -> DeployedVault:
    """Sends what is left of the plan, each transaction once the one before is mined.

    ``sender`` is a local account that signs, or the address of an account that the node has unlocked; it is the plan's
    deployer. Raises Refused if a transaction reverts, NodeUnavailable if no receipt comes.
    """
    receipts = []
    for transaction in unsent(w3, plan):
        progress(f"{transaction.what}  {transaction.creates or transaction.to}")
        receipts.append(
            mined_transaction(w3, sender, _fields(plan.deployer, transaction), what=transaction.what)
        )
    timelock_delay(w3, plan.contracts.admin)
    return DeployedVault(
        plan.contracts,
        tuple(receipt["transactionHash"].to_0x_hex() for receipt in receipts),
        gas=sum(receipt["gasUsed"] for receipt in receipts),
        block=receipts[-1]["blockNumber"] if receipts else w3.eth.block_number,
    )


def prepared(
    w3: Web3, deployer: str, blueprint: VaultBlueprint, first_nonce: int | None = None
) -> DeploymentPlan:
    """The plan. ``first_nonce`` continues a deployment that stopped: that of its first transaction.

    Raises InvalidSetting for a blueprint that is wrong on every chain, WrongContract for an admin that is no timelock,
    Refused while transactions of the deployer are pending.
    """
    check(blueprint)
    if blueprint.roles.admin is not None:
        timelock_delay(w3, blueprint.roles.admin)
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
    mined = plan.next_nonce(_count(w3, plan))
    *creations, set_up = plan.transactions
    count = mined - creations[0].nonce
    if count < 0:
        raise Refused(
            f"{plan.deployer} is at nonce {mined}, before {creations[0].nonce}",
            remedy="Give the --first-nonce that the deployment printed, or start a new one without it.",
        )
    for creation in creations[:count]:
        assert creation.creates is not None, "all but the set-up create a contract"
        if not w3.eth.get_code(w3.to_checksum_address(creation.creates)):
            raise Refused(
                f"nonce {creation.nonce} of {plan.deployer} made no {creation.what}",
                remedy="Start a new deployment without --first-nonce: what is there has no power and no money.",
            )
    if count < len(creations):
        return plan.transactions[count:]
    return () if _is_set_up(w3, plan.contracts) else (replace(set_up, nonce=mined),)


def rehearsed(w3: Web3, plan: DeploymentPlan) -> tuple[int, ...]:
    """Gas of each unsent transaction, from running all of them in one call on the newest block. Nothing is sent.

    Raises Refused with the reason where one reverts, and where the node cannot run a call with another code in place of
    the deployer's.
    """
    from web3.exceptions import ContractLogicError, Web3RPCError
    from web3.types import Nonce

    waiting, run = unsent(w3, plan), load(REHEARSAL)["run"]
    call: TxParams = {
        "to": w3.to_checksum_address(plan.deployer),
        "data": HexBytes(
            run.encode([(transaction.to or NOBODY, transaction.data) for transaction in waiting])
        ),
        "gas": GAS_OF_A_REHEARSAL,
    }
    count = _count(w3, plan)
    in_its_place: StateOverrideParams = {"code": artifact_of(REHEARSAL)["runtime"]}
    if plan.next_nonce(count) != count:
        in_its_place["nonce"] = Nonce(plan.next_nonce(count))
    override: StateOverride = {w3.to_checksum_address(plan.deployer): in_its_place}
    try:
        (gas,) = run.decode(w3.eth.call(call, "latest", override))
    except ContractLogicError as error:
        raise _reverting(waiting, str(error.data)) from error
    except (Web3RPCError, DecodeError) as error:
        raise Refused(
            f"the rehearsal failed: {error}",
            remedy="Name a node that runs eth_call with state overrides and 50 M gas, as geth does.",
        ) from error
    return tuple(
        spent + transaction_gas(transaction) for transaction, spent in zip(waiting, gas, strict=True)
    )


def _count(w3: Web3, plan: DeploymentPlan) -> int:
    return w3.eth.get_transaction_count(w3.to_checksum_address(plan.deployer), "latest")


def _reverting(waiting: Sequence[DeploymentTransaction], data: str) -> Refused:
    error = load(REHEARSAL).errors["TransactionReverted"]
    reverted = bytes.fromhex(data.removeprefix("0x"))
    if reverted[:4] != error.selector:
        return Refused(
            f"the rehearsal failed: {explain(reverted)}", remedy="Compare the blueprint with the chain."
        )
    place, reason = decode_values(error.inputs, reverted[4:])
    return Refused(
        f"{waiting[place].what} would revert: {explain(reason)}",
        remedy="Correct in the blueprint what it names. Nothing was sent.",
    )


@dataclass(frozen=True, slots=True)
class DeploymentCost:
    """``fee_wei`` is what a unit of gas costs at most, ``balance_wei`` what the deployer has."""

    gas: int
    fee_wei: int
    balance_wei: int

    @property
    def max_wei(self) -> int:
        return self.gas * self.fee_wei


def cost(w3: Web3, plan: DeploymentPlan, gas: Sequence[int]) -> DeploymentCost:
    """What sending takes. Raises Refused where the deployer has less."""
    account = w3.to_checksum_address(plan.deployer)
    expected = DeploymentCost(
        round(sum(gas) * GAS_MARGIN), fees(w3)["maxFeePerGas"], w3.eth.get_balance(account)
    )
    if expected.balance_wei < expected.max_wei:
        raise Refused(
            f"{account} has {expected.balance_wei / WAD:.4f} ETH; the deployment may take {expected.max_wei / WAD:.4f}",
            remedy="Send it more, or wait for a lower gas price. Nothing was sent.",
        )
    return expected


def timelock_delay(w3: Web3, address: str) -> int:
    """Delay in seconds of a TimelockController. Raises WrongContract for other code than OpenZeppelin's build, and
    for a delay that the registry does not take."""
    at = w3.to_checksum_address(address)
    known = artifact_of(TIMELOCK)
    if w3.eth.get_code(at).to_0x_hex() != known["runtime"]:
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


def _is_set_up(w3: Web3, contracts: VaultContracts) -> bool:
    shares = load("PolicyRegistry")["shares"]
    answer = w3.eth.call(
        {"to": w3.to_checksum_address(contracts.registry), "data": HexBytes(shares.encode())}
    )
    return str(shares.decode(answer)[0]) == contracts.shares.lower()


def _fields(deployer: str, transaction: DeploymentTransaction) -> dict[str, Any]:
    fields: dict[str, Any] = {"from": deployer, "data": transaction.data, "nonce": transaction.nonce}
    if transaction.to is not None:
        fields["to"] = transaction.to
    return fields
