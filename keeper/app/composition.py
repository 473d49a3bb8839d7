"""Joins the parts: settings in, a ``Keeper`` out. Only here is known which class stands behind which port."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from keeper import __version__
from keeper.app.seal import digests, require_unchanged
from keeper.chain.chain_reader import ChainReader
from keeper.chain.deployed import Addresses, ReadingScope
from keeper.chain.rpc.client import Member, Reads, Request, Rpc
from keeper.chain.rpc.connect import connected
from keeper.cycle.run import Keeper
from keeper.domain.errors import InvalidSetting, NodeUnavailable
from keeper.domain.policy import Policy
from keeper.domain.prices import Opinion
from keeper.domain.record import CycleInputs, DecisionRecord, Mode
from keeper.feeds.deribit import Deribit
from keeper.journal.files import locked_key
from keeper.journal.pause_store import StoredPauses
from keeper.settings.endpoints import Endpoints, endpoints, key_source, references, venues
from keeper.settings.load import deployed_symbols
from keeper.settings.policy import policy, restricted, settings_hash
from keeper.settings.schema import Settings

if TYPE_CHECKING:
    from keeper.feeds.candle_venue import CandleVenue
    from keeper.feeds.opinions import Exchanges
    from keeper.journal.records import StoredRecords
    from keeper.journal.switches import Switches
    from keeper.tx.allowlist import AllowedTarget
    from keeper.tx.manager import TransactionSender
    from keeper.tx.ports import Alarm, AttemptLog, SendingNode, Signer

AskPassword = Callable[[], str]
Progress = Callable[[str], None]


class SystemClock:
    """cycle.ports.Clock and tx.ports.Timer. A wait ends early on a signal that raises."""

    def __init__(self) -> None:
        self._never = Event()

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        self._never.wait(seconds)


class UnkeptRecords:
    """ports.Records of a simulation: it sees what is there, and keeps nothing, as it changes nothing."""

    def __init__(self, stored: StoredRecords) -> None:
        self._stored = stored

    def append(self, record: DecisionRecord) -> None:
        del record

    def last_inputs(self) -> CycleInputs | None:
        return self._stored.last_inputs()


def strategy(settings: Settings, progress: Progress) -> Policy:
    """The policy of the assets that are there: a deployment file may say that some had too little history."""
    whole, deployed = policy(settings), deployed_symbols(settings)
    if deployed is None:
        return whole
    kept, left_out = restricted(whole, deployed)
    if left_out:
        progress(
            f"{', '.join(left_out)} not in this deployment: left out, the other budgets scaled to sum to 1"
        )
    return kept


def node_at(rpc: Reads, where: Endpoints, wanted: Policy, keeper: str, progress: Progress) -> ChainReader:
    """The node behind ``rpc``, looking at the settings' vault and assets with the keeper's account."""
    addresses = Addresses(
        vault=where.vault,
        multicall=where.multicall,
        quoter=where.quoter,
        descriptions=where.descriptions,
        redemption_queue=where.redemption_queue,
    )
    scope = ReadingScope(
        chain_id=where.chain_id,
        addresses=addresses,
        symbols=tuple(asset.symbol for asset in wanted.assets),
        keeper=keeper,
        twap_window_s=wanted.oracle.twap_window_s,
        book=where.book,
    )
    return ChainReader(rpc, scope, progress)


def acting_account(settings: Settings) -> str:
    """Whose calls are simulated, no key opened: the key's, or KEEPER_SENDER. Raises InvalidSetting."""
    from keeper.tx.signer import from_development_key

    source = key_source(settings)
    if source.private_key is not None:
        return from_development_key(source.private_key, _allowed(endpoints(settings))).address
    if source.keystore is not None:
        named = _keystore_address(source.keystore)
        if named is not None:
            return named
    if settings.sender is not None:
        return settings.sender
    raise InvalidSetting(
        "no key is set, so the keeper's account is not known",
        remedy="Set KEEPER_KEYSTORE, or KEEPER_SENDER to the keeper's address where nothing will be signed.",
    )


