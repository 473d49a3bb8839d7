"""``keeper demo``: a vault on a fork of a local chain goes from USDC to risk parity, holds, trades again, and pays a
depositor who leaves."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from keeper.app.composition import build
from keeper.cli.devnet import require_checkout, show
from keeper.cli.options import DATA_DIR, ChainEnd, HistoryFolder
from keeper.cli.output import console, plain_table
from keeper.cli.render import page
from keeper.cycle.serve import LineService
from keeper.devnet import local_chain
from keeper.devnet.depositor import Depositor
from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.history import RECORDED_AT
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.redemption_price import SettledRedemptions, settled_redemptions
from keeper.devnet.vault_reading import VaultReading, read_vault
from keeper.domain.decision import Action
from keeper.domain.errors import DemoFailed
from keeper.domain.line import LineCall
from keeper.domain.record import DecisionRecord, Mode
from keeper.recorded.prices import price_file
from keeper.risk.contributions import risk_shares
from keeper.settings.load import load
from keeper.views.formats import amount, money, percent, ratio

MOVE = 1.40
BETWEEN_RUNS_S = 3_700
WINDOWS_FREE_S = 2 * 86_400
"""Then nothing of the first investment counts in the vault's windows of 24 hours."""
RISK_SHARE_TOLERANCE = 0.02
LEVERAGE_TOLERANCE = 0.02
LEAVING = 0.1
MAX_SERVICES = 6


@dataclass(frozen=True, slots=True)
class Stage:
    """One run: the keeper's record, and the vault on chain before and after it."""

    name: str
    record: DecisionRecord
    before: VaultReading
    after: VaultReading


def demo(
    at: ChainEnd = None,
    data_dir: HistoryFolder = DATA_DIR,
) -> None:
    """Rebalance a vault on a local chain: to risk parity, hold, trade after a price move, and pay a depositor."""
    require_checkout()
    screen = console()
    recorded = price_file(data_dir) is not None
    market = local_chain.load_history(
        at or (RECORDED_AT if recorded else None), data_dir if recorded else None
    )
    with ExitStack() as stack:
        with console(to_stderr=True).status("starting the local chain") as status:
            _, origin = stack.enter_context(local_chain.running(market, status.update))
            _, chain = stack.enter_context(local_chain.forked(origin))
        url = stack.enter_context(deribit_server(market, chain.now, chain.spot))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keeper-demo-")))
        exchanges = stack.enter_context(exchange_server(market, chain.now, chain.spot))
        deployment = replace(chain.deployment, deribit_url=url, exchange_url=exchanges)
        deployment.write(folder / "deployment.json")
        show(deployment, screen)
        _use(folder)
        stages = _play(chain, screen)
        left = _leave(chain, screen)
    screen.print(_closing_table(stages))
    broken = [*broken_promises(stages), *broken_by_the_line(left)]
    for promise in broken:
        screen.print(f"[red]✗[/] {promise}")
    if broken:
        raise DemoFailed(
            "; ".join(broken), remedy="Run it again with --at of the same date and read the gates above."
        )
    screen.print("[green]✓[/] every promise kept, read from the chain")


def _play(chain: LocalChain, screen: Console) -> tuple[Stage, ...]:
    first = _run("first run", chain, screen)
    second = _run("second run", chain, screen)
    symbol = _most_volatile(first.record)
    screen.rule(f"two days pass; {symbol}, the most volatile, rises by {MOVE - 1:.0%}")
    chain.pass_time(WINDOWS_FREE_S)
    chain.set_price(symbol, chain.spot(symbol) * MOVE)
    chain.pass_time(BETWEEN_RUNS_S)
    third = _run(f"{symbol} rose", chain, screen)
    return first, second, third


@dataclass(frozen=True, slots=True)
class Departure:
    """A depositor's way out: raw ``shares`` that were redeemed, the settlement that paid them, and the raw amount that
    arrived."""

    shares: int
    settled: SettledRedemptions | None
    arrived: int


