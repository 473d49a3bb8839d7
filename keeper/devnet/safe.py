"""A Safe as the vault's keeper on the local chain, and the Zodiac Roles modifier through which the keeper's key acts.

Both are the real contracts, of the npm packages. The Safe's owners are accounts of the node: two of three must approve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from web3.logs import DISCARD

from keeper.chain.admin.safe_batches import RoleGrant, SafeCall, role_calls
from keeper.devnet.compile import artifact
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import GAS, NO_ADDRESS, contract_at, deployed, mined, send
from keeper.domain.roles_modifier import RolesModifier

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3.contract import Contract

OWNERS, THRESHOLD = slice(7, 10), 2
ROLE = "0x" + b"keeper".ljust(32, b"\0").hex()
CALL, DELEGATECALL = 0, 1
APPROVED = b"\x01"
"""Safe's signature type of an owner who sends the transaction or has approved its hash."""


def behind_safe(chain: LocalChain) -> LocalChain:
    """From now on a Safe is the vault's keeper, and the keeper's key acts as it in one role, which may rebalance and
    deleverage. The node acts as the vault's timelock, so that no day passes."""
    safe = deploy_safe(chain)
    modifier = _deploy_modifier(chain, safe.address)
    grant = RoleGrant(
        safe=safe.address,
        modifier=RolesModifier(modifier, ROLE),
        key=chain.deployment.accounts["keeper"],
        rebalancer=chain.rebalancer.address,
        enabled=False,
    )
    execute(chain, safe, list(role_calls(grant)))
    timelock = chain.w3.to_checksum_address(chain.deployment.contracts["timelock"])
    chain.w3.provider.make_request("anvil_impersonateAccount", [timelock])  # type: ignore[arg-type]
    chain.w3.provider.make_request("anvil_setBalance", [timelock, hex(10**18)])  # type: ignore[arg-type]
    send(chain.w3, chain.registry.functions.setKeeper(safe.address), timelock)
    contracts = {**chain.deployment.contracts, "safe": safe.address, "roles_modifier": modifier}
    deployment = replace(chain.deployment, contracts=contracts, roles_modifier=modifier, role=ROLE)
    return replace(chain, deployment=deployment)


def deploy_safe(chain: LocalChain) -> Contract:
    """A Safe 1.4.1 behind its proxy."""
    w3, sender = chain.w3, chain.owner
    singleton, factory = deployed(w3, sender, "Safe"), deployed(w3, sender, "SafeProxyFactory")
    handler = deployed(w3, sender, "CompatibilityFallbackHandler")
    no_setup = (NO_ADDRESS, b"")
    no_payment = (NO_ADDRESS, 0, NO_ADDRESS)
    initializer = singleton.encode_abi(
        "setup", [list(_owners(chain)), THRESHOLD, *no_setup, handler.address, *no_payment]
    )
    receipt = send(w3, factory.functions.createProxyWithNonce(singleton.address, initializer, 0), sender)
    (created,) = factory.events.ProxyCreation().process_receipt(receipt, errors=DISCARD)
    return contract_at(w3, "Safe", created["args"]["proxy"])


def execute(chain: LocalChain, safe: Contract, calls: Sequence[SafeCall]) -> None:
    """One transaction of the Safe with all the calls, as its Transaction Builder makes it. Raises Reverted."""
    batcher = deployed(chain.w3, chain.owner, "MultiSendCallOnly")
    packed = b"".join(
        bytes([CALL])
        + bytes.fromhex(call.to[2:])
        + bytes(32)
        + len(call.data).to_bytes(32, "big")
        + call.data
        for call in calls
    )
    data = batcher.encode_abi("multiSend", [packed])
    nothing_paid = (0, 0, 0, NO_ADDRESS, NO_ADDRESS)
    fields = (batcher.address, 0, data, DELEGATECALL, *nothing_paid)
    approving = sorted(_owners(chain)[:THRESHOLD], key=lambda owner: int(owner, 16))
    digest = safe.functions.getTransactionHash(*fields, safe.functions.nonce().call()).call()
    for owner in approving:
        send(chain.w3, safe.functions.approveHash(digest), owner)
    signatures = b"".join(
        bytes.fromhex(owner[2:]).rjust(32, b"\0") + bytes(32) + APPROVED for owner in approving
    )
    send(chain.w3, safe.functions.execTransaction(*fields, signatures), approving[0])


def _deploy_modifier(chain: LocalChain, safe: str) -> str:
    """Owned by the Safe, which it acts as."""
    w3, sender = chain.w3, chain.owner
    mastercopy = _deploy_code(chain, "RolesV2")
    factory = contract_at(w3, "ModuleProxyFactory", _deploy_code(chain, "ModuleProxyFactory"))
    initial = w3.codec.encode(("address", "address", "address"), (safe, safe, safe))
    initializer = contract_at(w3, "RolesV2", mastercopy).encode_abi("setUp", [initial])
    receipt = send(w3, factory.functions.deployModule(mastercopy, initializer, 0), sender)
    (created,) = factory.events.ModuleProxyCreation().process_receipt(receipt, errors=DISCARD)
    return str(created["args"]["proxy"])


def _deploy_code(chain: LocalChain, name: str) -> str:
    """Of a contract whose package ships its code with the constructor's arguments in it."""
    w3 = chain.w3
    code = w3.to_bytes(hexstr=artifact(name).bytecode)  # type: ignore[arg-type]
    sent = w3.eth.send_transaction({"from": chain.owner, "data": code, "gas": GAS})
    return str(mined(w3, sent, f"deploying {name}")["contractAddress"])


def _owners(chain: LocalChain) -> tuple[ChecksumAddress, ...]:
    return chain.accounts[OWNERS]
