"""More accounts for the local chain's vault: on isolated markets of Morpho Blue, beside its first on Aave. What other
people do there, and what the accounts hold, read without the keeper's own code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.devnet import feeds
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.morpho import Morpho, account_implementation, deploy_morpho, lend_and_borrow
from keeper.devnet.transactions import contract_at, send
from keeper.domain.units import BPS, SECONDS_PER_DAY, SECONDS_PER_YEAR, UINT256_MAX, WAD, health_factor_of
from keeper.recorded.stable import STABLE

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress

LISTING_OF_ACCOUNT = 2
"""PolicyRegistry's Listing."""
RAY = 10**27


@dataclass(frozen=True, slots=True)
class AccountReading:
    """USD, by the feeds and by what the account itself counts. ``rate`` is what its debt costs a year."""

    place: int
    venue: str
    collateral_usd: Mapping[str, float]
    debt_usd: float
    health_factor: float
    rate: float


@dataclass(frozen=True, slots=True)
class Venues:
    """``symbols`` are the collateral of the Morpho markets in the order of the accounts beside the first. ``others``
    lend and borrow on both protocols."""

    chain: LocalChain
    morpho: Morpho
    symbols: tuple[str, ...]
    others: ChecksumAddress

    def read(self) -> tuple[AccountReading, ...]:
        addresses = self.chain.registry.functions.accounts().call()
        return tuple(self._read(place, address) for place, address in enumerate(addresses))

    def _read(self, place: int, address: str) -> AccountReading:
        chain = self.chain
        account = contract_at(chain.w3, "AaveV3Account", address).functions
        tokens = chain.tokens
        supplied, owed, _ = account.positions([token.address for token in tokens.values()], False).call()
        prices = {symbol: feeds.latest_round(chain.w3, chain.feeds.addresses[symbol])[0] for symbol in tokens}
        values = {
            symbol: amount * prices[symbol] / 10**token.decimals
            for (symbol, token), amount in zip(tokens.items(), supplied, strict=True)
        }
        debts = [
            amount * prices[symbol] / 10**token.decimals
            for (symbol, token), amount in zip(tokens.items(), owed, strict=True)
        ]
        return AccountReading(
            place=place,
            venue="Aave V3" if place == 0 else f"Morpho Blue, {self.symbols[place - 1]}",
            collateral_usd={symbol: value for symbol, value in values.items() if value > 0.0},
            debt_usd=sum(debts),
            health_factor=health_factor_of(account.healthFactor().call()),
            rate=self.aave_rate() if place == 0 else self.morpho_rate(self.symbols[place - 1]),
        )

    def cash_usd(self) -> float:
        """Idle in the vault."""
        chain, token = self.chain, self.chain.tokens[STABLE]
        held = contract_at(chain.w3, "ERC20", token.address).functions.balanceOf(chain.portfolio.address)
        return float(held.call() / 10**token.decimals) * chain.spot(STABLE)

    # -------------------------------------------------------------------- rates

    def aave_rate(self) -> float:
        data = self.chain.pool.functions.getReserveData(self.chain.tokens[STABLE].address).call()
        return float(data[4]) / RAY

    def morpho_rate(self, symbol: str) -> float:
        """As the rate model answers for the market as it is."""
        functions, market = self.morpho.contract(self.chain.w3).functions, self.morpho.markets[symbol]
        params, state = functions.idToMarketParams(market).call(), functions.market(market).call()
        rates = contract_at(self.chain.w3, "AdaptiveCurve", self.morpho.rates).functions
        return float(rates.borrowRateView(params, state).call()) * SECONDS_PER_YEAR / WAD

    # ------------------------------------------------------------ other people

    def empty_aave(self) -> int:
        """Whoever lends the debt asset on Aave takes out all that is not lent: utilisation is 100 %. Returns what left,
        raw."""
        chain, token = self.chain, self.chain.tokens[STABLE]
        a_token = chain.pool.functions.getReserveAToken(token.address).call()
        left = contract_at(chain.w3, "ERC20", token.address).functions.balanceOf(a_token).call()
        withdraw = chain.pool.functions.withdraw(token.address, left, self.others)
        send(chain.w3, withdraw, self.others)
        return int(left)

    def lend_on_aave(self, amount: int) -> None:
        chain, token = self.chain, self.chain.tokens[STABLE]
        send(chain.w3, chain.pool.functions.supply(token.address, amount, self.others, 0), self.others)

    def set_utilisation(self, symbol: str, bps: int) -> None:
        """Whoever lends on that market takes out or adds what leaves this part of it lent."""
        functions = self.morpho.contract(self.chain.w3).functions
        market = self.morpho.markets[symbol]
        params = functions.idToMarketParams(market).call()
        send(self.chain.w3, functions.accrueInterest(params), self.others)
        state = functions.market(market).call()
        change = state[2] * BPS // bps - state[0]
        if change > 0:
            self.chain.fund(STABLE, self.others, change)
            send(self.chain.w3, functions.supply(params, change, 0, self.others, b""), self.others)
        elif change < 0:
            send(self.chain.w3, functions.withdraw(params, -change, 0, self.others, self.others), self.others)


def with_morpho(chain: LocalChain, symbols: Sequence[str]) -> Venues:
    """Deploys Morpho, its markets of these tokens with other people's money in them, and lists an account of the vault
    on each. The node acts as the vault's timelock; the vault's own two days pass."""
    w3, others = chain.w3, chain.accounts[-1]
    tokens = {symbol: chain.tokens[symbol] for symbol in (STABLE, *symbols)}
    made = deploy_morpho(w3, chain.owner, tokens, feeds=chain.feeds, progress=lambda _: None)
    lend_and_borrow(w3, others, chain.owner, morpho=made, tokens=tokens, feeds=chain.feeds)
    timelock = w3.to_checksum_address(chain.deployment.contracts["timelock"])
    w3.provider.make_request("anvil_impersonateAccount", [timelock])  # type: ignore[arg-type]
    w3.provider.make_request("anvil_setBalance", [timelock, hex(10**18)])  # type: ignore[arg-type]
    listed = []
    for symbol in symbols:
        implementation = account_implementation(w3, chain.owner, made, symbol=symbol).address
        listed.append(w3.codec.encode(["address", "uint8"], [implementation, 0]))
        send(w3, chain.registry.functions.propose(LISTING_OF_ACCOUNT, listed[-1]), timelock)
    chain.pass_time(2 * SECONDS_PER_DAY)
    for data in listed:
        send(w3, chain.registry.functions.activate(LISTING_OF_ACCOUNT, data), chain.owner)
    chain.refresh_feeds()
    erc20 = contract_at(w3, "ERC20", tokens[STABLE].address).functions
    send(w3, erc20.approve(chain.pool.address, UINT256_MAX), others)
    return Venues(chain, made, tuple(symbols), others=others)
