"""Random vaults whose informed keeper lowers leverage, and the same vaults seen with one feed that is not trusted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keeper.decision.decide import decide
from keeper.domain.decision import Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot, Round, Trust
from keeper.domain.model import RiskModel
from keeper.domain.observation import Observation
from keeper.domain.plan import StepKind
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.planning.verify import verify
from keeper.sizing.size import size
from keeper.sizing.tighten import tighten
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    RISK_SYMBOLS,
    VOLATILITIES,
    a_model,
    a_policy,
    a_simulation,
    a_snapshot,
    with_account,
    with_feed,
    with_reserve,
    with_vault,
)
from tests.planning.ledger import a_quote

UNTRUSTED = (Trust.STALE, Trust.SUSPECT, Trust.DEAD)
SYMBOLS = ("USDC", *RISK_SYMBOLS)
OPINION_SHARE = 0.9
"""Of the feeds that are not trusted, those whose asset another source has a price of."""
SAME_SOURCE_SHARE = 0.5
"""Of them, those whose wrong price the lending market reads as well."""
ERRORS = {Trust.STALE: 0.04, Trust.SUSPECT: 0.15, Trust.DEAD: 0.0}
"""Standard deviation of the logarithm of what a feed reports, around the market's price."""
STABLE_PART = 0.1
"""The accounting asset's feed is off by so much of it."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """``informed`` is the market as it is, ``seen`` what one feed makes of it."""

    number: int
    symbol: str
    trust: Trust
    informed: MarketSnapshot
    seen: MarketSnapshot
    model: RiskModel


@dataclass(frozen=True, slots=True)
class Answer:
    """What the keeper did on ``state.seen``. ``why`` is empty where it lowers leverage by a plan that passes every
    check; else it says why it does not."""

    state: Degraded
    decision: Decision
    why: str


def lowering_states(seed: int, count: int) -> Iterator[Degraded]:
    """The first ``count`` random states whose informed keeper lowers leverage."""
    number = 0
    while count:
        state = drawn(seed, number)
        decision = decided(state.informed, state.model, a_policy())
        if decision.goal is not None and decision.goal.leverage < portfolio(state.informed).leverage:
            count -= 1
            yield state
        number += 1


def drawn(seed: int, number: int) -> Degraded:
    generator = np.random.default_rng([seed, number])
    leverage = float(generator.uniform(0.3, 2.4))
    weights = generator.dirichlet(np.full(len(RISK_SYMBOLS), generator.choice([1.0, 5.0, 50.0])))
    factor = float(generator.uniform(0.7, 2.0))
    informed = with_vault(
        a_snapshot(
            weights=weights.tolist(),
            leverage=leverage,
            nav_usd=float(10 ** generator.uniform(4.7, 6.5)),
            idle=0.01,
        ),
        last_rebalance=NOW - int(generator.choice([2 * HOUR, 2 * DAY, 20 * DAY])),
    )
    symbol, trust = str(generator.choice(SYMBOLS)), UNTRUSTED[generator.integers(len(UNTRUSTED))]
    return Degraded(
        number=number,
        symbol=symbol,
        trust=trust,
        informed=informed,
        seen=seen(informed, symbol, trust, generator=generator),
        model=a_model(volatilities=[factor * volatility for volatility in VOLATILITIES]),
    )


def seen(
    informed: MarketSnapshot, symbol: str, trust: Trust, *, generator: np.random.Generator
) -> MarketSnapshot:
    """The market through a feed of this trust. Half of the stale answers are older than the vault accepts."""
    truth = informed.price(symbol)
    error = ERRORS[trust] * (STABLE_PART if symbol == "USDC" else 1.0)
    answer = round(truth * math.exp(generator.normal(0.0, error))) if trust is not Trust.DEAD else 0
    feed = informed.feeds[informed.index(symbol)]
    late = trust is Trust.STALE and generator.random() < 0.5
    latest = Round(feed.round.round_id, answer, NOW - feed.max_age_s - 1 if late else feed.round.updated_at)
    opinion = truth if generator.random() < OPINION_SHARE else 0
    snapshot = with_feed(
        informed,
        symbol,
        round=latest,
        trust=trust,
        reason=f"{symbol}: drawn",
        rule="drawn",
        lowest_opinion=opinion,
        highest_opinion=opinion,
    )
    if answer and generator.random() < SAME_SOURCE_SHARE:
        snapshot = with_reserve(snapshot, symbol, market_price=answer)
    return with_account(snapshot)


def decided(snapshot: MarketSnapshot, model: RiskModel, policy: Policy) -> Decision:
    tight, tightened = tighten(policy, snapshot.vault)
    observation = Observation(snapshot)
    target = size(model, observation, tight)
    return decide(observation, model, target, policy=tight, tightened=tightened)


def answered(state: Degraded) -> Answer:
    """Decides, plans with pools that trade at the market's price, and verifies."""
    policy, _ = tighten(a_policy(), state.seen.vault)
    decision = decided(state.seen, state.model, policy)
    held = portfolio(state.seen)
    if decision.goal is None:
        return Answer(state, decision, decision.reason)
    assert decision.goal.leverage < held.leverage, state.number
    requests = quote_requests(netting(decision, state.seen, policy).trades, state.seen)
    quotes = tuple(a_quote(request, state.informed) for request in requests)
    try:
        plan = route(decision, state.seen, quotes, policy)
    except NothingFeasible as refusal:
        return Answer(state, decision, refusal.message)
    assert plan.expected.leverage < held.leverage, state.number
    assert all(step.kind is not StepKind.BORROW for step in plan.steps), state.number
    verdict = verify(plan, a_simulation(post=plan.expected), state.seen, decision, policy)
    failed = [check.detail for check in verdict.checks if not check.passed]
    return Answer(state, decision, "; ".join(failed))
