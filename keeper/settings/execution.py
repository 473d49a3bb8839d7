"""Declares how plans are built, sent and limited, and which prices are trusted: type, range, default and meaning.

The conventions are those of ``keeper.settings.strategy``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from keeper.domain.chains import DEVELOPMENT_CHAIN_ID
from keeper.settings.setting_types import (
    Bps,
    PositiveFraction,
    Seconds,
    Table,
    repeated,
)

MAX_HEAD_AGE_S = 180
DEVIATION_BPS = 50
MIN_OPINIONS = 1
SHORTEST_WATCH_S = 0.2


class PlanTable(Table):
    """How a plan is built, and how closely its simulation must agree: docs/planning.md."""

    deadline_s: Annotated[int, Field(ge=12, le=86400)] = 600
    """time after its block at which a transaction becomes void"""
    dust_usd: Annotated[float, Field(ge=0.01)] = 1.0
    """smaller steps are left out"""
    gas_usd_price_symbol: str | None = Field(default=None, examples=["WETH"])
    """the native coin as a token; its feed in the vault prices gas; default: WETH where the address book says so"""
    gas_limit_margin: Annotated[float, Field(ge=1, le=3)] = 1.25
    """gas limit as a multiple of the simulated gas"""
    nav_tolerance_bps: Bps = 20
    """largest difference between expected and simulated NAV, of NAV"""
    leverage_tolerance: PositiveFraction = 0.02
    """largest difference between expected and simulated leverage"""
    weight_tolerance: PositiveFraction = 0.02
    """largest difference between expected and simulated weight of an asset"""
    public_tolerance_bps: Bps = 150
    """how much less than quoted a sale may return in an emergency, which is sent publicly"""
    max_fee_eth: Annotated[float, Field(gt=0, le=100)] = 1.0
    """most native coin that a transaction may offer for gas; geth, Erigon and Besu refuse more than 1 by default"""


class SendTable(Table):
    """How a transaction is followed: docs/sending.md."""

    confirmations: Annotated[int, Field(ge=1, le=100)] = 1
    """blocks to wait for, the receipt's included; later cycles wait for finality"""
    finality_blocks: Annotated[int, Field(ge=1, le=100_000)] | None = Field(default=None, examples=[64])
    """depth at which a block counts as final; default: the node's block tag finalized"""
    bump_after_s: Seconds = 45
    """waiting time after which the fee is raised"""
    give_up_after_s: Seconds = 600
    """waiting time after which the outcome is unknown; later cycles follow it"""
    private_patience_s: Seconds = 180
    """waiting time for the private relay; after it the nonce is used up in public"""

    @model_validator(mode="after")
    def _ordered(self) -> SendTable:
        if max(self.bump_after_s, self.private_patience_s) > self.give_up_after_s:
            raise ValueError(
                f"bump_after_s {self.bump_after_s} and private_patience_s {self.private_patience_s} "
                f"may not exceed give_up_after_s {self.give_up_after_s}"
            )
        return self


class DailyTable(Table):
    """What 24 hours may use up, besides the vault's own limits."""

    max_loss: PositiveFraction = 0.03
    """part of NAV that trades may lose; a higher loss pauses the keeper"""
    max_turnover: Annotated[float, Field(gt=0, le=100)] = 6.0
    """value that may be sold, in NAVs; planned trades wait when it is used up"""
    max_gas_eth: Annotated[float, Field(gt=0, le=1_000)] = 1.0
    """native coin that gas may cost; planned trades wait when it is used up"""
    max_failures: Annotated[int, Field(ge=1, le=1_000)] = 3
    """number of reverted calls that pauses the keeper"""


class LineTable(Table):
    """When the keeper closes and settles batches of deposits and redemptions: docs/vault.md."""

    max_cost_usd: Annotated[float, Field(ge=0, le=10_000)] = 25.0
    """gas of one call; with more, requests wait; 0 leaves the line to others"""
    partial_after_s: Seconds = 172_800
    """how long a batch of redemptions waits for cash that pays all of it; then it is paid in part"""


class DrillTable(Table):
    """The fire drill of every cycle: docs/drill.md."""

    min_fall: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    """joint fall of the assets that one emergency call must survive; below it no risk is bought"""
    gas_price_gwei: Annotated[float, Field(gt=0, le=100_000)] = 156.0
    """price of gas during the fall: that of the worst day of a year; on a rollup name its own"""