@contextmanager
def signer(settings: Settings, ask_password: AskPassword) -> Iterator[Signer]:
    """The key, opened. Raises InvalidSetting when there is none, or its password is wrong; SignerUnavailable."""
    from keeper.tx.remote_signer import RemoteSigner
    from keeper.tx.signer import from_development_key, from_keystore

    source, allowed = key_source(settings), _allowed(endpoints(settings))
    if source.signer_url is not None and settings.sender is not None:
        with RemoteSigner(source.signer_url, settings.sender, allowed) as remote:
            remote.require_account()
            yield remote
    elif source.keystore is not None:
        file = source.password_file
        yield from_keystore(
            source.keystore, ask_password if file is None else lambda: _first_line(file), allowed
        )
    elif source.private_key is not None:
        yield from_development_key(source.private_key, allowed)
    else:
        raise InvalidSetting(
            "no key is set, so nothing can be signed",
            remedy="Set KEEPER_KEYSTORE to an encrypted keystore (V3) file and KEEPER_KEYSTORE_PASSWORD_FILE.",
        )


@dataclass(frozen=True, slots=True)
class NamedOpinions:
    """ports.Opinions: tokens by the names that exchanges have for them."""

    exchanges: Exchanges
    names: Mapping[str, str]

    def read(self, symbols: Sequence[str], as_of: int) -> tuple[Opinion, ...]:
        return self.exchanges.read({one: self.names[one] for one in symbols if one in self.names}, as_of)


@contextmanager
def opinions_of(settings: Settings, wanted: Policy) -> Iterator[NamedOpinions | None]:
    """The exchanges that the settings name; None where they name none."""
    from keeper.feeds.deribit_index import DeribitIndex
    from keeper.feeds.opinions import CANDLE_VENUES, Exchanges

    places: list[DeribitIndex | CandleVenue] = [
        DeribitIndex(url) if name == "deribit" else CANDLE_VENUES[name](url)
        for name, url in venues(settings).items()
    ]
    if not places:
        yield None
        return
    with ExitStack() as stack:
        for place in places:
            stack.enter_context(closing(place))
        exchanges = Exchanges(places, max_age_s=wanted.oracle.opinion_max_age_s)
        yield NamedOpinions(exchanges, references(settings))


@contextmanager
def transaction_sender(
    reads: Reads, log: AttemptLog, key: Signer, alarm: Alarm, settings: Settings, clock: SystemClock
) -> Iterator[TransactionSender]:
    """The one part that spends."""
    from keeper.tx.config import SenderConfig
    from keeper.tx.manager import TransactionSender
    from keeper.tx.node import PrivateRelay
    from keeper.tx.send_state import POLL_S, SendTiming

    where, send = endpoints(settings), settings.send
    timing = SendTiming(
        poll_s=POLL_S,
        bump_after_s=send.bump_after_s,
        give_up_after_s=send.give_up_after_s,
        private_s=send.private_patience_s,
        confirmations=send.confirmations,
    )
    with ExitStack() as stack:
        relay = None
        if where.private_rpc_url is not None:
            relay = PrivateRelay(stack.enter_context(Rpc(where.private_rpc_url)).send)
        config = SenderConfig(
            node=_sending_node(reads, send.finality_blocks),
            relay=relay,
            log=log,
            signer=key,
            alarm=alarm,
            timer=clock,
            timing=timing,
            chain_id=where.chain_id,
            vault=where.vault,
        )
        yield TransactionSender(config)


