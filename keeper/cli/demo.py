"""``keeper demo``: a vault on a fork of a local chain goes from USDC to risk parity, holds, trades again, and pays a
depositor who leaves."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from keeper.app.composition import build
from keeper.cli import demo_all_weather
from keeper.cli.demo_stage import Stage, closing_table, off_target, run_stage
from keeper.cli.demo_venues import on_venues, play
from keeper.cli.devnet import require_checkout, show
from keeper.cli.options import DATA_DIR, ChainEnd, HistoryFolder, UniverseOption
from keeper.cli.output import console
from keeper.cycle.serve import LineService
from keeper.devnet import all_weather, local_chain, paths
from keeper.devnet.depositor import Depositor
from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.history import RECORDED_AT
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.own_settings import own_settings
from keeper.devnet.redemption_price import SettledRedemptions, settled_redemptions
from keeper.devnet.universe import UniverseName
from keeper.domain.decision import Action
from keeper.domain.errors import BadInput, DemoFailed
from keeper.domain.line import LineCall
from keeper.domain.record import DecisionRecord, Mode
from keeper.recorded.prices import price_file
from keeper.settings.load import load
from keeper.views.formats import amount

MOVE = 1.40
BETWEEN_RUNS_S = 3_700
WINDOWS_FREE_S = 2 * 86_400
"""Then nothing of the first investment counts in the vault's windows of 24 hours."""
LEAVING = 0.1
MAX_SERVICES = 6


def demo(
    at: ChainEnd = None,
    data_dir: HistoryFolder = DATA_DIR,
    universe: UniverseOption = UniverseName.FOUR_TOKENS,
    *,
    venues: Annotated[
        bool,
        typer.Option(
            "--venues",
            help="Over Aave and two markets of Morpho Blue, signed through a Safe and its Roles modifier.",
        ),
    ] = False,
) -> None:
    """Rebalance a vault on a local chain: to risk parity, hold, trade after a price move, and pay a depositor.

    With --universe all-weather: to risk parity, over a weekend without trading gold, and through a fall of staked ETH
    below its rate. With --venues: over several lending markets, out of one that is dry, and where debt is cheaper.
    """
    require_checkout()
    if venues and universe is not UniverseName.FOUR_TOKENS:
        raise BadInput("--venues plays with the four tokens", remedy="Leave out --universe.")
    screen = console()
    recorded = price_file(data_dir) is not None
    market = all_weather.load(
        universe, at or (RECORDED_AT if recorded else None), data_dir if recorded else None
    )
    with ExitStack() as stack:
        with console(to_stderr=True).status("starting the local chain") as status:
            _, origin = stack.enter_context(local_chain.running(market, status.update))
            _, chain = stack.enter_context(local_chain.forked(origin))
            several = on_venues(chain) if venues else None
            chain = several.chain if several is not None else chain
        url = stack.enter_context(deribit_server(market, chain.now, chain.spot))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keeper-demo-")))
        exchanges = stack.enter_context(exchange_server(market, chain.now, chain.spot))
        deployment = replace(chain.deployment, deribit_url=url, exchange_url=exchanges)
        deployment.write(folder / "deployment.json")
        show(deployment, screen)
        stack.enter_context(own_settings(folder))
        if several is not None:
            broken = play(
                several, lambda name, order: run_stage(name, chain, screen, order=order).record, screen
            )
        elif universe is UniverseName.ALL_WEATHER:
            os.environ["KEEPER_CONFIG"] = str(paths.STRATEGY)
            played = demo_all_weather.play(chain, screen)
            broken = demo_all_weather.broken_promises(played)
            screen.print(closing_table(played.stages))
        else:
            stages = _play(chain, screen)
            left = _leave(chain, screen)
            broken = [*broken_promises(stages), *broken_by_the_line(left)]
            screen.print(closing_table(stages))
    for promise in broken:
        screen.print(f"[red]✗[/] {promise}")
    if broken:
        raise DemoFailed(
            "; ".join(broken), remedy="Run it again with --at of the same date and read the gates above."
        )
    screen.print("[green]✓[/] every promise kept, read from the chain")


def _play(chain: LocalChain, screen: Console) -> tuple[Stage, ...]:
    first = run_stage("first run", chain, screen)
    second = run_stage("second run", chain, screen)
    symbol = _most_volatile(first.record)
    screen.rule(f"two days pass; {symbol}, the most volatile, rises by {MOVE - 1:.0%}")
    chain.pass_time(WINDOWS_FREE_S)
    chain.set_price(symbol, chain.spot(symbol) * MOVE)
    chain.pass_time(BETWEEN_RUNS_S)
    third = run_stage(f"{symbol} rose", chain, screen)
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
        run_stage("room for the depositor", chain, screen)
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


def _most_volatile(record: DecisionRecord) -> str:
    assert record.conclusions is not None, "a cycle without failure has conclusions"
    return max(record.conclusions.model.assets, key=lambda asset: asset.blended).symbol


def broken_promises(stages: tuple[Stage, ...]) -> list[str]:
    """The promises that the chain does not confirm; empty if all are kept."""
    first, second, third = stages
    broken = [*off_target(first), *off_target(third)]
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
