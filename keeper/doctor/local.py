"""Checks of this machine: settings, key, journal, pause, seal."""

from __future__ import annotations

import time

from keeper.app.assembly import strategy
from keeper.app.keys import acting_account
from keeper.app.queries import pauses, verified
from keeper.app.seal import digests
from keeper.doctor.diagnosis import Diagnosis, DoctorContext, failed, ok, warning
from keeper.domain.errors import Tampered
from keeper.journal.leadership import stored_leadership
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.settings.endpoints import endpoints
from keeper.settings.load import load
from keeper.settings.policy import settings_hash


def settings(context: DoctorContext) -> Diagnosis:
    context.settings = load()
    where, notes = endpoints(context.settings), list[str]()
    context.policy = strategy(context.settings, notes.append)
    summary = f"chain {where.chain_id}, {len(context.policy.assets)} assets"
    if notes:
        return warning(f"{summary}; {'; '.join(notes)}", remedy="Name only assets that the vault lists.")
    return ok(summary)


def key(context: DoctorContext) -> Diagnosis:
    account = acting_account(context.settings)
    if context.settings.keystore is None and context.settings.signer_url is None:
        return _development_key(context, account)
    return ok(account)


def _development_key(context: DoctorContext, account: str) -> Diagnosis:
    if context.settings.private_key is not None:
        return ok(f"{account}, a raw private key (allowed on the development chain only)")
    return warning(
        f"the account is {account}, but there is no key: nothing can be signed",
        remedy="Set KEEPER_KEYSTORE or KEEPER_SIGNER_URL before `--execute` or `--live`.",
    )


def journal(context: DoctorContext) -> Diagnosis:
    with Journal.open_if_there(context.settings.journal_url) as stored:
        if not stored.exists:
            return warning(
                f"there is no journal at {stored.name}",
                remedy="`keeper run` creates it. If a keeper runs already, KEEPER_JOURNAL_URL must name its journal.",
            )
    return ok(f"{verified(context.settings):,} entries, and every hash is right")


def pause(context: DoctorContext) -> Diagnosis:
    in_force = pauses(context.settings)
    if in_force:
        detail = "; ".join(f"by {pause.cause}: {pause.reason or 'no reason given'}" for pause in in_force)
        return warning(detail, remedy="`keeper resume` ends the pause.")
    return ok("the keeper is not paused")


def leader(context: DoctorContext) -> Diagnosis:
    with Journal.open_if_there(context.settings.journal_url) as journal:
        now = stored_leadership(journal)
    if now is None or now.term is None:
        return ok("no keeper of this journal has run with --standby")
    if not now.leader:
        return warning(str(now), remedy="Start `keeper run --live --standby` on both machines.")
    if not now.standbys:
        return warning(str(now), remedy="Start `keeper run --live --standby` on the other machine.")
    return ok(str(now))


def seal(context: DoctorContext) -> Diagnosis:
    with Journal.open_if_there(context.settings.journal_url) as journal:
        sealed = Switches(journal, time.time).sealed()
    now = digests(settings_hash(context.settings))
    changed = [kind for kind in now if kind in sealed and sealed[kind] != now[kind]]
    if changed:
        return failed(
            f"changed since `keeper seal`: {', '.join(changed)}",
            Tampered,
            remedy="If you made the change, run `keeper seal` again. If not, find out who did.",
        )
    return ok("nothing changed since `keeper seal`" if sealed else "nothing is sealed (see `keeper seal`)")