def _sending_node(reads: Reads, finality_blocks: int | None) -> SendingNode:
    from keeper.tx.node import RpcNode
    from keeper.tx.node_pool import NodePool

    def one_node(member: Member) -> RpcNode:
        def batch(calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
            return member.batch([Request(method, params) for method, params in calls])

        return RpcNode(member.request, batch, member.send, finality_blocks)

    nodes = [one_node(member) for member in reads.members]
    return nodes[0] if len(nodes) == 1 else NodePool(nodes, reads.quorum)


def _allowed(where: Endpoints) -> AllowedTarget:
    from keeper.tx.allowlist import AllowedTarget

    return AllowedTarget(chain_id=where.chain_id, vault=where.vault)


def _keystore_address(path: Path) -> str | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InvalidSetting(
            f"KEEPER_KEYSTORE = {path}: cannot be read", remedy="Point it to an encrypted keystore (V3) file."
        ) from None
    address = content.get("address") if isinstance(content, dict) else None
    return f"0x{address.removeprefix('0x')}" if isinstance(address, str) else None


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise InvalidSetting(
            f"KEEPER_KEYSTORE_PASSWORD_FILE = {path}: cannot be read",
            remedy="Point it to a readable file whose first line is the password.",
        ) from None


@contextmanager
def build(
    settings: Settings, mode: Mode, *, ask_password: AskPassword, progress: Progress = lambda _: None
) -> Iterator[Keeper]:
    """A keeper that can do what ``mode`` says and no more; everything it opened is closed on leaving.

    SIMULATE reads the journal and writes nowhere. Only EXECUTE and LIVE open a key, after locking it. Raises
    InvalidSetting, AlreadyRunning, Tampered, JournalCorrupt, JournalUnwritable, SignerUnavailable.
    """
    from keeper.journal.attempts import StoredAttempts
    from keeper.journal.bars import StoredBars
    from keeper.journal.fills import StoredFills
    from keeper.journal.records import StoredRecords
    from keeper.journal.rounds import MemoryRounds, StoredRounds
    from keeper.journal.store import Journal
    from keeper.journal.switches import Switches

    where, wanted, clock = endpoints(settings), strategy(settings, progress), SystemClock()
    with ExitStack() as stack:
        key = stack.enter_context(signer(settings, ask_password)) if mode.sends else None
        account = key.address if key is not None else acting_account(settings)
        if key is not None:
            stack.enter_context(locked_key(where.lock_directory, where.chain_id, account))
        writes = mode is not Mode.SIMULATE
        open_journal = Journal.open if writes else Journal.open_for_reading
        journal = stack.enter_context(open_journal(where.journal_url))
        switches = Switches(journal, clock.now)
        if key is not None:
            _require_sealed(switches, settings, progress)
        reads = stack.enter_context(connected(where.rpc_urls, where.quorum, where.chain_id))
        implied = stack.enter_context(closing(Deribit(where.deribit_url)))
        log, records = StoredAttempts(journal, clock.now), StoredRecords(journal)
        pause_store = StoredPauses(
            switches, log, where.pause_file, wanted.daily, where.chain_id, account, keeps=writes
        )
        sender = (
            None
            if key is None
            else stack.enter_context(transaction_sender(reads, log, key, pause_store, settings, clock))
        )
        node = node_at(reads, where, wanted, account, progress)
        with suppress(
            NodeUnavailable
        ):  # a node that is down now is each cycle's own failure, not the daemon's end
            node.discover()
        yield Keeper(
            policy=wanted,
            chain=node,
            rounds=StoredRounds(journal) if writes else MemoryRounds(StoredRounds(journal)),
            implied=implied,
            sender=sender,
            pause_store=pause_store,
            records=records if writes else UnkeptRecords(records),
            clock=clock,
            code_version=__version__,
            settings_hash=settings_hash(settings),
            relays=where.private_rpc_url is not None,
            opinions=stack.enter_context(opinions_of(settings, wanted)),
            compares_clocks=wanted.oracle.max_head_age_s is not None,
            bars=StoredBars(journal),
            executed_swaps=StoredFills(journal),
        )


def _require_sealed(switches: Switches, settings: Settings, progress: Progress) -> None:
    sealed = switches.sealed()
    if not sealed:
        progress("not sealed: `keeper seal` makes later changes of program, ABIs and settings noticed")
        return
    require_unchanged(sealed, digests(settings_hash(settings)))
