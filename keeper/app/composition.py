"""The composition root: from settings to a ``Keeper`` with its key. What needs no key is in ``assembly``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.app.assembly import (
    Outside,
    Progress,
    SenderOf,
    chain_reader,
    connected_outside,
    keeper_on,
    simulating,
    strategy,
)
from keeper.app.clocks import SystemClock
from keeper.app.fallback import FallbackKeeper
from keeper.app.keys import AskPassword, acting_account, require_signer, signer
from keeper.app.seal import digests, require_unchanged
from keeper.app.sending import KeyWork, transaction_sender
from keeper.app.standby import Look, Standby
from keeper.chain.block_look import BlockWatcher
from keeper.chain.chain_reader import ChainReader
from keeper.chain.heads.head_sockets import HeadSockets
from keeper.chain.rpc.connect import connected
from keeper.cycle.run import Keeper
from keeper.domain.pause_state import Pause
from keeper.domain.record import Mode
from keeper.journal.attempts import StoredAttempts
from keeper.journal.fallback import FallbackJournal
from keeper.journal.files import locked_key
from keeper.journal.pause_store import StoredPauses
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.runtime import failpoints
from keeper.settings.endpoints import endpoints
from keeper.settings.policy import policy, settings_hash
from keeper.settings.schema import Settings

if TYPE_CHECKING:
    from keeper.tx.allowlist import VaultTargets
    from keeper.tx.manager import TransactionSender
    from keeper.tx.ports import Signer, Timer


@dataclass(slots=True)
class KnownTargets:
    """The contracts that a key may call, as the chain names them. The key is opened before the nodes are asked."""

    chain: ChainReader | None = None

    def targets(self) -> VaultTargets:
        """Raises as ``ChainReader.discover``."""
        from keeper.tx.allowlist import VaultTargets

        assert self.chain is not None, "a key signs nothing before the chain is connected"
        deployment = self.chain.deployment()
        hop = deployment.hop
        return VaultTargets(
            rebalancer=deployment.rebalancer,
            shares=deployment.vault,
            modifier=hop.modifier if hop is not None else None,
        )


@dataclass(frozen=True, slots=True)
class HeldKey:
    """What a process opens once: its key, None where nothing may be sent, and the account whose calls it simulates.
    New settings change neither."""

    mode: Mode
    account: str
    key: Signer | None
    known: KnownTargets


@dataclass(frozen=True, slots=True)
class Opened:
    """What a keeper opens once and holds to its end: the journal and the key, each with its lock. New settings change
    neither. ``fallback`` is None where there is no second journal. ``require_lead``: tx.config."""

    held: HeldKey
    journal: Journal
    timer: Timer | None
    fallback: FallbackJournal | None
    require_lead: Callable[[], None]


def alone() -> None:
    """tx.config: without --standby no other keeper can have taken over, because the journal's lock is never let go."""


@contextmanager
def build(
    settings: Settings, mode: Mode, *, ask_password: AskPassword, progress: Progress = lambda _: None
) -> Iterator[Keeper]:
    """A keeper that can do what ``mode`` allows and no more. On leaving, everything that it opened is closed.

    SIMULATE reads the journal and writes nothing. Only EXECUTE and LIVE open a key, after its lock. Raises
    InvalidSetting, AlreadyRunning, Tampered, JournalCorrupt, JournalUnwritable, SignerUnavailable.
    """
    if mode is Mode.SIMULATE:
        with simulating(settings, acting_account, progress) as keeper:
            yield keeper
        return
    with (
        held_key(settings, mode, ask_password) as held,
        opening(settings, held, timer=None) as opened,
        _outside(opened, settings, progress) as outside,
    ):
        held.known.chain = outside.chain
        with keeper_on(opened.journal, outside, sender_of=_sender_of(opened, outside)) as keeper:
            yield keeper


@dataclass(frozen=True, slots=True)
class DaemonParts:
    """What the daemon runs by some settings, what it looks at between the cycles, and who tells it new blocks.
    ``chain`` is what the keeper reads with."""

    keeper: Keeper | FallbackKeeper
    looks: BlockWatcher
    heads: HeadSockets
    chain: ChainReader


