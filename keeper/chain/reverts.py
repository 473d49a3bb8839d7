"""Revert data as a sentence: custom errors of the vault, Aave and the Roles modifier by selector, strings, panics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from keeper.chain.abi import DecodeError, Error, decode_values, load

ERROR_STRING = bytes.fromhex("08c379a0")  # Error(string)
PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)

PANICS = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "value out of the enum's range",
    0x22: "badly encoded storage byte array",
    0x31: "pop of an empty array",
    0x32: "array index out of bounds",
    0x41: "too much memory allocated",
    0x51: "call of an uninitialised function",
}
"""Solidity documentation, "Panic via assert and Error via require"."""

AAVE_CODES = {
    "26": "InvalidAmount",
    "27": "ReserveInactive",
    "28": "ReserveFrozen",
    "29": "ReservePaused",
    "30": "BorrowingNotEnabled",
    "32": "NotEnoughAvailableUserBalance",
    "33": "InvalidInterestRateModeSelected",
    "34": "CollateralBalanceIsZero",
    "35": "HealthFactorLowerThanLiquidationThreshold",
    "36": "CollateralCannotCoverNewBorrow",
    "39": "NoDebtOfSelectedType",
    "50": "BorrowCapExceeded",
    "51": "SupplyCapExceeded",
    "57": "LtvValidationFailed",
    "59": "PriceOracleSentinelCheckFailed",
    "91": "FlashloanDisabled",
}
"""Aave pools before V3.4 revert with these numbers as strings; under the names they have had since."""

UNISWAP_STRINGS = {
    "STF": "a token transfer into the pool failed",
    "Too little received": "the swap would pay out less than its limit",
    "Too much requested": "the swap would cost more than its limit",
    "LOK": "the pool is locked, or was never initialised",
    "SPL": "the price limit is on the wrong side",
    "AS": "the amount to swap is zero",
    "OLD": "the pool has no observation that old",
}
"""Short reasons of Uniswap V3 core and swap-router-contracts."""

SAFE_CODES = {
    "GS013": "the Safe's call failed",
    "GS026": "an owner's signature is not valid",
    "GS104": "the Safe has not enabled the module that called it",
}
"""Short reasons of Safe 1.4.1, by its own list of error codes."""

CONDITIONS = (
    "Ok",
    "DelegateCallNotAllowed",
    "TargetAddressNotAllowed",
    "FunctionNotAllowed",
    "SendNotAllowed",
    "OrViolation",
    "NorViolation",
    "ParameterNotAllowed",
    "ParameterLessThanAllowed",
    "ParameterGreaterThanAllowed",
    "ParameterNotAMatch",
    "NotEveryArrayElementPasses",
    "NoArrayElementPasses",
    "ParameterNotSubsetOfAllowed",
    "BitmaskOverflow",
    "BitmaskNotAllowed",
    "CustomConditionViolation",
    "AllowanceExceeded",
    "CallAllowanceExceeded",
    "EtherAllowanceExceeded",
)
"""The status of a Roles modifier's ConditionViolation (zodiac-modifier-roles 2.1, PermissionChecker)."""


def explain(data: bytes, names: Mapping[str, str] | None = None) -> str:
    """As in LossAboveLimit(lossBps=90, limitBps=75). ``names``: lower-case address to symbol."""
    if not data:
        return "reverted without a reason (out of gas, or a call to an address without that function)"
    selector, arguments = data[:4], data[4:]
    try:
        if selector == ERROR_STRING:
            (text,) = decode_values(("string",), arguments)
            return _string(text)
        if selector == PANIC:
            (code,) = decode_values(("uint256",), arguments)
            return f"Panic(0x{code:02x}: {PANICS.get(code, 'unknown code')})"
        error = _errors().get(selector)
        if error is not None:
            return _custom(error, arguments, names or {})
    except DecodeError:
        pass
    return f"unknown error 0x{selector.hex()} ({len(data)} bytes)"


_PORTFOLIO = (
    "TimelockController",
    "AaveV3Account",
    "MorphoBlueAccount",
    "ListingChecks",
    "PolicyBounds",
    "PriceBook",
    "PolicyRegistry",
    "Fees",
    "RequestQueue",
    "SharePricer",
    "Portfolio",
    "Rebalancer",
    "VaultShares",
)


@cache
def _errors() -> Mapping[bytes, Error]:
    """By selector; the vault's own win over Aave's and the modifier's."""
    sources = ("aave_errors", "RolesModifier", *_PORTFOLIO)
    return {error.selector: error for source in sources for error in load(source).errors.values()}


def _string(text: str) -> str:
    if text in AAVE_CODES:
        return f"{AAVE_CODES[text]} (Aave error {text})"
    if text in UNISWAP_STRINGS:
        return f"{text}: {UNISWAP_STRINGS[text]}"
    if text in SAFE_CODES:
        return f"{text}: {SAFE_CODES[text]}"
    return text or "reverted with an empty reason"


def _custom(error: Error, arguments: bytes, names: Mapping[str, str]) -> str:
    values = decode_values(error.inputs, arguments)
    if error.name == "ConditionViolation" and values[0] < len(CONDITIONS):
        values = (CONDITIONS[values[0]], *values[1:])
    shown = [
        f"{name}={_value(kind, value, names)}" if name else _value(kind, value, names)
        for name, kind, value in zip(error.names, error.inputs, values, strict=True)
    ]
    return f"{error.name}({', '.join(shown)})"


def _value(kind: str, value: object, names: Mapping[str, str]) -> str:
    if kind == "address":
        return names.get(str(value).lower(), str(value))
    if isinstance(value, bytes):
        text = value.rstrip(b"\0")
        return (
            text.decode() if text and text.isascii() and text.decode().isprintable() else "0x" + value.hex()
        )
    return str(value)
