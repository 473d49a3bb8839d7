"""What this machine has: settings, key, journal, pause, seal."""

from __future__ import annotations

import time

from keeper.app.composition import acting_account, strategy
from keeper.app.queries import pauses, verified
from keeper.app.seal import digests
from keeper.doctor.diagnosis import Diagnosis, Mark, Patient
from keeper.domain.errors import Tampered
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.settings.load import load
from keeper.settings.to_domain import endpoints, settings_hash


def settings(patient: Patient) -> Diagnosis:
    patient.settings = load()
    where = endpoints(patient.settings)
    patient.policy = strategy(patient.settings, lambda _: None)
    return Diagnosis("settings", Mark.GOOD, f"chain {where.chain_id}, {len(patient.policy.assets)} assets")


def key(patient: Patient) -> Diagnosis:
    account = acting_account(patient.settings)
    if patient.settings.keystore is None and patient.settings.signer_url is None:
        return _development_key(patient, account)
    return Diagnosis("key", Mark.GOOD, account)


def _development_key(patient: Patient, account: str) -> Diagnosis:
    if patient.settings.private_key is not None:
        return Diagnosis("key", Mark.GOOD, f"{account}, a raw key of the development chain")
    return Diagnosis(
        "key",
        Mark.WORTH_A_LOOK,
        f"{account}, and no key: nothing can be signed",
        "Set KEEPER_KEYSTORE or KEEPER_SIGNER_URL before `--execute` or `--live`.",
    )


def journal(patient: Patient) -> Diagnosis:
    return Diagnosis(
        "journal", Mark.GOOD, f"{verified(patient.settings):,} entries, all as they were written"
    )


def pause(patient: Patient) -> Diagnosis:
    found = pauses(patient.settings)
    if found:
        said = "; ".join(f"by {one.cause}: {one.reason or 'no reason given'}" for one in found)
        return Diagnosis("pause", Mark.WORTH_A_LOOK, said, "`keeper resume` lifts it.")
    return Diagnosis("pause", Mark.GOOD, "not paused")


def seal(patient: Patient) -> Diagnosis:
    with Journal.open_for_reading(patient.settings.journal_url) as journal:
        sealed = Switches(journal, time.time).sealed()
    now = digests(settings_hash(patient.settings))
    changed = [kind for kind in now if kind in sealed and sealed[kind] != now[kind]]
    if changed:
        return Diagnosis(
            "seal",
            Mark.WRONG,
            f"changed since: {', '.join(changed)}",
            "`keeper seal` if it was you.",
            Tampered.exit_code,
        )
    return Diagnosis("seal", Mark.GOOD, "as sealed" if sealed else "not sealed (`keeper seal`)")
