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


def _oldest_request(snapshot: MarketSnapshot) -> int | None:
    return (snapshot.redemptions.since or None) if snapshot.redemptions is not None else None


BLOCK = View[Block](
    "block",
    (
        Field("chain_id", unit.INTEGER, "Chain id."),
        Field("number", unit.COUNT, "Number of the block that everything was read at."),
        Field("hash", unit.TEXT, "Hash of that block."),
        Field("timestamp", unit.TIME, "Time of that block."),
    ),
)
NODE = View[NodeUse](
    "nodes",
    (
        Field("endpoint", unit.TEXT, "Address of the node, masked."),
        Field("round_trips", unit.COUNT, "HTTP requests to this node."),
        Field("bytes_received", unit.BYTES, "Bytes of its answers."),
        Field("note", unit.TEXT, "Why the node was left out of the last read; empty if it was used."),
    ),
)
REDEMPTIONS = View[MarketSnapshot](
    "redemptions",
    (
        Field(
            "pending_shares", unit.RAW, "Shares in the redemption queue.", source="redemptions.pending_shares"
        ),
        Field(
            "value_usd",
            unit.USD,
            "What the vault pays for them at its present share price.",
            source=queued_usd,
        ),
        Field(
            "missing_usd",
            unit.USD,
            "The part of `value_usd` that is not idle in the vault.",
            source=missing_usd,
        ),
        Field(
            "since", unit.TIME, "Time of the oldest request; null if nobody waits.", source=_oldest_request
        ),
    ),
)
KEEPER = View[MarketSnapshot](
    "keeper",
    (
        Field("address", unit.TEXT, "Account of the keeper's key.", source="keeper_address"),
        Field(
            "balance_eth", unit.ETH, "Its balance for gas.", source=lambda shot: shot.keeper_balance_wei / WAD
        ),
        Field("has_role", unit.FLAG, "Whether it may rebalance the vault.", source="keeper_has_role"),
    ),
)
HOLDING = View[HoldingRow](
    "assets of the vault",
    (
        Field("symbol", unit.TEXT, "The asset.", source="feed.symbol"),
        Field("price_usd", unit.PRICE, "Price of its feed.", source="feed.price_usd"),
        Field("price_age_s", unit.SECONDS, "Age of that price at the block."),
        Field(
            "price_trust", unit.TRUST, "Use of the price: FRESH, STALE, SUSPECT or DEAD.", source="feed.trust"
        ),
        Field(
            "price_rule",
            unit.TEXT,
            "The rule of prices.md that it broke; empty if FRESH.",
            source="feed.rule",
        ),
        Field("value_usd", unit.USD, "Value held."),
        Field("weight", unit.FRACTION, "Value / NAV."),
    ),
)
PORTFOLIO = View[Portfolio](
    "portfolio",
    (
        Field("nav_usd", unit.USD, "Net asset value."),
        Field("cash_usd", unit.USD, "Value of the cash, idle or supplied."),
        Field("debt_usd", unit.USD, "Value of the debt."),
        Field("leverage", unit.RATIO, "Value of the risk assets / NAV."),
        Field("health_factor", unit.RATIO, "Aave's health factor; null without debt."),
    ),
)
VAULT = View[MarketSnapshot](
    "vault",
    (
        Field("block", nested(BLOCK), "The block that was read."),
        Field("vault", unit.TEXT, "Address of the vault.", source="vault.address"),
        Field("epoch", unit.INTEGER, "Epoch of the vault.", source="vault.epoch"),
        Field(
            "last_rebalance",
            unit.TIME,
            "Time of its last rebalance; null if none.",
            source=lambda shot: shot.vault.last_rebalance or None,
        ),
        *lifted(PORTFOLIO, portfolio),
        Field(
            "redemptions",
            nested(REDEMPTIONS),
            "The redemption queue; null without one.",
            source=lambda shot: None if shot.redemptions is None else shot,
        ),
        Field("keeper", nested(KEEPER), "The keeper's own account.", source=lambda shot: shot),
    ),
)
PAUSE = View[Pause](
    "pauses",
    (
        Field("by", unit.TEXT, "Where the pause is kept: JOURNAL or FILE."),
        Field("cause", unit.TEXT, "`operator`, or the alarm that paused the keeper (exit-codes.md)."),
        Field("reason", unit.TEXT, "The reason that was given."),
        Field("since", unit.TIME, "Since when."),
    ),
)
LAST_24_HOURS = View[PauseReport](
    "last_24_hours",
    (
        Field("loss", unit.FRACTION_2, "NAV lost by trades, summed.", source="pause_state.usage.loss"),
        Field("max_loss", unit.FRACTION_2, "Limit of `loss`.", source="daily.max_loss"),
        Field("turnover", unit.TURNOVER, "Value sold.", source="pause_state.usage.turnover"),
        Field("max_turnover", unit.LIMIT, "Limit of `turnover`.", source="daily.max_turnover"),
        Field(
            "gas_eth", unit.ETH, "Paid for gas.", source=lambda report: report.pause_state.usage.gas_wei / WAD
        ),
        Field(
            "max_gas_eth",
            unit.LIMIT,
            "Limit of `gas_eth`.",
            source=lambda report: report.daily.max_gas_wei / WAD,
        ),
        Field("failures", unit.COUNT, "Calls mined and reverted.", source="pause_state.usage.failures"),
        Field("max_failures", unit.COUNT, "Limit of `failures`.", source="daily.max_failures"),
    ),
)
PAUSE_STATE = View[PauseReport](
    "pause_state",
    (
        Field("paused", unit.FLAG, "Whether any pause is in force, in the keeper or on chain."),
        Field("pauses", nested_list(PAUSE), "Pauses of journal and pause file.", source="pause_state.pauses"),
        Field("vault_paused", unit.FLAG, "Whether the vault itself is paused on chain."),
        Field(
            "stopped",
            unit.TEXTS,
            "What a pause stops.",
            source=lambda it: STOPPED_BY_A_PAUSE if it.paused else (),
        ),
        Field("still_runs", unit.TEXTS, "What runs even while paused.", source=lambda _: RUNS_WHILE_PAUSED),
        Field(
            "last_24_hours", nested(LAST_24_HOURS), "Use of the daily budgets.", source=lambda report: report
        ),
    ),
)
