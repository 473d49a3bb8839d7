"""Joins the parts: settings in, a ``Keeper`` out. Only here is known which class stands behind which port."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from keeper import __version__
from keeper.chain.deployment import Addresses
from keeper.chain.node import Node
from keeper.chain.rpc import Rpc
from keeper.cycle import Keeper
from keeper.domain.errors import InvalidSetting, NodeUnavailable
from keeper.domain.evidence import ImpliedReading
from keeper.domain.market import MarketSnapshot
from keeper.domain.policy import Policy
from keeper.domain.record import DecisionRecord, Mode
from keeper.feeds.deribit import Deribit
from keeper.settings.load import deployed_symbols
from keeper.settings.schema import Settings
from keeper.settings.to_domain import Endpoints, endpoints, held, key_source, policy, settings_hash

if TYPE_CHECKING:
    from keeper.journal.records import StoredRecords
    from keeper.replay import Replay
    from keeper.tx.manager import TransactionSender
    from keeper.tx.ports import AttemptLog
    from keeper.tx.signer import Allowed, LocalSigner

AskPassword = Callable[[], str]
Progress = Callable[[str], None]


class SystemClock:
    """ports.Clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class UnkeptRecords:
    """ports.Records of a simulation: it sees what is there, and keeps nothing, as it changes nothing."""

    def __init__(self, stored: StoredRecords) -> None:
        self._stored = stored

    def append(self, record: DecisionRecord) -> None:
        del record

    def last_implied(self) -> tuple[ImpliedReading, ...]:
        return self._stored.last_implied()


def strategy(settings: Settings, progress: Progress) -> Policy:
    """The policy of the assets that are there: a deployment file may say that some had too little history."""
    whole, deployed = policy(settings), deployed_symbols(settings)
    if deployed is None:
        return whole
    kept, left_out = held(whole, deployed)
    if left_out:
        progress(
            f"{', '.join(left_out)} not in this deployment: left out, the other budgets scaled to sum to 1"
        )
    return kept


def node_at(rpc: Rpc, where: Endpoints, wanted: Policy, keeper: str, progress: Progress) -> Node:
    """The node behind ``rpc``, looking at the settings' vault and assets with the keeper's account."""
    addresses = Addresses(vault=where.vault, multicall=where.multicall, quoter=where.quoter)
    symbols = [asset.symbol for asset in wanted.assets]
    return Node(rpc, addresses, where.chain_id, symbols, keeper, progress)


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


def signer(settings: Settings, ask_password: AskPassword) -> LocalSigner:
    """The key, opened. Raises InvalidSetting when there is none, or its password is wrong."""
    from keeper.tx.signer import from_development_key, from_keystore

    source, allowed = key_source(settings), _allowed(endpoints(settings))
    if source.keystore is not None:
        file = source.password_file
        return from_keystore(
            source.keystore, ask_password if file is None else lambda: _first_line(file), allowed
        )
    if source.private_key is not None:
        return from_development_key(source.private_key, allowed)
    raise InvalidSetting(
        "no key is set, so nothing can be signed",
        remedy="Set KEEPER_KEYSTORE to an encrypted keystore (V3) file and KEEPER_KEYSTORE_PASSWORD_FILE.",
    )


def transaction_sender(
    rpc: Rpc, log: AttemptLog, key: LocalSigner, where: Endpoints, clock: SystemClock
) -> TransactionSender:
    """The one part that spends. Its waits end early on a signal that raises."""
    from keeper.tx.manager import TransactionSender, Waiting
    from keeper.tx.node import RpcNode

    pause = Event()

    def wait(seconds: float) -> None:
        pause.wait(seconds)

    return TransactionSender(RpcNode(rpc.request, rpc.send), log, key, where.chain_id, clock, wait, Waiting())


def _allowed(where: Endpoints) -> Allowed:
    from keeper.tx.signer import Allowed

    return Allowed(chain_id=where.chain_id, vault=where.vault)


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

    SIMULATE reads the journal and writes nowhere. Only EXECUTE and LIVE open a key. Raises InvalidSetting,
    AlreadyRunning, JournalCorrupt, JournalUnwritable.
    """
    from keeper.journal.attempts import StoredAttempts
    from keeper.journal.records import StoredRecords
    from keeper.journal.rounds import MemoryRounds, StoredRounds
    from keeper.journal.store import Journal

    where, wanted, clock = endpoints(settings), strategy(settings, progress), SystemClock()
    key = signer(settings, ask_password) if mode.sends else None
    account = key.address if key is not None else acting_account(settings)
    with ExitStack() as stack:
        rpc = stack.enter_context(Rpc(where.rpc_url))
        implied = stack.enter_context(closing(Deribit(where.deribit_url)))
        writes = mode is not Mode.SIMULATE
        open_journal = Journal.open if writes else Journal.open_for_reading
        journal = stack.enter_context(open_journal(where.journal_url))
        log, records = StoredAttempts(journal, clock.now), StoredRecords(journal)
        node = node_at(rpc, where, wanted, account, progress)
        with suppress(
            NodeUnavailable
        ):  # a node that is down now is each cycle's own failure, not the daemon's end
            node.discover()
        yield Keeper(
            policy=wanted,
            chain=node,
            rounds=StoredRounds(journal) if writes else MemoryRounds(StoredRounds(journal)),
            implied=implied,
            sender=None if key is None else transaction_sender(rpc, log, key, where, clock),
            records=records if writes else UnkeptRecords(records),
            clock=clock,
            code_version=__version__,
            settings_hash=settings_hash(settings),
        )


@contextmanager
def stored_records(settings: Settings) -> Iterator[StoredRecords]:
    """The journal's records, for reading beside a running keeper. Raises InvalidSetting, JournalCorrupt."""
    from keeper.journal.records import StoredRecords
    from keeper.journal.store import Journal

    with Journal.open_for_reading(settings.journal_url) as journal:
        yield StoredRecords(journal)


def replayed(settings: Settings, record_id: str) -> Replay:
    """A stored record concluded again from its own inputs, offline. Raises BadInput, JournalCorrupt."""
    from keeper.journal.records import StoredRecords
    from keeper.journal.rounds import StoredRounds, digest
    from keeper.journal.store import Journal
    from keeper.replay import replay

    with Journal.open_for_reading(settings.journal_url) as journal:
        record = StoredRecords(journal).record(record_id)
        return replay(record, StoredRounds(journal).since(0), digest)


def look(
    settings: Settings, progress: Progress = lambda _: None
) -> tuple[MarketSnapshot, DecisionRecord | None]:
    """The vault as it is now and the last record, without price history. Raises what ``Node.read`` raises."""
    where, wanted = endpoints(settings), strategy(settings, progress)
    with Rpc(where.rpc_url) as rpc, stored_records(settings) as records:
        node = node_at(rpc, where, wanted, acting_account(settings), progress)
        reading = node.read({}, 0)
        last = records.latest(1)
    return reading.snapshot, last[0] if last else None
