"""Which keeper runs on this machine, so that a command acts on its journal and on no other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from keeper.domain.errors import AnotherJournal
from keeper.domain.orders import RunningKeeper
from keeper.domain.record import Mode
from keeper.journal import databases
from keeper.journal.files import announced, running_keepers
from keeper.settings.endpoints import endpoints
from keeper.settings.schema import Settings


@contextmanager
def announcing(settings: Settings, mode: Mode, *, takes_turns: bool = False) -> Iterator[None]:
    """While the block runs, commands find this process. Raises InvalidSetting, JournalUnwritable."""
    where = endpoints(settings)
    keeper = RunningKeeper(
        process=os.getpid(),
        chain_id=where.chain_id,
        vault=where.vault,
        journal=databases.shown(where.journal_url),
        pause_file=str(where.pause_file.absolute()),
        sends=mode.sends,
        takes_turns=takes_turns,
    )
    with announced(where.lock_directory, keeper):
        yield


def running_keeper(settings: Settings) -> RunningKeeper | None:
    """The keeper that runs here with the journal of these settings. Raises AnotherJournal where this vault's keeper
    runs with another one; without a vault in the settings every keeper counts as this vault's."""
    journal = databases.shown(settings.journal_url)
    others = []
    for keeper in running_keepers(settings.lock_directory):
        if keeper.journal == journal:
            return keeper
        if settings.vault is None or (keeper.chain_id, keeper.vault) == (settings.chain_id, settings.vault):
            others.append(keeper)
    if others:
        raise AnotherJournal(
            f"KEEPER_JOURNAL_URL = {journal}, but the keeper that runs is {'; '.join(map(str, others))}",
            remedy="Use the running keeper's settings: the same KEEPER_ENV_FILE, or its directory. Nothing was done.",
        )
    return None


def who_runs(settings: Settings) -> str:
    """For `keeper status`: the keeper of this journal, or of this vault with another one, or that none runs here."""
    try:
        keeper = running_keeper(settings)
    except AnotherJournal as error:
        return f"ANOTHER JOURNAL: {error.message}"
    return str(keeper) if keeper is not None else "none runs on this machine"
