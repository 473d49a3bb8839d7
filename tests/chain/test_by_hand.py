"""What an operator does beside the cycles, with the real command on a real chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import read_vault
from tests.chain.keeper_command import Run
from tests.chain.vault_scene import WINDOW_S


@pytest.mark.usefixtures("no_journal")
def test_a_pause_is_on_every_screen_and_stops_the_trade_until_it_is_lifted(
    keeper: Run, chain: LocalChain, tmp_path: Path
) -> None:
    assert keeper("rebalance", "--simulate").code == 0
    assert keeper("status").code == 2
    (tmp_path / "keeper.pause").touch()
    assert keeper("rebalance", "--execute").code == 7
    keeper("resume", "--reason", "begun")
    paused = keeper("pause", "--reason", "first").out
    assert str(tmp_path / "keeper.db") in paused
    assert chain.deployment.vault in paused
    assert "none runs here with this journal" in paused
    for command in (("rebalance", "--simulate"), ("status",)):
        screen = keeper(*command).out
        assert "PAUSED since" in screen
        assert "first" in screen
        assert "Still runs: RIPCORD" in screen
    held = keeper("rebalance", "--execute", "--json")
    assert (held.code, held.json()["outcome"]) == (7, "HELD")
    assert held.json()["pause_state"]["paused"] is True
    assert "Lifted: operator" in keeper("resume", "--reason", "done").out
    assert "Nothing was paused" in keeper("resume", "--reason", "again").out
    assert keeper("rebalance", "--execute").code == 0
    assert read_vault(chain).epoch == 1


@pytest.mark.usefixtures("no_journal")
def test_a_pause_before_there_is_a_journal_is_a_file_that_somebody_makes(keeper: Run, tmp_path: Path) -> None:
    refused = keeper("pause", "--reason", "not yet")
    assert refused.code == 2
    assert "touch" in refused.err
    assert not (tmp_path / "keeper.pause").exists()
    (tmp_path / "keeper.pause").write_text("not yet\n")
    assert keeper("rebalance", "--execute").code == 7
    assert keeper("resume", "--reason", "go").code == 0
    assert not (tmp_path / "keeper.pause").exists()


def test_deleveraging_by_hand_repays_everything_also_while_paused(keeper: Run, chain: LocalChain) -> None:
    assert keeper("rebalance", "--execute").code == 0
    assert read_vault(chain).leverage > 1
    chain.pass_time(WINDOW_S)
    keeper("pause", "--reason", "trouble")
    assert keeper("deleverage").code == 2
    shown = keeper("deleverage", "--simulate")
    assert shown.code == 0
    assert "all debt repaid" in shown.out
    assert read_vault(chain).epoch == 1
    assert keeper("deleverage", "--execute").code == 0
    seen = read_vault(chain)
    assert seen.epoch == 2
    assert seen.leverage < 1
    assert seen.debt_usd == 0
    again = keeper("deleverage", "--execute", "--json")
    assert (again.code, again.json()["action"]) == (0, "HOLD")


def test_deleveraging_stops_at_the_health_factor_that_was_named(keeper: Run, chain: LocalChain) -> None:
    keeper("rebalance", "--execute")
    before = read_vault(chain).health_factor
    wanted = before * 1.4
    assert keeper("deleverage", "--execute", "--to-health-factor", f"{wanted:.3f}").code == 0
    assert wanted <= read_vault(chain).health_factor < 1.1 * wanted  # the whole slippage is reckoned with
    assert keeper("deleverage", "--execute", "--to-health-factor", "0.9").code == 2


@pytest.mark.usefixtures("no_journal")
def test_a_sealed_keeper_refuses_other_settings(keeper: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keeper("seal", "--show").code == 2
    assert "Sealed." in keeper("seal").out
    assert keeper("seal", "--show").out.count("as sealed") == 3
    monkeypatch.setenv("KEEPER_SIZE__TARGET_VOLATILITY", "1.1")
    assert "CHANGED" in keeper("seal", "--show").out
    assert keeper("rebalance", "--execute").code == 7
    assert keeper("rebalance", "--simulate").code == 0


def test_unblocking_when_nothing_is_stuck_says_so(keeper: Run) -> None:
    keeper("rebalance", "--execute")
    assert "next nonce" in keeper("unblock", "--simulate").out
    assert keeper("status", "--json").json()["in_flight"][0]["status"] == "MINED"
    assert "Nothing was stuck" in keeper("unblock", "--execute").out


def test_a_second_keeper_with_the_same_key_and_another_journal_is_refused(
    keeper: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from keeper.journal.files import locked_key

    account = keeper("status", "--json").json()["keeper"]["address"]
    monkeypatch.setenv("KEEPER_JOURNAL_URL", f"sqlite:///{tmp_path / 'another.db'}")
    with locked_key(None, 31_337, account):
        refused = keeper("rebalance", "--execute")
    assert refused.code == 7
    assert "is in use by process" in refused.err
