"""The lending market."""

from __future__ import annotations

from keeper.doctor.diagnosis import Diagnosis, Mark, Patient
from keeper.domain.errors import Refused
from keeper.sizing.categories import better


def lending_market(patient: Patient) -> Diagnosis:
    stopped = [one.symbol for one in patient.snapshot.reserves if one.frozen or one.paused or not one.active]
    if stopped:
        return Diagnosis(
            "lending market",
            Mark.WRONG,
            f"frozen, paused or inactive: {', '.join(stopped)}",
            "Those assets can at most be reduced until the market's guardian lifts it.",
            Refused.exit_code,
        )
    return Diagnosis("lending market", Mark.GOOD, f"{len(patient.snapshot.reserves)} reserves active")


def e_mode(patient: Patient) -> Diagnosis:
    found = patient.node.categories(patient.snapshot)
    other = better(found, patient.snapshot)
    inside = f"category {found.chosen}" if found.chosen else "no category"
    if other is None:
        return Diagnosis("eMode", Mark.GOOD, f"{inside}, and none of {len(found.known) - 1} is better")
    number, label = other.category.number, other.category.label
    named = (f"category {number} ({label})" if label else f"category {number}") if number else "no category"
    return Diagnosis(
        "eMode",
        Mark.WORTH_A_LOOK,
        f"{named} would give a health factor of {other.health_factor:.2f} instead of {other.now:.2f} in {inside}",
        f"The vault's admin may call setCollateralCategory({number}).",
    )
