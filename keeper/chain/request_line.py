"""Reads the line of requests and tries its calls on the block: the implementation of ports.RequestLine."""

from __future__ import annotations

from typing import Any

from keeper.chain import feed_rounds
from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import feed, vault
from keeper.chain.deployed import Deployment
from keeper.chain.reverts import explain
from keeper.chain.rpc.multicall import Multicall
from keeper.chain.rpc.reads import Reads
from keeper.chain.vault_count import mattering
from keeper.cycle.ports import LineReading
from keeper.decision.line import round_hints
from keeper.domain.line import Line, LineCall, LineRehearsal, RoundHint
from keeper.domain.market import Block, Round
from keeper.jsonrpc import requests as ask


class LineReader:
    """The line of one vault, through ``rpc``."""

    def __init__(self, rpc: Reads, multicall: Multicall, deployment: Deployment) -> None:
        self._rpc = rpc
        self._multicall = multicall
        self._deployment = deployment

    def read(self, block: Block) -> LineReading:
        """At ``block``. Five round trips where a closed batch waits, two where none does."""
        at = self._deployment
        line_call, state_call = vault.line(at.vault), vault.state(at.rebalancer)
        assets_call, holdings_call = vault.assets(at.registry), vault.holdings(at.portfolio)
        answers = self._multicall.read([line_call, state_call, assets_call, holdings_call], block.hash)
        seen = answers.of(line_call)
        line = Line(
            now=block.timestamp,
            deposits_closed_at=seen.deposits_closed_at,
            redemptions_closed_at=seen.redemptions_closed_at,
            pending_assets=seen.pending_assets,
            pending_shares=seen.pending_shares,
        )
        mattering = _mattering(answers.of(assets_call), answers.of(holdings_call))
        hints = self._hints(line, block, mattering)
        calldata = {
            call: vault.line_calldata(call, call_hints)
            for call, call_hints in hints.items()
            if call_hints is not None
        }
        return LineReading(
            line=line,
            rehearsal=self._rehearsal(line, calldata, block),
            calldata={call: "0x" + data.hex() for call, data in calldata.items()},
            shares=at.vault,
            epoch=answers.of(state_call).epoch,
        )

    def gas(self, call: LineCall, reading: LineReading, sender: str) -> int:
        """Gas of the call on the newest block. Raises RpcError where it reverts there by now."""
        transaction = {"from": sender, "to": reading.shares, "input": reading.calldata[call]}
        return self._rpc.request(ask.gas_estimate(transaction, "latest"))

    # ------------------------------------------------------------------ inside

    def _hints(
        self, line: Line, block: Block, mattering: list[str | None]
    ) -> dict[LineCall, tuple[RoundHint, ...] | None]:
        """Of each call; None for a settlement whose rounds are not published yet."""
        closings = {
            LineCall.SETTLE_REDEMPTIONS: line.redemptions_closed_at,
            LineCall.SETTLE_DEPOSITS: line.deposits_closed_at,
        }
        waiting = {call: closed_at for call, closed_at in closings.items() if closed_at}
        rounds = self._rounds(block, mattering, min(waiting.values())) if waiting else []
        return {
            **{call: round_hints(rounds, closed_at) for call, closed_at in waiting.items()},
            LineCall.CLOSE: (),
        }

    def _rounds(
        self, block: Block, mattering: list[str | None], since: int
    ) -> list[tuple[Round, ...] | None]:
        """Per asset the rounds of its feed; None where the asset does not matter."""
        feed_calls = {
            token: vault.feed_of(self._deployment.book, token) for token in mattering if token is not None
        }
        answers = self._multicall.read(list(feed_calls.values()), block.hash)
        feeds = {token: answers.of(call)[0] for token, call in feed_calls.items()}
        latest = self._multicall.read([feed.latest_round(at) for at in feeds.values()], block.hash)
        newest = {
            at: answer for at in feeds.values() if (answer := latest.maybe(feed.latest_round(at))) is not None
        }
        rounds = feed_rounds.since(self._multicall, block, newest, since)
        return [None if token is None else rounds.get(feeds[token], ()) for token in mattering]

    def _rehearsal(self, line: Line, calldata: dict[LineCall, bytes], block: Block) -> LineRehearsal:
        """All of them one after another in one call, with the line as the redemptions leave it."""
        line_call = vault.line(self._deployment.vault)
        tried: dict[LineCall, Call[bytes]] = {
            call: Call(call.value, self._deployment.vault, calldata[call], decode=bytes)
            for call in LineCall
            if call in calldata
        }
        in_order: list[Call[Any]] = list(tried.values())
        if LineCall.SETTLE_REDEMPTIONS in tried:
            in_order.insert(1, line_call)
        answers = self._multicall.read(in_order, block.hash)
        return LineRehearsal(
            reverts={call: _revert(answers, trial) for call, trial in tried.items()},
            # What cannot be paid goes on in a batch that closes with the settlement.
            pays_all=line_call not in in_order
            or answers.of(line_call).redemptions_closed_at
            not in (block.timestamp, line.redemptions_closed_at),
        )


def _mattering(assets: tuple[vault.AssetEntry, ...], holdings: vault.HoldingsView) -> list[str | None]:
    """Per asset its token where its price matters, else None. Source: SharePricer."""
    risky = [number > 0 and matters for number, matters in enumerate(mattering(assets, holdings))]
    cash_too = [any(risky), *risky[1:]]
    return [asset.token if known else None for asset, known in zip(assets, cash_too, strict=True)]


def _revert(answers: Answers, call: Call[bytes]) -> str:
    outcome = answers.outcome(call)
    return "" if outcome.success else explain(outcome.data)
