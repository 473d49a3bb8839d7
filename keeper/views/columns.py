"""Columns of the tables that terminal and status page share: a heading, and a template of ``View.text``.

A heading that begins with ">" is of a column of numbers.
"""

from __future__ import annotations

ASSETS = (
    ("asset", "{symbol}"),
    (">price USD", "{price_usd}"),
    (">feed, age", "{price_age_s} {price_trust}"),
    (">historical", "{volatility.historical}"),
    (">implied", "{volatility.implied}"),
    (">blended", "{volatility.blended}"),
)
ACCOUNTS = (
    (">account", "{place}"),
    ("venue", "{venue}"),
    (">collateral", "{collateral_usd}"),
    (">debt", "{debt_usd}"),
    (">health factor", "{health_factor}"),
    (">borrowing costs", "{borrow_rate}"),
)
WEIGHTS = (
    ("asset", "{symbol}"),
    (">weight\nnow → target", "{weight} → {target_weight}"),
    (">share of risk\nnow → target", "{risk_share} → {target_risk_share}"),
    (">budget", "{budget}"),
)
PROVENANCE = (
    ("asset", "{symbol}"),
    (">bars", "{bars}"),
    (">weight of implied", "{implied_weight}"),
    ("estimated from", "{provenance}"),
)
OPINIONS = (
    ("asset", "{symbol}"),
    ("source", "{source}"),
    (">USD", "{price_usd}"),
    (">from the feed", "{gap_bps}"),
    ("", "{reason}"),
)
BOUNDS = (("bound", "{name}"), (">leverage", "{leverage}"), ("computed from", "{detail}"))
JUDGED = ((">number", "{value}"), (">limit", "{limit}"), ("verdict", "{verdict}"), ("", "{detail}"))
GATES = (("gate", "{name}"), *JUDGED)
CHECKS = (("check", "{name}"), *JUDGED)
TRADE_COSTS = (
    ("asset", "{symbol}"),
    (">assumed", "{assumed_bps}"),
    (">for USD", "{size_usd}"),
    (">fee", "{linear_bps}"),
    (">impact", "{impact_bps}"),
    (">trades", "{trades}"),
    (">realised", "{realised_bps}"),
    (">counted", "{expected_bps}"),
)
