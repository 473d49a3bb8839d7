"""The assistant's tools that ask the nodes, with a keystore that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.assistant.tools import call
from keeper.devnet.local_chain import LocalChain
from tests.chain.keeper_command import Run


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_a_key(monkeypatch: pytest.MonkeyPatch, account: str) -> None:
    """The settings name a keystore and a password file, and neither exists."""
    monkeypatch.setenv("KEEPER_KEYSTORE", "there-is-no-keystore.json")
    monkeypatch.setenv("KEEPER_KEYSTORE_PASSWORD_FILE", "there-is-no-password")
    monkeypatch.setenv("KEEPER_SENDER", account)


@pytest.mark.usefixtures("no_journal")
def test_it_asks_the_nodes_as_the_commands_do_but_without_a_key_and_changes_nothing(
    keeper: Run, chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = keeper("rebalance", "--simulate", "--json").json()
    without_a_key(monkeypatch, printed["keeper"]["address"])
    assert keeper("rebalance", "--simulate").code == 2, "the command wants the keystore"
    before, block = files(tmp_path), chain.w3.eth.block_number

    simulated = call("simulate", {})
    assert not simulated.failed
    record = simulated.value["record"]
    for name in ("action", "outcome", "target_leverage", "keeper"):
        assert record[name] == printed[name]
    assert [gate["name"] for gate in record["gates"]] == [gate["name"] for gate in printed["gates"]]
    assert len(record["plan"]["steps"]) == len(printed["plan"]["steps"])
    assert any("there is no journal" in note for note in simulated.value["notes"])

    status = call("status", {})
    assert status.failed, "whether it is paused is not known"
    assert status.value["error"]["name"] == "JournalMissing"
    assert status.value["nav_usd"] == printed["nav_usd"]

    assert files(tmp_path) == before
    assert chain.w3.eth.block_number == block


def test_after_a_trade_it_says_why_and_what_it_cost(keeper: Run) -> None:
    assert keeper("rebalance", "--execute").code == 0
    printed = keeper("status", "--json").json()
    status = call("status", {})
    assert not status.failed
    same = ("last_record", "pause_state", "journal", "epoch", "drill")
    assert {name: status.value[name] for name in same} == {name: printed[name] for name in same}
    assert call("explain", {}).value["why"][0] == "The keeper traded."
    (period,) = call("costs", {}).value["periods"]
    assert (period["calls"], period["failures"]) == (1, 0)
    assert period["gas_usd"] > 0
    assert period["fees_usd"] > 0
    parts = (period["gas_usd"], period["fees_usd"], period["slippage_usd"], period["flash_usd"])
    assert period["total_usd"] == pytest.approx(sum(parts))
