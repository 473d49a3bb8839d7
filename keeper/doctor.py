"""What can be wrong with a keeper before it runs: one line for each thing, with its number and the remedy.

Looks only. What cannot be looked at because something before it failed is said to be so, and is not counted as wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from keeper.bootstrap import acting_account, node_at, opinions_of, pauses, strategy, verified
from keeper.chain.connect import connected
from keeper.chain.node import Node
from keeper.chain.rpc import Reads
from keeper.conclude import price_bars
from keeper.domain.errors import (
    KeeperError,
    NodeUnavailable,
    NodeUntrusted,
    NotAuthorised,
    Refused,
    Tampered,
    Untrusted,
)
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.policy import Policy
from keeper.domain.prices import FeedMemory, Opinion
from keeper.domain.units import BPS, WAD
from keeper.feeds.deribit import Deribit
from keeper.journal.bars import StoredBars
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import MemoryRounds, StoredRounds
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.oracle.gate import judged, usable
from keeper.oracle.memory import remembered
from keeper.oracle.twap import twap_opinions
from keeper.seal import digests
from keeper.settings.load import load
from keeper.settings.schema import DEV_CHAIN_ID, Settings
from keeper.settings.to_domain import endpoints, settings_hash
from keeper.sizing.tighten import tighten

MOST_SKEW_S = 120


class Mark(StrEnum):
    """GOOD; WORTH_A_LOOK: it works, and somebody should know; WRONG; NOT_LOOKED_AT: something before it failed."""

    GOOD = "✓"
    WORTH_A_LOOK = "!"
    WRONG = "✗"
    NOT_LOOKED_AT = "–"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line. ``exit_code`` is 0 unless it is WRONG."""

    name: str
    mark: Mark
    detail: str
    remedy: str = ""
    exit_code: int = 0


