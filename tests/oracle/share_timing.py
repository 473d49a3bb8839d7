"""A vault's shares against somebody who times the oracle, on the recorded rounds.

The attacker knows the next round of every feed before it is published, which is more than a market tells. The vault
holds ETH and BTC at a constant leverage against USDC, as its shares' contracts price it: a batch of requests closes, and
is settled at the prices of the first moment when every feed has published since.
"""

from __future__ import annotations

import csv
import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

DATA = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data")
FEEDS = ("eth", "btc", "usdc")
LEVERAGE = {"eth": 0.8, "btc": 1.0, "usdc": -1.8}
"""What the value of a share, in USDC, moves for a move of a feed. All debt is USDC, so its own price acts on the rest."""

DAYS = 270
DAY = 86_400
HOUR = 3_600
WORTH_TIMING = 0.001
"""A move that an attacker waits for before asking."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """All feeds' rounds in order of time. ``value`` is a share's by the feeds after each; ``ahead`` what it will be once
    every feed has published its next round; ``published`` per feed the times of its rounds."""

    times: tuple[int, ...]
    value: tuple[float, ...]
    ahead: tuple[float, ...]
    published: tuple[tuple[int, ...], ...]


def recorded() -> Rounds:
    """The last 270 days of ETH and BTC. USDC's recording ends earlier; its last 270 days stand in, shifted."""
    series = {name: _series(name) for name in FEEDS}
    end = min(series["eth"][-1][0], series["btc"][-1][0])
    shift = end - series["usdc"][-1][0]
    series["usdc"] = [(time + shift, price) for time, price in series["usdc"]]
    start = end - DAYS * DAY
    moves: list[tuple[int, str, float]] = []
    for name, rounds in series.items():
        moves += [
            (time, name, price / before - 1.0)
            for (_, before), (time, price) in pairwise(rounds)
            if start <= time <= end
        ]
    moves.sort()
    value, last = [], 1.0
    for _, name, move in moves:
        last *= 1.0 + LEVERAGE[name] * move
        value.append(last)
    return Rounds(
        times=tuple(time for time, _, _ in moves),
        value=tuple(value),
        ahead=_ahead(moves, value),
        published=tuple(tuple(time for time, feed, _ in moves if feed == name) for name in FEEDS),
    )


def moment_after(rounds: Rounds, closed: int) -> int | None:
    """The first moment when every feed has published after a batch closed; None past the recording's end."""
    firsts = []
    for times in rounds.published:
        place = bisect_right(times, closed)
        if place == len(times):
            return None
        firsts.append(times[place])
    return max(firsts)


def holders_keep(rounds: Rounds, capital: float, spread: float, start: int) -> float:
    """What the holders have in the end, against what they would have without the attacker. 1 is all of it.

    The attacker asks for shares in front of a rise and for money in front of a fall, and has ``capital`` in NAVs of the
    holders. At each settlement the attacker takes, of the whole vault, the difference between the price that was due
    and what the next rounds say, whatever its sign, less ``spread``. The moment of settlement does not change the price.
    ``start`` is the number of the round from which on the attacker acts.
    """
    share = capital / (1.0 + capital)
    holders, place, sign = 1.0, start, 1.0
    while True:
        while place + 1 < len(rounds.times) and sign * _move(rounds, place) < WORTH_TIMING:
            place += 1
        moment = moment_after(rounds, rounds.times[place])
        if moment is None:
            return holders
        place = bisect_right(rounds.times, moment) - 1
        holders *= 1.0 - share * (sign * mispriced(rounds, moment) - spread)
        sign = -sign


def holders_keep_by_choice_of_moment(rounds: Rounds, capital: float, least: float) -> float:
    """The same under the rule that a deposit pays the higher of the prices at request and at settlement and a redemption
    gets the lower, where the attacker chooses the moment of settlement: the first that is worth ``least``."""
    share = capital / (1.0 + capital)
    holders, place, sign = 1.0, 0, 1.0
    while True:
        while place + 1 < len(rounds.times) and sign * _move(rounds, place) < WORTH_TIMING:
            place += 1
        asked, moment = rounds.value[place], moment_after(rounds, rounds.times[place])
        if moment is None:
            return holders
        place = bisect_right(rounds.times, moment) - 1
        while place < len(rounds.times):
            now = rounds.value[place]
            due = max(asked, now) if sign > 0.0 else min(asked, now)
            if sign * (rounds.ahead[place] / due - 1.0) >= least:
                break
            place += 1
        else:
            return holders
        holders *= 1.0 - share * sign * (rounds.ahead[place] / due - 1.0)
        sign = -sign


def mispriced(rounds: Rounds, moment: int) -> float:
    """What the next rounds say of the price at a moment, as a part of it."""
    place = bisect_right(rounds.times, moment) - 1
    return rounds.ahead[place] / rounds.value[place] - 1.0


def moments(rounds: Rounds) -> list[int]:
    """Each moment at which some batch, closed at a full hour, is priced."""
    found = {moment_after(rounds, closed) for closed in range(rounds.times[0], rounds.times[-1], HOUR)}
    return sorted(moment for moment in found if moment is not None)


def _move(rounds: Rounds, place: int) -> float:
    return rounds.value[place + 1] / rounds.value[place] - 1.0


def honest_waits(rounds: Rounds) -> list[int]:
    """Seconds from a batch's closing to the moment of its prices, for a batch closed every hour."""
    waits = []
    for closed in range(rounds.times[0], rounds.times[-1], HOUR):
        moment = moment_after(rounds, closed)
        if moment is not None:
            waits.append(moment - closed)
    return waits


def cost_of_the_higher(rounds: Rounds) -> float:
    """What a depositor would pay on average if the higher of the prices at request and at settlement counted."""
    costs = []
    for closed in range(rounds.times[0], rounds.times[-1], HOUR):
        moment = moment_after(rounds, closed)
        if moment is not None:
            asked = rounds.value[max(bisect_right(rounds.times, closed) - 1, 0)]
            got = rounds.value[bisect_right(rounds.times, moment) - 1]
            costs.append(max(asked / got, 1.0) - 1.0)
    return sum(costs) / len(costs)


def _series(name: str) -> list[tuple[int, float]]:
    with (DATA / f"chainlink_rounds_{name}_usd.csv").open() as file:
        rows = [(int(row["updated_at"]), float(row["answer"])) for row in csv.DictReader(file)]
    return sorted(rows)


def _ahead(moves: Sequence[tuple[int, str, float]], value: Sequence[float]) -> tuple[float, ...]:
    """Backwards: the next move of each feed after each place."""
    coming = dict.fromkeys(FEEDS, 0.0)
    ahead = []
    for (_, name, move), now in zip(reversed(moves), reversed(value), strict=True):
        factor = 1.0
        for feed, next_move in coming.items():
            factor *= 1.0 + LEVERAGE[feed] * next_move
        ahead.append(now * factor)
        coming[name] = move
    return tuple(reversed(ahead))
