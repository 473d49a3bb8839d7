"""``keeper run --standby``: of several daemons on one journal one leads, and the others wait until they may."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager

from keeper.app.daemon import WAITING_EVERY_S, Observer
from keeper.domain.errors import AlreadyRunning, InvalidSetting, KeeperError
from keeper.domain.leadership import WITHOUT_LEASE, Leadership, LeaseReading
from keeper.journal import databases
from keeper.journal.files import locked_key
from keeper.journal.leadership import on_this_machine
from keeper.journal.lease import Lease, require_clock
from keeper.monitoring.events import LeadLost, Leads, StandsBy
from keeper.runtime.concurrency import run_in_background
from keeper.runtime.deadline import work_within
from keeper.runtime.logs import logger
from keeper.settings.endpoints import Endpoints
from keeper.settings.schema import Settings

ASK_EVERY_S = 0.5
LOOK_EVERY_S = 5.0
"""How often a standby looks whether its node still answers."""
Look = Callable[[], object]
"""Looks at all that a leader needs. Raises a KeeperError or an OSError where something is not there."""
NEVER_ENDED = (
    f"{WITHOUT_LEASE} has the journal, and the database does not end its session when it hangs. "
    "Start that one with --standby too."
)


class SettingsAsked(Exception):
    """A hang-up asks a standby to read its settings again."""


def require_live(*, live: bool) -> None:
    """Raises InvalidSetting: a dry run that leads would keep the machine that sends from leading."""
    if not live:
        raise InvalidSetting(
            "--standby without --live: a dry run would take the lead from the machine that sends",
            remedy="Add --live, or leave --standby out.",
        )


def require_shared_journal(settings: Settings) -> None:
    """Raises InvalidSetting where two machines cannot share what these settings name."""
    require_clock()
    if databases.on_this_machine(settings.journal_url):
        raise InvalidSetting(
            f"--standby: KEEPER_JOURNAL_URL = {databases.shown(settings.journal_url)} is a file on this machine",
            remedy="Machines that stand by for each other share their journal: "
            "set KEEPER_JOURNAL_URL=postgresql://user@host/database.",
        )
    if settings.fallback_journal is not None:
        raise InvalidSetting(
            f"--standby: KEEPER_FALLBACK_JOURNAL = {settings.fallback_journal} is set",
            remedy="Unset it. Without the shared journal no machine knows what the other one sends, so a second "
            "journal may not send (docs/two-machines.md).",
        )


class Standby:
    """journal.leased.Candidate: stands by, and keeps the lease of the present term. ``wait`` waits so many seconds."""

    def __init__(self, lease_s: float, wait: Callable[[float], None]) -> None:
        self._lease_s = lease_s
        self._wait = wait
        self._observer: Observer = lambda _: None
        self._hung_up = False
        self._look: Look = lambda: None
        self._pending_look: Future[object] | None = None
        self._looked_at = float("-inf")
        self._trouble = ""
        self._reported: StandsBy | None = None
        self._before = ""
        self.lease = Lease(lease_s)

    @property
    def reading(self) -> LeaseReading:
        return self.lease.reading

    def require_lead(self) -> None:
        """Raises LeaseLost where nothing may be sent."""
        self.lease.require()

    def require_term(self) -> None:
        """Raises LeaseLost where this keeper leads no more. A database that is silent may answer again."""
        self.lease.require_term()

    def began(self) -> None:
        """Tells that this keeper leads. Raises LeaseLost where it does so no more."""
        self.lease.require()
        assert self.lease.term is not None, "a lease that is held has begun"
        number, before = self.lease.term.number, self._before
        logger().warning("leads", term=number, before=before)
        elsewhere = "" if on_this_machine(before) else before
        self._observer(Leads(time.time(), number, elsewhere))

    def ended(self) -> None:
        """Tells that this keeper leads no more."""
        why = self.lease.lost or "the journal's database has not answered for too long"
        logger().error("lead_lost", reason=why)
        self._observer(LeadLost(time.time(), why))

    # ------------------------------------------------------------------ before it leads

    def tell(self, observer: Observer) -> None:
        """From now on it hears who leads."""
        self._observer = observer

    def hang_up(self) -> None:
        """Ends the wait for the lead, which then raises SettingsAsked."""
        self._hung_up = True

    def next_lease(self, look: Look) -> Lease:
        """For the term that this keeper may begin. It asks for it while ``look`` succeeds."""
        self._look = look
        self._pending_look = None
        self._reported, self._looked_at = None, float("-inf")
        self.lease = Lease(self._lease_s)
        return self.lease

    @contextmanager
    def locked_key(self, where: Endpoints, account: str) -> Iterator[None]:
        """As ``journal.files.locked_key``, after waiting for it: two daemons on one machine share the key too."""
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(locked_key(where.lock_directory, where.chain_id, account))
                    break
                except AlreadyRunning as error:
                    self._tell("", error.message)
                    self.wait()
            yield

    def may_lead(self, now: Leadership) -> bool:
        """journal.leased.Candidate."""
        if self.lease.now() - self._looked_at >= LOOK_EVERY_S or self._trouble:
            self._trouble = self._trouble_now()
            self._looked_at = self.lease.now()
        self._before = now.term.holder if now.term is not None else ""
        self._tell(now.leader, self._trouble or (NEVER_ENDED if now.leader == WITHOUT_LEASE else ""))
        return not self._trouble

    def wait(self) -> None:
        """journal.leased.Candidate. Raises SettingsAsked."""
        self.wait_for(ASK_EVERY_S)

    def wait_for(self, seconds: float) -> None:
        """Raises SettingsAsked."""
        self._wait(seconds)
        if self._hung_up:
            self._hung_up = False
            raise SettingsAsked

    def _trouble_now(self) -> str:
        """Waits for half a lease at most. Longer, and the database would end the session that asks for the lock."""
        longest_s = self.lease.times.lease_s / 2
        if self._pending_look is None:
            with work_within(longest_s):
                self._pending_look = run_in_background(self._look)
        if not wait([self._pending_look], longest_s).done:
            return f"its nodes or its signer have not answered within {longest_s:g} s"
        looked, self._pending_look = self._pending_look, None
        error = looked.exception()
        if error is None:
            return ""
        if isinstance(error, KeeperError):
            return f"{error.name}: {error.message}"
        if isinstance(error, OSError):
            return str(error)
        raise error

    def _tell(self, leader: str, trouble: str) -> None:
        last, at = self._reported, time.time()
        changed = last is None or (last.leader, last.trouble) != (leader, trouble)
        if last is not None and not changed and at - last.at < WAITING_EVERY_S:
            return
        if changed:
            logger().info("stands_by", leader=leader, trouble=trouble)
        self._reported = StandsBy(at, leader, trouble)
        self._observer(self._reported)
