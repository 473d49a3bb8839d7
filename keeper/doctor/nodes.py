"""Checks of the nodes, and of the contracts that the settings name."""

from __future__ import annotations

import time
from contextlib import closing, suppress

from keeper.app.assembly import chain_reader
from keeper.app.keys import acting_account
from keeper.chain.heads.new_heads import new_heads
from keeper.chain.heads.subscription import SocketLostError
from keeper.chain.rpc.connect import connected
from keeper.doctor.diagnosis import Diagnosis, DoctorContext, LineStatus, failed, ok, warning
from keeper.domain.addresses import masked
from keeper.domain.chains import DEVELOPMENT_CHAIN_ID
from keeper.domain.errors import KeeperError, NodeUnavailable, NodeUntrusted, WrongChain
from keeper.jsonrpc import requests as ask
from keeper.settings.endpoints import endpoints

MAX_CLOCK_SKEW_S = 120


def node(context: DoctorContext) -> Diagnosis:
    where = endpoints(context.settings)
    context.reads = context.stack.enter_context(connected(where.rpc_urls, where.quorum, where.chain_id))
    lines, errors = [], []
    for member in context.reads.members:
        began = time.monotonic()
        try:
            client = member.request(ask.client_version())
        except KeeperError as error:
            errors.append(error)
            lines.append(error.message)
            continue
        lines.append(
            f"{member.use.endpoint}, {client.split('/')[0]}, {1e3 * (time.monotonic() - began):.0f} ms"
        )
    if len(context.reads.members) - len(errors) < where.quorum:
        raise errors[0]
    agreement, remedy = f"{where.quorum} of {len(where.rpc_urls)} nodes must give the same answer", ""
    if len(where.rpc_urls) == 1:
        agreement = "the only node: its answers are believed without comparison"
        remedy = "Name three nodes of different operators in KEEPER_RPC_URL, separated by commas."
    doubtful = errors or (remedy and where.chain_id != DEVELOPMENT_CHAIN_ID)
    status = LineStatus.WARNING if doubtful else LineStatus.OK
    return Diagnosis(status, "; ".join([*lines, agreement]), remedy)


def chain_id(context: DoctorContext) -> Diagnosis:
    where = endpoints(context.settings)
    account = acting_account(context.settings)
    context.node = chain_reader(
        context.reads, where, context.policy, account=account, progress=lambda _: None
    )
    other_chains = {}
    for member in context.reads.members:
        with suppress(NodeUnavailable):
            reported = member.request(ask.chain_id())
            if reported != where.chain_id:
                other_chains[member.use.endpoint] = reported
    if other_chains:
        listed = ", ".join(f"{endpoint} is on chain {chain}" for endpoint, chain in other_chains.items())
        return failed(
            f"{listed}, but KEEPER_CHAIN_ID is {where.chain_id}",
            WrongChain,
            remedy="Point KEEPER_RPC_URL to the right chain, or correct KEEPER_CHAIN_ID.",
        )
    return ok(str(where.chain_id))


def web_sockets(context: DoctorContext) -> Diagnosis:
    """None of them is needed to run."""
    where = endpoints(context.settings)
    if not where.ws_urls:
        return ok("KEEPER_WS_URL is not set: the watch looks at its interval only")
    if context.settings.watch.every_s == 0:
        return warning(
            "nobody listens to KEEPER_WS_URL, because watch.every_s is 0",
            remedy="Set watch.every_s, or leave KEEPER_WS_URL out.",
        )
    lines, lost = [], False
    for url in where.ws_urls:
        began = time.monotonic()
        try:
            with closing(new_heads(url, where.chain_id)) as heads:
                next(heads)
        except SocketLostError as error:
            lines.append(f"{masked(url)} {error}")
            lost = True
        else:
            took_ms = 1e3 * (time.monotonic() - began)
            lines.append(f"{masked(url)} takes the subscription to new blocks, {took_ms:.0f} ms")
    detail = "; ".join(lines)
    if lost:
        return warning(
            detail, remedy="Correct KEEPER_WS_URL. Without it a block is seen up to watch.every_s later."
        )
    return ok(detail)


def contracts(context: DoctorContext) -> Diagnosis:
    deployment = context.node.discover()
    context.snapshot = context.node.read({}, 0).snapshot
    context.policy = context.policy.covering(context.snapshot.risk_symbols)
    summary = f"vault {deployment.vault}, market {deployment.pool}, {len(deployment.listings)} tokens"
    if deployment.notes:
        return warning(
            f"{summary}; {'; '.join(deployment.notes)}",
            remedy="Ask the vault's admin whether this is intended. If it is not, send nothing to this vault.",
        )
    return ok(summary)


def clock(context: DoctorContext) -> Diagnosis:
    if context.snapshot.block.chain_id == DEVELOPMENT_CHAIN_ID:
        return ok("a development chain keeps its own time, so clocks are not compared")
    skew = abs(time.time() - context.snapshot.block.timestamp)
    if skew > MAX_CLOCK_SKEW_S:
        return failed(
            f"the latest block is {skew:.0f} s from this machine's clock; the limit is {MAX_CLOCK_SKEW_S} s",
            NodeUntrusted,
            remedy="Check that the node is in sync, and the clock with `chronyc tracking`.",
        )
    return ok(f"{skew:.0f} s from the latest block")
