"""Chainlink AggregatorV3 feeds, read through their proxies, and the L2 sequencer's status feed."""

from __future__ import annotations

from keeper.chain.abi import DecodeError, load
from keeper.chain.calls import Call, call, mapped
from keeper.domain.market import FeedReading, Round, Sequencer, Trust
from keeper.oracle.single_feed_rules import single_feed_verdicts

_ABI = load("AggregatorV3")
_WORD = 32
_SIGN = 1 << 255
_GET_ROUND = _ABI["getRoundData"]
UP = 0


def decimals(feed: str) -> Call[int]:
    return call("price feed", feed, _ABI["decimals"])


def description(feed: str) -> Call[str]:
    """The feed's own name, such as "ETH / USD"."""
    return call("price feed", feed, _ABI["description"])


def aggregator(feed: str) -> Call[str]:
    """The contract behind the proxy. Adapters have none."""
    return call("price feed", feed, _ABI["aggregator"])


def min_answer(aggregator_: str) -> Call[int]:
    """OffchainAggregator.minAnswer. Newer aggregators return 1; some have no such function."""
    return call("aggregator", aggregator_, _ABI["minAnswer"])


def max_answer(aggregator_: str) -> Call[int]:
    """OffchainAggregator.maxAnswer."""
    return call("aggregator", aggregator_, _ABI["maxAnswer"])


def latest_round(feed: str) -> Call[Round]:
    return Call(
        f"latestRoundData() of price feed {feed}", feed, _ABI["latestRoundData"].encode(), decode=_round
    )


def round_at(feed: str, round_id: int) -> Call[Round]:
    """Reverts, or returns ``updated_at`` 0, if the feed has no such round."""
    # Encoded here, because a cold start asks for thousands and eth_abi is ten times slower for one integer.
    data = _GET_ROUND.selector + round_id.to_bytes(_WORD, "big")
    return Call(f"getRoundData({round_id}) of price feed {feed}", feed, data, decode=_round)


def sequencer_status(feed: str, grace_s: int) -> Call[Sequencer]:
    """The sequencer is up if the answer is 0. ``startedAt`` is the last change of the status, 0 before the first."""
    return mapped(
        "sequencer feed",
        feed,
        _ABI["latestRoundData"],
        build=lambda _round_id, answer, started_at, _updated_at, _in_round: Sequencer(
            up=answer == UP and started_at != 0, status_since=started_at, grace_s=grace_s
        ),
    )


def reading(
    symbol: str, feed: str, latest: Round | None, bounds: tuple[int, int], max_age_s: int, now: int
) -> FeedReading:
    """The last round with the verdict of the rules that need no other source, at block time ``now``. ``bounds`` are the
    lowest and highest answers of the aggregator (0: not known)."""
    min_answer, max_answer = bounds
    reading = FeedReading(
        symbol=symbol,
        feed=feed,
        round=latest if latest is not None else Round(0, 0, 0),
        max_age_s=max_age_s,
        trust=Trust.FRESH,
        reason="",
        rule="",
        min_answer=min_answer,
        max_answer=max_answer,
    )
    return single_feed_verdicts(reading, now)


def _round(data: bytes) -> Round:
    """roundId, answer, startedAt, updatedAt, answeredInRound: five words."""
    if len(data) < 5 * _WORD:
        raise DecodeError(f"{len(data)} bytes are not a round")
    round_id, answer, _, updated_at = (
        int.from_bytes(data[start : start + _WORD], "big") for start in range(0, 4 * _WORD, _WORD)
    )
    return Round(round_id, answer - (1 << 256) if answer & _SIGN else answer, updated_at)
