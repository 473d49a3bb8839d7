"""The composition root: from settings to a ``Keeper`` with its key. What needs no key is in ``assembly``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.app.assembly import (
    Outside,
    Progress,
    SenderOf,
    connected_outside,
    keeper_on,
    simulating,
    strategy,
)
from keeper.app.clocks import SystemClock
from keeper.app.fallback import FallbackKeeper
from keeper.app.keys import AskPassword, acting_account, signer
from keeper.app.seal import digests, require_unchanged
from keeper.app.sending import KeyWork, transaction_sender
from keeper.chain.block_look import BlockWatcher
from keeper.chain.chain_reader import ChainReader
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
from keeper.settings.policy import settings_hash
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
        return VaultTargets(rebalancer=deployment.rebalancer, shares=deployment.vault)


@dataclass(frozen=True, slots=True)
class _Opened:
    """The outside and the journal of a keeper that may write. ``key`` is None where nothing may be sent."""

    outside: Outside
    journal: Journal
    key: Signer | None
    known: KnownTargets
    timer: Timer | None

    @property
    def sender_of(self) -> SenderOf | None:
        return None if self.key is None else self._sender

    @contextmanager
    def _sender(self, log: StoredAttempts, alarm: StoredPauses) -> Iterator[TransactionSender]:
        assert self.key is not None, "a sender has a key"
        work = KeyWork(self.key, log, alarm, targets=self.known.targets, timer=self.timer)
        with transaction_sender(self.outside.settings, self.outside.reads, work) as sender:
            yield sender


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
        _opened(settings, mode, ask_password=ask_password, progress=progress, timer=None) as opened,
        keeper_on(opened.journal, opened.outside, sender_of=opened.sender_of) as keeper,
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
    where = endpoints(settings)
    with (
        _opened(settings, mode, ask_password=ask_password, progress=progress, timer=timer) as opened,
        keeper_on(opened.journal, opened.outside, sender_of=opened.sender_of) as keeper,
        connected(where.rpc_urls, where.quorum, where.chain_id) as reads,
    ):
        outside, journal = opened.outside, opened.journal
        looks = BlockWatcher(
            reads, where.multicall, outside.account, deployment=outside.chain.known_deployment
        )
        directory = where.fallback_journal
        if directory is None or not mode.sends:
            yield DaemonParts(keeper, looks)
        else:

            def on_fallback(fallback: Journal, trouble: Pause) -> AbstractContextManager[Keeper]:
                return keeper_on(fallback, outside, sender_of=opened.sender_of, always=(trouble,))

            yield DaemonParts(
                FallbackKeeper(keeper, journal, FallbackJournal(directory), keeper_on=on_fallback), looks
            )


@contextmanager
def _opened(
    settings: Settings, mode: Mode, *, ask_password: AskPassword, progress: Progress, timer: Timer | None
) -> Iterator[_Opened]:
    where, held_policy = endpoints(settings), strategy(settings, progress)
    failpoints.arm_from_environment(where.chain_id)
    with ExitStack() as stack:
        known = KnownTargets()
        key = stack.enter_context(signer(settings, ask_password, known.targets)) if mode.sends else None
        account = key.address if key is not None else acting_account(settings)
        if key is not None:
            stack.enter_context(locked_key(where.lock_directory, where.chain_id, account))
        journal = stack.enter_context(Journal.open(where.journal_url))
        if key is not None:
            _require_sealed(Switches(journal, SystemClock().now), settings, progress)
        outside = stack.enter_context(
            connected_outside(settings, held_policy, account=account, writes=True, progress=progress)
        )
        known.chain = outside.chain
        yield _Opened(outside, journal, key, known=known, timer=timer)


def _require_sealed(switches: Switches, settings: Settings, progress: Progress) -> None:
    sealed = switches.sealed()
    if not sealed:
        progress("not sealed: after `keeper seal` a change of program, ABIs or settings is noticed")
        return
    require_unchanged(sealed, digests(settings_hash(settings)))
