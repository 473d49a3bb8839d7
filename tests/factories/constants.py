"""Time, tokens and prices of every example."""

from __future__ import annotations

NOW = 1_686_830_400  # 2023-06-15 12:00 UTC
HOUR = 3_600
DAY = 86_400
GWEI = 10**9
RISK_SYMBOLS = ("WBTC", "WETH", "LINK", "UNI")
PRICES = {"USDC": 1.0, "WBTC": 25_100.0, "WETH": 1_650.0, "LINK": 5.25, "UNI": 4.30}
DECIMALS = {"USDC": 6, "WBTC": 8, "WETH": 18, "LINK": 18, "UNI": 18}
LTV = {"USDC": 7_700, "WBTC": 7_000, "WETH": 8_050, "LINK": 5_300, "UNI": 6_500}
LIQUIDATION_THRESHOLD = {"USDC": 8_000, "WBTC": 7_500, "WETH": 8_300, "LINK": 6_800, "UNI": 7_400}


def an_address(number: int) -> str:
    return f"0x{number:040x}"
