"""Rows 14 to 41 of docs/faults.md: what nodes say to a transaction, and what becomes of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from keeper.devnet.vault_reading import read_vault
from keeper.domain.tx import IntentStatus
from keeper.runtime.failpoints import Failpoint
from tests.faults.fixtures import COOLDOWN_S, Trial, gates, rests_at
from tests.faults.kill_scenarios import HIGH_GAS_CAPS, SHORT_WAIT
from tests.faults.processes import Ended
from tests.servers.geth_proxy import decoded, geth_proxy

GWEI = 10**9


def test_row_14_already_known_counts_as_sent(trial: Trial) -> None:
    trial.proxy.mines_on_poll = None
    assert trial.run(failpoint=Failpoint.BROADCAST).killed
    hidden = trial.proxy.fault("eth_getTransactionByHash", "null")
    trial.run(more=SHORT_WAIT)
    assert hidden.count == 0
    rests_at(trial, 1)
    assert len({one.tx_hash for one in trial.proxy.arrived}) == 1


def test_row_15_nonce_too_low_looks_for_own_receipts(trial: Trial) -> None:
    """The node has mined it and says so only as an error; nothing else is sent for that nonce."""
    assert trial.run(failpoint=Failpoint.BROADCAST).killed
    trial.proxy.mine()
    trial.proxy.fault("eth_getTransactionReceipt", "null")
    trial.run()
    rests_at(trial, 1)
    assert len(trial.proxy.arrived) == 1
    assert trial.pauses() == ()


def test_row_16_replacement_underpriced_raises_both_by_an_eighth(trial: Trial) -> None:
    trial.proxy.mines_on_poll = 20
    assert trial.run(more=HIGH_GAS_CAPS).record["outcome"] == "SENT"
    first, second, *_ = trial.proxy.arrived
    assert second.nonce == first.nonce
    assert second.max_fee * 8 >= first.max_fee * 9
    assert second.tip * 8 >= first.tip * 9


def test_row_17_evicted_bytes_are_sent_again_unchanged(trial: Trial) -> None:
    trial.proxy.mines_on_poll = None
    assert trial.run(failpoint=Failpoint.BROADCAST).killed
    trial.proxy.evict()
    rests_at(trial, 1)
    assert len(trial.proxy.arrived) == 2
    assert len({one.raw for one in trial.proxy.arrived}) == 1


def test_row_18_a_base_fee_25_times_higher_is_met_up_to_the_cap_and_then_waited_out(trial: Trial) -> None:
    trial.proxy.mines_on_poll = None
    trial.proxy.rpc("anvil_setNextBlockBaseFeePerGas", hex(16 * GWEI))
    trial.proxy.mine()
    assert trial.run(failpoint=Failpoint.BROADCAST, more=HIGH_GAS_CAPS).killed
    trial.proxy.rpc("anvil_setNextBlockBaseFeePerGas", hex(400 * GWEI))
    trial.proxy.mine()
    ended = trial.run(more=SHORT_WAIT | HIGH_GAS_CAPS)
    assert max(one.max_fee for one in trial.proxy.arrived) <= 400 * GWEI
    assert ended.exit_code == 6
    trial.proxy.rpc("anvil_setNextBlockBaseFeePerGas", hex(16 * GWEI))
    trial.proxy.mine()
    rests_at(trial, 1)


def test_row_19_a_gap_halts_and_is_filled_by_no_ops_on_command(trial: Trial) -> None:
    raw = trial.strange_bytes(nonce_ahead=3)
    trial.proxy.pool[(trial.keeper.lower(), decoded(raw).nonce)] = decoded(raw)
    assert gates(trial.run())["not_paused"] is False
    assert "missing nonces: 0, 1, 2" in trial.run("unblock", "--simulate").out
    assert trial.proxy.arrived == []
    assert trial.run("unblock", "--execute").exit_code == 0
    assert [one.data for one in trial.proxy.arrived] == ["0x"] * 3
    trial.proxy.mine(3)
    trial.run()  # the stranger's own transaction is mined now, and noticed
    assert trial.run("resume", "--reason", "it was me").exit_code == 0
    rests_at(trial, 1)


def test_row_20_a_foreign_transaction_trips_the_kill_switch_and_a_person_lifts_it(trial: Trial) -> None:
    trial.stranger_takes_the_nonce()
    trial.run()
    rests_at(trial, 1)  # a key that was used before this journal is no reason to stop
    trial.stranger_takes_the_nonce()
    ended = trial.run()
    assert trial.pauses() == ("foreign_transaction",)
    assert gates(ended)["not_paused"] is False
    assert trial.run("resume", "--reason", "it was me").exit_code == 0
    assert gates(trial.run())["not_paused"] is True


def test_row_21_the_original_mines_during_a_bump(trial: Trial) -> None:
    trial.proxy.mines_on_poll = None
    held = trial.proxy.fault("eth_feeHistory", "hold", count=-1)
    held.count = 0
    running = trial.start(more=HIGH_GAS_CAPS)
    trial.until(lambda: len(trial.proxy.arrived) == 1)
    held.count = 1  # the next price question is the bump's
    trial.until(lambda: held.count == 0)
    trial.proxy.mine()
    held.released.set()
    ended = trial.ended(running)
    assert ended.record["outcome"] == "SENT"
    rests_at(trial, 1)
    assert trial.statuses() == {IntentStatus.FINAL: 1}


def test_row_22_a_lost_reply_is_not_a_lost_transaction(trial: Trial) -> None:
    trial.proxy.fault("eth_sendRawTransaction", "drop_reply")
    trial.run()
    rests_at(trial, 1)
    assert len({one.raw for one in trial.proxy.arrived}) == 1


def test_row_23_a_receipt_that_lags_is_waited_for(trial: Trial) -> None:
    trial.proxy.mines_on_poll = None
    running = trial.start()
    trial.until(lambda: len(trial.proxy.arrived) == 1)
    late = trial.proxy.fault("eth_getTransactionReceipt", "null", count=6)
    trial.proxy.mine()
    assert trial.ended(running).record["outcome"] == "SENT"
    assert late.count == 0
    rests_at(trial, 1)
    assert len(trial.proxy.arrived) == 1


def test_row_23_a_receipt_that_shows_after_the_nonce_was_given_up_is_counted(trial: Trial) -> None:
    """As long as no receipt shows, the transaction counts as somebody else's."""
    assert trial.run(failpoint=Failpoint.BROADCAST).killed
    trial.proxy.mine(4)
    hidden = trial.proxy.fault("eth_getTransactionReceipt", "null", count=-1)
    trial.run()
    assert trial.statuses() == {IntentStatus.DISPLACED: 1}
    assert (trial.pauses(), trial.gas_wei()) == (("foreign_transaction",), 0)
    hidden.count = 0
    assert trial.run("resume", "--reason", "it was the keeper").exit_code == 0
    rests_at(trial, 1)
    assert trial.statuses() == {IntentStatus.FINAL: 1}
    assert trial.pauses() == ()
    assert trial.gas_wei() > 0


