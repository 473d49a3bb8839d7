"""Revert data read back as a sentence. Selectors are those of the compiled sources, checked against known ones."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from keeper.chain.abi import load
from keeper.chain.reverts import explain

WBTC = "0x2260fac5e5542a773aa44fbcfedf7c193bc2c599"


def string(text: str) -> bytes:
    """As `require` reverts."""
    return bytes.fromhex("08c379a0") + encode(["string"], [text])


def test_a_custom_error_of_the_vault_is_told_with_its_arguments() -> None:
    data = selector("LossAboveLimit(uint256,uint256)") + encode(["uint256", "uint256"], [90, 75])
    assert "LossAboveLimit(lossUsd=90, limitUsd=75)" == explain(data)


def test_an_address_that_has_a_name_is_told_by_it() -> None:
    data = selector("PriceRefused(address,uint8)") + encode(["address", "uint8"], [WBTC, 2])
    assert "PriceRefused(token=WBTC, fault=2)" == explain(data, {WBTC: "WBTC"})
    assert f"token={WBTC}" in explain(data)


def test_short_text_in_a_word_is_told_as_text() -> None:
    data = selector("PolicyOutOfBounds(bytes32)") + b"maxLeverage".ljust(32, b"\0")
    assert "PolicyOutOfBounds(field=maxLeverage)" == explain(data)


def test_aaves_errors_are_known_by_the_selectors_of_version_3_6() -> None:
    # Published selectors of Errors.sol 3.6.
    known = {
        "6679996d": "HealthFactorLowerThanLiquidationThreshold",
        "911ceb81": "CollateralCannotCoverNewBorrow",
        "77a6a896": "BorrowCapExceeded",
        "f58f733a": "SupplyCapExceeded",
        "6d305815": "ReserveFrozen",
        "d37f5f1c": "ReservePaused",
    }
    assert {name: f"{name}()" for name in known.values()} == {
        name: explain(bytes.fromhex(code)) for code, name in known.items()
    }
    assert 92 == len(load("aave_errors").errors)


def test_the_numbers_of_older_aave_pools_get_their_names() -> None:
    data = bytes.fromhex("08c379a0") + encode(["string"], ["35"])
    assert "HealthFactorLowerThanLiquidationThreshold (Aave error 35)" == explain(data)


def test_a_roles_modifiers_refusal_is_told_by_its_condition() -> None:
    refused = selector("ConditionViolation(uint8,bytes32)")
    data = refused + encode(["uint8", "bytes32"], [3, bytes.fromhex("f1eabd8b").ljust(32, b"\0")])
    assert explain(data).startswith("ConditionViolation(status=FunctionNotAllowed, info=0xf1eabd8b")
    assert explain(refused + encode(["uint8", "bytes32"], [99, b""])).startswith(
        "ConditionViolation(status=99"
    )
    assert explain(selector("NoMembership()")) == "NoMembership()"
    assert explain(string("GS104")) == "GS104: the Safe has not enabled the module that called it"


def test_strings_are_told_as_they_are_and_uniswaps_with_what_they_mean() -> None:
    assert "no luck" == explain(string("no luck"))
    assert explain(string("Too little received")).startswith("Too little received: the swap would pay")


def test_a_panic_is_told_by_its_code() -> None:
    data = bytes.fromhex("4e487b71") + encode(["uint256"], [0x11])
    assert "Panic(0x11: arithmetic overflow or underflow)" == explain(data)


def test_nothing_the_unknown_and_the_mutilated_are_told_for_what_they_are() -> None:
    assert explain(b"").startswith("reverted without a reason")
    assert "unknown error 0x01020304 (4 bytes)" == explain(bytes([1, 2, 3, 4]))
    assert "unknown error 0x01 (1 bytes)" == explain(b"\x01")
    cut = selector("LossAboveLimit(uint256,uint256)") + b"\0" * 31
    assert f"unknown error 0x{cut[:4].hex()} (35 bytes)" == explain(cut)


def test_a_reason_cannot_move_the_terminals_cursor() -> None:
    assert explain(string("a\x1b[2Jb\nc")) == "a\\x1b[2Jb\\nc"
