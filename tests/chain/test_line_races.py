"""What strangers do one place before the keeper's transaction: settle, claim, cancel. Its plan and its service hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keeper.devnet.depositor import HOUR, Depositor, line
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import read_vault
from keeper.domain.line import LineCall
from keeper.domain.tx import Payload, Receipt
from keeper.tx.manager import TransactionSender
from tests.chain.keeper_command import Run
from tests.chain.line_calls import settle

USDC = 10**6
SHARE = 10**12
MOVE = 1.8

Before = Callable[[Callable[[], None]], None]


@pytest.fixture(autouse=True)
def routine_every_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped day's wait is not what these tests look at."""
    monkeypatch.setenv("KEEPER_DECISION__ROUTINE_EVERY_S", str(HOUR))


@pytest.fixture
def one_place_before(monkeypatch: pytest.MonkeyPatch) -> Before:
    """Something that happens on the chain after the keeper has simulated, and before it sends."""

    def happens(what: Callable[[], None]) -> None:
        send = TransactionSender.send

        def later(sender: TransactionSender, payload: Payload, *, supersede: bool = False) -> Receipt:
            what()
            return send(sender, payload, supersede=supersede)

        monkeypatch.setattr(TransactionSender, "send", later)

    return happens


@pytest.mark.parametrize("part", [0.004, 0.02])
def test_a_settled_redemption_does_not_break_a_rebalance(
    levered: Run, chain: LocalChain, depositor: Depositor, one_place_before: Before, part: float
) -> None:
    """The cash that is idle pays 1 % of the vault: one request takes less than that, the other all of it."""
    depositor.ask_to_redeem(int(depositor.shares * part))
    assert levered("vault", "serve", "--execute").code == 0
    chain.pass_time(HOUR)
    chain.set_price("UNI", chain.spot("UNI") * MOVE)
    one_place_before(lambda: settle(chain, LineCall.SETTLE_REDEMPTIONS))
    ended = levered("rebalance", "--execute", "--json")
    answer = ended.json()
    assert (ended.code, answer["outcome"]) == (0, "SENT"), answer["reason"]
    assert depositor.claim_assets() > 0
    assert read_vault(chain).epoch == 2


def test_a_settled_deposit_does_not_break_a_rebalance(
    levered: Run, chain: LocalChain, stranger: Depositor, one_place_before: Before
) -> None:
    stranger.ask_to_deposit(20_000 * USDC)
    assert levered("vault", "serve", "--execute").code == 0
    chain.pass_time(HOUR)
    chain.set_price("UNI", chain.spot("UNI") * MOVE)
    one_place_before(lambda: settle(chain, LineCall.SETTLE_DEPOSITS))
    ended = levered("rebalance", "--execute", "--json")
    answer = ended.json()
    assert (ended.code, answer["outcome"]) == (0, "SENT"), answer["reason"]
    assert stranger.claim_shares() > 0


def test_a_claim_and_a_cancelled_request_do_not_break_a_rebalance(
    levered: Run, chain: LocalChain, depositor: Depositor, stranger: Depositor, one_place_before: Before
) -> None:
    depositor.ask_to_redeem(500 * SHARE)
    assert levered("vault", "serve", "--execute").code == 0
    chain.pass_time(HOUR)
    settle(chain, LineCall.SETTLE_REDEMPTIONS)
    stranger.ask_to_deposit(10_000 * USDC)
    chain.set_price("UNI", chain.spot("UNI") * MOVE)

    def leave() -> None:
        assert depositor.claim_assets() > 0
        stranger.cancel_deposit()

    one_place_before(leave)
    ended = levered("rebalance", "--execute", "--json")
    assert (ended.code, ended.json()["outcome"]) == (0, "SENT"), ended.json()["reason"]


def test_a_stranger_who_settles_first_costs_the_keeper_gas_and_no_failure(
    levered: Run, chain: LocalChain, stranger: Depositor, one_place_before: Before
) -> None:
    stranger.ask_to_deposit(10_000 * USDC)
    assert levered("vault", "serve", "--execute").code == 0
    chain.pass_time(HOUR)
    one_place_before(lambda: settle(chain, LineCall.SETTLE_DEPOSITS))
    ended = levered("vault", "serve", "--execute")
    assert ended.code == 0
    assert "somebody else was first" in ended.out
    assert line(chain) == (0, 0, 0, 0)
    chain.pass_time(HOUR)
    status = levered("status", "--json").json()
    paused = status["pause_state"]
    assert (paused["last_24_hours"]["failures"], paused["pauses"]) == (0, [])
    assert "nobody waits" in levered("vault", "serve", "--execute").out