def test_row_24_low_gas_stops_levering_and_not_deleveraging(trial: Trial) -> None:
    trial.lever({"KEEPER_SIZE__TARGET_VOLATILITY": "0.65"})
    trial.proxy.rpc("anvil_setBalance", trial.keeper, hex(3 * 10**17))
    ended = trial.run(more={"KEEPER_SIZE__TARGET_VOLATILITY": "0.9"})
    assert gates(ended)["gas_balance"] is False
    assert trial.run("deleverage", "--execute", "--json").record["outcome"] == "SENT"
    rests_at(trial, 2)


def blocks_of(trial: Trial, gas: int) -> None:
    trial.proxy.rpc("evm_setBlockGasLimit", hex(gas))
    trial.proxy.mine()


def smaller_blocks(trial: Trial) -> None:
    """Room for a few trades in each, not for all."""
    blocks_of(trial, 2_300_000)


def swaps(ended: Ended) -> int:
    return len([step for step in ended.record["plan"]["steps"] if step["kind"].startswith("SWAP")])


def test_row_25_a_smaller_block_splits_the_plan(trial: Trial) -> None:
    """Each part within the block and with a health factor above the floor; together they lead to the target."""
    smaller_blocks(trial)
    ended, parts = trial.run(), 0
    while ended.record["outcome"] == "SENT" and parts < 4:
        parts += 1
        assert trial.vault().epoch == parts
        after = ended.record["realised"]["health_factor"]
        assert after is None or after >= 1.4
        trial.proxy.mine(3)
        trial.proxy.pass_time(COOLDOWN_S)
        blocks_of(trial, 30_000_000)  # the feeds' own transactions ask for more gas than a small block has
        trial.freshen()
        smaller_blocks(trial)
        ended = trial.run()
    assert parts > 1
    held = ended.record
    assert held["outcome"] == "HELD", held["reason"]
    assert held["leverage"] == pytest.approx(held["target_leverage"], rel=0.05)


