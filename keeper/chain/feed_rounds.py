"""Fetches missing rounds of price feeds, backwards from the latest, in pages, for all feeds at once.

A proxy's round id is ``phase << 64 | n`` with n counting from 1 in every phase (Chainlink, historical price
data). A feed does not know every id: some proxies then revert, others answer
with ``updatedAt`` 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Mapping, Sequence
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

RoundsById = Mapping[int, Round]
RoundSearch = Generator[tuple[int, ...], RoundsById, list[Round]]
"""A generator. It yields round ids, receives the rounds that exist, and returns the rounds that were missing."""


@dataclass(frozen=True, slots=True)
class MissingRounds:
    """A feed whose rounds after ``known`` are missing (None: all rounds). ``latest`` has been read already."""

    feed: str
    latest: Round
    known: int | None


def fetch(
    multicall: Multicall,
    block: Block,
    missing: Mapping[str, MissingRounds],
    history_s: int,
    progress: Callable[[str], None],
) -> dict[str, tuple[Round, ...]]:
    """Per symbol the rounds after the known ones, at most ``history_s`` before the block, oldest first.

    Answers that are not positive or are dated after the block are dropped. It takes no HTTP request when nothing is
    missing, one when little is missing, and one per 1,000 rounds at a cold start.
    """
    oldest = block.timestamp - history_s
    collected = {symbol: [feed.latest] for symbol, feed in missing.items()}
    searches = [
        (symbol, feed.feed, search)
        for symbol, feed in missing.items()
        for search in searches_for(feed.latest, feed.known, oldest)
    ]
    _run(multicall, block, searches, collected=collected, progress=progress)
    return {
        symbol: _evidence(rounds, missing[symbol].known, oldest, now=block.timestamp)
        for symbol, rounds in collected.items()
    }


def since(
    multicall: Multicall, block: Block, latest: Mapping[str, Round], time: int
) -> dict[str, tuple[Round, ...]]:
    """Per feed the rounds of its present phase from the last one up to ``time`` on, oldest first, whatever they
    answer. ``latest`` is the newest round of each feed, which has been read already."""
    collected = {address: [newest] for address, newest in latest.items()}
    searches: list[tuple[str, str, RoundSearch]] = []
    for address, newest in latest.items():
        phase, number = split(newest.round_id)
        searches.append((address, address, _back(phase, number - 1, 1, oldest=time + 1, page=WINDOW)))
    _run(multicall, block, searches, collected=collected, progress=lambda _: None)
    ordered = {
        address: sorted(rounds, key=lambda round_: round_.round_id) for address, rounds in collected.items()
    }
    return {
        address: tuple(rounds[max(0, bisect_right(rounds, time, key=_updated_at) - 1) :])
        for address, rounds in ordered.items()
    }


def _updated_at(round_: Round) -> int:
    return round_.updated_at


def _run(
    multicall: Multicall,
    block: Block,
    searches: Sequence[tuple[str, str, RoundSearch]],
    *,
    collected: dict[str, list[Round]],
    progress: Callable[[str], None],
) -> None:
    """Advances all searches together; each round trip asks for what all of them want."""
    asking: list[tuple[str, str, RoundSearch, tuple[int, ...]]] = []
    for symbol, address, search in searches:
        _advance(symbol, address, search, rounds_by_id=None, asking=asking, collected=collected)
    while asking:
        rounds_by_id = _read(
            multicall, block, {(address, number) for _, address, _, ids in asking for number in ids}
        )
        waiting, asking = asking, []
        for symbol, address, search, ids in waiting:
            known = {
                number: rounds_by_id[(address, number)] for number in ids if (address, number) in rounds_by_id
            }
            _advance(symbol, address, search, rounds_by_id=known, asking=asking, collected=collected)
        _tell(rounds_by_id, progress)


def searches_for(latest: Round, known: int | None, oldest: int) -> list[RoundSearch]:
    """The searches between the newest known round and the latest. They run in parallel."""
    phase, number = split(latest.round_id)
    if known is None:
        return [_back_through_phases(phase, number - 1, oldest)]
    known_phase, known_number = split(known)
    if known_phase > phase or (known_phase == phase and known_number >= number - 1):
        return []
    if known_phase == phase:
        return [_back(phase, number - 1, known_number + 1, oldest=oldest)]
    return [
        _back(phase, number - 1, 1, oldest=oldest),
        *(_all_of_phase(between, oldest) for between in range(known_phase + 1, phase)),
        _forward(known_phase, known_number + 1),
    ]


def split(round_id: int) -> tuple[int, int]:
    """Phase and number within it."""
    return round_id >> _NUMBER_BITS, round_id & ((1 << _NUMBER_BITS) - 1)


def joined(phase: int, number: int) -> int:
    return phase << _NUMBER_BITS | number


# ------------------------------------------------------------------------ walks


def _back(phase: int, top: int, floor: int, oldest: int, page: int = PAGE) -> RoundSearch:
    """From ``top`` down to ``floor``, until rounds are older than ``oldest`` or a whole page is unknown."""
    rounds: list[Round] = []
    while top >= floor:
        bottom = max(floor, top - page + 1)
        rounds_by_id = yield tuple(joined(phase, number) for number in range(bottom, top + 1))
        rounds += rounds_by_id.values()
        if not rounds_by_id or min(round_.updated_at for round_ in rounds_by_id.values()) < oldest:
            break
        top = bottom - 1
    return rounds


def _back_through_phases(phase: int, top: int, oldest: int) -> RoundSearch:
    rounds = yield from _back(phase, top, 1, oldest=oldest)
    while phase > 1 and all(round_.updated_at >= oldest for round_ in rounds):
        phase -= 1
        earlier = yield from _all_of_phase(phase, oldest)
        rounds += earlier
    return rounds


def _all_of_phase(phase: int, oldest: int) -> RoundSearch:
    last = yield from _last_number(phase)
    return (yield from _back(phase, last, 1, oldest=oldest))


def _forward(phase: int, first: int) -> RoundSearch:
    """Rounds that an earlier phase received after it was last read."""
    rounds: list[Round] = []
    while True:
        ids = tuple(joined(phase, number) for number in range(first, first + WINDOW))
        rounds_by_id = yield ids
        rounds += rounds_by_id.values()
        if len(rounds_by_id) < WINDOW:
            return rounds
        first += WINDOW


def _last_number(phase: int) -> Generator[tuple[int, ...], RoundsById, int]:
    """The last round number of a finished phase, 0 if none. Tries powers of two, then narrows the interval."""
    ids = tuple(joined(phase, 1 << power) for power in range(_LARGEST_POWER))
    rounds_by_id = yield ids
    if not rounds_by_id:
        return 0
    last = split(max(rounds_by_id))[1]
    beyond = 2 * last
    while beyond - last > 1:
        step = max(1, (beyond - last) // _PROBES)
        probes = tuple(joined(phase, number) for number in range(last + step, beyond, step))
        rounds_by_id = yield probes
        present = [split(round_id)[1] for round_id in rounds_by_id]
        last = max(present, default=last)
        beyond = min(last + step, beyond)
    return last


# ----------------------------------------------------------------------- driving


def _advance(
    symbol: str,
    address: str,
    search: RoundSearch,
    rounds_by_id: RoundsById | None,
    asking: list[tuple[str, str, RoundSearch, tuple[int, ...]]],
    collected: dict[str, list[Round]],
) -> None:
    try:
        ids = next(search) if rounds_by_id is None else search.send(rounds_by_id)
    except StopIteration as finished:
        collected[symbol] += finished.value
    else:
        asking.append((symbol, address, search, ids))


def _read(multicall: Multicall, block: Block, ids: set[tuple[str, int]]) -> dict[tuple[str, int], Round]:
    """By feed and round id, those that exist."""
    ordered = sorted(ids)
    calls = [round_at(address, number) for address, number in ordered]
    groups = [calls[first : first + MAX_CALLS] for first in range(0, len(calls), MAX_CALLS)]
    rounds_by_id: dict[tuple[str, int], Round] = {}
    for first in range(0, len(groups), CALLS_PER_REQUEST):
        some = groups[first : first + CALLS_PER_REQUEST]
        for group, answers in zip(some, multicall.read_many(some, block.hash), strict=True):
            for call in group:
                round_ = answers.maybe(call)
                if round_ is not None and round_.updated_at != 0:
                    rounds_by_id[(call.target, round_.round_id)] = round_
    return rounds_by_id


def _evidence(rounds: list[Round], known: int | None, oldest: int, now: int) -> tuple[Round, ...]:
    unique = {
        round_.round_id: round_
        for round_ in rounds
        if round_.answer > 0 and oldest <= round_.updated_at <= now
    }
    return tuple(unique[number] for number in sorted(unique) if known is None or number > known)


def _tell(rounds_by_id: Mapping[tuple[str, int], Round], progress: Callable[[str], None]) -> None:
    if len(rounds_by_id) < PAGE:
        return
    earliest = datetime.fromtimestamp(min(round_.updated_at for round_ in rounds_by_id.values()), UTC)
    progress(f"price history: {len(rounds_by_id)} rounds more, back to {earliest:%Y-%m-%d %H:%M} UTC")
