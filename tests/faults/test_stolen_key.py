"""Row 64: a stolen keeper key. KEEPER_FUZZ_CALLS asks for more (`make fuzz CALLS=20000`), KEEPER_SEED for another search."""

from __future__ import annotations

import os
import sys

import pytest

from keeper.devnet.local_chain import LocalChain
from keeper.domain.units import BPS
from tests.chain.vault_scene import Scene
from tests.chain.vault_setup import vault_scene
from tests.faults.stolen_key import Attacker, Haul, Move, bound
from tests.faults.stolen_key_fuzzer import FuzzResult, search

pytestmark = pytest.mark.slow

CALLS = int(os.environ.get("KEEPER_FUZZ_CALLS", "250"))
SEED = int(os.environ.get("KEEPER_SEED", "1"))
USDC = 10**6
DEPOSIT, CAPITAL = 100_000 * USDC, 20_000_000 * USDC


@pytest.fixture(scope="module")
def levered(fork: LocalChain) -> Scene:
    """100,000 USDC at leverage 1.8, and an accomplice with 20 million of every token."""
    scene = vault_scene(fork)
    scene.deposit(DEPOSIT)
    scene.lever(1.8)
    scene.wait(2 * 86_400)
    scene.refresh_feeds()
    return scene


def test_row_64_a_stolen_key_takes_less_than_the_bound_in_any_day(
    levered: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    def report(result: FuzzResult) -> None:
        if CALLS > 1_000:
            with capsys.disabled():
                sys.stderr.write(
                    f"\r{result.calls} calls in {result.plans} plans, worst day {result.worst_day:.2%} of NAV"
                )

    limit = bound(levered.policy())
    result = search(Attacker(levered, CAPITAL), CALLS, SEED, report)
    with capsys.disabled():
        if CALLS > 1_000:
            sys.stderr.write(_table(result, limit))
    assert result.broken == [], result.moves
    assert result.worst_day <= limit, result.moves
    assert result.worst_day * BPS > levered.policy().max_daily_emergency_loss_bps / 2, (
        "the attacker did not use the emergency budget"
    )


def _table(result: FuzzResult, limit: float) -> str:
    moves = "\n".join(f"    {move}" for move in result.moves)
    return (
        f"\nworst loss in 24 hours {result.worst_day * BPS:.0f} bps of NAV, bound {limit * BPS:.0f} bps, "
        f"accomplice {result.accomplice_usd:+,.0f} USD, {result.calls} calls in {result.plans} plans, seed {SEED}\n{moves}\n"
    )


def test_a_window_of_a_day_is_a_window_of_a_day() -> None:
    navs = [(0, 1_000), (1, 900), (86_401, 900), (86_402, 810), (200_000, 10)]
    assert Haul(navs=navs).worst_day() == pytest.approx(0.1)


def test_one_call_cannot_take_more_than_its_own_limit(levered: Scene) -> None:
    attacker, policy = Attacker(levered, CAPITAL), levered.policy()
    for kind, limit in (("wash", policy.max_loss_bps), ("dump", policy.max_emergency_loss_bps)):
        haul = attacker.carry_out([Move(kind, "WETH", 1.0, 0.8, 0)], 1)
        assert haul.broken == []
        assert 0 < haul.worst_day() * BPS <= limit + 1


@pytest.mark.parametrize("kind", ["wash", "dump", "lever"])
def test_row_63_no_allowance_is_left_after_any_call(levered: Scene, kind: str) -> None:
    """Also where a swap takes less than was approved for it."""
    haul = Attacker(levered, CAPITAL).carry_out([Move(kind, "LINK", 0.3, 0.0, 610)], 1)
    assert haul.calls > 0
    assert haul.navs[-1][1] != haul.navs[0][1]
    assert haul.broken == []