class _Patient:
    """What has been found out so far; later checks build on it."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.settings: Settings
        self.policy: Policy
        self.reads: Reads
        self.node: Node
        self.snapshot: MarketSnapshot
        self.opinions: tuple[Opinion, ...]


Check = Callable[[_Patient], Diagnosis]


def examine() -> Iterator[Diagnosis]:
    """Every line in order, as it becomes known."""
    failed: set[str] = set()
    with ExitStack() as stack:
        patient = _Patient(stack)
        for name, needs, check in CHECKS:
            if failed & set(needs):
                failed.add(name)
                yield Diagnosis(name, Mark.NOT_LOOKED_AT, f"needs: {', '.join(sorted(failed & set(needs)))}")
                continue
            try:
                found = check(patient)
            except KeeperError as error:
                found = Diagnosis(
                    name, Mark.WRONG, f"{error.name}: {error.message}", error.remedy, error.exit_code
                )
            if found.mark is Mark.WRONG:
                failed.add(name)
            yield found


def _settings(patient: _Patient) -> Diagnosis:
    patient.settings = load()
    where = endpoints(patient.settings)
    patient.policy = strategy(patient.settings, lambda _: None)
    return Diagnosis("settings", Mark.GOOD, f"chain {where.chain_id}, {len(patient.policy.assets)} assets")


def _key(patient: _Patient) -> Diagnosis:
    account = acting_account(patient.settings)
    if patient.settings.keystore is None and patient.settings.signer_url is None:
        return _development_key(patient, account)
    return Diagnosis("key", Mark.GOOD, account)


def _development_key(patient: _Patient, account: str) -> Diagnosis:
    if patient.settings.private_key is not None:
        return Diagnosis("key", Mark.GOOD, f"{account}, a raw key of the development chain")
    return Diagnosis(
        "key",
        Mark.WORTH_A_LOOK,
        f"{account}, and no key: nothing can be signed",
        "Set KEEPER_KEYSTORE or KEEPER_SIGNER_URL before `--execute` or `--live`.",
    )


def _endpoint(patient: _Patient) -> Diagnosis:
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


def _chain(patient: _Patient) -> Diagnosis:
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


def _contracts(patient: _Patient) -> Diagnosis:
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


def _clock(patient: _Patient) -> Diagnosis:
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


def _vault(patient: _Patient) -> Diagnosis:
    vault = patient.snapshot.vault
    if vault.paused:
        return Diagnosis(
            "vault", Mark.WRONG, "paused on chain", "Its admin lifts that (unpause).", Refused.exit_code
        )
    return Diagnosis("vault", Mark.GOOD, f"epoch {vault.epoch}, not paused")


def _role(patient: _Patient) -> Diagnosis:
    account = patient.snapshot.keeper_address
    if not patient.snapshot.keeper_has_role:
        return Diagnosis(
            "keeper role",
            Mark.WRONG,
            f"{account} lacks it",
            "Have the vault's admin call grantRole(KEEPER_ROLE, …), or use the right key.",
            NotAuthorised.exit_code,
        )
    return Diagnosis("keeper role", Mark.GOOD, f"{account} has it")


def _gas(patient: _Patient) -> Diagnosis:
    have, reserve = patient.snapshot.keeper_balance_wei, patient.policy.decision.gas_reserve_wei
    detail = f"{have / WAD:.4f} ETH, {reserve / WAD:.4f} are kept for a deleveraging"
    if have < reserve:
        return Diagnosis(
            "gas", Mark.WRONG, detail, f"Send ETH to {patient.snapshot.keeper_address}.", Refused.exit_code
        )
    return Diagnosis("gas", Mark.GOOD, detail)


def _allowances(patient: _Patient) -> Diagnosis:
    left = patient.node.allowances(patient.snapshot)
    if left:
        return Diagnosis(
            "allowances",
            Mark.WRONG,
            f"the vault left {', '.join(f'{amount} of {symbol}' for symbol, amount in left.items())} approved",
            "This must not happen: pause the vault and find out which call did it.",
            Refused.exit_code,
        )
    return Diagnosis("allowances", Mark.GOOD, "none left")


def _feeds(patient: _Patient) -> Diagnosis:
    patient.opinions, memory = _opinions(patient), _memory(patient.settings)
    snapshot = judged(patient.snapshot, patient.opinions, memory, patient.policy.oracle)
    doubtful = [feed for feed in snapshot.feeds if feed.trust is not Trust.FRESH]
    if doubtful:
        return Diagnosis(
            "feeds",
            Mark.WRONG,
            "; ".join(f"{feed.symbol} is {feed.trust.value}: {feed.reason}" for feed in doubtful),
            "Nothing levers until it is fresh. Look at the feed on chain.",
            Untrusted.exit_code,
        )
    oldest = max(snapshot.block.timestamp - feed.round.updated_at for feed in snapshot.feeds)
    return Diagnosis("feeds", Mark.GOOD, f"{len(snapshot.feeds)} fresh, the oldest round {oldest} s old")


def _opinions(patient: _Patient) -> tuple[Opinion, ...]:
    symbols = [token.symbol for token in patient.snapshot.tokens]
    with opinions_of(patient.settings, patient.policy) as sources:
        return sources.read(symbols, patient.snapshot.block.timestamp) if sources is not None else ()


def _memory(settings: Settings) -> tuple[FeedMemory, ...]:
    with Journal.open_for_reading(settings.journal_url) as journal:
        last = StoredRecords(journal).last_inputs()
    return remembered(last.memory, last.snapshot) if last is not None else ()


def _second_opinions(patient: _Patient) -> Diagnosis:
    snapshot, oracle = patient.snapshot, patient.policy.oracle
    assert oracle is not None, "settings always say when a price is believed"
    said = (*twap_opinions(snapshot, oracle), *patient.opinions)
    now = snapshot.block.timestamp
    counts = {feed.symbol: len(usable(said, feed.symbol, now, oracle)) for feed in snapshot.feeds}
    detail = ", ".join(f"{symbol} {count}" for symbol, count in counts.items())
    if 0 in counts.values():
        return Diagnosis(
            "second opinions",
            Mark.WORTH_A_LOOK,
            f"usable sources beside the feed: {detail}",
            "A feed alone is believed within the limits of its jump guard. `rebalance --simulate --verbose` says why "
            "each source has no word.",
        )
    return Diagnosis("second opinions", Mark.GOOD, f"usable sources beside the feed: {detail}")


def _oracles(patient: _Patient) -> Diagnosis:
    gaps = {
        feed.symbol: abs(feed.price - reserve.market_price) / reserve.market_price * BPS
        for feed, reserve in zip(patient.snapshot.feeds, patient.snapshot.reserves, strict=True)
        if reserve.market_price > 0
    }
    symbol, limit = max(gaps, key=gaps.__getitem__), patient.policy.decision.max_oracle_gap_bps
    detail = f"{symbol}: {gaps[symbol]:.1f} bps from the lending market's oracle, at most {limit}"
    if gaps[symbol] > limit:
        return Diagnosis("oracle gap", Mark.WRONG, detail, "One of the two is wrong.", Untrusted.exit_code)
    return Diagnosis("oracle gap", Mark.GOOD, detail)


def _history(patient: _Patient) -> Diagnosis:
    estimate = patient.policy.estimate
    with Journal.open_for_reading(patient.settings.journal_url) as journal:
        rounds = MemoryRounds(StoredRounds(journal))
        rounds.extend(patient.node.read(rounds.last_known(), estimate.history_s).new_rounds)
        since = patient.snapshot.block.timestamp - estimate.history_s
        found = rounds.since(since)
        candles = StoredBars(journal).closes(patient.snapshot.risk_symbols, since)
    bars = price_bars(found, patient.snapshot, patient.policy, candles)
    counts = {
        symbol: int(np.isfinite(bars.closes[:, column]).sum())
        for column, symbol in enumerate(patient.snapshot.risk_symbols)
    }
    symbol = min(counts, key=counts.__getitem__)
    detail = f"{symbol} has the fewest bars, {counts[symbol]:,}; {estimate.min_bars:,} are needed"
    if counts[symbol] < estimate.min_bars:
        return Diagnosis(
            "history", Mark.WRONG, detail, "Wait, or lower estimate.min_bars knowingly.", Untrusted.exit_code
        )
    return Diagnosis("history", Mark.GOOD, detail)


def _implied(patient: _Patient) -> Diagnosis:
    policy, where = patient.policy, endpoints(patient.settings)
    named = (asset.implied_underlying for asset in policy.assets)
    wanted = tuple(dict.fromkeys(name for name in named if name is not None))
    with closing(Deribit(where.deribit_url)) as deribit:
        readings = deribit.read(wanted, patient.snapshot.block.timestamp, policy.decision.horizon_s)
    missing = [one for one in readings if one.volatility is None]
    if missing:
        return Diagnosis(
            "implied volatility",
            Mark.WRONG,
            "; ".join(f"{one.underlying}: {one.reason}" for one in missing),
            "The keeper goes on with the last good value, then without. Look at KEEPER_DERIBIT_URL.",
            3,
        )
    said = ", ".join(
        f"{one.underlying} {one.volatility:.1%}" for one in readings if one.volatility is not None
    )
    return Diagnosis("implied volatility", Mark.GOOD, said)


def _policy(patient: _Patient) -> Diagnosis:
    _, tightened = tighten(patient.policy, patient.snapshot.vault)
    if tightened:
        listed = "; ".join(f"{one.field} is {one.ours:g}, the vault's is {one.vaults:g}" for one in tightened)
        return Diagnosis(
            "policy",
            Mark.WRONG,
            listed,
            "Nothing levers until the settings agree: tighten them.",
            Refused.exit_code,
        )
    return Diagnosis("policy", Mark.GOOD, "no setting is looser than the vault's own policy")


def _market(patient: _Patient) -> Diagnosis:
    stopped = [one.symbol for one in patient.snapshot.reserves if one.frozen or one.paused or not one.active]
    if stopped:
        return Diagnosis(
            "lending market",
            Mark.WRONG,
            f"frozen, paused or inactive: {', '.join(stopped)}",
            "Those assets can at most be reduced until the market's guardian lifts it.",
            Refused.exit_code,
        )
    return Diagnosis("lending market", Mark.GOOD, f"{len(patient.snapshot.reserves)} reserves active")


def _journal(patient: _Patient) -> Diagnosis:
    return Diagnosis(
        "journal", Mark.GOOD, f"{verified(patient.settings):,} entries, all as they were written"
    )


def _pauses(patient: _Patient) -> Diagnosis:
    found = pauses(patient.settings)
    if found:
        said = "; ".join(f"by {one.cause}: {one.reason or 'no reason given'}" for one in found)
        return Diagnosis("pause", Mark.WORTH_A_LOOK, said, "`keeper resume` lifts it.")
    return Diagnosis("pause", Mark.GOOD, "not paused")


def _seal(patient: _Patient) -> Diagnosis:
    with Journal.open_for_reading(patient.settings.journal_url) as journal:
        sealed = Switches(journal, time.time).sealed()
    now = digests(settings_hash(patient.settings))
    changed = [kind for kind in now if kind in sealed and sealed[kind] != now[kind]]
    if changed:
        return Diagnosis(
            "seal",
            Mark.WRONG,
            f"changed since: {', '.join(changed)}",
            "`keeper seal` if it was you.",
            Tampered.exit_code,
        )
    return Diagnosis("seal", Mark.GOOD, "as sealed" if sealed else "not sealed (`keeper seal`)")


CHECKS: tuple[tuple[str, tuple[str, ...], Check], ...] = (
    ("settings", (), _settings),
    ("key", ("settings",), _key),
    ("journal", ("settings",), _journal),
    ("pause", ("settings", "journal"), _pauses),
    ("seal", ("settings", "journal"), _seal),
    ("node", ("settings",), _endpoint),
    ("chain id", ("node", "key"), _chain),
    ("contracts", ("chain id",), _contracts),
    ("clock", ("contracts",), _clock),
    ("vault", ("contracts",), _vault),
    ("keeper role", ("contracts",), _role),
    ("gas", ("contracts",), _gas),
    ("allowances", ("contracts",), _allowances),
    ("policy", ("contracts",), _policy),
    ("lending market", ("contracts",), _market),
    ("feeds", ("contracts", "journal"), _feeds),
    ("second opinions", ("feeds",), _second_opinions),
    ("oracle gap", ("contracts",), _oracles),
    ("history", ("contracts", "journal"), _history),
    ("implied volatility", ("contracts",), _implied),
)
"""Name, what it builds on, and the check; cheap and local ones first."""
