"""One run of the demo: the keeper's record, the chain before and after it, and what the chain must confirm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from keeper.app.composition import build
from keeper.cli.output import plain_table
from keeper.cli.render import page
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import VaultReading, read_vault
from keeper.domain.errors import DemoFailed
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.record import DecisionRecord, Mode
from keeper.risk.contributions import risk_shares
from keeper.settings.load import load
from keeper.views.formats import money, percent, ratio

RISK_SHARE_TOLERANCE = 0.02
LEVERAGE_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class Stage:
    """One run: the keeper's record, and the vault on chain before and after it."""

    name: str
    record: DecisionRecord
    before: VaultReading
    after: VaultReading


def run_stage(name: str, chain: LocalChain, screen: Console, order: DeleverageRequest | None = None) -> Stage:
    """``keeper rebalance --execute``, or ``keeper deleverage`` by an order, and the chain before and after it."""
    command = "rebalance" if order is None else f"deleverage --to-health-factor {order.health_factor:g}"
    screen.rule(f"keeper {command} --execute: {name}")
    before = read_vault(chain)
    with build(load(), Mode.EXECUTE, ask_password=str) as keeper:
        record = keeper.cycle(Mode.EXECUTE, order)
    screen.print(page(record))
    if record.failure is not None:
        raise DemoFailed(record.summary, remedy=record.failure.remedy)
    return Stage(name, record, before=before, after=read_vault(chain))


def shares_of_risk(stage: Stage) -> dict[str, float]:
    """Risk share by symbol: weights on chain after the stage, covariance of the keeper's record."""
    assert stage.record.conclusions is not None, "a cycle without failure has conclusions"
    model = stage.record.conclusions.model
    weights = np.array([stage.after.weights[symbol] for symbol in model.symbols])
    shares = risk_shares(weights, np.array(model.covariance))
    return dict(zip(model.symbols, shares.tolist(), strict=True))


def off_target(stage: Stage) -> list[str]:
    """Where shares of risk, leverage, health or loss are not what the record promises; empty if all are."""
    record = stage.record
    assert record.conclusions is not None, "a cycle without failure has conclusions"
    assert record.inputs is not None, "a cycle without failure has inputs"
    target, vault = record.conclusions.target, record.inputs.snapshot.vault
    broken = []
    for symbol, share in shares_of_risk(stage).items():
        budget = target.budgets[target.symbols.index(symbol)]
        if abs(share - budget) > RISK_SHARE_TOLERANCE:
            broken.append(
                f"{stage.name}: {symbol} carries {share:.1%} of the risk, its target share is {budget:.1%}"
            )
    if abs(stage.after.leverage - target.leverage) > LEVERAGE_TOLERANCE * target.leverage:
        broken.append(f"{stage.name}: leverage {stage.after.leverage:.3f}, target {target.leverage:.3f}")
    floor = vault.policy.min_health / 1e18
    if stage.after.health_factor < floor:
        broken.append(
            f"{stage.name}: health factor {stage.after.health_factor:.3f} under its floor {floor:.3f}"
        )
    loss = _loss_bps(stage)
    if loss > vault.policy.max_loss_bps:
        broken.append(f"{stage.name}: {loss:.1f} bps of NAV lost, {vault.policy.max_loss_bps} allowed")
    return broken


def _loss_bps(stage: Stage) -> float:
    return (1 - stage.after.nav_usd / stage.before.nav_usd) * 1e4


def closing_table(stages: tuple[Stage, ...]) -> Table:
    """A row per stage."""
    table = plain_table(
        *("stage", "action", ">NAV", ">lost", ">leverage (target)", ">health", ">gas", "risk/budget"),
        title="Read from the chain",
    )
    before = stages[0].before
    table.add_row(
        "before",
        "–",
        money(before.nav_usd),
        "–",
        ratio(before.leverage),
        ratio(before.health_factor),
        "–",
        "only USDC",
    )
    for stage in stages:
        record = stage.record
        assert record.conclusions is not None, "a cycle without failure has conclusions"
        target = record.conclusions.target
        shares = "\n".join(
            f"{symbol} {100 * share:.1f}/{percent(target.budgets[target.symbols.index(symbol)], 0)}"
            for symbol, share in shares_of_risk(stage).items()
        )
        gas = f"{record.receipt.gas_used:,}" if record.receipt is not None else "–"
        table.add_row(
            stage.name,
            record.conclusions.decision.action.value,
            money(stage.after.nav_usd),
            f"{_loss_bps(stage):.1f} bps",
            f"{stage.after.leverage:.3f} ({target.leverage:.3f})",
            ratio(stage.after.health_factor),
            gas,
            shares,
        )
    return table
