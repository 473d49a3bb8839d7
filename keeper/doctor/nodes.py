"""The nodes, and whether what stands on the chain is what the settings say."""

from __future__ import annotations

import time
from contextlib import suppress

from keeper.app.composition import acting_account, node_at
from keeper.chain.rpc.connect import connected
from keeper.doctor.diagnosis import Diagnosis, Mark, Patient
from keeper.domain.errors import KeeperError, NodeUnavailable, NodeUntrusted
from keeper.settings.schema import DEV_CHAIN_ID
from keeper.settings.to_domain import endpoints

MOST_SKEW_S = 120


def node(patient: Patient) -> Diagnosis:
    where = endpoints(patient.settings)
    patient.reads = patient.stack.enter_context(connected(where.rpc_urls, where.quorum, where.chain_id))
    said, failed = [], []
    for member in patient.reads.members:
        began = time.monotonic()
        try:
            client = str(member.request("web3_clientVersion"))
        except KeeperError as error:
            failed.append(error)
            said.append(error.message)
            continue
        said.append(
            f"{member.use.endpoint}, {client.split('/')[0]}, {1e3 * (time.monotonic() - began):.0f} ms"
        )
    if len(patient.reads.members) - len(failed) < where.quorum:
        raise failed[0]
    alone = len(where.rpc_urls) == 1
    agreement = (
        "; the only one: what it says is believed"
        if alone
        else f"; {where.quorum} of {len(where.rpc_urls)} must say the same"
    )
    doubtful = failed or (alone and where.chain_id != DEV_CHAIN_ID)
    return Diagnosis(
        "node",
        Mark.WORTH_A_LOOK if doubtful else Mark.GOOD,
        "; ".join(said) + agreement,
        "Name three nodes of different operators in KEEPER_RPC_URL, separated by commas." if alone else "",
    )


def chain_id(patient: Patient) -> Diagnosis:
    where = endpoints(patient.settings)
    account = acting_account(patient.settings)
    patient.node = node_at(patient.reads, where, patient.policy, account, lambda _: None)
    strange = {}
    for member in patient.reads.members:
        with suppress(NodeUnavailable):
            found = int(str(member.request("eth_chainId")), 16)
            if found != where.chain_id:
                strange[member.use.endpoint] = found
    if strange:
        listed = ", ".join(f"{endpoint} is on chain {found}" for endpoint, found in strange.items())
        return Diagnosis(
            "chain id",
            Mark.WRONG,
            f"{listed}, the settings say {where.chain_id}",
            "Point KEEPER_RPC_URL to the right chain, or correct KEEPER_CHAIN_ID.",
            2,
        )
    return Diagnosis("chain id", Mark.GOOD, str(where.chain_id))


def contracts(patient: Patient) -> Diagnosis:
    deployment = patient.node.discover()
    patient.snapshot = patient.node.read({}, 0).snapshot
    said = f"vault {deployment.vault}, market {deployment.pool}, {len(deployment.listings)} tokens"
    if deployment.notes:
        return Diagnosis(
            "contracts",
            Mark.WORTH_A_LOOK,
            f"{said}; {'; '.join(deployment.notes)}",
            "The vault's admin may have meant it so; if not, nothing should be sent to this vault.",
        )
    return Diagnosis("contracts", Mark.GOOD, said)


def clock(patient: Patient) -> Diagnosis:
    if patient.snapshot.block.chain_id == DEV_CHAIN_ID:
        return Diagnosis("clock", Mark.GOOD, "a development chain has a time of its own")
    skew = abs(time.time() - patient.snapshot.block.timestamp)
    if skew > MOST_SKEW_S:
        return Diagnosis(
            "clock",
            Mark.WRONG,
            f"the latest block is {skew:.0f} s from this machine's clock, at most {MOST_SKEW_S}",
            "Is the node in sync? Is the clock (chronyc tracking)?",
            NodeUntrusted.exit_code,
        )
    return Diagnosis("clock", Mark.GOOD, f"{skew:.0f} s from the latest block")
