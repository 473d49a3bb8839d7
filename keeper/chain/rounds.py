"""Missing rounds of price feeds, fetched backwards from the latest in pages, all feeds at once.

A proxy's round id is ``phase << 64 | n`` with n counting from 1 in every phase (Chainlink, historical price
data). Ids that a feed does not know are left out: some proxies revert for them, others answer with
``updatedAt`` 0.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from keeper.chain.contracts.feed import round_at
from keeper.chain.rpc.multicall import MAX_CALLS, Multicall
from keeper.domain.market import Block, Round

PAGE = 1_000
WINDOW = 64
CALLS_PER_REQUEST = 4  # 1.8 MB; geth takes 5
_NUMBER_BITS = 64
_LARGEST_POWER = 24  # a phase of 2^24 rounds would have taken centuries
_PROBES = 256

Found = Mapping[int, Round]
Walk = Generator[tuple[int, ...], Found, list[Round]]
"""Yields round ids, is sent those that exist, returns the rounds it was after."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A feed whose rounds after ``known`` (None: all) are missing; ``latest`` has been read already."""

    feed: str
    latest: Round
    known: int | None


def fetch(
    multicall: Multicall,
    block: Block,
    wanted: Mapping[str, Wanted],
    history_s: int,
    progress: Callable[[str], None],
) -> dict[str, tuple[Round, ...]]:
    """Per symbol the rounds newer than the known, at most ``history_s`` older than the block, oldest first.

    Answers that are not positive, or are stamped after the block, are no evidence and left out. One HTTP
    request when little is missing, none when nothing is; a cold start takes one per 1,000 rounds of history.
    """
    oldest = block.timestamp - history_s
    collected = {symbol: [feed.latest] for symbol, feed in wanted.items()}
    walks = [
        (symbol, feed.feed, walk)
        for symbol, feed in wanted.items()
        for walk in walks_for(feed.latest, feed.known, oldest)
    ]
    asking: list[tuple[str, str, Walk, tuple[int, ...]]] = []
    for symbol, address, walk in walks:
        _advance(symbol, address, walk, None, asking, collected)
    while asking:
        found = _read(
            multicall, block, {(address, number) for _, address, _, ids in asking for number in ids}
        )
        waiting, asking = asking, []
        for symbol, address, walk, ids in waiting:
            known = {number: found[(address, number)] for number in ids if (address, number) in found}
            _advance(symbol, address, walk, known, asking, collected)
        _tell(found, progress)
    return {
        symbol: _evidence(rounds, wanted[symbol].known, oldest, block.timestamp)
        for symbol, rounds in collected.items()
    }


def walks_for(latest: Round, known: int | None, oldest: int) -> list[Walk]:
    """The ways from the newest known round to the latest, to be driven side by side."""
    phase, number = split(latest.round_id)
    if known is None:
        return [_back_through_phases(phase, number - 1, oldest)]
    known_phase, known_number = split(known)
    if known_phase > phase or (known_phase == phase and known_number >= number - 1):
        return []
    if known_phase == phase:
        return [_back(phase, number - 1, known_number + 1, oldest)]
    return [
        _back(phase, number - 1, 1, oldest),
        *(_whole_phase(between, oldest) for between in range(known_phase + 1, phase)),
        _forward(known_phase, known_number + 1),
    ]


def split(round_id: int) -> tuple[int, int]:
    """Phase and number within it."""
    return round_id >> _NUMBER_BITS, round_id & ((1 << _NUMBER_BITS) - 1)


def joined(phase: int, number: int) -> int:
    return phase << _NUMBER_BITS | number


# ------------------------------------------------------------------------ walks


def _back(phase: int, top: int, floor: int, oldest: int) -> Walk:
    """From ``top`` down to ``floor``, or until rounds are older than wanted, or a whole page is unknown."""
    rounds: list[Round] = []
    while top >= floor:
        bottom = max(floor, top - PAGE + 1)
        found = yield tuple(joined(phase, number) for number in range(bottom, top + 1))
        rounds += found.values()
        if not found or min(round_.updated_at for round_ in found.values()) < oldest:
            break
        top = bottom - 1
    return rounds


def _back_through_phases(phase: int, top: int, oldest: int) -> Walk:
    rounds = yield from _back(phase, top, 1, oldest)
    while phase > 1 and all(round_.updated_at >= oldest for round_ in rounds):
        phase -= 1
        earlier = yield from _whole_phase(phase, oldest)
        rounds += earlier
    return rounds


def _whole_phase(phase: int, oldest: int) -> Walk:
    last = yield from _last_number(phase)
    return (yield from _back(phase, last, 1, oldest))


def _forward(phase: int, first: int) -> Walk:
    """What an earlier phase still got after it was last looked at."""
    rounds: list[Round] = []
    while True:
        ids = tuple(joined(phase, number) for number in range(first, first + WINDOW))
        found = yield ids
        rounds += found.values()
        if len(found) < WINDOW:
            return rounds
        first += WINDOW


def _last_number(phase: int) -> Generator[tuple[int, ...], Found, int]:
    """The last round of a phase that has ended, 0 if none: powers of two, then the interval ever finer."""
    ids = tuple(joined(phase, 1 << power) for power in range(_LARGEST_POWER))
    found = yield ids
    if not found:
        return 0
    last = split(max(found))[1]
    beyond = 2 * last
    while beyond - last > 1:
        step = max(1, (beyond - last) // _PROBES)
        probes = tuple(joined(phase, number) for number in range(last + step, beyond, step))
        found = yield probes
        present = [split(round_id)[1] for round_id in found]
        last = max(present, default=last)
        beyond = min(last + step, beyond)
    return last


# ----------------------------------------------------------------------- driving


def _advance(
    symbol: str,
    address: str,
    walk: Walk,
    found: Found | None,
    asking: list[tuple[str, str, Walk, tuple[int, ...]]],
    collected: dict[str, list[Round]],
) -> None:
    try:
        ids = next(walk) if found is None else walk.send(found)
    except StopIteration as finished:
        collected[symbol] += finished.value
    else:
        asking.append((symbol, address, walk, ids))


def _read(multicall: Multicall, block: Block, ids: set[tuple[str, int]]) -> dict[tuple[str, int], Round]:
    """By feed and round id, those that exist."""
    ordered = sorted(ids)
    calls = [round_at(address, number) for address, number in ordered]
    groups = [calls[first : first + MAX_CALLS] for first in range(0, len(calls), MAX_CALLS)]
    found: dict[tuple[str, int], Round] = {}
    for first in range(0, len(groups), CALLS_PER_REQUEST):
        some = groups[first : first + CALLS_PER_REQUEST]
        for group, answers in zip(some, multicall.read_many(some, block.hash), strict=True):
            for call in group:
                round_ = answers.maybe(call)
                if round_ is not None and round_.updated_at != 0:
                    found[(call.target, round_.round_id)] = round_
    return found


def _evidence(rounds: list[Round], known: int | None, oldest: int, now: int) -> tuple[Round, ...]:
    unique = {
        round_.round_id: round_
        for round_ in rounds
        if round_.answer > 0 and oldest <= round_.updated_at <= now
    }
    return tuple(unique[number] for number in sorted(unique) if known is None or number > known)


def _tell(found: Mapping[tuple[str, int], Round], progress: Callable[[str], None]) -> None:
    if len(found) < PAGE:
        return
    earliest = datetime.fromtimestamp(min(round_.updated_at for round_ in found.values()), UTC)
    progress(f"price history: {len(found)} rounds more, back to {earliest:%Y-%m-%d %H:%M} UTC")
