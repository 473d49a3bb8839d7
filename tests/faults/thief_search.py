"""What a thief tries next: a plan that the vault's budgets suggest, any plan, and variations of the best one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tests.chain.vault_scene import RISKY
from tests.faults.stolen_key import KINDS, Move, Thief


def patient_thief() -> list[Move]:
    """What the buckets suggest: fill both at once, then again whatever has drained, levering in between."""
    moves = [Move("dump", symbol, 1.0, 0.9, 0) for symbol in RISKY]
    moves += [Move("wash", symbol, 1.0, 0.5, 610) for symbol in ("WETH", "WBTC")]
    for _ in range(8):
        moves += [Move("lever", "WETH", 0.6, 0.0, 5_000), Move("dump", "WETH", 1.0, 0.9, 4_500)]
        moves.append(Move("wash", "LINK", 1.0, 0.5, 700))
    return moves


def any_plan(chance: np.random.Generator) -> list[Move]:
    return [_any_move(chance) for _ in range(chance.integers(4, 12))]


def varied(moves: Sequence[Move], chance: np.random.Generator) -> list[Move]:
    """One move changed, added, left out or doubled."""
    new = list(moves)
    place = int(chance.integers(len(new)))
    how = chance.integers(4)
    if how == 0:
        new[place] = _any_move(chance)
    elif how == 1:
        new.insert(place, _any_move(chance))
    elif how == 2 and len(new) > 1:
        del new[place]
    else:
        one = new[place]
        new[place] = replace(
            one,
            size=min(1.5, one.size * float(chance.uniform(0.5, 1.6))),
            push=min(1.0, one.push * float(chance.uniform(0.5, 1.8))),
            wait_s=int(one.wait_s * chance.uniform(0.5, 1.5)),
        )
    return new


def _any_move(chance: np.random.Generator) -> Move:
    return Move(
        kind=str(chance.choice(KINDS)),
        symbol=str(chance.choice(RISKY)),
        size=float(chance.uniform(0.02, 1.2)),
        push=float(chance.choice((0.0, chance.uniform(0.05, 1.0)))),
        wait_s=int(chance.choice((0, 12, 610, int(chance.integers(600, 12_000))))),
    )


@dataclass
class Finding:
    """The best plan found so far."""

    worst_day: float
    accomplice_usd: float
    moves: list[Move]
    calls: int
    plans: int
    broken: list[str]


def search(thief: Thief, calls: int, seed: int, told: Callable[[Finding], None] = lambda _: None) -> Finding:
    """At least so many calls of the vault. Stops at the first thing that must never be."""
    chance = np.random.default_rng(seed)
    found = Finding(0.0, 0.0, [], 0, 0, [])
    while found.calls < calls and not found.broken:
        if found.plans == 0:
            moves = patient_thief()
        elif found.plans % 3 == 0:
            moves = any_plan(chance)
        else:
            moves = varied(found.moves, chance)
        haul = thief.carry_out(moves, seed + found.plans)
        found.calls += haul.calls
        found.plans += 1
        found.broken = haul.broken
        if haul.broken or haul.worst_day() > found.worst_day:
            found.worst_day, found.moves, found.accomplice_usd = (
                haul.worst_day(),
                list(moves),
                haul.accomplice_usd,
            )
        told(found)
    return found
