"""Tries emergency calls on the snapshot's block with falls of the assets in place, all in one request.

Nothing is signed. State overrides (geth's third parameter of ``eth_call``) put the fall in place: small programs at the
feeds and at the lending oracle's sources that answer the lower prices, a lower price in the first storage slot of every
pool, and the code of Multicall3 at the keeper's address, so that the vault sees the keeper as its caller. The pools'
liquidity in range stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.chain.calls import Answers, Call, CallResult
from keeper.chain.contracts import lending, safe, vault
from keeper.chain.deployed import Deployment
from keeper.chain.listed_pools import ListedPool
from keeper.chain.reverts import explain
from keeper.chain.rpc.multicall import executed_by
from keeper.chain.rpc.reads import Reads
from keeper.chain.steps import encoded_call
from keeper.domain.errors import SimulationFailed
from keeper.domain.fire_drill import DrillCheck, DrillTrial
from keeper.domain.market import FeedReading, MarketSnapshot
from keeper.domain.roles_modifier import question
from keeper.domain.units import health_factor_of
from keeper.jsonrpc.requests import Request
from keeper.planning.gas import LARGEST_TRANSACTION

SLOT0 = "0x" + "00" * 32
"""UniswapV3Pool's first storage slot: root of the price, tick, place of the oracle, and the lock, which is open."""
TICK_AT, CARDINALITY_AT, NEXT_CARDINALITY_AT, UNLOCKED_AT = 160, 200, 216, 240
TICK_BITS = 24
LATEST_ANSWER, DECIMALS = "50d25bcd", "313ce567"
FEED_DECIMALS = 8

Overrides = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DrillGround:
    """One vault's contracts, on the nodes behind ``rpc``."""

    rpc: Reads
    deployment: Deployment

    def tried(self, trials: Sequence[DrillTrial], snapshot: MarketSnapshot) -> tuple[DrillCheck, ...]:
        """Of each trial what the node says. One round trip.

        Raises SimulationFailed where a source of the lending oracle is not known or the node ignores the overrides,
        RpcError where it refuses them, and what reads raise."""
        answers = self.rpc.batch([self._request(trial, snapshot) for trial in trials])
        return tuple(
            self._check(trial, outcomes, snapshot) for trial, outcomes in zip(trials, answers, strict=True)
        )

    def _request(self, trial: DrillTrial, snapshot: MarketSnapshot) -> Request[tuple[CallResult, ...]]:
        return executed_by(
            snapshot.keeper_address,
            self._calls(trial, snapshot),
            gas=min(LARGEST_TRANSACTION, snapshot.block.gas_limit),
            block_hash=snapshot.block.hash,
            overrides={
                snapshot.keeper_address: {"code": self.deployment.multicall_code},
                **(self._fall(trial, snapshot) if trial.fall else {}),
            },
        )

    def _check(
        self, trial: DrillTrial, outcomes: Sequence[CallResult], snapshot: MarketSnapshot
    ) -> DrillCheck:
        calls = self._calls(trial, snapshot)
        answers = Answers(calls, outcomes, f"eth_call of {self.rpc.endpoint}")
        outcome = answers.outcome(calls[0])
        succeeded, data = outcome.success, outcome.data
        if self.deployment.hop is not None:
            answer = safe.answered(outcome)
            succeeded, data = answer.succeeded, answer.data
        if not succeeded:
            names = {
                listing.token.address.lower(): listing.token.symbol for listing in self.deployment.listings
            }
            return DrillCheck(trial.fall, explain(data, names), 0.0)
        healths = [answers.of(self._account()).health_factor, *map(answers.of, self._others())]
        return DrillCheck(trial.fall, "", health_factor_of(min(healths)))

    def _calls(self, trial: DrillTrial, snapshot: MarketSnapshot) -> list[Call[Any]]:
        """A Roles modifier is asked to answer what came of the call: it would revert without the vault's reason."""
        call = self.deployment.outgoing(encoded_call(trial.plan, snapshot))
        calldata = bytes.fromhex(call.calldata[2:])
        if self.deployment.hop is not None:
            calldata = question(calldata)
        vault_call = Call("the vault call", call.to, calldata, decode=bytes)
        return [vault_call, self._account(), *self._others()]

    def _account(self) -> Call[Any]:
        return lending.account(self.deployment.pool, self.deployment.account)

    def _others(self) -> list[Call[int]]:
        return [vault.health_factor(other.address) for other in self.deployment.others]

    # --------------------------------------------------------------- the fall

    def _fall(self, trial: DrillTrial, snapshot: MarketSnapshot) -> Overrides:
        return {**dict(_fallen_feeds(trial, snapshot)), **dict(_fallen_pools(trial, self.deployment.pools))}


