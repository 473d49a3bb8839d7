"""Runs every check in order. A check changes nothing.

A check whose prerequisites failed is SKIPPED. It does not count as failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from keeper.doctor import capabilities, local, market, nodes, powers, prices, vault
from keeper.doctor.diagnosis import Diagnosis, DoctorCheck, DoctorContext, LineStatus, failed
from keeper.domain.errors import KeeperError


def examine() -> Iterator[Diagnosis]:
    """Yields each line as soon as it is known."""
    unusable: set[str] = set()
    with ExitStack() as stack:
        context = DoctorContext(stack)
        for name, needs, check in CHECKS:
            missing = sorted(unusable & set(needs))
            try:
                line = (
                    Diagnosis(LineStatus.SKIPPED, f"needs: {', '.join(missing)}")
                    if missing
                    else check(context)
                )
            except KeeperError as error:
                line = failed(f"{error.name}: {error.message}", type(error), error.remedy)
            if line.status in (LineStatus.FAILED, LineStatus.SKIPPED):
                unusable.add(name)
            yield replace(line, name=name)


CHECKS: tuple[tuple[str, tuple[str, ...], DoctorCheck], ...] = (
    ("settings", (), local.settings),
    ("key", ("settings",), local.key),
    ("journal", ("settings",), local.journal),
    ("leader", ("settings", "journal"), local.leader),
    ("pause", ("settings", "journal"), local.pause),
    ("seal", ("settings", "journal"), local.seal),
    ("node", ("settings",), nodes.node),
    ("chain id", ("node", "key"), nodes.chain_id),
    ("node methods", ("chain id",), capabilities.capabilities),
    ("WebSockets", ("settings",), nodes.web_sockets),
    ("contracts", ("chain id",), nodes.contracts),
    ("clock", ("contracts",), nodes.clock),
    ("Safe", ("contracts",), powers.safe),
    ("key's role", ("Safe",), powers.role),
    ("vault's rules", ("contracts",), vault.rules),
    ("assets", ("contracts",), vault.assets),
    ("gas", ("contracts",), vault.gas),
    ("allowances", ("contracts",), vault.allowances),
    ("policy", ("contracts",), vault.policy),
    ("lending market", ("contracts",), market.lending_market),
    ("eMode", ("contracts",), market.e_mode),
    ("feeds", ("contracts", "journal"), prices.feeds),
    ("native coin", ("contracts",), prices.native_coin),
    ("second opinions", ("feeds",), prices.second_opinions),
    ("oracle gap", ("contracts",), prices.oracle_gap),
    ("history", ("contracts", "journal"), prices.history),
    ("implied volatility", ("contracts",), prices.implied_volatility),
)
"""Name, the checks it needs, and the check itself. Cheap and local checks come first."""
