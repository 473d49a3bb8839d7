"""The vault at a block: what it holds and owes, what waits to be redeemed, and what holds the keeper back."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.market import Block, FeedReading, MarketSnapshot
from keeper.domain.pause_state import Pause, PauseState
from keeper.domain.policy import DailyPolicy
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.record import NodeUse
from keeper.domain.units import WAD
from keeper.sizing.redemptions import missing_usd, queued_usd
from keeper.views import formats as unit
from keeper.views.lending import ACCOUNT, account_rows
from keeper.views.view import Field, View, lifted, nested, nested_list

STOPPED_BY_A_PAUSE = ("levering", "routine rebalancing")
RUNS_WHILE_PAUSED = ("ripcord", "deleverage")


@dataclass(frozen=True, slots=True)
class HoldingRow:
    """One risk asset of the vault; ``place`` is its place among the risk assets."""

    snapshot: MarketSnapshot
    place: int

    @property
    def feed(self) -> FeedReading:
        return self.snapshot.feeds[self.place + 1]

    @property
    def price_age_s(self) -> int:
        return self.snapshot.block.timestamp - self.feed.round.updated_at

    @property
    def value_usd(self) -> float:
        return portfolio(self.snapshot).values_usd[self.place]

    @property
    def weight(self) -> float:
        return portfolio(self.snapshot).weights[self.place]


@dataclass(frozen=True, slots=True)
class PauseReport:
    """The pauses in force and the daily budgets, with their limits."""

    pause_state: PauseState
    daily: DailyPolicy
    vault_paused: bool

    @property
    def paused(self) -> bool:
        return bool(self.pause_state.pauses) or self.vault_paused


def holding_rows(snapshot: MarketSnapshot) -> tuple[HoldingRow, ...]:
    return tuple(HoldingRow(snapshot, place) for place in range(len(snapshot.risk_symbols)))


def _oldest_batch(snapshot: MarketSnapshot) -> int | None:
    return snapshot.redemptions.since or None


BLOCK = View[Block](
    "block",
    chain_id=Field(unit.INTEGER, "Chain id."),
    number=Field(unit.COUNT, "Number of the block that everything was read at."),
    hash=Field(unit.TEXT, "Hash of that block."),
    timestamp=Field(unit.TIME, "Time of that block."),
)
NODE = View[NodeUse](
    "nodes",
    endpoint=Field(unit.TEXT, "Address of the node, masked."),
    round_trips=Field(unit.COUNT, "HTTP requests to this node."),
    bytes_received=Field(unit.BYTES, "Bytes of its answers."),
    note=Field(unit.TEXT, "Why the node was left out of the last read; empty if it was used."),
)
REDEMPTIONS = View[MarketSnapshot](
    "redemptions",
    pending_shares=Field(unit.RAW, "Shares that wait for redemption.", "redemptions.pending_shares"),
    value_usd=Field(unit.USD, "What the vault pays for them at its present share price.", queued_usd),
    missing_usd=Field(unit.USD, "The part of `value_usd` that is not idle in the vault.", missing_usd),
    since=Field(unit.TIME, "When the oldest batch that waits was closed; null if none is.", _oldest_batch),
)
KEEPER = View[MarketSnapshot](
    "keeper",
    address=Field(unit.TEXT, "Account of the keeper's key.", "keeper_address"),
    balance_eth=Field(unit.ETH, "Its balance for gas.", lambda shot: shot.keeper_balance_wei / WAD),
    has_role=Field(unit.FLAG, "Whether it may rebalance the vault.", "keeper_has_role"),
)
HOLDING = View[HoldingRow](
    "assets of the vault",
    symbol=Field(unit.TEXT, "The asset.", "feed.symbol"),
    price_usd=Field(unit.PRICE, "Price of its feed.", "feed.price_usd"),
    price_age_s=Field(unit.SECONDS, "Age of that price at the block."),
    price_trust=Field(unit.TRUST, "Use of the price: FRESH, STALE, SUSPECT or DEAD.", "feed.trust"),
    price_rule=Field(unit.TEXT, "The rule of prices.md that it broke; empty if FRESH.", "feed.rule"),
    value_usd=Field(unit.USD, "Value held."),
    weight=Field(unit.FRACTION, "Value / NAV."),
)
PORTFOLIO = View[Portfolio](
    "portfolio",
    nav_usd=Field(unit.USD, "Net asset value."),
    cash_usd=Field(unit.USD, "Value of the cash, idle or supplied."),
    debt_usd=Field(unit.USD, "Value of the debt."),
    leverage=Field(unit.RATIO, "Value of the risk assets / NAV."),
    health_factor=Field(unit.RATIO, "The lowest of its accounts; null without debt."),
)
VAULT = View[MarketSnapshot](
    "vault",
    block=Field(nested(BLOCK), "The block that was read."),
    vault=Field(unit.TEXT, "Address of the vault's shares.", "vault.address"),
    epoch=Field(unit.INTEGER, "Epoch of the vault.", "vault.epoch"),
    last_rebalance=Field(
        unit.TIME,
        "Time of the keeper's last call; null if none.",
        lambda shot: shot.vault.last_rebalance or None,
    ),
    **lifted(PORTFOLIO, portfolio),
    accounts=Field(nested_list(ACCOUNT), "The accounts that the keeper manages.", account_rows),
    pending_deposits=Field(
        unit.RAW, "Deposits that wait, of the accounting asset.", "vault.pending_deposits"
    ),
    redemptions=Field(nested(REDEMPTIONS), "Redemptions that wait.", lambda shot: shot),
    keeper=Field(nested(KEEPER), "The keeper's own account.", lambda shot: shot),
)
PAUSE = View[Pause](
    "pauses",
    by=Field(unit.TEXT, "Where the pause is kept: JOURNAL or FILE."),
    cause=Field(unit.TEXT, "`operator`, or the alarm that paused the keeper (exit-codes.md)."),
    reason=Field(unit.TEXT, "The reason that was given."),
    since=Field(unit.TIME, "Since when."),
)
LAST_24_HOURS = View[PauseReport](
    "last_24_hours",
    loss=Field(unit.FRACTION_2, "NAV lost by trades, summed.", "pause_state.usage.loss"),
    max_loss=Field(unit.FRACTION_2, "Limit of `loss`.", "daily.max_loss"),
    turnover=Field(unit.TURNOVER, "Value sold.", "pause_state.usage.turnover"),
    max_turnover=Field(unit.LIMIT, "Limit of `turnover`.", "daily.max_turnover"),
    gas_eth=Field(unit.ETH, "Paid for gas.", lambda report: report.pause_state.usage.gas_wei / WAD),
    max_gas_eth=Field(unit.LIMIT, "Limit of `gas_eth`.", lambda report: report.daily.max_gas_wei / WAD),
    failures=Field(unit.COUNT, "Calls mined and reverted.", "pause_state.usage.failures"),
    max_failures=Field(unit.COUNT, "Limit of `failures`.", "daily.max_failures"),
)
PAUSE_STATE = View[PauseReport](
    "pause_state",
    paused=Field(unit.FLAG, "Whether any pause is in force, in the keeper or on chain."),
    pauses=Field(nested_list(PAUSE), "Pauses of journal and pause file.", "pause_state.pauses"),
    vault_paused=Field(unit.FLAG, "Whether the vault itself is paused on chain."),
    stopped=Field(unit.TEXTS, "What a pause stops.", lambda it: STOPPED_BY_A_PAUSE if it.paused else ()),
    still_runs=Field(unit.TEXTS, "What runs even while paused.", lambda _: RUNS_WHILE_PAUSED),
    last_24_hours=Field(nested(LAST_24_HOURS), "Use of the daily budgets.", lambda report: report),
)
