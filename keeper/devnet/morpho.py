"""Morpho Blue on a local chain: its own contract, isolated markets in USDC, and other people's supplies and debts.

Nothing deploys it by itself. What needs it asks, and Morpho is compiled then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.devnet.feeds import Feeds, latest_round
from keeper.devnet.tokens import fund
from keeper.devnet.transactions import contract_at, deployed, send
from keeper.domain.market import Token
from keeper.domain.units import BPS, UINT256_MAX, WAD
from keeper.recorded.stable import STABLE

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.contract import Contract


@dataclass(frozen=True, slots=True)
class MarketParameters:
    """A market in USDC. ``lltv_bps`` is what mainnet's markets of that collateral have. ``supplied`` and ``borrowed``
    by others, in whole USDC, are an order of magnitude, at the target of the rate curve."""

    symbol: str
    lltv_bps: int
    supplied: int
    borrowed: int


_PARAMS = "(address,address,address,address,uint256)"
MARKETS = (
    MarketParameters("WBTC", 8_600, supplied=50_000_000, borrowed=45_000_000),
    MarketParameters("WETH", 8_600, supplied=20_000_000, borrowed=18_000_000),
)


@dataclass(frozen=True, slots=True)
class Morpho:
    """Addresses, and by the collateral's symbol each market's id."""

    morpho: ChecksumAddress
    rates: ChecksumAddress
    markets: Mapping[str, bytes]

    def contract(self, w3: Web3) -> Contract:
        return contract_at(w3, "Morpho", self.morpho)


def deploy_morpho(
    w3: Web3,
    deployer: ChecksumAddress,
    tokens: Mapping[str, Token],
    feeds: Feeds,
    progress: Callable[[str], None],
) -> Morpho:
    """Deploys Morpho and a market of each of these tokens in MARKETS; its oracle reads the same feeds as the vault."""
    progress("Morpho Blue and its markets")
    morpho = deployed(w3, deployer, "Morpho", deployer)
    rates = deployed(w3, deployer, "AdaptiveCurve", morpho.address)
    send(w3, morpho.functions.enableIrm(rates.address), deployer)
    listed = [market for market in MARKETS if market.symbol in tokens]
    for lltv_bps in sorted({market.lltv_bps for market in listed}):
        send(w3, morpho.functions.enableLltv(_wad(lltv_bps)), deployer)
    loan, markets = tokens[STABLE], {}
    for market in listed:
        token = tokens[market.symbol]
        oracle = deployed(
            w3,
            deployer,
            "FeedPairOracle",
            feeds.addresses[market.symbol],
            token.decimals,
            feeds.addresses[STABLE],
            loan.decimals,
        )
        params = (loan.address, token.address, oracle.address, rates.address, _wad(market.lltv_bps))
        send(w3, morpho.functions.createMarket(params), deployer)
        markets[market.symbol] = bytes(w3.keccak(w3.codec.encode([_PARAMS], [params])))
    return Morpho(morpho.address, rates.address, markets)


def lend_and_borrow(
    w3: Web3,
    others: ChecksumAddress,
    owner: ChecksumAddress,
    morpho: Morpho,
    tokens: Mapping[str, Token],
    feeds: Feeds,
) -> None:
    """What other people have supplied and owe, at half of what their collateral lets them owe."""
    functions, loan = morpho.contract(w3).functions, tokens[STABLE]
    listed = {market.symbol: market for market in MARKETS}
    for symbol, market_id in morpho.markets.items():
        market, token = listed[symbol], tokens[symbol]
        params = functions.idToMarketParams(market_id).call()
        supplied = market.supplied * 10**loan.decimals
        price, _ = latest_round(w3, feeds.addresses[symbol])
        pledged = int(2 * market.borrowed * BPS / market.lltv_bps / price * 10**token.decimals)
        for pays, amount in ((loan, supplied), (token, pledged)):
            fund(w3, owner, pays, account=others, amount=amount)
            erc20 = contract_at(w3, "ERC20", pays.address)
            send(w3, erc20.functions.approve(morpho.morpho, UINT256_MAX), others)
        send(w3, functions.supply(params, supplied, 0, others, b""), others)
        send(w3, functions.supplyCollateral(params, pledged, others, b""), others)
        borrowed = market.borrowed * 10**loan.decimals
        send(w3, functions.borrow(params, borrowed, 0, others, others), others)


def account_implementation(w3: Web3, deployer: ChecksumAddress, morpho: Morpho, symbol: str) -> Contract:
    """What a vault's registry clones for an account on that market."""
    return deployed(w3, deployer, "MorphoBlueAccount", morpho.morpho, morpho.markets[symbol])


def _wad(bps: int) -> int:
    return bps * WAD // BPS
