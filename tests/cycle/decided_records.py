"""Records of random vaults that are near their target, as a cycle would have made them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from keeper.cycle.pipeline import Assessment, assess
from keeper.domain.evidence import PriceBars
from keeper.domain.market import MarketSnapshot
from keeper.domain.prices import Opinion
from keeper.domain.record import CycleInputs, CycleOutcome, DecisionRecord, Mode
from tests.cycle.market_states import a_market_state, shipped_policy
from tests.factories import HOUR, NOW, a_snapshot, with_depths, with_vault, with_vault_policy


@dataclass(frozen=True, slots=True)
class DecidedRecord:
    """A record, and the bars that its estimate was made from."""

    record: DecisionRecord
    bars: PriceBars

    @property
    def inputs(self) -> CycleInputs:
        assert self.record.inputs is not None
        return self.record.inputs

    def again(self, snapshot: MarketSnapshot) -> Assessment:
        """The whole pure pipeline on this record's inputs, in another market."""
        return assess(
            replace(self.inputs, snapshot=snapshot, second_opinions=_counts(snapshot)),
            self.bars,
            self.inputs.policy,
        )


def a_decided_record(seed: int, *, jitter: float = 0.04, since_s: int | None = None) -> DecidedRecord:
    """Of a random market. The vault holds its target weights, each off by about ``jitter``. ``since_s`` is the time
    since its last rebalance, random where it is None."""
    state, generator = a_market_state(seed), np.random.default_rng(seed)
    target = state.assessed().target.weights
    weights = tuple(weight * float(np.exp(jitter * generator.standard_normal())) for weight in target)
    snapshot = a_snapshot(weights=weights, idle=0.01, nav_usd=float(10 ** generator.uniform(4.7, 6.5)))
    snapshot = with_vault_policy(with_depths(snapshot), max_loss_bps=100)
    since = HOUR * int(generator.choice([2, 48, 240])) if since_s is None else since_s
    snapshot = with_vault(snapshot, last_rebalance=NOW - since)
    inputs = CycleInputs(
        snapshot=snapshot,
        implied=state.implied,
        history=(),
        policy=shipped_policy(),
        quotes=(),
        opinions=_opinions(snapshot),
        memory=(),
        candles=(),
    )
    known = replace(inputs, second_opinions=_counts(snapshot))
    assessment = assess(known, state.bars, inputs.policy)
    return DecidedRecord(_record(inputs, assessment), state.bars)


def _opinions(snapshot: MarketSnapshot) -> tuple[Opinion, ...]:
    return tuple(
        Opinion(feed.symbol, "coinbase", feed.price_usd, snapshot.block.timestamp, "")
        for feed in snapshot.feeds
    )


def _counts(snapshot: MarketSnapshot) -> dict[str, int]:
    return dict.fromkeys(snapshot.symbols, 1)


def _record(inputs: CycleInputs, assessment: Assessment) -> DecisionRecord:
    return DecisionRecord(
        record_id="5" * 32,
        mode=Mode.DRY_RUN,
        outcome=CycleOutcome.HELD,
        summary=assessment.decision.reason,
        exit_code=assessment.decision.exit_code,
        started_at=float(NOW),
        code_version="0.1.0",
        settings_hash="",
        inputs=inputs,
        conclusions=assessment.concluded(plan=None),
        simulation=None,
        verdict=None,
        receipt=None,
        realised=None,
        failure=None,
        read_round_trips=1,
        rpc_round_trips=3,
        compute_ms=10.0,
        nodes=(),
        quorum=1,
        executed_swaps=(),
        post_trade=(),
    )
