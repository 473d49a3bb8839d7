"""``keeper vault deploy --safe``: what the Safe's owners sign, on the screen and as files of its Transaction
Builder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from keeper.chain.admin.safe_batches import batches, builder_file
from keeper.chain.admin.safe_deployment import SafeDeployment
from keeper.cli.output import plain_table
from keeper.domain.errors import FileUnusable


def safe_screen(deployment: SafeDeployment) -> Table:
    """Every call, with the batch that it is in. A batch is one transaction of the Safe."""
    table = plain_table(">batch", "call", "contract", ">bytes", ">gas", title="For the Safe's queue")
    for number, batch in enumerate(batches(deployment.calls), start=1):
        for call in batch:
            table.add_row(str(number), call.what, call.to, f"{len(call.data):,}", f"{call.gas:,}")
    return table


def write_batches(deployment: SafeDeployment, folder: Path, *, chain_id: int, name: str) -> Iterator[Path]:
    """One file per batch, in their order. Raises FileUnusable."""
    made = batches(deployment.calls)
    for number, batch in enumerate(made, start=1):
        path = folder / f"batch-{number}-of-{len(made)}.json"
        content = builder_file(
            batch,
            safe=deployment.safe,
            chain_id=chain_id,
            name=f"{name}, batch {number} of {len(made)}",
            created_at=int(time.time()),
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise FileUnusable(
                f"{path} cannot be written: {error.strerror}", remedy="Name a folder that can be written."
            ) from error
        yield path
