"""A canary in every secret: nothing that the keeper prints, logs, writes or passes on shows one."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account
from eth_typing import HexStr

from keeper.devnet.anvil import rpc
from keeper.devnet.local_chain import LocalChain
from tests.chain.vault_scene import scene_on
from tests.faults.fixtures import WITHOUT_OPTION_MARKETS
from tests.faults.processes import ROOT, ForkServer
from tests.servers.geth_proxy import geth_proxy
from tests.servers.web3signer import web3signer

KEY = "0x" + "c0ffee5a" * 8
PASSWORD = "pass-word-canary-7431"
URL_SECRET, TOKEN = "url-user-canary", "url-token-canary-9912"


def shapes(secret: str) -> set[str]:
    """How a secret might show."""
    plain = secret.removeprefix("0x")
    found = {secret, plain, plain.upper(), base64.b64encode(plain.encode()).decode().rstrip("=")}
    if secret.startswith("0x"):
        raw = bytes.fromhex(plain)
        found |= {str(int(plain, 16)), base64.b64encode(raw).decode().rstrip("="), repr(raw)[2:-1]}
    return found


CANARIES = {name: shapes(name) for name in (KEY, PASSWORD, URL_SECRET, TOKEN)}


class Operator:
    """Runs commands as processes, and keeps whatever came out of them."""

    def __init__(self, folder: Path, environment: dict[str, str], keepers: ForkServer) -> None:
        self.folder = folder
        self.environment = environment
        self.seen: dict[str, str] = {}
        self._keepers = keepers

    def run(self, *arguments: str, code: int | None = None, **more: str) -> None:
        ended = self._keepers.run(arguments, {**self.environment, **more}, self.folder)
        assert code is None or ended.exit_code == code, ended.out + ended.err
        name = f"{' '.join(arguments)} {sorted(more)}"
        self.seen |= {f"{name}: out": ended.out, f"{name}: err": ended.err}

    def run_program(self, program: str, *arguments: str, code: int, **more: str) -> None:
        """A process of its own, whose arguments are looked at too."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER_")}
        running = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=self.folder,
            env={**environment, **self.environment, **more, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        command = Path(f"/proc/{running.pid}/cmdline").read_bytes().decode(errors="replace")
        out, err = running.communicate()
        assert running.returncode == code, out + err
        self.seen |= {"program: out": out, "program: err": err, "program: arguments": command}

    def leaks(self) -> list[str]:
        texts = dict(self.seen)
        for path in self.folder.rglob("*"):
            if path.is_file() and path.name not in ("keystore.json", "password"):
                texts[f"file {path.name}"] = path.read_bytes().decode("latin-1")
        return [
            f"{where} shows {name[:12]}…"
            for where, text in texts.items()
            for name, forms in CANARIES.items()
            if any(form in text for form in forms)
        ]


@pytest.fixture
def operator(chain: LocalChain, keepers: ForkServer, tmp_path: Path) -> Iterator[Operator]:
    """A keystore, its password in a file, and addresses with credentials in them."""
    (tmp_path / "keystore.json").write_text(
        json.dumps(Account.encrypt(HexStr(KEY), PASSWORD, iterations=1_024))
    )
    (tmp_path / "password").write_text(PASSWORD)
    account = Account.from_key(KEY).address
    rpc(chain.deployment.rpc_url, "anvil_setBalance", account, hex(10**20))
    scene = scene_on(chain)
    scene.send(chain.registry.functions.setKeeper(account), scene.people.admin)
    with geth_proxy(chain.deployment.rpc_url) as proxy:
        secret = proxy.url.replace("http://", f"http://{URL_SECRET}:x@") + f"/v3/{TOKEN}"
        replace(chain.deployment, rpc_url=proxy.url).write(tmp_path / "deployment.json")
        yield Operator(
            tmp_path,
            {
                "KEEPER_DEPLOYMENT": "deployment.json",
                "KEEPER_RPC_URL": secret,
                "KEEPER_PRIVATE_RPC_URL": secret,
                "KEEPER_DERIBIT_URL": f"http://{URL_SECRET}:x@127.0.0.1:9/{TOKEN}",
                "KEEPER_KEYSTORE": "keystore.json",
                "KEEPER_KEYSTORE_PASSWORD_FILE": "password",
                "KEEPER_LOG_LEVEL": "debug",
                "KEEPER_LOG_FORMAT": "json",
                "XDG_STATE_HOME": str(tmp_path / "state"),
            },
            keepers,
        )


def test_a_canary_of_this_test_would_be_found(operator: Operator) -> None:
    (operator.folder / "log.txt").write_text(f"the key is {int(KEY, 16)} and the token {TOKEN}")
    assert len(operator.leaks()) == 2


def test_nothing_shows_key_password_or_credentials(operator: Operator) -> None:
    operator.run(
        "rebalance", "--simulate", code=4
    )  # the option market's address has a secret too; nobody answers there
    operator.run("rebalance", "--execute", "--json", code=0, KEEPER_ASSETS=WITHOUT_OPTION_MARKETS)
    operator.run("status", code=0)
    operator.run("journal", "list", code=0)
    operator.run("config", "show", code=0)
    operator.run("unblock", "--simulate", code=0)
    operator.run("seal", code=0)
    operator.run("journal", "verify", code=0)
    assert operator.leaks() == []


def test_nothing_shows_a_secret_when_something_is_wrong(operator: Operator) -> None:
    dead = f"http://{URL_SECRET}:x@127.0.0.1:9/{TOKEN}"
    operator.run("rebalance", "--execute", code=3, KEEPER_RPC_URL=dead)
    operator.run("rebalance", "--execute", code=2, KEEPER_RPC_URL=f"https//{URL_SECRET}:x@h/{TOKEN}")
    operator.run("rebalance", "--execute", code=2, KEEPER_PRIVATE_KEY=KEY, KEEPER_CHAIN_ID="1")
    (operator.folder / "password").write_text(f"{PASSWORD}-but-wrong")
    operator.run("rebalance", "--execute", code=2)
    (operator.folder / "password").write_text(PASSWORD)
    operator.run("rebalance", "--simulate", code=2, KEEPER_JOURNAL_URL=f"mysql://{URL_SECRET}:{TOKEN}@h/d")
    operator.run(
        "rebalance",
        "--execute",
        code=3,
        KEEPER_JOURNAL_URL=f"postgresql://{URL_SECRET}:{TOKEN}@127.0.0.1:9/keeper",
    )
    (operator.folder / "keystore.json").write_text(f'{{"version": 3, "crypto": "{KEY}"}}')
    operator.run("rebalance", "--execute", code=2)
    assert operator.leaks() == []


def test_a_bug_shows_a_traceback_and_no_secret(operator: Operator) -> None:
    """With the key in a local variable of the frame that fails."""
    program = (
        "import keeper.tx.signer as signer\n"
        "def broken(self, intent, fees, kind=None):\n"
        "    key = '0x' + self._account.key.hex()\n"
        "    raise RuntimeError('a bug')\n"
        "signer.LocalSigner.sign = broken\n"
        "from keeper.cli.main import main; main()"
    )
    operator.run_program(program, "rebalance", "--execute", code=1, KEEPER_ASSETS=WITHOUT_OPTION_MARKETS)
    assert any("RuntimeError: a bug" in text for text in operator.seen.values())
    assert operator.leaks() == []


def test_a_remote_signers_address_shows_no_credentials(operator: Operator) -> None:
    with web3signer(KEY) as signer:
        url = signer.url.replace("user:s3cret", f"{URL_SECRET}:x").replace("t0ken", TOKEN)
        more = {
            "KEEPER_KEYSTORE": "",
            "KEEPER_SIGNER_URL": url,
            "KEEPER_SENDER": Account.from_key(KEY).address,
            "KEEPER_ASSETS": WITHOUT_OPTION_MARKETS,
        }
        operator.run("rebalance", "--execute", "--json", code=0, **more)
        signer.error = {"code": -32000, "message": "locked"}
        operator.run("rebalance", "--execute", code=3, **more)
    operator.run("rebalance", "--execute", code=3, **more)
    assert operator.leaks() == []
