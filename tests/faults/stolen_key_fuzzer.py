"""Searches for the plan that costs the vault most in a day: one that fills its loss budgets, random ones, variations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tests.chain.vault_scene import RISKY
from tests.faults.stolen_key import KINDS, Attacker, Move


def bucket_filling_plan() -> list[Move]:
    """Uses both loss budgets up at once, and then again as fast as they drain, levering in between."""
    moves = [Move("dump", symbol, 1.0, 0.9, 0) for symbol in RISKY]
    moves += [Move("wash", symbol, 1.0, 0.5, 610) for symbol in ("WETH", "WBTC")]
    for _ in range(8):
        moves += [Move("lever", "WETH", 0.6, 0.0, 5_000), Move("dump", "WETH", 1.0, 0.9, 4_500)]
        moves.append(Move("wash", "LINK", 1.0, 0.5, 700))
    return moves


def random_plan(chance: np.random.Generator) -> list[Move]:
    return [_random_move(chance) for _ in range(chance.integers(4, 12))]


def varied(moves: Sequence[Move], chance: np.random.Generator) -> list[Move]:
    """One move changed, added, left out or doubled."""
    new = list(moves)
    place = int(chance.integers(len(new)))
    how = chance.integers(4)
    if how == 0:
        new[place] = _random_move(chance)
    elif how == 1:
        new.insert(place, _random_move(chance))
    elif how == 2 and len(new) > 1:
        del new[place]
    else:
        move = new[place]
        new[place] = replace(
            move,
            size=min(1.5, move.size * float(chance.uniform(0.5, 1.6))),
            push=min(1.0, move.push * float(chance.uniform(0.5, 1.8))),
            wait_s=int(move.wait_s * chance.uniform(0.5, 1.5)),
        )
    return new


def _random_move(chance: np.random.Generator) -> Move:
    return Move(
        kind=str(chance.choice(KINDS)),
        symbol=str(chance.choice(RISKY)),
        size=float(chance.uniform(0.02, 1.2)),
        push=float(chance.choice((0.0, chance.uniform(0.05, 1.0)))),
        wait_s=int(chance.choice((0, 12, 610, int(chance.integers(600, 12_000))))),
    )


@dataclass
class FuzzResult:
    """The best plan so far."""

    worst_day: float
    accomplice_usd: float
    moves: list[Move]
    calls: int
    plans: int
    broken: list[str]


def search(
    attacker: Attacker, calls: int, seed: int, report: Callable[[FuzzResult], None] = lambda _: None
) -> FuzzResult:
    """Makes at least ``calls`` calls of the vault. Stops at the first violated invariant."""
    chance = np.random.default_rng(seed)
    result = FuzzResult(0.0, 0.0, [], 0, 0, [])
    while result.calls < calls and not result.broken:
        if result.plans == 0:
            moves = bucket_filling_plan()
        elif result.plans % 3 == 0:
            moves = random_plan(chance)
        else:
            moves = varied(result.moves, chance)
        haul = attacker.carry_out(moves, seed + result.plans)
        result.calls += haul.calls
        result.plans += 1
        result.broken = haul.broken
        if haul.broken or haul.worst_day() > result.worst_day:
            result.worst_day, result.moves, result.accomplice_usd = (
                haul.worst_day(),
                list(moves),
                haul.accomplice_usd,
            )
        report(result)
    return result
