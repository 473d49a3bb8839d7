"""What can be wrong with a keeper before it runs: one line for each thing, with its number and the remedy.

Looks only. What cannot be looked at because something before it failed is said to be so, and is not counted as wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from keeper.doctor import local, market, nodes, prices, vault
from keeper.doctor.diagnosis import Check, Diagnosis, Mark, Patient
from keeper.domain.errors import KeeperError


def examine() -> Iterator[Diagnosis]:
    """Every line in order, as it becomes known."""
    failed: set[str] = set()
    with ExitStack() as stack:
        patient = Patient(stack)
        for name, needs, check in CHECKS:
            if failed & set(needs):
                failed.add(name)
                yield Diagnosis(name, Mark.NOT_LOOKED_AT, f"needs: {', '.join(sorted(failed & set(needs)))}")
                continue
            try:
                found = check(patient)
            except KeeperError as error:
                found = Diagnosis(
                    name, Mark.WRONG, f"{error.name}: {error.message}", error.remedy, error.exit_code
                )
            if found.mark is Mark.WRONG:
                failed.add(name)
            yield found


CHECKS: tuple[tuple[str, tuple[str, ...], Check], ...] = (
    ("settings", (), local.settings),
    ("key", ("settings",), local.key),
    ("journal", ("settings",), local.journal),
    ("pause", ("settings", "journal"), local.pause),
    ("seal", ("settings", "journal"), local.seal),
    ("node", ("settings",), nodes.node),
    ("chain id", ("node", "key"), nodes.chain_id),
    ("contracts", ("chain id",), nodes.contracts),
    ("clock", ("contracts",), nodes.clock),
    ("vault", ("contracts",), vault.vault),
    ("keeper role", ("contracts",), vault.role),
    ("gas", ("contracts",), vault.gas),
    ("allowances", ("contracts",), vault.allowances),
    ("policy", ("contracts",), vault.policy),
    ("lending market", ("contracts",), market.lending_market),
    ("eMode", ("contracts",), market.e_mode),
    ("feeds", ("contracts", "journal"), prices.feeds),
    ("second opinions", ("feeds",), prices.second_opinions),
    ("oracle gap", ("contracts",), prices.oracle_gap),
    ("history", ("contracts", "journal"), prices.history),
    ("implied volatility", ("contracts",), prices.implied_volatility),
)
"""Name, what it builds on, and the check; cheap and local ones first."""
