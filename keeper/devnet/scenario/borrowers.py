"""Other people with debt on Aave, and the bot that liquidates whoever can be liquidated, the vault among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector

from keeper.devnet.aave import VARIABLE_RATE
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.scenario.blocks import BlockMaker, ChainCall
from keeper.devnet.transactions import contract_at, send
from keeper.domain.units import BPS, UINT256_MAX, WAD
from keeper.recorded.stable import STABLE

ACCOUNT_DATA = function_signature_to_4byte_selector("getUserAccountData(address)")
BALANCE = function_signature_to_4byte_selector("balanceOf(address)")
LIQUIDATION = function_signature_to_4byte_selector("liquidationCall(address,address,address,uint256,bool)")
COLLATERAL_USD = 500_000
LIQUIDATOR_USD = 10**9
BORROWERS = (("WETH", 1.10), ("WBTC", 1.25), ("LINK", 1.50))
"""Collateral and first health factor of each. Nobody watches over them."""

Mine = Callable[[Sequence[ChainCall]], Sequence[bool]]
"""Mines a block with these calls and says which succeeded."""


@dataclass(frozen=True, slots=True)
class Debtor:
    """Somebody with debt. ``health`` is the health factor as the market counts it."""

    name: str
    account: str


@dataclass(slots=True)
class Liquidator:
    """``debtors`` are watched in every block. ``liquidated`` has the names of those whose collateral it took, in order;
    ``refused`` counts its calls that reverted, as where a reserve has nothing to pay out."""

    chain: LocalChain
    account: str
    debtors: tuple[Debtor, ...]
    liquidated: list[str] = field(default_factory=list)
    refused: int = 0
    a_tokens: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Cash out of nothing, and its allowance."""
        chain, stable = self.chain, self.chain.tokens[STABLE]
        account = chain.w3.to_checksum_address(self.account)
        chain.fund(STABLE, account, LIQUIDATOR_USD * 10**stable.decimals)
        approve = contract_at(chain.w3, "ERC20", stable.address).functions.approve
        send(chain.w3, approve(chain.pool.address, UINT256_MAX), account)
        self.a_tokens = {
            symbol: chain.pool.functions.getReserveAToken(token.address).call()
            for symbol, token in chain.tokens.items()
            if symbol != STABLE
        }

    def health_factors(self, blocks: BlockMaker) -> list[float]:
        """Of the debtors in their order, inf without debt."""
        pool = self.chain.pool.address
        data = [
            "0x" + (ACCOUNT_DATA + encode(("address",), (debtor.account,))).hex() for debtor in self.debtors
        ]
        answers = blocks.call([(pool, each) for each in data])
        raw = [int(answer[2 + 64 * 5 : 2 + 64 * 6], 16) for answer in answers]
        return [float("inf") if each == UINT256_MAX else each / WAD for each in raw]

    def liquidate(self, blocks: BlockMaker, usd: Mapping[str, float], mine: Mine) -> None:
        """Calls the market's liquidation for each debtor whose health factor is below 1, for the most valuable
        collateral, in a block of their own."""
        due = [
            debtor
            for debtor, health in zip(self.debtors, self.health_factors(blocks), strict=True)
            if health < 1.0
        ]
        if not due:
            return
        stable, calls = self.chain.tokens[STABLE].address, []
        for debtor in due:
            symbol = self._collateral(blocks, debtor.account, usd)
            fields = (self.chain.tokens[symbol].address, stable, debtor.account, UINT256_MAX, False)
            data = LIQUIDATION + encode(("address", "address", "address", "uint256", "bool"), fields)
            calls.append(ChainCall(self.account, self.chain.pool.address, "0x" + data.hex(), may_fail=True))
        for debtor, succeeded in zip(due, mine(calls), strict=True):
            if succeeded:
                self.liquidated.append(debtor.name)
            else:
                self.refused += 1

    def _collateral(self, blocks: BlockMaker, account: str, usd: Mapping[str, float]) -> str:
        data = "0x" + (BALANCE + encode(("address",), (account,))).hex()
        balances = blocks.call([(a_token, data) for a_token in self.a_tokens.values()])
        values = {
            symbol: int(balance, 16) / 10 ** self.chain.tokens[symbol].decimals * usd[symbol]
            for symbol, balance in zip(self.a_tokens, balances, strict=True)
        }
        return max(values, key=lambda symbol: values[symbol])


def indebted_people(chain: LocalChain, blocks: BlockMaker, usd: Mapping[str, float]) -> tuple[Debtor, ...]:
    """Opens the accounts of ``BORROWERS`` whose collateral this chain has. The node acts for them."""
    people = []
    for place, (symbol, health) in enumerate(BORROWERS):
        if symbol not in chain.tokens:
            continue
        address = chain.w3.to_checksum_address(f"0x{0xB0 + place:040x}")
        blocks.batch([("anvil_impersonateAccount", (address,))])
        blocks.enrich([address])
        token, pool = chain.tokens[symbol], chain.pool
        amount = int(COLLATERAL_USD / usd[symbol] * 10**token.decimals)
        chain.fund(symbol, address, amount)
        approve = contract_at(chain.w3, "ERC20", token.address).functions.approve
        send(chain.w3, approve(pool.address, UINT256_MAX), address)
        send(chain.w3, pool.functions.supply(token.address, amount, address, 0), address)
        collateral, _, _, threshold, *_ = pool.functions.getUserAccountData(address).call()
        stable = chain.tokens[STABLE]
        debt_usd = collateral / 1e8 * threshold / BPS / health
        debt = int(debt_usd / usd[STABLE] * 10**stable.decimals)
        send(chain.w3, pool.functions.borrow(stable.address, debt, VARIABLE_RATE, 0, address), address)
        people.append(Debtor(f"somebody with {symbol}", address))
    return tuple(people)
