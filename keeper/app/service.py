"""The keeper of a daemon by the settings in force, and how new settings replace it.

The new keeper is put together beside the old one, on the same journal and the same key. Only when it is whole does it
take over, and then the old one is closed. So a failure leaves the old one as it was, no lock is let go, and no order is
lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from keeper.app.assembly import Progress
from keeper.app.block_watch import BlockWatch, watch_settings
from keeper.app.clocks import SystemClock
from keeper.app.composition import HeldKey, Opened, daemon_parts, opening
from keeper.app.daemon import InForce
from keeper.app.keys import stated_account
from keeper.app.monitors import Monitors
from keeper.app.standby import Standby
from keeper.domain.errors import JournalUnwritable, RestartNeeded
from keeper.runtime.deadline import work_within
from keeper.runtime.logs import configure, logger
from keeper.settings.changes import changes, needing_restart
from keeper.settings.endpoints import endpoints, key_source, monitoring_endpoints
from keeper.settings.load import load, overridden
from keeper.settings.mistakes import listed
from keeper.settings.policy import policy
from keeper.settings.schema import Settings

LONGEST_RELOAD_S = 20.0
"""All waits for the answers of new nodes and of exchanges. Meanwhile no cycle begins. Looking up the nodes' names, the
journal's queries and the end of the old threads (a few seconds at most) come on top of it."""


class Service:
    """``in_force`` is what the daemon runs. ``close`` ends it."""

    def __init__(self, opened: Opened, settings: Settings, watchers: Monitors, *, progress: Progress) -> None:
        self._opened = opened
        self._settings = settings
        self._watchers = watchers
        self._progress = progress
        with ExitStack() as stack:
            parts = stack.enter_context(daemon_parts(opened, settings, progress))
            self._stack = stack.pop_all()
        opened.held.known.chain = parts.chain
        self._watch = BlockWatch(parts.looks, parts.heads, watch_settings(settings))
        watchers.read_head_sockets(lambda: self._watch.head_sockets)
        self.in_force = InForce(parts.keeper, (*watchers.observers, self._watch))

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self._settings

    def begin_watch(self, wake: Callable[[], None]) -> None:
        """Looks between the cycles from now on; ``wake`` asks for a cycle."""
        self._stack.enter_context(self._watch.watching(wake, SystemClock().monotonic))

    def reload(self, wake: Callable[[], None]) -> InForce:
        """app.daemon.Reload. Everything that can fail is done before the new settings take over."""
        settings, names = self._read_settings(), overridden()
        sentences = tuple(map(str, changes(self._settings, settings)))
        with ExitStack() as stack, work_within(LONGEST_RELOAD_S):
            parts = stack.enter_context(daemon_parts(self._opened, settings, self._progress))
            parts.chain.deployment()  # a node that does not answer is refused here, and not in the first cycle
            watch = self._watch.succeeded_by(parts.looks, parts.heads, watch_settings(settings))
            stack.enter_context(watch.watching(wake, SystemClock().monotonic))
            apply_to_watchers = self._watchers.prepare(settings)
            before, self._stack = self._stack, stack.pop_all()
        self._opened.held.known.chain = parts.chain
        self._settings, self._watch = settings, watch
        ending = apply_to_watchers()
        self.in_force = InForce(parts.keeper, (*self._watchers.observers, watch), sentences, ending=ending)
        with _logged("new_settings_not_followed"):
            follow_log(settings, names)
        with _logged("old_settings_not_closed"):
            before.close()
        return self.in_force

    def close(self) -> None:
        self._stack.close()

    def _read_settings(self) -> Settings:
        """As a start reads and checks them. Raises InvalidSetting, RestartNeeded, JournalUnwritable."""
        settings = read_again(self._settings, self._opened.held.account)
        fallback = self._opened.fallback
        if fallback is not None and fallback.exists:
            raise JournalUnwritable(
                "the second journal is in use: it holds rows that the first one does not have yet",
                remedy="Let a cycle merge it into the first one. Then reload again.",
            )
        return settings


def read_again(before: Settings, account: str) -> Settings:
    """The settings as a start reads and checks them. ``account`` is the opened key's. Raises InvalidSetting, and
    RestartNeeded where a running process cannot follow them."""
    settings = load()
    policy(settings)
    endpoints(settings)
    monitoring_endpoints(settings)
    late = [
        f"{change}: a running keeper does not change it. {why}"
        for change, why in needing_restart(changes(before, settings))
    ]
    if late:
        raise RestartNeeded(
            listed(late, what="changes need a restart"),
            remedy="Restart the keeper (systemctl restart keeper), or take the change back and reload again.",
        )
    _require_same_key(settings, account)
    return settings


def _require_same_key(settings: Settings, account: str) -> None:
    """A keystore can be replaced under its name, and the opened key would go on to sign."""
    source = key_source(settings)
    stated = stated_account(source)
    if stated is not None and stated != account.lower():
        raise RestartNeeded(
            f"KEEPER_KEYSTORE = {source.keystore} states the address {stated}, and the opened key is {account}'s",
            remedy="Restart the keeper to open the other key, or put the keystore back and reload again.",
        )


@contextmanager
def _logged(event: str) -> Iterator[None]:
    """The new settings are in force, whatever the block leaves undone."""
    try:
        yield
    except Exception:  # noqa: BLE001 -- logged; the new settings are in force all the same
        logger().exception(event)


def follow_log(settings: Settings, names: tuple[str, ...]) -> None:
    """``names`` are the variables of the environment that win over its file."""
    configure(settings.log_format, settings.log_level)
    if names:
        logger().warning(
            "environment_overrides_file",
            variables=list(names),
            remedy="These have another value in the file of the environment. Restart the keeper to apply it.",
        )


@contextmanager
def serving(
    settings: Settings,
    held: HeldKey,
    watchers: Monitors,
    *,
    progress: Progress,
    clock: SystemClock,
    standby: Standby | None = None,
) -> Iterator[Service]:
    """Opens the journal, with ``standby`` when this keeper leads, and puts the keeper together. Its sender waits by
    ``clock``. Raises as ``composition.build``."""
    with opening(settings, held, timer=clock, standby=standby) as opened:
        service = Service(opened, settings, watchers, progress=progress)
        try:
            yield service
        finally:
            service.close()
