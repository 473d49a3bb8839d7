"""The tools of the MCP server. Each one answers with the object that a command prints with ``--json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keeper.app.queries import (
    days,
    explanation_of,
    recorded_account,
    stored_costs,
    stored_records,
)
from keeper.assistant.answers import answer
from keeper.assistant.arguments import (
    Arguments,
    CostsArguments,
    ExplainArguments,
    NoArguments,
    RecordArguments,
    RecordsArguments,
    parsed,
)
from keeper.domain.errors import BadInput, JournalMissing, KeeperError
from keeper.domain.record import Failure, Mode
from keeper.settings.load import load
from keeper.views.explanation import explained_json
from keeper.views.period_costs import COSTS
from keeper.views.record import ERROR, RECORD
from keeper.views.status import RECORD_SUMMARY, STATUS

MAX_PERIODS = 400


@dataclass(frozen=True, slots=True)
class Reply:
    """``failed``: the object has an ``error`` that says why it is not what was asked for."""

    value: dict[str, Any]
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A tool. ``asks_node``: it also reads from the nodes, not only from the journal."""

    description: str
    arguments: type[Arguments]
    answer: Callable[[Any], Reply]
    asks_node: bool = False


def call(name: str, given: Mapping[str, Any]) -> Reply:
    """Answers one question. An expected failure is an answer with the error's name, message and remedy."""
    question = QUESTIONS[name]
    try:
        reply = question.answer(parsed(question.arguments, given))
        return Reply(answer(reply.value), reply.failed)
    except KeeperError as error:
        return failure(error)
    except OSError as error:
        if error.filename is None:
            raise
        what = BadInput(f"{error.filename}: {error.strerror}", remedy="Correct the path, or its permissions.")
        return failure(what)


def failure(error: KeeperError | Failure) -> Reply:
    return Reply(answer({"error": ERROR.json(error)}), failed=True)


def _status(_: NoArguments) -> Reply:
    from keeper.app.vault_status import vault_status

    now = vault_status(load(), recorded_account)
    value = STATUS.json(now)
    if now.journal_exists:
        return Reply(value)
    missing = JournalMissing(
        f"there is no journal at {now.journal}: whether the keeper is paused, and what it did, is not known",
        remedy="KEEPER_JOURNAL_URL must name the journal of the keeper that runs. What the chain says is in here.",
    )
    return Reply({"error": ERROR.json(missing), **value}, failed=True)


def _explain(arguments: ExplainArguments) -> Reply:
    return Reply(explained_json(explanation_of(arguments.what, load)))


def _records(arguments: RecordsArguments) -> Reply:
    with stored_records(load()) as stored:
        page = stored.latest(arguments.limit, arguments.before.lower() if arguments.before else None)
    more = len(page) == arguments.limit
    return Reply(
        {
            "records": [RECORD_SUMMARY.json(record) for record in page],
            "next_before": page[-1].record_id if more else None,
        }
    )


def _record(arguments: RecordArguments) -> Reply:
    with stored_records(load()) as stored:
        return Reply(RECORD.json(stored.record(arguments.record_id.lower())))


def _costs(arguments: CostsArguments) -> Reply:
    since, until = days(arguments.since, arguments.until)
    paid = stored_costs(load(), since, until, per=arguments.per)
    if len(paid.periods) > MAX_PERIODS:
        raise BadInput(
            f"per = {arguments.per}: {len(paid.periods)} periods; at most {MAX_PERIODS} are given",
            remedy="Ask per week or month, or for fewer days.",
        )
    return Reply(COSTS.json(paid))


def _simulate(_: NoArguments) -> Reply:
    from keeper.app.assembly import simulating

    notes: list[str] = []
    with simulating(load(), recorded_account, notes.append) as keeper:
        record = keeper.cycle(Mode.SIMULATE)
    return Reply({"notes": notes, "record": RECORD.json(record)}, failed=record.failure is not None)


QUESTIONS: Mapping[str, Question] = {
    "status": Question(
        "The vault as it is on chain now: holdings, leverage, health factor, pauses, daily budgets, the fire drill "
        "(which falls one emergency call survives), transactions in flight, the newest record. Asks the nodes. As "
        "`keeper status --json`.",
        NoArguments,
        _status,
        asks_node=True,
    ),
    "explain": Question(
        "Why a cycle traded or held, at which prices the keeper would act otherwise, at which joint fall it "
        "deleverages at once, and when it looks next. Or what a name means: an exit code, error, gate, check, bound "
        "or pause. As `keeper explain --json`.",
        ExplainArguments,
        _explain,
    ),
    "records": Question(
        "The newest decisions, one summary each, the newest first, in pages: `next_before` is the `before` of the next "
        "page, null at the end. As `keeper journal list --json`.",
        RecordsArguments,
        _records,
    ),
    "record": Question(
        "One decision with everything that it was made from: every gate with value and limit, every bound on "
        "leverage, the plan, its cost, its simulation, the mined transaction. As `keeper journal show --json`.",
        RecordArguments,
        _record,
    ),
    "costs": Question(
        "What trading cost: gas, pool fees, slippage and flash loans per day, week or month in USD, and each asset's "
        "cost in bps of the value traded. As `keeper journal costs --json`.",
        CostsArguments,
        _costs,
    ),
    "simulate": Question(
        "What the keeper would do now: a dry run against the nodes that signs, sends and stores nothing. Takes seconds "
        "to minutes. `record` is as from `keeper rebalance --simulate --json`; `notes` says what was not known.",
        NoArguments,
        _simulate,
        asks_node=True,
    ),
}
"""By name, in the order in which they are listed. None of them sends, pauses or writes."""