class WatchTable(Table):
    """The looks between the cycles of the daemon: docs/watch.md."""

    every_s: Annotated[float, Field(ge=0, le=600)] = 2.0
    """time between two looks, each one request to one node; at least 0.2; 0: only the schedule looks"""
    price_move: Annotated[float, Field(gt=0, le=1)] = 0.02
    """move of a feed since the last cycle that asks for a cycle, a fraction"""

    @model_validator(mode="after")
    def _bounded(self) -> WatchTable:
        if 0 < self.every_s < SHORTEST_WATCH_S:
            raise ValueError(f"every_s is {self.every_s:g}: 0, or at least {SHORTEST_WATCH_S:g}")
        return self


class FeedTable(Table):
    """A token's price feed, where the chain's address book does not know it or you know it better."""

    symbol: str = Field(min_length=1)
    """symbol of the token; the debt token has a feed too, and ETH is the native coin's, which prices gas"""
    heartbeat_s: Seconds | None = Field(default=None, examples=[3600])
    """longest time between two answers; default: the address book's, else only the vault's age limit counts"""
    grace_s: Annotated[int, Field(ge=0, le=86_400)] = 300
    """how late a heartbeat may be"""
    deviation_bps: Bps | None = Field(
        default=None,
        description=f"price move that makes the feed answer; default: the address book's, else {DEVIATION_BPS}",
        examples=[50],
    )
    max_jump: Annotated[float, Field(gt=0, le=5)] = Field(
        default=0.15,
        description="largest move believed within an hour without a second source, a fraction; it grows with the "
        "square root of time",
    )
    rate_based: bool = False
    """whether the answer counts a redemption rate, as of wstETH or a vault's share: it does not see a lost peg"""
    description: str | None = Field(default=None, examples=["LINK / USD"])
    """name that the feed must report; checked at the start"""
    reference: str | None = Field(default=None, examples=["LINK"])
    """name on exchanges; default: WETH is ETH, WBTC and cbBTC are BTC, else the symbol; "": none"""


class OracleTable(Table):
    """When a price is believed: docs/prices.md."""

    venues: tuple[Literal["coinbase", "kraken", "binance", "deribit"], ...] = (
        "coinbase",
        "kraken",
        "binance",
        "deribit",
    )
    """exchanges that are asked for a second opinion; without any opinion the keeper only sells"""
    disagreement_bps: Annotated[int, Field(ge=10, le=5_000)] = 150
    """distance from the median of all sources, beyond the feed's deviation, that only lets risk fall"""
    opinion_max_age_s: Seconds = 300
    """oldest opinion that counts"""
    twap_window_s: Annotated[int, Field(ge=60, le=86_400)] = 1_800
    """time over which a Uniswap pool's mean price is taken"""
    twap_min_depth_usd: Annotated[float, Field(ge=0)] = 50_000.0
    """smallest trade that moves a pool by one per cent if its price is to count"""
    min_opinions: Annotated[int, Field(ge=0, le=5)] | None = Field(
        default=None,
        description="usable prices of other sources than its feed that an asset must have to be bought; default: "
        f"{MIN_OPINIONS}, or 0 on chain id {DEVELOPMENT_CHAIN_ID}; 0 is refused elsewhere",
        examples=[MIN_OPINIONS],
    )
    max_head_age_s: Annotated[int, Field(ge=15, le=86_400)] | None = Field(
        default=None,
        description="largest gap between the newest block and this machine's clock; "
        f"default: {MAX_HEAD_AGE_S}, not checked on chain id {DEVELOPMENT_CHAIN_ID}",
        examples=[MAX_HEAD_AGE_S],
    )
    feeds: tuple[FeedTable, ...] = Field(
        default=(),
        examples=[
            FeedTable(
                symbol="LINK", heartbeat_s=3600, deviation_bps=50, description="LINK / USD", reference="LINK"
            )
        ],
    )
    """what is expected of each feed"""

    @model_validator(mode="after")
    def _once_each(self) -> OracleTable:
        symbols = tuple(feed.symbol for feed in self.feeds)
        if len(set(symbols)) < len(symbols):
            raise ValueError(f"feeds: {repeated(symbols)} is listed twice")
        if len(set(self.venues)) < len(self.venues):
            raise ValueError(f"venues: {repeated(self.venues)} is listed twice")
        return self
