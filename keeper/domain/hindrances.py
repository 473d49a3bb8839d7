"""What can be in the way of an emergency, by name."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Hindrance(StrEnum):
    """What stops a deleveraging first."""

    LIQUIDATION = "liquidation"
    PRICES = "no_sale_price"
    POOL_DEPTH = "pool_depth"
    RESERVE = "reserve_liquidity"
    GAS = "gas"
    FEE_CAP = "fee_cap"
    VAULT_LIMITS = "vault_limits"
    SINGLE_CALL = "single_call"
    NO_PLAN = "no_plan"
    REVERT = "reverts"


HINDRANCES: Mapping[Hindrance, str] = {
    Hindrance.LIQUIDATION: "the health factor is below 1, so anybody may liquidate before the keeper acts",
    Hindrance.PRICES: "no asset has a price at which it may be sold",
    Hindrance.POOL_DEPTH: "no pool returns what the limits on slippage demand",
    Hindrance.RESERVE: "a reserve of the lending market is closed, or has too little left to give back or to lend",
    Hindrance.GAS: "the keeper cannot pay the gas, its price is above the emergency's limit, or a block has too little",
    Hindrance.FEE_CAP: "the fee is more than `plan.max_fee_eth`, above which nodes refuse a transaction",
    Hindrance.VAULT_LIMITS: "the vault refuses the call by its roles or its limits on losses, sales or waiting time",
    Hindrance.SINGLE_CALL: "one call leaves the health factor too low, and no single limit is the cause",
    Hindrance.NO_PLAN: "no order of steps is possible, and no single limit is the cause",
    Hindrance.REVERT: "the call reverts on the node's block with the fall in place, or ends too low there",
}
"""Each completes "what is in the way: …"."""
