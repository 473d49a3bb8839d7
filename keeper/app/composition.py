"""The composition root: from settings to a ``Keeper``. Only this module knows which class implements which port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper import __version__
from keeper.app.clocks import SystemClock
from keeper.app.exchange_candles import VenueCandles
from keeper.app.fallback import AlsoPaused, FallbackKeeper
from keeper.app.keys import AskPassword, acting_account, signer
from keeper.app.seal import digests, require_unchanged
from keeper.app.sending import KeyWork, transaction_sender
from keeper.chain.block_look import BlockWatcher
from keeper.chain.chain_reader import ChainReader
from keeper.chain.deployed import Addresses, ReadingScope
from keeper.chain.rpc.connect import connected
from keeper.chain.rpc.reads import Reads
from keeper.cycle.ports import Ports
from keeper.cycle.run import Keeper
from keeper.domain.errors import NodeUnavailable, NodeUntrusted
from keeper.domain.pause_state import Pause
from keeper.domain.policy import Policy
from keeper.domain.prices import Opinion
from keeper.domain.record import DecisionRecord, Mode
from keeper.domain.tx import SendingKey
from keeper.feeds.candle_venue import CandleVenue
from keeper.feeds.deribit import Deribit
from keeper.feeds.deribit_index import DeribitIndex
from keeper.feeds.opinions import CANDLE_VENUES, Exchanges
from keeper.journal.acceptances import StoredAcceptances
from keeper.journal.attempts import StoredAttempts
from keeper.journal.bars import StoredBars
from keeper.journal.fallback import FallbackJournal
from keeper.journal.files import locked_key
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

if TYPE_CHECKING:
    from keeper.tx.allowlist import VaultTargets
    from keeper.tx.ports import Signer, Timer

Progress = Callable[[str], None]


class ReadOnlyRecords:
    """cycle.ports.Records for --simulate. It reads the journal and drops new records."""

    def __init__(self, stored: StoredRecords) -> None:
        self._stored = stored

    def append(self, record: DecisionRecord) -> None:
        del record

    def last_informed(self) -> DecisionRecord | None:
        return self._stored.last_informed()


@dataclass(slots=True)
class KnownTargets:
    """The contracts that a key may call, as the chain names them. The key is opened before the nodes are asked."""

    chain: ChainReader | None = None

    def targets(self) -> VaultTargets:
        """Raises as ``ChainReader.discover``."""
        from keeper.tx.allowlist import VaultTargets

        assert self.chain is not None, "a key signs nothing before the chain is connected"
        deployment = self.chain.deployment()
        return VaultTargets(rebalancer=deployment.rebalancer, shares=deployment.vault)


@dataclass(frozen=True, slots=True)
class NamedOpinions:
    """cycle.ports.Opinions: asks exchanges for tokens by the exchanges' names."""

    exchanges: Exchanges
    names: Mapping[str, str]

    def read(self, symbols: Sequence[str], as_of: int) -> tuple[Opinion, ...]:
        named = {symbol: self.names[symbol] for symbol in symbols if symbol in self.names}
        return self.exchanges.read(named, as_of)


@dataclass(frozen=True, slots=True)
class _Outside:
    """Everything that a keeper uses besides its journal. ``key`` is None where nothing may be sent."""

    settings: Settings
    where: Endpoints
    mode: Mode
    policy: Policy
    key: Signer | None
    account: str
    reads: Reads
    chain: ChainReader
    implied: Deribit
    opinions: NamedOpinions | None
    known: KnownTargets
    timer: Timer | None


@contextmanager
def build(
    settings: Settings, mode: Mode, *, ask_password: AskPassword, progress: Progress = lambda _: None
) -> Iterator[Keeper]:
    """A keeper that can do what ``mode`` allows and no more. On leaving, everything that it opened is closed.

    SIMULATE reads the journal and writes nothing. Only EXECUTE and LIVE open a key, after its lock. Raises
    InvalidSetting, AlreadyRunning, Tampered, JournalCorrupt, JournalUnwritable, SignerUnavailable.
    """
    with (
        _opened(settings, mode, ask_password=ask_password, progress=progress, timer=None) as (
            outside,
            journal,
        ),
        _keeper_on(journal, outside) as keeper,
    ):
        yield keeper


