"""Whoever lends on Aave and leaves, and the market's admin, in a run on a reserve."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.scenario.incidents import ReserveRun
from keeper.devnet.transactions import contract_at, send
from keeper.domain.units import BPS
from keeper.recorded.aave import RESERVES, ReserveParameters


@dataclass(slots=True)
class Lenders:
    """``taken`` is what left so far, raw by symbol."""

    chain: LocalChain
    taken: dict[str, int]

    def act(self, run: ReserveRun, hour: int) -> None:
        """What happens in the hour that ends at ``hour``, if it is one of the run's."""
        if hour == run.from_hour:
            self._take(run.symbol, 2)
        elif hour == run.from_hour + 1:
            self._take(run.symbol, 1)
            if not run.keeps_ltv:
                self._set_ltv(run.symbol, 0)
        elif hour == run.until_hour:
            self._give_back(run.symbol)
            self._set_ltv(run.symbol, _terms(run.symbol).ltv)

    def _take(self, symbol: str, divisor: int) -> None:
        chain, token = self.chain, self.chain.tokens[symbol]
        a_token = chain.pool.functions.getReserveAToken(token.address).call()
        free = contract_at(chain.w3, "ERC20", token.address).functions.balanceOf(a_token).call() // divisor
        others = chain.accounts[-1]
        send(chain.w3, chain.pool.functions.withdraw(token.address, free, others), others)
        self.taken[symbol] = self.taken.get(symbol, 0) + free

    def _give_back(self, symbol: str) -> None:
        chain, others = self.chain, self.chain.accounts[-1]
        amount = self.taken.pop(symbol, 0)
        supply = chain.pool.functions.supply(chain.tokens[symbol].address, amount, others, 0)
        send(chain.w3, supply, others)

    def _set_ltv(self, symbol: str, ltv_bps: int) -> None:
        chain, terms = self.chain, _terms(symbol)
        provider = contract_at(
            chain.w3, "PoolAddressesProvider", chain.deployment.contracts["aave_addresses_provider"]
        )
        configurator = contract_at(
            chain.w3, "PoolConfiguratorInstance", provider.functions.getPoolConfigurator().call()
        )
        terms_of = (chain.tokens[symbol].address, ltv_bps, terms.liquidation_threshold)
        bonus = BPS + terms.liquidation_bonus
        send(chain.w3, configurator.functions.configureReserveAsCollateral(*terms_of, bonus), chain.owner)


def _terms(symbol: str) -> ReserveParameters:
    return next(reserve for reserve in RESERVES if reserve.symbol == symbol)
