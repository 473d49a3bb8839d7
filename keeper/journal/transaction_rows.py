"""Intents and receipts as rows of the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from keeper.domain.tx import Intent, Payload, Receipt
from keeper.journal import schema
from keeper.journal.codec import decode


def intent_columns() -> Any:
    table = schema.intents
    return select(table.c.intent_id, table.c.nonce, table.c.payload, table.c.supersedes)


def intent_of(row: Sequence[Any]) -> Intent:
    return Intent(intent_id=row[0], nonce=row[1], payload=decode(row[2].encode(), Payload), supersedes=row[3])


def receipt_columns() -> Any:
    table = schema.receipts
    return select(
        schema.attempts.c.intent_id,
        table.c.tx_hash,
        table.c.block_number,
        table.c.block_hash,
        table.c.succeeded,
        table.c.gas_used,
        table.c.gas_price,
        table.c.rollup_fee,
        table.c.nav_before,
        table.c.nav_after,
    ).join(schema.attempts, schema.attempts.c.tx_hash == table.c.tx_hash)


def receipt_of(row: Sequence[Any]) -> Receipt:
    return Receipt(
        intent_id=row[0],
        tx_hash=row[1],
        block_number=row[2],
        block_hash=row[3],
        succeeded=bool(row[4]),
        gas_used=row[5],
        effective_gas_price_wei=int(row[6]),
        rollup_fee_wei=int(row[7]),
        nav_before=None if row[8] is None else int(row[8]),
        nav_after=None if row[9] is None else int(row[9]),
    )


def receipt_row(receipt: Receipt) -> dict[str, Any]:
    return {
        "tx_hash": receipt.tx_hash,
        "block_hash": receipt.block_hash,
        "block_number": receipt.block_number,
        "succeeded": int(receipt.succeeded),
        "gas_used": receipt.gas_used,
        "gas_price": str(receipt.effective_gas_price_wei),
        "rollup_fee": str(receipt.rollup_fee_wei),
        "nav_before": None if receipt.nav_before is None else str(receipt.nav_before),
        "nav_after": None if receipt.nav_after is None else str(receipt.nav_after),
    }
