"""A person's order to a keeper that runs: real processes, one journal, and a shell in another directory."""

from __future__ import annotations

from collections.abc import Callable

from keeper.domain.record import CycleOutcome
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.faults.fixtures import Trial
from tests.faults.processes import Ended, Running
from tests.servers.geth_proxy import decoded

LOWER = ("deleverage", "--execute", "--json")


def outcomes(trial: Trial) -> list[CycleOutcome]:
    with Journal.open_for_reading(trial.journal_url) as journal:
        return [record.outcome for record in StoredRecords(journal).latest(10)]


def test_the_running_keeper_carries_out_an_order_and_stays_up(
    trial: Trial, daemon: Callable[..., Running], shell: Callable[..., Ended]
) -> None:
    trial.lever()
    trial.proxy.mines_on_poll = 1
    known = len(outcomes(trial))
    daemon()
    trial.until(lambda: len(outcomes(trial)) > known)

    lowered = shell(*LOWER)
    assert lowered.exit_code == 0, lowered.out + lowered.err
    assert (lowered.record["mode"], lowered.record["action"]) == ("live", "RIPCORD")
    assert lowered.record["outcome"] == "SENT"
    assert trial.vault().deleveraged == 1

    paused = shell("pause", "--reason", "3am")
    assert paused.exit_code == 0
    assert "acknowledged by process" in paused.out
    assert shell("unblock", "--simulate").exit_code == 0
    assert shell("rebalance", "--execute").exit_code == 7  # the daemon has the key


def test_an_order_takes_over_from_a_trade_that_waits_for_its_block(
    trial: Trial, daemon: Callable[..., Running], shell: Callable[..., Ended]
) -> None:
    trial.lever()
    trial.proxy.mines_on_poll = None
    sent = len(trial.proxy.arrived)
    daemon(**trial.eager)
    trial.until(lambda: len(trial.proxy.arrived) > sent)

    trial.proxy.on_arrival = mining_another_call(trial, than=trial.proxy.arrived[sent].data)
    lowered = shell(*LOWER)
    assert lowered.exit_code == 0, lowered.out + lowered.err
    assert lowered.record["outcome"] == "SENT"
    vault = trial.vault()
    assert (vault.rebalanced, vault.deleveraged) == (
        1,
        1,
    )  # that of ``lever``, and the order: never the trade
    nonces = [one.nonce for one in trial.proxy.arrived[sent:]]
    assert len(set(nonces)) == 1


def test_without_a_running_keeper_the_command_sends_itself(trial: Trial, shell: Callable[..., Ended]) -> None:
    trial.lever()
    trial.proxy.mines_on_poll = 1
    lowered = shell(*LOWER)
    assert (lowered.exit_code, lowered.record["mode"]) == (0, "execute"), lowered.out + lowered.err
    assert trial.vault().deleveraged == 1


def mining_another_call(trial: Trial, than: str) -> Callable[[str], None]:
    """A call that is not this one is mined with the next look."""
    before = trial.proxy.on_arrival

    def arrive(raw: str) -> None:
        before(raw)
        if decoded(raw).data != than:
            trial.proxy.mines_on_poll = 1

    return arrive
