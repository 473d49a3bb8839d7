"""Tokens with mainnet's names and decimals, WETH9 among them, and Multicall3 where every chain has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keeper.devnet.compile import multicall3_bytecode
from keeper.devnet.transactions import GAS, contract_at, deployed, mined, send
from keeper.domain.market import Token
from keeper.domain.units import BPS, USD, WAD

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3

SAVINGS = frozenset({"sDAI"})
"""Tokens that are ERC-4626 shares of a dollar."""
MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
_NAMES = {
    "USDC": ("USD Coin", 6),
    "WBTC": ("Wrapped BTC", 8),
    "WETH": ("Wrapped Ether", 18),
    "LINK": ("ChainLink Token", 18),
    "UNI": ("Uniswap", 18),
    "XAUt": ("Tether Gold", 6),
    "wstETH": ("Wrapped liquid staked Ether 2.0", 18),
    "sDAI": ("Savings Dai", 18),
}


@dataclass(frozen=True, slots=True)
class SavingsTerms:
    """Of an ERC-4626 share: dollars per share until ``begin``, a Unix second, and what it earns a year from then on."""

    rate: float
    begin: int
    yearly: float


def deploy_tokens(
    w3: Web3, deployer: ChecksumAddress, symbols: Iterable[str], savings: Mapping[str, SavingsTerms]
) -> Mapping[str, Token]:
    """Those of ``savings`` are ERC-4626 shares."""
    tokens: dict[str, Token] = {}
    for symbol in symbols:
        name, decimals = _NAMES[symbol]
        terms = savings.get(symbol)
        if symbol == "WETH":
            made = deployed(w3, deployer, "WETH9")
        elif terms is not None:
            rate, yearly = round(terms.rate * USD) * (WAD // USD), round(terms.yearly * WAD)
            made = deployed(w3, deployer, "SavingsToken", name, symbol, rate, terms.begin, yearly)
        else:
            made = deployed(w3, deployer, "TestToken", name, symbol, decimals)
        tokens[symbol] = Token(symbol, made.address, decimals)
    return tokens


def rate_usd(w3: Web3, share: str) -> float:
    """What an ERC-4626 share of a dollar is worth by its own rate, USD."""
    functions = contract_at(w3, "SavingsToken", share).functions
    return float(functions.convertToAssets(WAD).call() / WAD)


def fund(w3: Web3, owner: ChecksumAddress, token: Token, account: str, amount: int) -> None:
    """Gives ``account`` so much of the token (raw): minted, or deposited ether or dollars that appear from nowhere."""
    account = w3.to_checksum_address(account)
    if token.symbol in SAVINGS:
        share = contract_at(w3, "SavingsToken", token.address)
        dollars = (
            share.functions.previewMint(amount).call() * (BPS + 1) // BPS
        )  # the rate grows until it is mined
        send(w3, share.functions.mintDollars(owner, dollars), owner)
        dollar = contract_at(w3, "TestToken", share.functions.asset().call())
        send(w3, dollar.functions.approve(share.address, dollars), owner)
        send(w3, share.functions.mint(amount, account), owner)
        return
    if token.symbol != "WETH":
        send(w3, contract_at(w3, "TestToken", token.address).functions.mint(account, amount), owner)
        return
    balance = w3.eth.get_balance(owner)
    w3.provider.make_request("anvil_setBalance", [owner, hex(balance + amount)])  # type: ignore[arg-type]
    weth = contract_at(w3, "WETH9", token.address)
    send(w3, weth.functions.deposit(), owner, value=amount)
    if account != owner:
        send(w3, weth.functions.transfer(account, amount), owner)


def deploy_multicall(w3: Web3, deployer: ChecksumAddress) -> str:
    """Runs Multicall3's own constructor, then puts the result at the canonical address."""
    from eth_typing import HexStr

    sent = w3.eth.send_transaction({"from": deployer, "data": HexStr(multicall3_bytecode()), "gas": GAS})
    address = mined(w3, sent, "deploying Multicall3")["contractAddress"]
    code = w3.eth.get_code(w3.to_checksum_address(str(address)))
    w3.provider.make_request("anvil_setCode", [MULTICALL3, code.to_0x_hex()])  # type: ignore[arg-type]
    return MULTICALL3
