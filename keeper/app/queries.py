"""Read-only queries of the journal behind `keeper explain`, `journal`, `replay` and `mcp`. They are safe beside a live
daemon and reach neither a node nor a key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

from keeper.cycle.replay import Replay, replay
from keeper.domain.errors import BadInput, InvalidSetting, RecordNotFound
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.information import NOTHING_REMEMBERED, InformationMemory
from keeper.domain.market import Trust
from keeper.domain.pause_state import Pause
from keeper.domain.record import DecisionRecord
from keeper.domain.tx import SignedTransaction
from keeper.domain.units import USD
from keeper.journal.acceptances import StoredAcceptances
from keeper.journal.bars import StoredBars
from keeper.journal.fills import StoredFills
from keeper.journal.pause_store import paused_by_file
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.journal.transactions import StoredTransactions
from keeper.risk.information import with_acceptances
from keeper.settings.endpoints import WRAPPED_COIN
from keeper.settings.schema import Settings
from keeper.views.explanation import Explanation, explain
from keeper.views.period_costs import FlashPremium, GasBill, Paid, Per, TradingCosts, trading_costs
from keeper.views.reference import NamedMeaning, meanings, required_meanings

MIN_ID_CHARS = 4
DAY_S = 86_400
NEAR_S = 3_600
"""How far from a bill the cycle is that prices its gas."""
FOREVER = 2**62
"""Unix seconds that a database can still compare with its own."""


@contextmanager
def stored_records(settings: Settings) -> Iterator[StoredRecords]:
    """The journal's records, read beside a running keeper. Raises InvalidSetting, JournalCorrupt."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        yield StoredRecords(journal)


def explanation_of(what: str | None, load: Callable[[], Settings]) -> Explanation | tuple[NamedMeaning, ...]:
    """Of a cycle by its id or the beginning of it, of the newest cycle for None, or every meaning of a name. Only a
    cycle needs the settings. Raises BadInput, RecordNotFound, JournalMissing and what ``load`` raises."""
    named = meanings(what) if what is not None else ()
    if not named and what is not None and not _is_id(what):
        named = required_meanings(what)
    return named or explain(_record(load(), what))


def _is_id(text: str) -> bool:
    return len(text) >= MIN_ID_CHARS and all(character in "0123456789abcdef" for character in text.lower())


def _record(settings: Settings, record_id: str | None) -> DecisionRecord:
    with stored_records(settings) as stored:
        if record_id is not None:
            return stored.record(record_id.lower())
        newest = stored.latest(1)
    if not newest:
        raise RecordNotFound(
            "the journal has no records yet",
            remedy="Run `keeper run`; without --live every cycle is a dry run.",
        )
    return newest[0]


def recorded_account(settings: Settings) -> str:
    """The keeper's account without a key: KEEPER_SENDER, else that of the newest cycle that read the vault. Raises
    InvalidSetting, JournalCorrupt."""
    if settings.sender is not None:
        return settings.sender
    with Journal.open_if_there(settings.journal_url) as journal:
        record = StoredRecords(journal).last_informed()
    if record is None or record.inputs is None:
        raise InvalidSetting(
            "KEEPER_SENDER is not set, and the journal has no cycle that names the keeper's account",
            remedy="Set KEEPER_SENDER to the address of the keeper's account. No key is opened here.",
        )
    return record.inputs.snapshot.keeper_address


def stored_information(settings: Settings) -> InformationMemory:
    """What the newest cycle that read the market leaves to the next one, with what was accepted since. Raises
    InvalidSetting, JournalCorrupt."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        record = StoredRecords(journal).last_informed()
        if record is None:
            return NOTHING_REMEMBERED
        memory = record.information
        return with_acceptances(memory, StoredAcceptances(journal, time.time).after(memory.acceptance))


def days(first: date | None, last: date | None) -> tuple[int, int]:
    """[since, until) of whole days in UTC, Unix seconds. None: all there are. Raises BadInput where the first day is
    after the last."""
    if first is not None and last is not None and first > last:
        raise BadInput(
            f"from = {first:%Y-%m-%d} is after to = {last:%Y-%m-%d}", remedy="Name the earlier day first."
        )
    return (
        0 if first is None else _midnight(first),
        FOREVER if last is None else _midnight(last) + DAY_S,
    )


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def stored_swaps(settings: Settings, since: int, until: int) -> tuple[ExecutedSwap, ...]:
    """The executed swaps that were decided on in [since, until), Unix seconds, oldest first. Raises InvalidSetting,
    JournalCorrupt."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        return StoredFills(journal).between(since, until)