@dataclass(frozen=True, slots=True)
class DaemonParts:
    """What the daemon runs, and what it looks at between the cycles."""

    keeper: Keeper | FallbackKeeper
    looks: BlockWatcher


@contextmanager
def build_daemon(
    settings: Settings, mode: Mode, *, ask_password: AskPassword, progress: Progress, timer: Timer
) -> Iterator[DaemonParts]:
    """As ``build``, with the fallback journal of the settings. The sender waits by ``timer``. The looks have a
    connection of their own."""
    with (
        _opened(settings, mode, ask_password=ask_password, progress=progress, timer=timer) as (
            outside,
            journal,
        ),
        _keeper_on(journal, outside) as keeper,
        connected(outside.where.rpc_urls, outside.where.quorum, outside.where.chain_id) as reads,
    ):
        looks = BlockWatcher(
            reads, outside.where.multicall, outside.account, deployment=outside.chain.known_deployment
        )
        directory = outside.where.fallback_journal
        if directory is None or not mode.sends:
            yield DaemonParts(keeper, looks)
        else:

            def on_fallback(fallback: Journal, trouble: Pause) -> AbstractContextManager[Keeper]:
                return _keeper_on(fallback, outside, always=(trouble,))

            yield DaemonParts(
                FallbackKeeper(keeper, journal, FallbackJournal(directory), keeper_on=on_fallback), looks
            )


@contextmanager
def _opened(
    settings: Settings, mode: Mode, *, ask_password: AskPassword, progress: Progress, timer: Timer | None
) -> Iterator[tuple[_Outside, Journal]]:
    where, held_policy = endpoints(settings), strategy(settings, progress)
    failpoints.arm_from_environment(where.chain_id)
    with ExitStack() as stack:
        known = KnownTargets()
        key = stack.enter_context(signer(settings, ask_password, known.targets)) if mode.sends else None
        account = key.address if key is not None else acting_account(settings)
        if key is not None:
            stack.enter_context(locked_key(where.lock_directory, where.chain_id, account))
        open_journal = Journal.open if mode is not Mode.SIMULATE else Journal.open_if_there
        journal = stack.enter_context(open_journal(where.journal_url))
        if not journal.exists:
            progress(
                f"there is no journal at {journal.name}: earlier cycles, pauses and budgets are not known"
            )
        if key is not None:
            _require_sealed(Switches(journal, SystemClock().now), settings, progress)
        reads = stack.enter_context(connected(where.rpc_urls, where.quorum, where.chain_id))
        chain = known.chain = chain_reader(reads, where, held_policy, account=account, progress=progress)
        # A node that does not answer now, or not sensibly, fails the next cycle. It must not end the daemon.
        with suppress(NodeUnavailable, NodeUntrusted):
            chain.discover()
        outside = _Outside(
            settings=settings,
            where=where,
            mode=mode,
            policy=held_policy,
            key=key,
            account=account,
            reads=reads,
            chain=chain,
            implied=stack.enter_context(closing(Deribit(where.deribit_url))),
            opinions=stack.enter_context(exchange_opinions(settings, held_policy)),
            known=known,
            timer=timer,
        )
        yield outside, journal


@contextmanager
def _keeper_on(journal: Journal, outside: _Outside, always: tuple[Pause, ...] = ()) -> Iterator[Keeper]:
    """``always``: pauses in force whatever the journal says."""
    settings, where, clock = outside.settings, outside.where, SystemClock()
    writes = outside.mode is not Mode.SIMULATE
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
        sender = None
        if outside.key is not None:
            work = KeyWork(outside.key, log, pause_store, targets=outside.known.targets, timer=outside.timer)
            sender = stack.enter_context(transaction_sender(settings, outside.reads, work))
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
    )
    return ChainReader(reads, scope, progress)


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


def _require_sealed(switches: Switches, settings: Settings, progress: Progress) -> None:
    sealed = switches.sealed()
    if not sealed:
        progress("not sealed: after `keeper seal` a change of program, ABIs or settings is noticed")
        return
    require_unchanged(sealed, digests(settings_hash(settings)))
