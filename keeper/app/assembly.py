"""Puts a keeper together on its journal, without a key. Only this module and ``composition``, which adds the key, know
which class implements which port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass

from keeper import __version__
from keeper.app.clocks import SystemClock
from keeper.app.exchange_candles import VenueCandles
from keeper.app.fallback import AlsoPaused
from keeper.chain.chain_reader import ChainReader
from keeper.chain.deployed import Addresses, NativeCoin, ReadingScope
from keeper.chain.rpc.connect import connected
from keeper.chain.rpc.reads import Reads
from keeper.cycle.ports import Ports, Sender
from keeper.cycle.run import Keeper
from keeper.domain.errors import NodeUnavailable, NodeUntrusted
from keeper.domain.native_coin import COIN
from keeper.domain.pause_state import Pause
from keeper.domain.policy import Policy
from keeper.domain.prices import Opinion
from keeper.domain.record import DecisionRecord
from keeper.domain.tx import SendingKey
from keeper.feeds.candle_venue import CandleVenue
from keeper.feeds.deribit import Deribit
from keeper.feeds.deribit_index import DeribitIndex
from keeper.feeds.opinions import CANDLE_VENUES, Exchanges
from keeper.journal.acceptances import StoredAcceptances
from keeper.journal.attempts import StoredAttempts
from keeper.journal.bars import StoredBars
from keeper.journal.fills import StoredFills
from keeper.journal.pause_store import StoredPauses
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import MemoryRounds, StoredRounds
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.runtime import failpoints
from keeper.settings.endpoints import Endpoints, endpoints, references, venues
from keeper.settings.load import deployed_symbols
from keeper.settings.policy import policy, restricted, settings_hash
from keeper.settings.schema import Settings

LONGEST_HEARTBEAT_S = 86_400
"""Of a feed in USD whose heartbeat nobody told: no price feed of Chainlink is silent for longer."""
Progress = Callable[[str], None]
AccountOf = Callable[[Settings], str]
"""Names the account whose calls are simulated. Raises InvalidSetting."""
SenderOf = Callable[[StoredAttempts, StoredPauses], AbstractContextManager[Sender]]
"""Makes the sender of a key from the journal's attempts and the store that pauses on an alarm."""


class ReadOnlyRecords:
    """cycle.ports.Records for --simulate. It reads the journal and drops new records."""

    def __init__(self, stored: StoredRecords) -> None:
        self._stored = stored

    def append(self, record: DecisionRecord) -> None:
        del record

    def last_informed(self) -> DecisionRecord | None:
        return self._stored.last_informed()