def stored_transactions(settings: Settings, since: int, until: int) -> tuple[SignedTransaction, ...]:
    """As ``stored_swaps``: every signed transaction, in the order of the signatures."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        return StoredTransactions(journal).between(since, until)


def stored_costs(settings: Settings, since: int, until: int, *, per: Per) -> TradingCosts:
    """As ``stored_swaps``: what was paid, by asset and by period."""
    symbols = tuple(asset.symbol for asset in settings.assets)
    with Journal.open_for_reading(settings.journal_url) as journal:
        return trading_costs(_paid(settings, journal, since, until=until), symbols, per)


def _paid(settings: Settings, journal: Journal, since: int, *, until: int) -> Paid:
    def bills() -> Iterator[GasBill]:
        for signed in StoredTransactions(journal).between(since, until):
            if signed.receipt is None:
                continue
            at, receipt = signed.intent.payload.as_of, signed.receipt
            price = _coin_price(settings, journal, at)
            yield GasBill(
                at=at,
                kind=signed.attempt.kind,
                succeeded=receipt.succeeded,
                wei=receipt.cost_wei,
                coin_usd=None if price is None else price / USD,
                measured=receipt.tx_hash in measured,
            )

    measured: set[str] = set()
    premiums: list[FlashPremium] = []
    for record in StoredRecords(journal).traded(since, until):
        if record.receipt is not None:
            measured.add(record.receipt.tx_hash)
        plan = record.conclusions.plan if record.conclusions is not None else None
        if plan is not None and plan.cost.flash > 0 and record.executed_swaps:
            premiums.append(FlashPremium(record.executed_swaps[0].at, plan.cost.flash))
    return Paid(StoredFills(journal).between(since, until), tuple(bills()), tuple(premiums))


def _coin_price(settings: Settings, journal: Journal, at: int) -> int | None:
    """The native coin's, USD with 8 decimals, in the newest cycle by ``at`` that knew it, at most NEAR_S before. Cycles
    of versions that did not read the coin's feed counted on a token of the vault. None where nobody knew it."""
    snapshots = [
        record.inputs.snapshot
        for record in StoredRecords(journal).between(at - NEAR_S, at + NEAR_S)
        if record.inputs is not None and at - NEAR_S <= record.inputs.snapshot.block.timestamp <= at
    ]
    prices = [
        (snapshot.block.timestamp, coin.price)
        for snapshot in snapshots
        if (coin := snapshot.native_coin) is not None and coin.trust is Trust.FRESH
    ]
    if prices or any(snapshot.native_coin is not None for snapshot in snapshots):
        return max(prices, default=(0, None))[1]
    return StoredRounds(journal).price_at(settings.plan.gas_usd_price_symbol or WRAPPED_COIN, at)


def replayed(settings: Settings, record_id: str) -> Replay:
    """Replays a stored record from its own inputs, offline. Raises BadInput, JournalCorrupt."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        record = StoredRecords(journal).record(record_id)
        return replay(record, StoredRounds(journal).since(0), StoredBars(journal))


def pauses(settings: Settings) -> tuple[Pause, ...]:
    """Every pause in force by journal and pause file. The chain is not read. Raises JournalCorrupt."""
    with Journal.open_if_there(settings.journal_url) as journal:
        return (*Switches(journal, time.time).pauses(), *paused_by_file(settings.pause_file))


def verified(settings: Settings) -> int:
    """Verifies every entry of the journal and returns their number. Raises JournalCorrupt."""
    with Journal.open_for_reading(settings.journal_url) as journal:
        return journal.verify()
