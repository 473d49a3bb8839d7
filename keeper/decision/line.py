"""When the keeper closes and settles batches of requests. Pure: everything that it judges was read at one block."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.line import Line, LineCall, LineDecision, LinePolicy, LineRehearsal, RoundHint
from keeper.domain.market import Round

DOES_NOT_MATTER = RoundHint(0, 0)


def round_hints(rounds: Sequence[Sequence[Round] | None], closed_at: int) -> tuple[RoundHint, ...] | None:
    """Hints for the batch that closed at ``closed_at``; None while a feed that matters has not published since.

    ``rounds`` has one entry per asset of the registry: None where the asset does not matter, else the rounds of the
    feed's present phase, oldest first, from the last one before the closing on. Source: SharePricer.settlement and
    PriceBook.firstAfter and priceAt.
    """
    since = [
        None if known is None else [round_ for round_ in known if round_.updated_at > closed_at]
        for known in rounds
    ]
    if any(known is not None and not known for known in since):
        return None
    moment = max((known[0].updated_at for known in since if known), default=0)
    return tuple(
        DOES_NOT_MATTER
        if not known
        else RoundHint(
            first=known[0].round_id,
            last=[round_.round_id for round_ in known if round_.updated_at <= moment][-1],
        )
        for known in since
    )


def due_call(line: Line, rehearsal: LineRehearsal, policy: LinePolicy) -> LineDecision:
    """The next call that would go through: redemptions before deposits, both before a new closing.

    A batch is closed when nothing of its side waits for a price, so that a feed that publishes once a day does not cost
    a settlement for each hour.
    """
    waits: list[str] = []
    for call in LineCall:
        if not _applies(call, line):
            continue
        held_back = _held_back(call, line, rehearsal, policy=policy)
        if held_back is None:
            return LineDecision(call, _REASONS[call])
        waits.append(held_back)
    return LineDecision(None, "; ".join(waits) or "nobody waits")


def affordable(decision: LineDecision, cost_usd: float, policy: LinePolicy) -> LineDecision:
    """The decision, or none where its gas costs more than the policy allows."""
    if decision.call is None or cost_usd <= policy.max_cost_usd:
        return decision
    return LineDecision(
        None,
        f"{decision.call.value} waits: its gas costs ${cost_usd:,.2f}, at most ${policy.max_cost_usd:,.2f}",
    )


_REASONS = {
    LineCall.SETTLE_REDEMPTIONS: "a batch of redemptions has its price and its cash",
    LineCall.SETTLE_DEPOSITS: "a batch of deposits has its price",
    LineCall.CLOSE: "requests wait in an open batch",
}


def _applies(call: LineCall, line: Line) -> bool:
    match call:
        case LineCall.SETTLE_REDEMPTIONS:
            return line.redemptions_closed_at != 0
        case LineCall.SETTLE_DEPOSITS:
            return line.deposits_closed_at != 0
        case LineCall.CLOSE:
            collected = (
                line.pending_shares > 0 and line.redemptions_closed_at == 0,
                line.pending_assets > 0 and line.deposits_closed_at == 0,
            )
            return any(collected)


def _held_back(call: LineCall, line: Line, rehearsal: LineRehearsal, *, policy: LinePolicy) -> str | None:
    """Why an applicable call is not made; None where it is."""
    if call not in rehearsal.reverts:
        return f"{call.value} waits: a feed has not published since the batch closed"
    if rehearsal.reverts[call]:
        return f"{call.value} waits: {rehearsal.reverts[call]}"
    waited = line.now - line.redemptions_closed_at
    if call is LineCall.SETTLE_REDEMPTIONS and not rehearsal.pays_all and waited < policy.partial_after_s:
        return f"{call.value} waits: the cash does not pay the whole batch yet"
    return None
