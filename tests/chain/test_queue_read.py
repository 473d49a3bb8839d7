"""The keeper's view of the redemption queue, and the command that puts one on a chain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account
from typer.testing import CliRunner
from web3.types import RPCEndpoint

from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.client import Rpc
from keeper.cli.vault import app
from keeper.devnet.local_chain import LocalChain
from keeper.domain.errors import WrongContract
from keeper.domain.redemptions import Redemptions
from tests.chain.node_scene import HISTORY_S, addresses_of, node_of, url_of
from tests.chain.queue_scene import SHARE, USDC, QueueScene, queue_scene


@pytest.fixture
def scene(chain: LocalChain) -> QueueScene:
    found = queue_scene(chain)
    found.deposit(found.depositors[0], 100_000 * USDC)
    return found


def seen(scene: QueueScene, rpc: Rpc, at: str | None) -> Redemptions | None:
    return node_at(scene, rpc, at).read({}, HISTORY_S).snapshot.redemptions


def node_at(scene: QueueScene, rpc: Rpc, at: str | None) -> ChainReader:
    changes = {} if at is None else {"redemption_queue": at}
    return node_of(scene.vault, rpc, addresses=addresses_of(scene.vault, **changes))


def test_what_waits_is_read_at_the_same_block_and_rounded_up(scene: QueueScene) -> None:
    with Rpc(url_of(scene.vault)) as rpc:
        assert seen(scene, rpc, None) is None
        assert seen(scene, rpc, scene.queue.address) == Redemptions(0, 0, 0)
        scene.request(scene.depositors[0], 40_000 * SHARE + 1)
        found = seen(scene, rpc, scene.queue.address)
    assert found is not None
    assert found.pending_shares == 40_000 * SHARE + 1
    assert found.since == scene.read.pendingSince().call()
    assert found.value > scene.worth(found.pending_shares)
    assert found.value <= scene.worth(found.pending_shares) + 2


def test_reading_the_queue_costs_no_round_trip(scene: QueueScene) -> None:
    with Rpc(url_of(scene.vault)) as rpc:
        node = node_at(scene, rpc, scene.queue.address)
        known = {r.symbol: r.round.round_id for r in node.read({}, HISTORY_S).snapshot.feeds[1:]}
        before = node.round_trips
        node.read(known, HISTORY_S)
        assert node.round_trips - before == 2


def test_without_a_price_of_what_is_held_the_queue_has_no_value(scene: QueueScene) -> None:
    scene.vault.lever(1.5)
    scene.request(scene.depositors[0], 40_000 * SHARE)
    feed = scene.vault.loose_feed("WETH")
    scene.vault.set_feed(feed, 0, scene.vault.now())
    with Rpc(url_of(scene.vault)) as rpc:
        found = seen(scene, rpc, scene.queue.address)
    assert found is not None
    assert (found.pending_shares, found.value) == (40_000 * SHARE, 0)


def test_the_queue_of_another_vault_is_refused(scene: QueueScene, chain: LocalChain) -> None:
    others = chain.deployment.redemption_queue
    with Rpc(url_of(scene.vault)) as rpc, pytest.raises(WrongContract, match="that of the vault"):
        seen(scene, rpc, others)
    with Rpc(url_of(scene.vault)) as rpc, pytest.raises(WrongContract):
        seen(scene, rpc, scene.vault.tokens["WETH"].address)


def test_the_command_deploys_a_queue_only_with_the_word_execute(scene: QueueScene, tmp_path: Path) -> None:
    w3, signer = scene.vault.w3, Account.create()
    w3.provider.make_request(RPCEndpoint("anvil_setBalance"), [signer.address, hex(10**20)])
    key, password = tmp_path / "key.json", tmp_path / "password"
    key.write_text(json.dumps(Account.encrypt(signer.key, "correct horse", iterations=2)))
    password.write_text("correct horse\n")
    node = ["--rpc-url", url_of(scene.vault), "--chain-id", str(w3.eth.chain_id)]
    arguments = [
        "deploy-queue",
        scene.vault.vault.address,
        "--keystore",
        str(key),
        "--password-file",
        str(password),
    ]
    block = w3.eth.block_number
    explained = CliRunner().invoke(app, [*arguments, *node], catch_exceptions=False)
    assert "Nothing was sent" in explained.stdout
    assert block == w3.eth.block_number
    done = CliRunner().invoke(app, [*arguments, *node, "--execute"], catch_exceptions=False)
    at = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("queue "))
    block = w3.eth.block_number
    serving = ["serve", *arguments[2:], *node, "--queue", at]
    idle = CliRunner().invoke(app, [*serving, "--execute"], catch_exceptions=False).stdout
    assert "Nothing was sent" in idle
    assert block == w3.eth.block_number
    deployed = w3.eth.contract(address=w3.to_checksum_address(at), abi=scene.queue.abi)
    assert deployed.functions.vault().call() == scene.vault.vault.address


def test_the_command_serves_what_can_be_served_only_with_the_word_execute(
    scene: QueueScene, tmp_path: Path
) -> None:
    first = scene.depositors[0]
    scene.request(first, 40_000 * SHARE)
    scene.mature()
    signer = Account.create()
    scene.vault.w3.provider.make_request(RPCEndpoint("anvil_setBalance"), [signer.address, hex(10**20)])
    key, password = tmp_path / "key.json", tmp_path / "password"
    key.write_text(json.dumps(Account.encrypt(signer.key, "correct horse", iterations=2)))
    password.write_text("correct horse\n")
    arguments = [
        "serve",
        "--keystore",
        str(key),
        "--password-file",
        str(password),
        "--queue",
        scene.queue.address,
    ]
    arguments += ["--rpc-url", url_of(scene.vault), "--chain-id", str(scene.vault.w3.eth.chain_id)]
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False).stdout
    assert str(40_000 * SHARE) in shown
    assert scene.pending(first) == 40_000 * SHARE
    CliRunner().invoke(app, [*arguments, "--execute"], catch_exceptions=False)
    assert scene.claimable(first) == 40_000 * SHARE