def _leave(chain: LocalChain, screen: Console) -> Departure:
    """A depositor asks for a part of the shares, the keeper makes room and settles, the depositor claims."""
    depositor = Depositor(chain, chain.deployment.accounts["depositor"])
    shares = int(depositor.shares * LEAVING)
    screen.rule(f"the depositor asks to redeem {LEAVING:.0%} of the shares")
    depositor.ask_to_redeem(shares)
    settled = None
    for _ in range(MAX_SERVICES):
        service = _serve(screen)
        if service.receipt is not None and service.decision.call is LineCall.SETTLE_REDEMPTIONS:
            settled = settled_redemptions(chain, service.receipt.tx_hash)
            break
        chain.pass_time(BETWEEN_RUNS_S)
        _run("room for the depositor", chain, screen)
        chain.pass_time(BETWEEN_RUNS_S)
    arrived = depositor.claim_assets() if settled is not None else 0
    cash = chain.tokens["USDC"].decimals
    due = settled.due if settled is not None else 0
    screen.print(
        f"the depositor claims {arrived / 10**cash:,.6f} USDC for {amount(shares, cash + 6)} shares; "
        f"by the feeds' rounds {due / 10**cash:,.6f} are due"
    )
    return Departure(shares, settled, arrived)


def _serve(screen: Console) -> LineService:
    """``keeper vault serve --execute``."""
    with build(load(), Mode.EXECUTE, ask_password=str) as keeper:
        service = keeper.serve(Mode.EXECUTE)
    screen.print(f"keeper vault serve --execute: {service.decision.reason}")
    if service.failure is not None:
        raise DemoFailed(service.failure.message, remedy=service.failure.remedy)
    return service


def _run(name: str, chain: LocalChain, screen: Console) -> Stage:
    """``keeper rebalance --execute``, and the chain before and after it."""
    screen.rule(f"keeper rebalance --execute: {name}")
    before = read_vault(chain)
    with build(load(), Mode.EXECUTE, ask_password=str) as keeper:
        record = keeper.cycle(Mode.EXECUTE)
    screen.print(page(record))
    if record.failure is not None:
        raise DemoFailed(record.summary, remedy=record.failure.remedy)
    return Stage(name, record, before=before, after=read_vault(chain))


def _use(folder: Path) -> None:
    """Points the settings of this process to the demo's chain, and drops what the operator has configured."""
    for name in [name for name in os.environ if name.startswith("KEEPER_") and name != "KEEPER_CACHE_DIR"]:
        del os.environ[name]
    os.environ["KEEPER_DEPLOYMENT"] = str(folder / "deployment.json")
    os.environ["KEEPER_JOURNAL_URL"] = f"sqlite:///{folder / 'keeper.db'}"
    os.environ["KEEPER_LOCK_DIRECTORY"] = str(folder)
    os.environ["KEEPER_PAUSE_FILE"] = str(folder / "keeper.pause")


def _most_volatile(record: DecisionRecord) -> str:
    assert record.conclusions is not None, "a cycle without failure has conclusions"
    return max(record.conclusions.model.assets, key=lambda asset: asset.blended).symbol


def shares_of_risk(stage: Stage) -> dict[str, float]:
    """Risk share by symbol: weights on chain after the stage, covariance of the keeper's record."""
    assert stage.record.conclusions is not None, "a cycle without failure has conclusions"
    model = stage.record.conclusions.model
    weights = np.array([stage.after.weights[symbol] for symbol in model.symbols])
    shares = risk_shares(weights, np.array(model.covariance))
    return dict(zip(model.symbols, shares.tolist(), strict=True))


def broken_promises(stages: tuple[Stage, ...]) -> list[str]:
    """The promises that the chain does not confirm; empty if all are kept."""
    first, second, third = stages
    broken = [*_off_target(first), *_off_target(third)]
    if second.record.conclusions is None or second.record.conclusions.decision.action is not Action.HOLD:
        broken.append(f"the second run did not hold: {second.record.summary}")
    if (first.after.epoch, second.after.epoch, third.after.epoch) != (1, 1, 2):
        broken.append(
            f"the vault's epoch went to {first.after.epoch}, {second.after.epoch}, {third.after.epoch}, not 1, 1, 2"
        )
    return broken


def broken_by_the_line(left: Departure) -> list[str]:
    """What the depositor was promised and the chain does not confirm; empty if all is kept."""
    if left.settled is None:
        return [f"the redemption of {left.shares} raw shares was not settled"]
    if (left.settled.shares, left.settled.shares_left) != (left.shares, 0):
        return [f"{left.settled.shares} of {left.shares} raw shares were redeemed"]
    if not left.arrived == left.settled.assets == left.settled.due:
        return [f"{left.arrived} raw USDC arrived; by the feeds' rounds {left.settled.due} were due"]
    return []


def _off_target(stage: Stage) -> list[str]:
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
    if abs(stage.after.leverage / target.leverage - 1) > LEVERAGE_TOLERANCE:
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


def _closing_table(stages: tuple[Stage, ...]) -> Table:
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
