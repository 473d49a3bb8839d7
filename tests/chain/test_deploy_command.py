"""``keeper vault deploy``: what it shows, when it sends, and what it refuses."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from requests import Timeout
from typer.testing import CliRunner, Result
from web3.types import RPCEndpoint

from keeper.chain.abi import artifact_of
from keeper.chain.admin.vault_blueprint import SHIPPED_POLICY, VaultBlueprint, blueprint_from_toml
from keeper.cli.vault import app
from keeper.devnet.local_chain import LocalChain
from keeper.domain.errors import InvalidSetting, NodeUnavailable, Refused, WrongChain
from tests.chain.blueprints import DAY_S, blueprint

WIDTH = 80
EXAMPLE = Path(__file__).parents[2] / "deploy" / "vault.example.toml"


@pytest.fixture
def toml(aged_chain: LocalChain, tmp_path: Path) -> Path:
    path = tmp_path / "vault.toml"
    path.write_text(written(blueprint(aged_chain)))
    return path


@pytest.fixture
def keystore(aged_chain: LocalChain, tmp_path: Path) -> list[str]:
    signer = Account.create()
    aged_chain.w3.provider.make_request(RPCEndpoint("anvil_setBalance"), [signer.address, hex(10**20)])
    path, password = tmp_path / "key.json", tmp_path / "password"
    path.write_text(json.dumps(Account.encrypt(signer.key, "correct horse", iterations=2)))
    password.write_text("correct horse\n")
    return ["--keystore", str(path), "--password-file", str(password)]


def written(made: VaultBlueprint) -> str:
    """The blueprint as a person writes it."""
    values: list[tuple[str, Any]] = [
        ("lending_pool", made.lending_pool),
        ("swap_factory", made.swap_factory),
        ("pools", list(made.pools)),
        ("sequencer_feed", made.sequencer_feed),
        ("sequencer_grace_s", made.sequencer_grace_s),
    ]
    lines = [f"{name} = {json.dumps(value)}" for name, value in values]
    lines.append("[roles]")
    lines += [f'{name} = "{getattr(made.roles, name)}"' for name in ("keeper", "guardian", "operations")]
    assert made.timelock is not None
    lines += ["[timelock]", f"proposers = {json.dumps(list(made.timelock.proposers))}"]
    for listing in made.assets:
        lines.append("[[assets]]")
        lines += [f"{field.name} = {json.dumps(getattr(listing, field.name))}" for field in fields(listing)]
    return "\n".join(lines)


def run(aged_chain: LocalChain, toml: Path, keystore: list[str], *more: str) -> Result:
    arguments = ["deploy", str(toml), *keystore, "--rpc-url", aged_chain.deployment.rpc_url]
    return CliRunner(env={"COLUMNS": str(WIDTH)}).invoke(
        app, [*arguments, "--chain-id", str(aged_chain.w3.eth.chain_id), *more], catch_exceptions=False
    )


def test_a_file_says_all_that_a_vault_is_told(aged_chain: LocalChain, toml: Path) -> None:
    assert blueprint_from_toml(toml.read_text(), DAY_S) == blueprint(aged_chain)


def test_it_sends_only_with_the_word_execute(aged_chain: LocalChain, toml: Path, keystore: list[str]) -> None:
    block, timelock = aged_chain.w3.eth.block_number, ["--timelock", str(DAY_S)]
    explained = run(aged_chain, toml, keystore, *timelock).stdout
    assert "Nothing was sent" in explained
    assert aged_chain.w3.eth.block_number == block
    done = run(aged_chain, toml, keystore, *timelock, "--execute").stdout
    (shares,) = re.findall(r"^KEEPER_VAULT=(0x\w+)$", done, re.MULTILINE)
    assert shares in explained
    contract = aged_chain.w3.eth.contract(shares, abi=artifact_of("VaultShares")["abi"])
    assert contract.functions.asset().call() == aged_chain.tokens["USDC"].address


def test_it_shows_every_parameter_in_units_and_symbols_within_80_columns(
    aged_chain: LocalChain, toml: Path, keystore: list[str]
) -> None:
    shown = run(aged_chain, toml, keystore, "--timelock", str(2 * DAY_S)).stdout
    assert max(map(len, shown.splitlines())) <= WIDTH
    for field in fields(SHIPPED_POLICY):
        assert field.name.removesuffix("_bps").replace("_", " ") in shown
    made = blueprint(aged_chain)
    for address in (made.roles.keeper, made.roles.guardian, made.roles.operations, *made.pools):
        assert address in shown
    for words in ("max leverage", "2.100", "1.00 %", "WETH/USDC", "USDC debt", "a new timelock of 2 d"):
        assert words in shown


def test_a_stopped_deployment_goes_on_with_its_first_nonce(
    aged_chain: LocalChain, toml: Path, keystore: list[str]
) -> None:
    timelock = ["--timelock", str(DAY_S), "--execute"]
    first = run(aged_chain, toml, keystore, *timelock).stdout
    assert "--first-nonce 0" in first
    again = run(aged_chain, toml, keystore, *timelock, "--first-nonce", "0").stdout
    assert "in 0 transactions" in again
    assert re.findall("KEEPER_VAULT=.*", again) == re.findall("KEEPER_VAULT=.*", first)


def test_a_chain_that_would_refuse_is_known_before_the_password_matters(
    aged_chain: LocalChain, toml: Path, keystore: list[str]
) -> None:
    toml.write_text(toml.read_text().replace("[roles]", "silence_s = 60\n[roles]"))
    with pytest.raises(Refused, match="PolicyRegistry would revert: PolicyOutOfBounds"):
        run(aged_chain, toml, keystore, "--timelock", str(DAY_S), "--execute")


def test_a_poor_deployer_is_told_what_it_may_take(
    aged_chain: LocalChain, toml: Path, keystore: list[str]
) -> None:
    account = json.loads(Path(keystore[1]).read_text())["address"]
    aged_chain.w3.provider.make_request(
        RPCEndpoint("anvil_setBalance"), ["0x" + account.removeprefix("0x"), "0x1"]
    )
    with pytest.raises(Refused, match="has 0.0000 ETH; the deployment may take"):
        run(aged_chain, toml, keystore, "--timelock", str(DAY_S), "--execute")


def test_another_chain_is_refused(aged_chain: LocalChain, toml: Path, keystore: list[str]) -> None:
    with pytest.raises(WrongChain):
        run(aged_chain, toml, keystore, "--timelock", str(DAY_S), "--chain-id", "1")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("[policy]\nmin_helth = 1\n[roles]", "unknown min_helth"),
        ("[policy]\nmin_health = 1.35\n[roles]", "min_health = 1.35 is not a whole number"),
        ("[terms]\nallowed_only = 1\n[roles]", "allowed_only = 1"),
        ("policy = 3\n[roles]", "policy = 3 is not a table"),
        ('[timelock]\nproposers = "0x12"\n[roles]', "not TOML"),
        (
            "[policy]\nmax_gap_bps = 70000\n[roles]",
            "max_gap_bps = 70000 is more than its contract holds, 65535",
        ),
        (f"[terms]\ncap = {2**128}\n[roles]", "cap = .* is more than its contract holds"),
        (f"silence_s = {2**32}\n[roles]", "silence_s = .* is more than its contract holds"),
        ("accounts = [300]\n[roles]", r"accounts\[0\] = 300 is no eMode category"),
        ('accounts = "0"\n[roles]', "accounts = '0' is not a list"),
        ("name = 7\n[roles]", "name = 7 is no text"),
        ('[terms]\nfee_receiver = "0x12"\n[roles]', "terms.fee_receiver = '0x12'"),
    ],
)
def test_a_wrong_entry_is_named(aged_chain: LocalChain, toml: Path, change: str, reason: str) -> None:
    with pytest.raises(InvalidSetting, match=reason):
        blueprint_from_toml(toml.read_text().replace("[roles]", change), DAY_S)


def test_a_mistyped_address_fails_its_checksum(aged_chain: LocalChain, toml: Path) -> None:
    guardian = aged_chain.deployment.accounts["guardian"]
    mistyped = guardian[:-1] + ("a" if guardian[-1] != "a" else "b")
    with pytest.raises(InvalidSetting, match="roles.guardian = .* a digit is mistyped"):
        blueprint_from_toml(toml.read_text().replace(guardian, mistyped), DAY_S)


@pytest.mark.parametrize("url", ["notaurl", "ftp://node.example"])
def test_a_node_is_an_http_address(aged_chain: LocalChain, toml: Path, keystore: list[str], url: str) -> None:
    with pytest.raises(InvalidSetting, match="--rpc-url = .* is not an http"):
        run(aged_chain, toml, keystore, "--timelock", str(DAY_S), "--rpc-url", url)


def test_a_node_that_dies_on_the_way_is_named_without_its_key(
    aged_chain: LocalChain, toml: Path, keystore: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> int:
        raise Timeout("no answer from /secret")

    monkeypatch.setattr("keeper.cli.vault.rehearsed", dies)
    with pytest.raises(
        NodeUnavailable, match=r"http://127.0.0.1:\d+/… did not answer as it should"
    ) as caught:
        run(
            aged_chain,
            toml,
            keystore,
            "--timelock",
            str(DAY_S),
            "--rpc-url",
            f"{aged_chain.deployment.rpc_url}/secret",
        )
    assert "secret" not in caught.value.message
    assert "--first-nonce" in caught.value.remedy


def test_an_admin_is_named_or_made_and_not_both(aged_chain: LocalChain, toml: Path) -> None:
    with pytest.raises(InvalidSetting, match="both missing"):
        blueprint_from_toml(toml.read_text())
    admin = toml.read_text().replace(
        "[roles]", f'[roles]\nadmin = "{aged_chain.deployment.contracts["aave_pool"]}"'
    )
    with pytest.raises(InvalidSetting, match="both given"):
        blueprint_from_toml(admin, DAY_S)
    with pytest.raises(InvalidSetting, match="delay of 60 s"):
        blueprint_from_toml(toml.read_text(), 60)


def test_the_example_is_a_blueprint_once_its_roles_are_filled_in() -> None:
    text = EXAMPLE.read_text()
    accounts = iter(f"0x{number:040x}" for number in range(1, 9))
    filled = re.sub('= "" #', lambda _: f'= "{next(accounts)}" #', text).replace(
        "proposers = []", f'proposers = ["{next(accounts)}"]'
    )
    made = blueprint_from_toml(filled, DAY_S)
    assert made.policy == SHIPPED_POLICY
    with pytest.raises(InvalidSetting, match="roles.keeper = ''"):
        blueprint_from_toml(text, DAY_S)
