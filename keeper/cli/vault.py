"""``keeper vault``: deploy a vault, show it, settle the requests of its depositors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from requests import RequestException
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception

from keeper.app.composition import build
from keeper.chain.admin.blueprint_on_chain import named
from keeper.chain.admin.deployment import cost, prepared, rehearsed, send_plan
from keeper.chain.admin.safe_deployment import RoleRequest, SafeDeployment, prepared_for_safe
from keeper.chain.admin.vault_blueprint import blueprint_from_toml
from keeper.chain.rpc.connect import connected
from keeper.chain.vault_state import read_vault_state
from keeper.cli.blueprint_screen import blueprint_screen, cost_lines, plan_screen
from keeper.cli.options import AsJson
from keeper.cli.output import console, facts, print_json
from keeper.cli.password import ask_password
from keeper.cli.progress import print_progress
from keeper.cli.safe_deployment import safe_screen, write_batches
from keeper.cli.vault_screen import vault_screen
from keeper.domain.addresses import checksummed, masked
from keeper.domain.errors import InvalidSetting, NodeUnavailable, WrongChain
from keeper.domain.record import Mode
from keeper.domain.roles_modifier import RolesModifier
from keeper.settings.endpoints import endpoints
from keeper.settings.load import load
from keeper.settings.schema import http_url, role_key
from keeper.views.vault_state import VAULT_STATE

DEFAULT_ROLE = "keeper"
ChainId = Annotated[int, typer.Option(help="Chain id that the node must report.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="File whose first line is the password of the keystore. Default: ask.")
]
Execute = Annotated[bool, typer.Option("--execute", help="Send it. Without this option nothing is sent.")]
DeployerKeystore = Annotated[
    Path | None, typer.Option(help="Encrypted keystore (V3) of the deployer's key.", show_default=False)
]

app = typer.Typer(help="Deploy a vault, show it, settle what its depositors ask for.", no_args_is_help=True)

RpcUrl = Annotated[
    str | None,
    typer.Option("--rpc-url", help="The node. Default: the first of KEEPER_RPC_URL.", show_default=False),
]


@app.command()
def deploy(
    blueprint: Annotated[Path, typer.Argument(help="TOML file like deploy/vault.example.toml.")],
    chain_id: ChainId,
    keystore: DeployerKeystore = None,
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
            min=0,
            help="Go on with a deployment that stopped: the nonce it began with.",
            show_default=False,
        ),
    ] = None,
    rpc_url: RpcUrl = None,
    password_file: PasswordFile = None,
    execute: Execute = False,
    safe: Annotated[
        str | None,
        typer.Option(
            help="Deploy by this Safe: print what its owners sign, and send nothing.", show_default=False
        ),
    ] = None,
    json_folder: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="With --safe: write the batches into this folder, as Safe's Transaction Builder imports them.",
            show_default=False,
        ),
    ] = None,
    modifier: Annotated[
        str | None,
        typer.Option(
            help="With --safe: the Safe's Zodiac Roles modifier, in which --key gets its role.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="With --modifier: the account of the keeper's key.", show_default=False),
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(
            help=f"With --modifier: the role of the key.  [default: {DEFAULT_ROLE}]", show_default=False
        ),
    ] = None,
) -> None:
    """Deploy a vault. Every transaction is run first in one call on the newest block, which sends nothing."""
    requested = blueprint_from_toml(_text(blueprint), timelock)
    screen = console()
    if safe is not None:
        _require_no_sending(execute=execute, keystore=keystore)
        request = _role_request(modifier, key, role)
        with _node(rpc_url, chain_id) as w3:
            deployment = prepared_for_safe(
                w3, _checked("--safe", safe, checksummed), requested, first_nonce=first_nonce, role=request
            )
            screen.print(blueprint_screen(named(w3, requested)))
        _show_for_safe(deployment, json_folder, chain_id=chain_id, name=requested.name)
        return
    if keystore is None:
        raise InvalidSetting(
            "neither --keystore nor --safe is given", remedy="Name who deploys: a key or a Safe."
        )
    _require_safe({"--json": json_folder, "--modifier": modifier, "--key": key, "--role": role})
    with _node(rpc_url, chain_id) as w3:
        signer = _deployer(keystore, password_file) if execute else None
        deployer = signer.address if signer else _address_of(keystore, password_file)
        plan = prepared(w3, deployer, requested, first_nonce=first_nonce)
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


def _require_no_sending(*, execute: bool, keystore: Path | None) -> None:
    if execute or keystore is not None:
        raise InvalidSetting(
            "--safe is given with --execute or --keystore",
            remedy="The Safe's owners sign and send. Leave both out.",
        )


def _require_safe(options: Mapping[str, object]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise InvalidSetting(
            f"{', '.join(given)} is given without --safe", remedy="Add --safe, or leave it out."
        )


def _role_request(modifier: str | None, key: str | None, role: str | None) -> RoleRequest | None:
    if modifier is None and key is None:
        if role is not None:
            raise InvalidSetting(
                "--role is given without --modifier", remedy="Add --modifier and --key, or leave it out."
            )
        return None
    if modifier is None or key is None:
        raise InvalidSetting(
            "one of --modifier and --key is missing", remedy="Give both: the key gets a role of the modifier."
        )
    at = RolesModifier(
        _checked("--modifier", modifier, checksummed), _checked("--role", role or DEFAULT_ROLE, role_key)
    )
    return RoleRequest(at, _checked("--key", key, checksummed))


def _show_for_safe(deployment: SafeDeployment, folder: Path | None, *, chain_id: int, name: str) -> None:
    console().print(safe_screen(deployment))
    plan = deployment.plan
    if folder is None:
        typer.echo(
            "Nothing was sent or written. Repeat with --json FOLDER for the files of the Safe's queue."
        )
    else:
        for path in write_batches(deployment, folder, chain_id=chain_id, name=name):
            typer.echo(f"wrote {path}")
        typer.echo("Import them one by one into the Transaction Builder. Each batch needs the one before.")
    typer.echo(f"If this stops half way, repeat it with --first-nonce {plan.transactions[0].nonce}.")
    typer.echo(f"KEEPER_VAULT={plan.contracts.shares}")


@app.command()
def serve(execute: Execute = False) -> None:
    """Close or settle a batch of deposits and redemptions, where one is due. The daemon does it by itself."""
    mode = Mode.EXECUTE if execute else Mode.SIMULATE
    with build(load(), mode, ask_password=ask_password, progress=print_progress) as keeper:
        service = keeper.serve(mode)
    typer.echo(service.decision.reason)
    if service.receipt is not None:
        typer.echo(f"{service.decision.call}  {service.receipt.tx_hash}")
    elif service.decision.call is not None and service.failure is None:
        typer.echo(f"{service.decision.call} is due. Nothing was sent. Repeat with --execute to send it.")
    if service.failure is not None:
        typer.echo(f"{service.failure.name}: {service.failure.message}\n{service.failure.remedy}", err=True)
        raise typer.Exit(service.failure.exit_code)


@app.command()
def show(
    vault: Annotated[
        str | None,
        typer.Argument(help="Address of the vault's shares. Default: KEEPER_VAULT.", show_default=False),
    ] = None,
    rpc_url: RpcUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show roles, limits and what is used of them, lists, positions and waiting requests, read from the chain."""
    settings = load()
    if rpc_url is None:
        where = endpoints(settings)
        urls, quorum, chain_id = list(where.rpc_urls), where.quorum, where.chain_id
    else:
        urls, quorum, chain_id = [_checked("--rpc-url", rpc_url, http_url)], 1, None
    shares = _setting("vault") if vault is None else _checked("VAULT", vault, checksummed)
    with connected(urls, quorum, chain_id or 0) as reads:
        state = read_vault_state(reads, settings.multicall, shares=shares, chain_id=chain_id)
    if as_json:
        print_json(VAULT_STATE.json(state))
    else:
        console().print(vault_screen(state))


