"""The redemption queue: who may ask, and who may take what was served."""

from __future__ import annotations

import pytest

from keeper.chain.admin.queue_deployment import deploy_queue
from keeper.domain.errors import WrongContract
from tests.chain.queue_scene import SHARE, USDC, QueueScene
from tests.chain.vault_scene import ALL


def test_shares_in_the_line_are_the_queues_and_stay_there(levered_queue: QueueScene) -> None:
    first, shares = levered_queue.depositors[0], levered_queue.vault.shares(levered_queue.depositors[0])
    levered_queue.request(first, shares // 2)
    assert levered_queue.vault.shares(first) == shares - shares // 2
    assert (
        levered_queue.vault.shares(levered_queue.queue.address) == shares // 2 == levered_queue.pending(first)
    )
    assert levered_queue.claimable(first) == 0
    assert levered_queue.read.pendingSince().call() == levered_queue.vault.now()


def test_only_the_owner_or_its_operator_puts_shares_into_the_line(levered_queue: QueueScene) -> None:
    owner, thief, _ = levered_queue.depositors
    levered_queue.vault.send(levered_queue.vault.read.approve(levered_queue.queue.address, ALL), owner)
    levered_queue.vault.send(levered_queue.vault.read.approve(thief, ALL), owner)
    call = levered_queue.read.requestRedeem(50 * SHARE, thief, owner)
    assert levered_queue.refusal(call, thief) == "NotOperator"
    levered_queue.vault.send(levered_queue.read.setOperator(thief, True), owner)
    levered_queue.vault.send(call, thief)
    levered_queue.vault.send(levered_queue.read.setOperator(thief, False), owner)
    assert levered_queue.refusal(call, thief) == "NotOperator"
    assert levered_queue.pending(thief) == 50 * SHARE


def test_without_an_allowance_for_the_queue_nothing_moves(levered_queue: QueueScene) -> None:
    first = levered_queue.depositors[0]
    refused = levered_queue.refusal(levered_queue.read.requestRedeem(50 * SHARE, first, first), first)
    assert refused == "ERC20InsufficientAllowance"


def test_dust_is_not_queued_however_often_it_is_tried(levered_queue: QueueScene) -> None:
    first = levered_queue.depositors[0]
    levered_queue.vault.send(levered_queue.vault.read.approve(levered_queue.queue.address, ALL), first)
    for shares in (0, 1, SHARE, 9 * SHARE):
        assert (
            levered_queue.refusal(levered_queue.read.requestRedeem(shares, first, first), first) == "TooSmall"
        )
    nobody = "0x" + "00" * 20
    assert (
        levered_queue.refusal(levered_queue.read.requestRedeem(50 * SHARE, nobody, first), first)
        == "NoController"
    )


def test_the_queue_speaks_erc_7540(levered_queue: QueueScene) -> None:
    for published in ("e3bc4e65", "620ee8e4", "01ffc9a7"):
        assert levered_queue.read.supportsInterface(bytes.fromhex(published)).call()
    assert not levered_queue.read.supportsInterface(bytes.fromhex("ffffffff")).call()
    assert (
        levered_queue.read.share().call()
        == levered_queue.vault.vault.address
        == levered_queue.read.vault().call()
    )
    assert levered_queue.read.asset().call() == levered_queue.vault.tokens["USDC"].address


def test_a_queue_needs_a_vault(levered_queue: QueueScene) -> None:
    with pytest.raises(WrongContract):
        deploy_queue(
            levered_queue.vault.w3, levered_queue.vault.w3.eth.accounts[0], levered_queue.depositors[0]
        )


def test_only_the_controller_or_its_operator_takes_what_was_served(levered_queue: QueueScene) -> None:
    owner, thief, receiver = levered_queue.depositors
    levered_queue.request(owner, 10_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(50_000 * USDC)
    levered_queue.serve()
    call = levered_queue.read.redeem(10_000 * SHARE, thief, owner)
    assert levered_queue.refusal(call, thief) == "NotOperator"
    assert levered_queue.refusal(levered_queue.read.withdraw(1, thief, owner), thief) == "NotOperator"
    before = levered_queue.vault.balance("USDC", receiver)
    levered_queue.vault.send(levered_queue.read.withdraw(1_000 * USDC, receiver, owner), owner)
    assert levered_queue.vault.balance("USDC", receiver) - before == 1_000 * USDC
    rest = levered_queue.owed(owner)
    assert levered_queue.claim(owner) == rest
    assert levered_queue.claimable(owner) == 0 == levered_queue.owed(owner)


def two_served(queue: QueueScene) -> tuple[str, str]:
    """Two depositors whose requests of 10,000 shares each were paid for."""
    one, two, _ = queue.depositors
    for account in (one, two):
        queue.request(account, 10_000 * SHARE)
    queue.mature()
    queue.pour(50_000 * USDC)
    queue.serve()
    return one, two


def test_nobody_takes_more_than_was_served(levered_queue: QueueScene) -> None:
    one, _ = two_served(levered_queue)
    more = levered_queue.read.redeem(10_000 * SHARE + 1, one, one)
    assert levered_queue.refusal(more, one) == "MoreThanClaimable"
    assert levered_queue.refusal(levered_queue.read.redeem(0, one, one), one) == "MoreThanClaimable"
    most = levered_queue.owed(one)
    assert levered_queue.refusal(levered_queue.read.withdraw(most + 1, one, one), one) == "MoreThanClaimable"
    for _ in range(3):
        levered_queue.vault.send(levered_queue.read.withdraw(1, one, one), one)
    assert levered_queue.claim(one) == most - 3


def test_parts_and_the_whole_pay_the_same(levered_queue: QueueScene) -> None:
    one, two = two_served(levered_queue)
    due = levered_queue.owed(one)
    assert due == levered_queue.owed(two)
    got = 0
    for shares in (1, SHARE // 3, 3_333 * SHARE + 7):
        before = levered_queue.vault.balance("USDC", one)
        levered_queue.vault.send(levered_queue.read.redeem(shares, one, one), one)
        got += levered_queue.vault.balance("USDC", one) - before
    assert got + levered_queue.claim(one) == due