@dataclass(frozen=True, slots=True)
class NamedOpinions:
    """cycle.ports.Opinions: asks exchanges for tokens by the exchanges' names."""

    exchanges: Exchanges
    names: Mapping[str, str]

    def read(self, symbols: Sequence[str], as_of: int) -> tuple[Opinion, ...]:
        named = {symbol: self.names[symbol] for symbol in symbols if symbol in self.names}
        return self.exchanges.read(named, as_of)


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything that a keeper uses besides its journal and its key. ``writes``: whether it may write the journal."""

    settings: Settings
    where: Endpoints
    policy: Policy
    account: str
    writes: bool
    reads: Reads
    chain: ChainReader
    implied: Deribit
    opinions: NamedOpinions | None


@contextmanager
def simulating(settings: Settings, account_of: AccountOf, progress: Progress) -> Iterator[Keeper]:
    """A keeper that reads everything, writes nothing and has no key. On leaving, everything that it opened is closed.

    Raises InvalidSetting, JournalCorrupt, JournalUnreadable, JournalTooNew, JournalTooOld.
    """
    where, held_policy = endpoints(settings), strategy(settings, progress)
    failpoints.arm_from_environment(where.chain_id)
    account = account_of(settings)
    with Journal.open_if_there(where.journal_url) as journal:
        if not journal.exists:
            progress(
                f"there is no journal at {journal.name}: earlier cycles, pauses and budgets are not known"
            )
        with (
            connected_outside(
                settings, held_policy, account=account, writes=False, progress=progress
            ) as outside,
            keeper_on(journal, outside) as keeper,
        ):
            yield keeper


@contextmanager
def connected_outside(
    settings: Settings, held_policy: Policy, *, account: str, writes: bool, progress: Progress
) -> Iterator[Outside]:
    """The nodes, the option market and the exchanges. A node that does not answer fails the next cycle, not this."""
    where = endpoints(settings)
    with ExitStack() as stack:
        reads = stack.enter_context(connected(where.rpc_urls, where.quorum, where.chain_id))
        chain = chain_reader(reads, where, held_policy, account=account, progress=progress)
        # A node that does not answer now, or not sensibly, fails the next cycle. It must not end the daemon.
        with suppress(NodeUnavailable, NodeUntrusted):
            chain.discover()
        yield Outside(
            settings=settings,
            where=where,
            policy=held_policy,
            account=account,
            writes=writes,
            reads=reads,
            chain=chain,
            implied=stack.enter_context(closing(Deribit(where.deribit_url))),
            opinions=stack.enter_context(exchange_opinions(settings, held_policy)),
        )


@contextmanager
def keeper_on(
    journal: Journal, outside: Outside, *, sender_of: SenderOf | None = None, always: tuple[Pause, ...] = ()
) -> Iterator[Keeper]:
    """``sender_of`` None: it sends nothing. ``always``: pauses in force whatever the journal says."""
    settings, where, clock, writes = outside.settings, outside.where, SystemClock(), outside.writes
    log, records = StoredAttempts(journal, clock.now), StoredRecords(journal)
    pause_store = StoredPauses(
        Switches(journal, clock.now),
        log,
        SendingKey(where.chain_id, outside.account),
        pause_file=where.pause_file,
        daily=outside.policy.daily,
        keeps=writes,
    )
    with ExitStack() as stack:
        sender = stack.enter_context(sender_of(log, pause_store)) if sender_of is not None else None
        yield Keeper(
            policy=outside.policy,
            ports=Ports(
                chain=outside.chain,
                rounds=StoredRounds(journal) if writes else MemoryRounds(StoredRounds(journal)),
                bars=StoredBars(journal),
                implied=outside.implied,
                opinions=outside.opinions,
                exchange_candles=stack.enter_context(
                    exchange_candles(settings, StoredBars(journal), outside.policy, keeps=writes)
                ),
                executed_swaps=StoredFills(journal),
                pause_store=AlsoPaused(pause_store, always),
                records=records if writes else ReadOnlyRecords(records),
                acceptances=StoredAcceptances(journal, clock.now),
                sender=sender,
                clock=clock,
            ),
            code_version=__version__,
            settings_hash=settings_hash(settings),
            relays=where.private_rpc_url is not None,
            compares_clocks=outside.policy.oracle.max_head_age_s is not None,
        )


def strategy(settings: Settings, progress: Progress) -> Policy:
    """The policy of the deployed assets. On a local chain the deployment file leaves out assets without enough
    history."""
    whole, deployed = policy(settings), deployed_symbols(settings)
    if deployed is None:
        return whole
    remaining, left_out = restricted(whole, deployed)
    if left_out:
        progress(
            f"{', '.join(left_out)} not in this deployment: left out, the other budgets scaled to sum to 1"
        )
    return remaining


def chain_reader(
    reads: Reads, where: Endpoints, policy: Policy, *, account: str, progress: Progress
) -> ChainReader:
    """Reads the vault and the policy's assets, and simulates calls of ``account``."""
    addresses = Addresses(
        vault=where.vault,
        multicall=where.multicall,
        quoter=where.quoter,
        descriptions=where.descriptions,
    )
    scope = ReadingScope(
        chain_id=where.chain_id,
        addresses=addresses,
        symbols=tuple(asset.symbol for asset in policy.assets),
        keeper=account,
        twap_window_s=policy.oracle.twap_window_s,
        book=where.book,
        native=_native_coin(where, policy),
        modifier=where.modifier,
    )
    return ChainReader(reads, scope, progress)


def _native_coin(where: Endpoints, policy: Policy) -> NativeCoin:
    expected = policy.oracle.feed(COIN)
    heartbeat_s = LONGEST_HEARTBEAT_S if expected.heartbeat_s is None else expected.heartbeat_s
    return NativeCoin(
        feed=where.native_feed,
        wrapped=where.wrapped_coin,
        max_age_s=heartbeat_s + expected.grace_s,
        description=where.descriptions.get(COIN),
    )


@contextmanager
def exchange_opinions(settings: Settings, policy: Policy) -> Iterator[NamedOpinions | None]:
    """The exchanges of ``oracle.venues``, or None where there is none to ask."""
    sources: list[DeribitIndex | CandleVenue] = [
        DeribitIndex(url) if name == "deribit" else CANDLE_VENUES[name](url)
        for name, url in venues(settings).items()
    ]
    if not sources:
        yield None
        return
    with closing(Exchanges(sources, max_age_s=policy.oracle.opinion_max_age_s)) as exchanges:
        yield NamedOpinions(exchanges, references(settings))


@contextmanager
def exchange_candles(
    settings: Settings, stored: StoredBars, policy: Policy, *, keeps: bool
) -> Iterator[VenueCandles | None]:
    """The exchanges of ``oracle.venues`` that have candles of the estimate's length, or None where there are none."""
    seconds = policy.estimate.bar_seconds
    with ExitStack() as stack:
        sources = [
            stack.enter_context(closing(CANDLE_VENUES[name](url)))
            for name, url in venues(settings).items()
            if name in CANDLE_VENUES and seconds in CANDLE_VENUES[name].lengths
        ]
        if not sources:
            yield None
            return
        yield VenueCandles(
            venues=sources, names=references(settings), stored=stored, bar_seconds=seconds, keeps=keeps
        )
