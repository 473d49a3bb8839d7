"""Price feeds that carry the whole history as rounds, and the sequencer's status feed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keeper.devnet.history import MarketHistory, PriceSeries
from keeper.devnet.market_hours import is_open
from keeper.devnet.tokens import rate_usd
from keeper.devnet.transactions import contract_at, deployed, mined, send
from keeper.domain.units import SECONDS_PER_HOUR, USD

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.types import TxReceipt

FEED_NAMES = {
    "WBTC": "BTC / USD",
    "WETH": "ETH / USD",
    "LINK": "LINK / USD",
    "UNI": "UNI / USD",
    "USDC": "USDC / USD",
    "XAUt": "XAU / USD",
    "wstETH": "wstETH / USD",
    "sDAI": "sDAI / USD",
}

ROUNDS_PER_TRANSACTION = 600
"""RoundFeed's BATCH. In slots they cost 24,000 gas each, and EIP-7825 lets one transaction use 16.8 M."""
GAS_PER_ROUND = 26_000


@dataclass(frozen=True, slots=True)
class Feeds:
    """Addresses: one price feed per symbol, and the sequencer's status. ``shares`` are ERC-4626 shares by symbol,
    whose feeds publish their own rate."""

    addresses: Mapping[str, ChecksumAddress]
    sequencer: ChecksumAddress
    shares: Mapping[str, ChecksumAddress] = field(default_factory=dict)


def deploy_feeds(
    w3: Web3, deployer: ChecksumAddress, history: MarketHistory, progress: Callable[[str], None]
) -> Feeds:
    """Deploy a feed per symbol and load every hourly close as one round, stamped with its bar's close.

    ``deployer`` must be an unlocked account of the node; it owns the feeds.
    """
    addresses: dict[str, ChecksumAddress] = {}
    waiting: list[bytes] = []
    for series in history.prices:
        progress(f"feed {FEED_NAMES[series.symbol]}: {len(series.times)} rounds")
        feed = deployed(w3, deployer, "RoundFeed", FEED_NAMES[series.symbol])
        addresses[series.symbol] = feed.address
        packed = pack_rounds(series)
        for first in range(0, len(packed), ROUNDS_PER_TRANSACTION):
            chunk = packed[first : first + ROUNDS_PER_TRANSACTION]
            push = feed.get_function_by_signature("push(uint256[])")(chunk)
            gas = 100_000 + GAS_PER_ROUND * len(chunk)
            waiting.append(push.transact({"from": deployer, "gas": gas}))
    up_since = int(history.prices[0].times[0])
    sequencer = deployed(w3, deployer, "SequencerFeed", up_since).address
    for transaction in waiting:
        mined(w3, transaction)
    return Feeds(addresses=addresses, sequencer=sequencer)


def publish(
    w3: Web3, owner: ChecksumAddress, feed: ChecksumAddress, price: float, timestamp: int
) -> TxReceipt:
    """A new round: ``price`` in USD, known at ``timestamp``. ``owner`` must be unlocked and own the feed."""
    contract = contract_at(w3, "RoundFeed", feed)
    return send(
        w3, contract.get_function_by_signature("push(int256,uint256)")(answer(price), timestamp), owner
    )


def publish_now(w3: Web3, owner: ChecksumAddress, feed: ChecksumAddress, price: float) -> TxReceipt:
    """A new round stamped with the latest block's time, or with the last round's where that is later."""
    now = int(w3.eth.get_block("latest")["timestamp"])
    return publish(w3, owner, feed, price=price, timestamp=max(now, latest_round(w3, feed)[1]))


def refresh(w3: Web3, owner: ChecksumAddress, feeds: Feeds) -> None:
    """What heartbeats do: every feed has a round per hour since its last one, and a new one, near its last price.

    A feed whose market is closed is silent. The last digit changes from round to round, as it does on a live feed. The
    keeper takes a price that is repeated to the last digit for one that stands still.
    """
    now = int(w3.eth.get_block("latest")["timestamp"])
    for symbol, feed in feeds.addresses.items():
        price, updated_at = latest_round(w3, feed)
        price_now = due_price(w3, feeds, symbol)
        first = updated_at - updated_at % SECONDS_PER_HOUR + SECONDS_PER_HOUR
        hours = [hour for hour in range(first, now, SECONDS_PER_HOUR) if is_open(symbol, hour)]
        growth = (price_now - price) / (len(hours) + 1)
        wiggles = [answer(price + growth * place) + place for place in range(1, len(hours) + 2)]
        push = contract_at(w3, "RoundFeed", feed).get_function_by_signature("push(uint256[])")
        packed = [(units << 64) | time for units, time in zip(wiggles, hours, strict=False)]
        for first in range(0, len(packed), ROUNDS_PER_TRANSACTION):
            send(w3, push(packed[first : first + ROUNDS_PER_TRANSACTION]), owner)
        if is_open(symbol, now):
            publish_now(w3, owner, feed, price=wiggles[-1] / USD)


def due_price(w3: Web3, feeds: Feeds, symbol: str) -> float:
    """What the symbol's feed publishes by itself, USD: its last price, or a share's rate."""
    share = feeds.shares.get(symbol)
    return latest_round(w3, feeds.addresses[symbol])[0] if share is None else rate_usd(w3, share)


def latest_round(w3: Web3, feed: ChecksumAddress) -> tuple[float, int]:
    """The feed's last answer in USD, and when it was updated."""
    contract = contract_at(w3, "RoundFeed", feed)
    _, price, _, updated_at, _ = contract.functions.latestRoundData().call()
    return price / USD, updated_at


def answer(price: float) -> int:
    """USD as the feed's integer with 8 decimals, to the nearest."""
    units: float = price * USD
    return round(units)


def pack_rounds(series: PriceSeries) -> Sequence[int]:
    """``RoundFeed.push(uint256[])``: answer << 64 | updatedAt, oldest first."""
    return [
        (answer(price) << 64) | time
        for time, price in zip(series.times.tolist(), series.prices.tolist(), strict=True)
    ]
