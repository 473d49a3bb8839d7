"""``keeper vault``: deploy a vault and its redemption queue, serve redemptions, show a vault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from requests import RequestException
from web3 import HTTPProvider, Web3

from keeper.chain.admin import queue_deployment
from keeper.chain.admin.blueprint_on_chain import named
from keeper.chain.admin.deployment import cost, prepared, rehearsed, send_plan
from keeper.chain.admin.transactions import VaultDeployment, contract_at
from keeper.chain.admin.vault_blueprint import blueprint_from_toml
from keeper.chain.admin.vault_state import VaultState, read_vault_state
from keeper.cli.blueprint_screen import blueprint_screen, cost_lines, plan_screen
from keeper.cli.output import console, facts
from keeper.domain.errors import InvalidSetting, NodeUnavailable, WrongChain
from keeper.domain.units import BPS, UINT256_MAX, USD, WAD
from keeper.runtime.text_files import first_line, text_of
from keeper.settings.load import load
from keeper.tx.keystore import decrypted_key, stated_address

ChainId = Annotated[int, typer.Option(help="Chain id that the node must report.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="File whose first line is the password of the keystore. Default: ask.")
]
Execute = Annotated[bool, typer.Option("--execute", help="Send it. Without this option nothing is sent.")]
DeployerKeystore = Annotated[Path, typer.Option(help="Encrypted keystore (V3) of the deployer's key.")]

app = typer.Typer(
    help="Deploy a vault or its redemption queue, serve redemptions, show a vault.", no_args_is_help=True
)

RpcUrl = Annotated[
    str | None, typer.Option("--rpc-url", help="The node. Default: KEEPER_RPC_URL.", show_default=False)
]


@app.command()
def deploy(
    blueprint: Annotated[Path, typer.Argument(help="TOML file like deploy/vault.example.toml.")],
    keystore: DeployerKeystore,
    chain_id: ChainId,
    timelock: Annotated[
        int | None,
        typer.Option(
            help="Deploy OpenZeppelin's TimelockController with this delay in seconds as the admin. "
            "Default: the timelock that the file names as roles.admin.",
            show_default=False,
        ),
    ] = None,
    first_nonce: Annotated[
        int | None,
        typer.Option(
            help="Go on with a deployment that stopped: the nonce it began with.", show_default=False
        ),
    ] = None,
    rpc_url: RpcUrl = None,
    password_file: PasswordFile = None,
    execute: Execute = False,
) -> None:
    """Deploy a vault. Every transaction is run first in one call on the newest block, which sends nothing."""
    requested = blueprint_from_toml(text_of(blueprint, "BLUEPRINT"), timelock)
    w3 = _node(rpc_url, chain_id)
    signer = _deployer(keystore, password_file) if execute else None
    plan = prepared(
        w3,
        signer.address if signer else _address_of(keystore, password_file),
        requested,
        first_nonce=first_nonce,
    )
    screen = console()
    screen.print(blueprint_screen(named(w3, requested)))
    gas = rehearsed(w3, plan)
    screen.print(plan_screen(plan, gas))
    screen.print(facts(cost_lines(plan, cost(w3, plan, gas))))
    if signer is None:
        typer.echo("Nothing was sent. Repeat with --execute to deploy.")
        return
    typer.echo(f"If this stops, repeat it with --first-nonce {plan.transactions[0].nonce}.")
    deployed = send_plan(w3, signer, plan, progress=typer.echo)
    screen.print(facts((name.replace("_", " "), at) for name, at in asdict(deployed.contracts).items()))
    typer.echo(f"gas {deployed.gas:,} in {len(deployed.transactions)} transactions, block {deployed.block}")
    typer.echo(f"KEEPER_VAULT={deployed.contracts.shares}")


@app.command()
def deploy_queue(
    vault: Annotated[str, typer.Argument(help="Address of the vault.")],
    keystore: DeployerKeystore,
    chain_id: ChainId,
    rpc_url: RpcUrl = None,
    password_file: PasswordFile = None,
    execute: Execute = False,
) -> None:
    """Deploy a redemption queue for a vault. It has no roles, so any account may deploy it."""
    w3 = _node(rpc_url, chain_id)
    state = read_vault_state(w3, vault)
    typer.echo(f"a redemption queue for {state.name} {state.address}")
    if not execute:
        typer.echo("Nothing was sent. Repeat with --execute to deploy.")
        return
    deployment = queue_deployment.deploy_queue(w3, _deployer(keystore, password_file), state.address)
    _print_deployment("queue", deployment)
    typer.echo("Set KEEPER_REDEMPTION_QUEUE to this address: the keeper then sells for what waits there.")


@app.command()
def serve(
    keystore: Annotated[
        Path,
        typer.Option(help="Encrypted keystore (V3) of any account with ETH for gas. Not the keeper's key."),
    ],
    chain_id: ChainId,
    queue: Annotated[
        str | None,
        typer.Option(help="Address of the queue. Default: KEEPER_REDEMPTION_QUEUE.", show_default=False),
    ] = None,
    max_requests: Annotated[int, typer.Option(min=1, help="Number of requests to look at.")] = 50,
    rpc_url: RpcUrl = None,
    password_file: PasswordFile = None,
    execute: Execute = False,
) -> None:
    """Pay waiting redemptions from the idle cash of the vault. Any account may do it."""
    w3 = _node(rpc_url, chain_id)
    contract = contract_at(w3, "queue", queue or _setting("redemption_queue"))
    shares, assets = queue_deployment.servable(contract, max_requests)
    typer.echo(f"{shares} raw shares can be served, for {assets} raw units of the asset")
    if shares == 0 or not execute:
        typer.echo("Nothing was sent." + ("" if shares == 0 else " Repeat with --execute to serve."))
        return
    tx_hash = queue_deployment.serve(w3, _deployer(keystore, password_file), contract, max_requests)
    typer.echo(f"transaction  {tx_hash}")


@app.command()
def show(
    vault: Annotated[
        str | None, typer.Argument(help="Address of the vault. Default: KEEPER_VAULT.", show_default=False)
    ] = None,
    rpc_url: RpcUrl = None,
) -> None:
    """Show the position, limits, used budgets, allowlist, state and roles of a vault, read from the chain."""
    state = read_vault_state(_node(rpc_url, None), vault or _setting("vault"))
    for name, value in _rows(state):
        typer.echo(f"{name:<30}{value}")


def _print_deployment(what: str, deployment: VaultDeployment) -> None:
    typer.echo(f"{what:<13}{deployment.address}")
    typer.echo(f"transaction  {', '.join(deployment.transactions)}")
    typer.echo(f"block        {deployment.block}   gas {deployment.gas:,}")


def _rows(state: VaultState) -> Iterator[tuple[str, str]]:
    position, policy, used = state.position, state.policy, state.used
    yield "vault", f"{state.name} {state.address}" + (" PAUSED" if state.paused else "")
    yield "epoch", f"{state.epoch}, last rebalance at {state.last_rebalance}"
    yield "net asset value", f"{position.nav_usd / USD:,.2f} USD"
    yield "collateral, debt", f"{position.gross_usd / USD:,.2f} USD, {position.debt_usd / USD:,.2f} USD"
    yield "leverage", f"{_ratio(position.leverage)} of at most {_ratio(policy.max_leverage)}"
    yield "health factor", f"{_ratio(position.health_factor)}, at least {_ratio(policy.min_health_factor)}"
    yield (
        "ripcord",
        f"below {_ratio(policy.ripcord_health_factor)}, to {_ratio(policy.ripcord_target_health_factor)}",
    )
    yield "intervals", f"{policy.min_interval} s, ripcord {policy.ripcord_interval} s"
    yield "loss of one call", f"{policy.max_loss_bps} bps, emergency {policy.max_emergency_loss_bps} bps"
    yield "loss of a day", f"{_bps(used.loss)} of {policy.max_daily_loss_bps} bps"
    yield (
        "emergency loss of a day",
        f"{_bps(used.emergency_loss)} of {policy.max_daily_emergency_loss_bps} bps",
    )
    yield "turnover of a day", f"{_bps(used.turnover)} of {policy.max_daily_turnover_bps} bps"
    yield "oracle gap", f"{policy.max_oracle_gap_bps} bps"
    yield "fee tiers", ", ".join(map(str, state.fee_tiers))
    yield "sequencer feed", f"{state.sequencer_feed}, grace {state.sequencer_grace_s} s"
    for asset in state.assets:
        limits = f"feed {asset.feed}, at most {asset.max_age_s} s old, weight {asset.max_weight_bps} bps"
        yield f"asset {asset.token[:10]}…", f"{asset.token}: {limits}{'' if asset.enabled else ', disabled'}"
    if state.roles is None:
        yield "roles", "unknown: this node does not keep logs that old"
        return
    for role, holders in state.roles.items():
        yield role, ", ".join(holders)


def _ratio(raw: int) -> str:
    return "∞" if raw == UINT256_MAX else f"{raw / WAD:.4f}"


def _bps(fraction: int) -> str:
    return f"{fraction * BPS / WAD:.1f}"


def _node(rpc_url: str | None, chain_id: int | None) -> Web3:
    url = rpc_url or _setting("rpc_url")
    w3 = Web3(HTTPProvider(url))
    try:
        reported = w3.eth.chain_id
    except RequestException as error:
        raise NodeUnavailable(
            f"no answer from {url}", remedy="Start the node, or correct --rpc-url."
        ) from error
    if chain_id is not None and reported != chain_id:
        raise WrongChain(
            f"the node is on chain {reported}, not {chain_id}", remedy="Correct --chain-id or --rpc-url."
        )
    return w3


def _setting(name: str) -> str:
    value = getattr(load(), name)
    if value is None:
        raise InvalidSetting(
            f"{name} is not set", remedy=f"Set KEEPER_{name.upper()}, or give it on the command line."
        )
    return str(value)


def _deployer(keystore: Path, password_file: Path | None) -> LocalAccount:
    def password() -> str:
        if password_file is None:
            return str(typer.prompt("password of the keystore", hide_input=True))
        return first_line(password_file, "--password-file")

    account: LocalAccount = Account.from_key(decrypted_key(keystore, "--keystore", password))
    return account


def _address_of(keystore: Path, password_file: Path | None) -> str:
    """The file mostly names it, so that a look needs no password."""
    stated = stated_address(keystore, "--keystore")
    return str(to_checksum_address(stated)) if stated else str(_deployer(keystore, password_file).address)