@contextmanager
def _node(rpc_url: str | None, chain_id: int) -> Iterator[Web3]:
    """The node. Raises WrongChain at once, and NodeUnavailable also for what goes wrong with the node inside."""
    url = _setting("rpc_url").split(",")[0] if rpc_url is None else _checked("--rpc-url", rpc_url, http_url)
    try:
        w3 = Web3(HTTPProvider(url))
        reported = w3.eth.chain_id
        if reported != chain_id:
            raise WrongChain(
                f"the node is on chain {reported}, not {chain_id}",
                remedy="Correct --chain-id or --rpc-url.",
            )
        yield w3
    except (RequestException, Web3Exception) as error:
        # What requests says has the whole address, and providers put keys there.
        why = f": {error}" if isinstance(error, Web3Exception) else f" ({type(error).__name__})"
        raise NodeUnavailable(
            f"{masked(url)} did not answer as it should{why}",
            remedy="Correct the node or --rpc-url, and repeat; with --first-nonce if transactions were sent.",
        ) from error


def _checked(name: str, value: str, parser: Callable[[str], str]) -> str:
    try:
        return parser(value)
    except ValueError as error:
        raise InvalidSetting(f"{name} = {value!r} is {error}", remedy="Correct it.") from None


def _setting(name: str) -> str:
    value = getattr(load(), name)
    if value is None:
        raise InvalidSetting(
            f"{name} is not set", remedy=f"Set KEEPER_{name.upper()}, or give it on the command line."
        )
    return str(value)


def _deployer(keystore: Path, password_file: Path | None) -> LocalAccount:
    password = (
        typer.prompt("password of the keystore", hide_input=True)
        if password_file is None
        else _text(password_file).split("\n", 1)[0].rstrip("\r")
    )
    try:
        account: LocalAccount = Account.from_key(Account.decrypt(_text(keystore), password))
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidSetting(
            f"{keystore} cannot be opened", remedy="Check that it is a keystore (V3), and check the password."
        ) from error
    return account


def _address_of(keystore: Path, password_file: Path | None) -> str:
    """The file mostly names it, so that a look needs no password."""
    try:
        content = json.loads(_text(keystore))
        return str(to_checksum_address(content["address"]))
    except (ValueError, TypeError, KeyError):
        return str(_deployer(keystore, password_file).address)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path} cannot be read", remedy="Name a readable text file.") from error
