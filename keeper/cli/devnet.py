"""``keeper devnet``: a local chain with the real protocols, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keeper.cli.options import DATA_DIR, ChainEnd, HistoryFolder, UniverseOption
from keeper.cli.output import console
from keeper.cli.scenario import scenario
from keeper.devnet import all_weather, local_chain, paths
from keeper.devnet.deployment import DevnetDeployment
from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.history import RECORDED_AT
from keeper.devnet.publisher import publishing
from keeper.devnet.universe import UniverseName
from keeper.domain.errors import InvalidSetting, NodeUnavailable
from keeper.recorded.prices import price_file
from keeper.views.formats import moment

app = typer.Typer(invoke_without_command=True)
app.command("scenario")(scenario)


@app.callback()
def devnet(
    context: Annotated[typer.Context, "which command is below it"],
    at: ChainEnd = None,
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the node. 0 takes any.")] = 8545,
    deribit_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the Deribit server. 0 takes any.")
    ] = 8546,
    exchange_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the exchange server. 0 takes any.")
    ] = 8547,
    out: Annotated[Path, typer.Option(help="The deployment file, for KEEPER_DEPLOYMENT.")] = Path(
        ".devnet/deployment.json"
    ),
    data_dir: HistoryFolder = DATA_DIR,
    universe: UniverseOption = UniverseName.FOUR_TOKENS,
) -> None:
    """Run a local chain with Aave, Uniswap, price feeds and a vault, until Ctrl-C.

    The chain is gone then. The deployment file stays. `keeper devnet scenario` plays history on a chain of its own.
    """
    require_checkout()
    if context.invoked_subcommand is not None:
        return
    screen = console(to_stderr=True)
    with ExitStack() as stack:
        with screen.status("reading history") as status:
            recorded = price_file(data_dir) is not None
            market = all_weather.load(universe, at or (RECORDED_AT if recorded else None), data_dir)
            node, built = stack.enter_context(local_chain.running(market, status.update, port))
        url = stack.enter_context(deribit_server(market, built.now, built.spot, port=deribit_port))
        stack.enter_context(publishing(built))
        exchanges = stack.enter_context(exchange_server(market, built.now, built.spot, port=exchange_port))
        deployment = replace(built.deployment, deribit_url=url, exchange_url=exchanges)
        deployment.write(out)
        show(deployment, screen)
        if universe is UniverseName.ALL_WEATHER:
            screen.print(f"\nIts strategy:  [bold]export KEEPER_CONFIG={paths.STRATEGY}[/]")
        screen.print(f"\nPoint a keeper to it:  [bold]export KEEPER_DEPLOYMENT={out}[/]\nCtrl-C ends it.")
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        while not stop.wait(0.5):
            if node.process.poll() is not None:
                raise NodeUnavailable(
                    "the node of the local chain ended unexpectedly", remedy="Start `keeper devnet` again."
                )
    screen.print("Stopped.")


def require_checkout() -> None:
    """Raises InvalidSetting in an installed package: the sources of the contracts are in the repository alone."""
    if not paths.CONTRACTS.is_dir():
        raise InvalidSetting(
            f"the local chain needs the keeper's repository: {paths.CONTRACTS} does not exist",
            remedy="Clone the repository and run `make demo` in it. An installed package can run everything else.",
        )


def show(deployment: DevnetDeployment, screen: Console) -> None:
    """Prints where prices come from, what is left out, and the addresses."""
    screen.print(
        f"Local chain {deployment.chain_id} at [bold]{moment(deployment.at)}[/]: prices [bold]{deployment.prices}[/], "
        f"implied volatility [bold]{deployment.implied_volatility}[/]."
    )
    for name, reason in deployment.left_out.items():
        screen.print(f"[yellow]Left out:[/] {name}: {reason}")
    for note in deployment.notes:
        screen.print(f"[dim]{note}[/]")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("node", deployment.rpc_url)
    table.add_row("Deribit", deployment.deribit_url or "not served")
    table.add_row("exchanges", deployment.exchange_url or "not served")
    for name, address in deployment.contracts.items():
        table.add_row(name.replace("_", " "), address)
    for symbol, entry in deployment.tokens.items():
        table.add_row(symbol, f"{entry.address}  feed {entry.feed}")
    for role, account in deployment.accounts.items():
        table.add_row(role, account)
    screen.print(table)
