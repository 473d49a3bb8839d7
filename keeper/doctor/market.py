"""The lending market."""

from __future__ import annotations

from keeper.doctor.diagnosis import Diagnosis, Mark, Patient
from keeper.domain.errors import Refused


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
