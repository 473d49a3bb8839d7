"""``keeper init``: the first settings for a vault."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keeper.app.first_settings import write_first_settings
from keeper.chain.rpc.connect import connected
from keeper.chain.vault_state import read_vault_state
from keeper.cli.output import console
from keeper.domain.addresses import checksummed
from keeper.domain.errors import InvalidSetting
from keeper.runtime.shipped import shipped
from keeper.settings.schema import CANONICAL_MULTICALL, http_url


def init(
    vault: Annotated[str, typer.Argument(help="Address of the vault's shares.")],
    rpc_url: Annotated[str, typer.Option("--rpc-url", help="The node.")],
    directory: Annotated[Path, typer.Option("--directory", help="Where to write the two files.")] = Path(),
    quoter: Annotated[
        str | None,
        typer.Option(
            "--quoter", help="Uniswap's QuoterV2, on a chain without an address book.", show_default=False
        ),
    ] = None,
) -> None:
    """Ask the chain about a vault, and write a commented keeper.toml and .env for it. Changes nothing else."""
    try:
        url, shares = http_url(rpc_url), checksummed(vault)
        quotes = checksummed(quoter) if quoter is not None else None
    except ValueError as error:
        raise InvalidSetting(f"VAULT, --rpc-url or --quoter is {error}", remedy="Correct it.") from None
    with connected([url], 1, 0) as reads:
        state = read_vault_state(reads, CANONICAL_MULTICALL, shares=shares, chain_id=None)
    strategy, environment = write_first_settings(state, rpc_url=url, quoter=quotes, directory=directory)
    screen = console()
    screen.print(
        f"{state.name} on chain {state.block.chain_id}: {', '.join(asset.symbol for asset in state.assets)}"
    )
    screen.print(f"Written: {strategy} and {environment}. Read both, then run `keeper doctor`.")
    screen.print(f"Strategies to begin with: {shipped() / 'deploy' / 'strategies'}")
