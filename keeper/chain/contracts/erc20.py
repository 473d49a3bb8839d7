"""ERC-20 tokens, aTokens and debt tokens."""

from __future__ import annotations

from keeper.chain.abi import load
from keeper.chain.calls import Call, call

_ABI = load("ERC20")


def balance(token: str, owner: str) -> Call[int]:
    """Raw."""
    return call("token", token, _ABI["balanceOf"], owner)


def total_supply(token: str) -> Call[int]:
    """Raw."""
    return call("token", token, _ABI["totalSupply"])


def decimals(token: str) -> Call[int]:
    return call("token", token, _ABI["decimals"])


def symbol(token: str) -> Call[str]:
    return call("token", token, _ABI["symbol"])
