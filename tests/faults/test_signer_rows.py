"""Rows 62 to 70 of docs/faults.md: signers, switches, limits and settings."""

from __future__ import annotations

import pytest

from keeper.domain.tx import IntentStatus
from keeper.runtime.failpoints import Failpoint
from tests.faults.fixtures import Trial, gates, rests_at
from tests.faults.kill_scenarios import BEYOND_DEADLINE, HIGH_GAS_CAPS
from tests.servers.web3signer import web3signer


def test_row_66_a_pause_in_the_middle_of_a_cycle_stops_the_send_and_not_a_deleveraging(trial: Trial) -> None:
    trial.lever()
    held = trial.proxy.fault("eth_simulateV1", "hold")
    running = trial.start(more=trial.eager)
    trial.until(lambda: held.count == 0)
    trial.pause_file.write_text("stop\n")
    held.released.set()
    ended = trial.ended(running)
    assert (ended.exit_code, ended.record["outcome"]) == (7, "HELD")
    assert "stop" in ended.record["reason"]
    assert len(trial.proxy.arrived) == 1
    assert trial.run("deleverage", "--execute", "--json").record["outcome"] == "SENT"


@pytest.mark.parametrize(
    ("setting", "gate"),
    [
        ({"KEEPER_DAILY__MAX_TURNOVER": "0.5"}, "day_turnover"),
        ({"KEEPER_DAILY__MAX_GAS_ETH": "0.000001"}, "day_gas"),
        ({"KEEPER_DAILY__MAX_LOSS": "0.0001"}, "day_loss"),
    ],
)
def test_row_67_a_days_limit_holds_also_across_a_kill_and_a_restart(
    trial: Trial, setting: dict[str, str], gate: str
) -> None:
    assert trial.run(failpoint=Failpoint.BROADCAST).killed
    trial.proxy.mine(4)
    trial.proxy.pass_time(3_700)
    trial.freshen()
    ended = trial.run(more=trial.eager | setting)
    assert gates(ended)[gate] is False
    assert ended.exit_code in (5, 7)
    assert trial.vault().epoch == 1
    assert (trial.pauses() == ("day_loss",)) is (gate == "day_loss")


def test_row_69_a_block_in_the_middle_of_a_bump_is_looked_for_first(trial: Trial) -> None:
    """No gas is estimated again for a replacement; its own receipt is asked for before each."""
    trial.proxy.mines_on_poll = 9
    ended = trial.run(more=HIGH_GAS_CAPS)
    assert ended.record["outcome"] == "SENT"
    assert ended.record["receipt"]["tx_hash"] in {one.tx_hash for one in trial.proxy.arrived}
    rests_at(trial, 1)


def test_a_call_beyond_its_deadline_is_cancelled_and_decided_anew(trial: Trial) -> None:
    trial.proxy.mines_on_poll = None
    assert trial.run(failpoint=Failpoint.BROADCAST).killed
    trial.proxy.evict()
    trial.proxy.mine(BEYOND_DEADLINE)
    rests_at(trial, 1)
    assert trial.statuses() == {IntentStatus.CANCELLED: 1, IntentStatus.FINAL: 1}


def test_row_62_a_sandwich_meets_the_least_output_from_the_oracle(trial: Trial) -> None:
    """Somebody sees the transaction wait and moves the pool that it will trade in."""
    trial.proxy.mines_on_poll = None
    running = trial.start()
    trial.until(lambda: len(trial.proxy.arrived) == 1)
    trial.move_price("WETH", 1.05, pools=True)
    trial.move_price("WETH", 1 / 1.05, pools=False)
    trial.proxy.mine()
    ended = trial.ended(running)
    assert (ended.exit_code, ended.record["error"]["name"]) == (5, "Reverted")
    assert trial.vault().epoch == 0


def test_row_65_a_signer_that_is_down_sends_nothing_and_later_signs_the_same(trial: Trial) -> None:
    with web3signer(trial.world.deployment.private_key) as signer:
        trial.environment |= {"KEEPER_SIGNER_URL": signer.url, "KEEPER_SENDER": trial.keeper}
        signer.error, signer.error_for = {"code": -32000, "message": "locked"}, "eth_signTransaction"
        assert trial.run().exit_code == 3
        assert trial.statuses() == {IntentStatus.SIGNING: 1}
        assert trial.proxy.arrived == []
        signer.error = None
        rests_at(trial, 1)
        asked = [params[0]["data"] for method, params in signer.asked if method == "eth_signTransaction"]
    assert len(set(asked)) == 1
    assert trial.statuses() == {IntentStatus.FINAL: 1}


def test_row_65_a_signer_that_lies_is_not_believed(trial: Trial) -> None:
    with web3signer(trial.world.deployment.private_key) as signer:
        signer.lie = "to"
        ended = trial.run(more={"KEEPER_SIGNER_URL": signer.url, "KEEPER_SENDER": trial.keeper})
    assert (ended.exit_code, ended.record["error"]["name"]) == (4, "SignerUntrusted")
    assert trial.proxy.arrived == []
    rests_at(trial, 1)


@pytest.mark.parametrize("changed", [{"KEEPER_SIZE__TARGET_VOLATILITY": "1.5"}], ids=["settings"])
def test_row_70_settings_that_are_not_as_sealed_send_nothing(trial: Trial, changed: dict[str, str]) -> None:
    assert trial.run("seal").exit_code == 0
    ended = trial.run(more=changed)
    assert ended.exit_code == 7
    assert "Tampered" in ended.out + ended.err
    assert trial.proxy.arrived == []
    assert trial.run("rebalance", "--simulate", "--json", more=changed).exit_code == 0
    trial.completed.clear()  # a simulation keeps no record
    rests_at(trial, 1)