@contextmanager
def daemon_parts(opened: Opened, settings: Settings, progress: Progress) -> Iterator[DaemonParts]:
    """A keeper of these settings; there may be one of other settings beside it. The looks have a
    connection of their own. Raises as ``build``."""
    where = endpoints(settings)
    with (
        _outside(opened, settings, progress) as outside,
        keeper_on(opened.journal, outside, sender_of=_sender_of(opened, outside)) as keeper,
        connected(where.rpc_urls, where.quorum, where.chain_id) as reads,
    ):
        looks = BlockWatcher(
            reads, where.multicall, outside.account, deployment=outside.chain.known_deployment
        )
        heads = HeadSockets(where.ws_urls, where.chain_id)
        if opened.fallback is None:
            yield DaemonParts(keeper, looks, heads=heads, chain=outside.chain)
            return

        def on_fallback(fallback: Journal, trouble: Pause) -> AbstractContextManager[Keeper]:
            sender_of = _sender_of(opened, outside)
            return keeper_on(fallback, outside, sender_of=sender_of, always=(trouble,))

        with_fallback = FallbackKeeper(keeper, opened.journal, opened.fallback, keeper_on=on_fallback)
        yield DaemonParts(with_fallback, looks, heads=heads, chain=outside.chain)


@contextmanager
def held_key(settings: Settings, mode: Mode, ask_password: AskPassword) -> Iterator[HeldKey]:
    """Opens the key. Raises InvalidSetting, SignerUnavailable."""
    endpoints(settings)
    policy(settings)  # wrong settings end here, before a lock is taken or a password asked
    known = KnownTargets()
    with ExitStack() as stack:
        key = stack.enter_context(signer(settings, ask_password, known.targets)) if mode.sends else None
        account = key.address if key is not None else acting_account(settings)
        yield HeldKey(mode, account, key=key, known=known)


@contextmanager
def opening(
    settings: Settings, held: HeldKey, *, timer: Timer | None, standby: Standby | None = None
) -> Iterator[Opened]:
    """Takes the key's lock and opens the journal; with ``standby`` it waits until this keeper leads. The sender waits
    by ``timer``. Raises as ``build``."""
    where = endpoints(settings)
    failpoints.arm_from_environment(where.chain_id)
    with ExitStack() as stack:
        if standby is None:
            if held.key is not None:
                stack.enter_context(locked_key(where.lock_directory, where.chain_id, held.account))
            journal, require_lead = stack.enter_context(Journal.open(where.journal_url)), alone
        else:
            with _eyes(settings, held) as look:
                lease = standby.next_lease(look)
                stack.enter_context(standby.locked_key(where, held.account))
                journal = stack.enter_context(Journal.open_to_lead(where.journal_url, lease, standby))
            require_lead = standby.require_lead
        directory = where.fallback_journal if held.mode.sends else None
        fallback = FallbackJournal(directory) if directory is not None else None
        yield Opened(held, journal, timer=timer, fallback=fallback, require_lead=require_lead)


@contextmanager
def _eyes(settings: Settings, held: HeldKey) -> Iterator[Look]:
    """Looks whether a keeper of these settings could lead now: at the nodes and the vault, at the remote signer, and
    whether the journal and its seals accept this program."""
    where, held_policy = endpoints(settings), strategy(settings, _quiet)
    with connected(where.rpc_urls, where.quorum, where.chain_id) as reads:
        chain = chain_reader(reads, where, held_policy, account=held.account, progress=_quiet)
        looks = BlockWatcher(reads, where.multicall, held.account, deployment=chain.deployment)

        def look() -> None:
            looks.look()
            require_signer(held.key)
            with Journal.open_if_usable(where.journal_url) as journal:
                _require_sealed(Switches(journal, SystemClock().now), settings, _quiet)

        yield look


def _quiet(text: str) -> None:
    del text


@contextmanager
def _outside(opened: Opened, settings: Settings, progress: Progress) -> Iterator[Outside]:
    held_policy = strategy(settings, progress)
    if opened.held.key is not None:
        _require_sealed(Switches(opened.journal, SystemClock().now), settings, progress)
    with connected_outside(
        settings, held_policy, account=opened.held.account, writes=True, progress=progress
    ) as outside:
        yield outside


def _sender_of(opened: Opened, outside: Outside) -> SenderOf | None:
    """None without a key. The sender knows the contracts from the same chain as its keeper."""
    key = opened.held.key
    if key is None:
        return None
    known = KnownTargets(outside.chain)

    @contextmanager
    def sender_of(log: StoredAttempts, alarm: StoredPauses) -> Iterator[TransactionSender]:
        work = KeyWork(
            key,
            log,
            alarm,
            targets=known.targets,
            require_lead=opened.require_lead,
            timer=opened.timer,
        )
        with transaction_sender(outside.settings, outside.reads, work) as sender:
            yield sender

    return sender_of


def _require_sealed(switches: Switches, settings: Settings, progress: Progress) -> None:
    sealed = switches.sealed()
    if not sealed:
        progress("not sealed: after `keeper seal` a change of program, ABIs or settings is noticed")
        return
    require_unchanged(sealed, digests(settings_hash(settings)))