def test_row_25_an_emergency_in_smaller_blocks_repays_what_fits_each_time(trial: Trial) -> None:
    """More is sold of as many assets as the block has gas for."""
    trial.lever()
    smaller_blocks(trial)
    owed, epoch, part = read_vault(trial.world).debt_usd, trial.vault().epoch, 0
    while owed:
        ended, part = trial.run("deleverage", "--execute", "--json"), part + 1
        assert ended.record["outcome"] == "SENT", ended.record["reason"]
        assert 0 < swaps(ended) < 4
        before, owed = owed, read_vault(trial.world).debt_usd
        assert owed < 0.6 * before
        assert trial.vault().epoch == epoch + part
    assert part <= 4


def _one_more_arrived(trial: Trial) -> Callable[[], bool]:
    count = len(trial.proxy.arrived)
    return lambda: len(trial.proxy.arrived) > count


def test_row_26_three_reverts_halt_the_keeper(trial: Trial) -> None:
    """The vault's guard turns each down: its prices moved between simulation and block."""
    for _ in range(3):
        trial.proxy.mines_on_poll = None
        running = trial.start()
        trial.until(_one_more_arrived(trial))
        trial.vault_paused(True)
        trial.proxy.mine()
        ended = trial.ended(running)
        assert ended.exit_code == 5
        assert ended.record["error"]["message"].endswith("and reverted: VaultPaused()")
        trial.vault_paused(False)
        trial.proxy.mine(3)
        trial.freshen()
    ended = trial.run()
    assert trial.pauses() == ("day_failures",)
    assert gates(ended)["not_paused"] is False
    assert trial.vault().epoch == 0


def test_row_27_what_a_relay_drops_is_cancelled_under_the_same_nonce_by_another_route(trial: Trial) -> None:
    with geth_proxy(trial.proxy.upstream) as relay:
        relay.swallow()
        more = {"KEEPER_PRIVATE_RPC_URL": relay.url}
        trial.proxy.mines_on_poll = 1
        ended = trial.run(more=more)
    assert ended.record["error"]["name"] == "Overtaken"
    assert [(one.data, one.nonce) for one in trial.proxy.arrived] == [("0x", relay.swallowed[0].nonce)]
    assert relay.swallowed[0].data.startswith("0xf1eabd8b")
    rests_at(trial, 1)


def test_row_39_a_nonce_error_hidden_in_an_internal_error_is_read_by_its_text(trial: Trial) -> None:
    trial.proxy.mines_on_poll = None
    assert trial.run(failpoint=Failpoint.BROADCAST).killed
    trial.proxy.mine()
    trial.proxy.fault("eth_getTransactionReceipt", "null", count=1)
    trial.proxy.fault(
        "eth_sendRawTransaction",
        "error",
        code=-32603,
        text="Internal error: rpc error: nonce too low: next nonce 1, tx nonce 0",
    )
    rests_at(trial, 1)
    assert len(trial.proxy.arrived) == 1


def test_row_41_a_leader_that_slept_is_turned_away_by_the_epoch(trial: Trial) -> None:
    """Frozen with the bytes signed, while the guardian's call moves the vault on."""
    trial.proxy.mines_on_poll = None
    running = trial.start(failpoint="attempt_committed:1:freeze")
    trial.until(lambda: trial.stopped(running))
    trial.other_keeper_rebalances()
    assert trial.vault().epoch == 1
    os.kill(running.pid, signal.SIGCONT)
    trial.proxy.mines_on_poll = 1
    assert trial.ended(running).exit_code == 5
    assert trial.vault().epoch == 1
    trial.proxy.mine(3)
    trial.run()
    assert trial.statuses() == {IntentStatus.REVERTED: 1}
