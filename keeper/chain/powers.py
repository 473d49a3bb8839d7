"""Who can act as the vault's keeper where a Safe is it, read from the chain link by link, and what the key can do
there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keeper.chain.abi import DecodeError, artifact_of, load
from keeper.chain.contracts import safe, vault
from keeper.chain.contracts.safe import ModulePage
from keeper.chain.deployed import Deployment, SafeHop
from keeper.chain.reverts import explain
from keeper.chain.role_history import RoleHistory, role_history
from keeper.chain.role_probes import DELEGATECALL, Probe, keeper_calls, passes, tried
from keeper.chain.rpc.multicall import Multicall
from keeper.chain.rpc.reads import Reads
from keeper.domain.errors import NodeUnavailable, NodeUntrusted
from keeper.domain.market import Block
from keeper.domain.plan import VaultCall
from keeper.jsonrpc import requests as ask

NO_ROLE = bytes(32)
_REBALANCER = load("Rebalancer")
_TOKEN_FUNCTIONS = {"transfer": "a9059cbb", "approve": "095ea7b3", "transferFrom": "23b872dd"}


@dataclass(frozen=True, slots=True)
class Powers:
    """One link after the other. ``history`` is None where no node gives the modifier's, or gives one that does not
    explain what the modifier lets pass. ``refused`` has of the two calls that the keeper makes those which the modifier
    would refuse the key, with its words; ``reachable`` the names of other calls that it would let pass.
    ``key_has_code``: the key's account is a contract, or delegates to one. ``others``: other members that the history
    lets act on rebalancer, Safe or modifier, and whether each is a contract."""

    hop: SafeHop
    vault_keeper: str
    version: str
    owners: tuple[str, ...]
    threshold: int
    modules: ModulePage
    modifier_owner: str
    default_role: bytes
    linked: tuple[bool, bool]
    key_has_code: bool
    history: RoleHistory | None
    others: tuple[tuple[str, bool], ...]
    refused: dict[str, str]
    reachable: tuple[str, ...]
    tried: int


def read_powers(rpc: Reads, multicall: str, deployment: Deployment, *, key: str, block: Block) -> Powers:
    """At ``block``. Four requests, and one for other members. Raises NodeUnavailable, NodeUntrusted, WrongContract."""
    hop = deployment.hop
    assert hop is not None, "without a Safe there is no chain of powers"
    at, modifier = hop.safe, hop.modifier.address
    answers = Multicall(rpc, multicall).read(
        [
            vault.keeper(deployment.registry),
            safe.version(at),
            safe.owners(at),
            safe.threshold(at),
            safe.modules(at),
            safe.owner(modifier),
            safe.default_role(modifier, key),
            *safe.links(hop, key),
        ],
        block.hash,
    )
    own, others = list(keeper_calls(deployment)), list(_other_calls(deployment, hop, key))
    outcomes = tried(rpc, deployment, [*own, *others], key=key, block=block)
    of_own, of_others = outcomes[: len(own)], outcomes[len(own) :]
    lets, has_role = safe.links(hop, key)
    passing = [probe for probe, outcome in zip(own, of_own, strict=True) if passes(outcome)]
    history = _history(rpc, modifier, block)
    if history is not None and not _explains(history, hop, passing, key=key):
        history = None
    return Powers(
        hop=hop,
        vault_keeper=answers.of(vault.keeper(deployment.registry)),
        version=answers.first(safe.version(at)),
        owners=answers.first(safe.owners(at)),
        threshold=answers.first(safe.threshold(at)),
        modules=answers.first(safe.modules(at)),
        modifier_owner=answers.first(safe.owner(modifier)),
        default_role=answers.first(safe.default_role(modifier, key)),
        linked=(answers.first(lets), answers.first(has_role)),
        key_has_code=bool(rpc.request(ask.code(key, {"blockHash": block.hash}))),
        history=history,
        others=_others(rpc, history, (deployment.rebalancer, at, modifier), key=key, block=block)
        if history is not None
        else (),
        refused={
            probe.what: explain(outcome.data)
            for probe, outcome in zip(own, of_own, strict=True)
            if not passes(outcome)
        },
        reachable=tuple(
            probe.what for probe, outcome in zip(others, of_others, strict=True) if passes(outcome)
        ),
        tried=len(others),
    )


def _history(rpc: Reads, modifier: str, block: Block) -> RoleHistory | None:
    """None where no node answers for so many blocks. Raises NodeUntrusted for events of another contract."""
    try:
        logs = rpc.request(ask.logs(modifier, block.number))
        foreign = next((log.address for log in logs if log.address.lower() != modifier.lower()), None)
        if foreign is not None:
            raise NodeUntrusted(
                f"eth_getLogs: asked for events of {modifier}, got one of {foreign} (node {rpc.endpoint})",
                remedy="Use another node.",
            )
        return role_history(logs)
    except (NodeUnavailable, DecodeError):
        return None


def _explains(history: RoleHistory, hop: SafeHop, passing: Sequence[Probe], *, key: str) -> bool:
    """Whether it has the modifier's set-up, and the grants by which the keeper's own calls pass. A history that lacks
    these may lack others too."""
    granted = {
        (grant.target, grant.function) for grant in history.of(key) if grant.role == hop.modifier.role.lower()
    }
    return history.begins and all(
        not granted.isdisjoint({(probe.to.lower(), f"0x{probe.data.hex()}"), (probe.to.lower(), "")})
        for probe in passing
    )


def _others(
    rpc: Reads, history: RoleHistory, targets: Sequence[str], *, key: str, block: Block
) -> tuple[tuple[str, bool], ...]:
    """Members besides the key that may call one of the targets, and whether each has code."""
    reached = {target.lower() for target in targets}
    members = [
        member
        for member, granted in history.grants.items()
        if member != key.lower() and any(grant.target in reached for grant in granted)
    ]
    if not members:
        return ()
    codes = rpc.batch([ask.code(member, {"blockHash": block.hash}) for member in members])
    return tuple((member, bool(code)) for member, code in zip(members, codes, strict=True))


def _other_calls(deployment: Deployment, hop: SafeHop, key: str) -> Iterator[Probe]:
    """Everything that would be worth something to a thief: every function that changes a contract of the vault, the
    Safe and the modifier themselves, the tokens, value, and a delegatecall."""
    kept = {_REBALANCER[function.value].selector for function in VaultCall}
    for name, contract in (
        ("Rebalancer", deployment.rebalancer),
        ("PolicyRegistry", deployment.registry),
        ("Portfolio", deployment.portfolio),
        ("VaultShares", deployment.vault),
        ("AaveV3Account", deployment.account),
        ("Safe", hop.safe),
        ("RolesModifier", hop.modifier.address),
    ):
        for function, selector in changing_functions(name):
            if selector not in kept or name != "Rebalancer":
                yield Probe(f"{function} of {name}", contract, selector)
    for listing in deployment.listings:
        for function, hexed in _TOKEN_FUNCTIONS.items():
            yield Probe(f"{function} of {listing.token.symbol}", listing.token.address, bytes.fromhex(hexed))
    yield Probe("sending value", key, b"", value=1)
    for function in VaultCall:
        yield Probe(
            f"a delegatecall of {function.value}",
            deployment.rebalancer,
            _REBALANCER[function.value].selector,
            operation=DELEGATECALL,
        )


def changing_functions(name: str) -> Iterator[tuple[str, bytes]]:
    known = load(name)
    for entry in artifact_of(name)["abi"]:
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure"):
            yield entry["name"], known[entry["name"]].selector
