"""Chainlink AggregatorV3 feeds, read through their proxies, and the L2 sequencer's status feed."""

from __future__ import annotations

from keeper.chain.abi import DecodeError, load
from keeper.chain.calls import Call, call, mapped
from keeper.domain.market import FeedReading, Round, Sequencer, Trust

_ABI = load("AggregatorV3")
_WORD = 32
_SIGN = 1 << 255
_GET_ROUND = _ABI["getRoundData"]
UP = 0


def decimals(feed: str) -> Call[int]:
    return call("price feed", feed, _ABI["decimals"])


def latest_round(feed: str) -> Call[Round]:
    return Call(f"latestRoundData() of price feed {feed}", feed, _ABI["latestRoundData"].encode(), _round)


def round_at(feed: str, round_id: int) -> Call[Round]:
    """Reverts, or has ``updated_at`` 0, where the feed has no such round."""
    # By hand: a cold start asks for thousands, and eth_abi takes ten times as long for one integer.
    data = _GET_ROUND.selector + round_id.to_bytes(_WORD, "big")
    return Call(f"getRoundData({round_id}) of price feed {feed}", feed, data, _round)


def sequencer_status(feed: str, grace_s: int) -> Call[Sequencer]:
    """Up is answer 0; ``startedAt`` is when the status last changed, 0 before the first one."""
    return mapped(
        "sequencer feed",
        feed,
        _ABI["latestRoundData"],
        lambda _round_id, answer, started_at, _updated_at, _in_round: Sequencer(
            up=answer == UP and started_at != 0, status_since=started_at, grace_s=grace_s
        ),
    )


def judged(
    symbol: str, feed: str, latest: Round | None, max_age_s: int, now: int, known: int | None
) -> FeedReading:
    """What the last round may be used for at block time ``now``; ``known`` is the newest id seen before."""
    trust, reason = _judge(latest, max_age_s, now, known)
    return FeedReading(
        symbol=symbol,
        feed=feed,
        round=latest if latest is not None else Round(0, 0, 0),
        max_age_s=max_age_s,
        trust=trust,
        reason=f"{symbol}: {reason}" if reason else "",
    )


def _judge(latest: Round | None, max_age_s: int, now: int, known: int | None) -> tuple[Trust, str]:
    if latest is None:
        return Trust.DEAD, "the feed gives no round"
    if latest.answer <= 0:
        return Trust.DEAD, f"the feed's answer is {latest.answer}, not a price"
    if latest.updated_at > now:
        return Trust.SUSPECT, f"the last answer is {latest.updated_at - now} s in the block's future"
    if known is not None and latest.round_id < known:
        return Trust.SUSPECT, f"the feed went back from round {known} to {latest.round_id}"
    age = now - latest.updated_at
    if age > max_age_s:
        return Trust.STALE, f"the last answer is {age} s old, at most {max_age_s} s are allowed"
    return Trust.FRESH, ""


def _round(data: bytes) -> Round:
    """roundId, answer, startedAt, updatedAt, answeredInRound: five words."""
    if len(data) < 5 * _WORD:
        raise DecodeError(f"{len(data)} bytes are not a round")
    round_id, answer, _, updated_at = (
        int.from_bytes(data[start : start + _WORD], "big") for start in range(0, 4 * _WORD, _WORD)
    )
    return Round(round_id, answer - (1 << 256) if answer & _SIGN else answer, updated_at)