def _fallen_feeds(trial: DrillTrial, snapshot: MarketSnapshot) -> Iterator[tuple[str, dict[str, Any]]]:
    """The vault's feeds, and where the lending oracle reads from others, those at its own fallen prices."""
    for feed, reserve, before in zip(
        trial.fallen.feeds[1:], trial.fallen.reserves[1:], snapshot.reserves[1:], strict=True
    ):
        if before.market_price and not reserve.price_source:
            raise SimulationFailed(
                f"the lending oracle does not say where it has the price of {reserve.symbol} from",
                remedy="The fire drill is computed only. `keeper doctor` shows the oracle's sources.",
            )
        if reserve.price_source:
            yield reserve.price_source.lower(), {"code": feed_code(feed, reserve.market_price)}
        if feed.price > 0:
            yield feed.feed.lower(), {"code": feed_code(feed, feed.price)}


def _fallen_pools(trial: DrillTrial, listed: Sequence[ListedPool]) -> Iterator[tuple[str, dict[str, Any]]]:
    for pool, depth in zip(listed, trial.fallen.depths, strict=True):
        yield pool.address.lower(), {"stateDiff": {SLOT0: slot0(depth.sqrt_price)}}


def slot0(sqrt_price: int) -> str:
    """At this price, 2^96 times its root. The oracle of the pool has one place, so that a swap writes its first."""
    ratio = sqrt_price / 2**96
    tick = math.floor(2.0 * math.log(ratio) / math.log(1.0001)) if ratio > 0 else 0
    word = (
        sqrt_price
        | (tick % 2**TICK_BITS) << TICK_AT
        | 1 << CARDINALITY_AT
        | 1 << NEXT_CARDINALITY_AT
        | 1 << UNLOCKED_AT
    )
    return f"0x{word:064x}"


def feed_code(feed: FeedReading, answer: int) -> str:
    """A program that answers ``latestAnswer()``, ``decimals()``, and to all else as ``latestRoundData()``: the feed's
    last round with another answer."""
    round_id, updated_at = feed.round.round_id, feed.round.updated_at
    head = "60003560e01c"  # the selector: calldata shifted right by 224 bits
    head += f"8063{LATEST_ANSWER}1461{{answer:04x}}57"  # jump there if it is this one
    head += f"8063{DECIMALS}1461{{decimals:04x}}57"
    round_data = _returning(round_id, answer, updated_at, updated_at, round_id)
    at_answer = len(head.format(answer=0, decimals=0)) // 2 + len(round_data) // 2
    latest_answer = "5b" + _returning(answer)
    at_decimals = at_answer + len(latest_answer) // 2
    program = head.format(answer=at_answer, decimals=at_decimals)
    return "0x" + program + round_data + latest_answer + "5b" + _returning(FEED_DECIMALS)


def _returning(*words: int) -> str:
    """Stores the words in memory and returns them: PUSH32, PUSH2, MSTORE for each."""
    stores = "".join(f"7f{word:064x}61{32 * place:04x}52" for place, word in enumerate(words))
    return f"{stores}61{32 * len(words):04x}6000f3"
