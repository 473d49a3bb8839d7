"""docs/json.md from the views themselves. ``python -m tests.views.json_reference`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keeper.views.explanation import EXPLANATION
from keeper.views.exported import ASSET_COLUMNS, ATTEMPT_COLUMNS, SWAP_COLUMNS
from keeper.views.period_costs import COSTS
from keeper.views.record import LOGGED, RECORD
from keeper.views.reference import MEANING
from keeper.views.status import RECORD_SUMMARY, STATUS
from keeper.views.vault_state import VAULT_STATE
from keeper.views.view import Nested, View

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
HEAD = """# JSON and log fields

`--json` prints one object on standard output. Every key is always there. A value that does not exist, or that the cycle
did not reach, is `null` or an empty list; so are infinite numbers, such as the health factor of a vault without debt.
Raw token amounts are texts, because JSON readers round large numbers. A later version may add keys.

| command | object |
|---|---|
| `keeper rebalance`, `keeper deleverage`, `keeper journal show` | [record](#record) |
| `keeper status` | [status](#status) |
| `keeper explain` | [explanation](#explanation); of a name `meanings`: list of [meaning](#meaning) |
| `keeper journal list` | `records`: list of [record summary](#record-summary) |
| `keeper vault show` | [vault state](#vault-state) |
| `keeper journal costs` | [costs](#costs) |
| `keeper journal export` | a table, not JSON: fields of [record](#record) with `_` for each dot, then for each asset {asset_columns} as in `weight_WETH`; with `--swaps` {swap_columns}; with `--attempts` {attempt_columns}, where `status` is the intent's; with `--costs` the fields of [period_costs](#period_costs), one row a day |
| any command that fails before its own object | `error`: [error](#error) |

The daemon writes one line for each cycle. Its event is the outcome in lower case. Its fields are these of the record; a
field without a value is left out: {logged}. After a cycle that sent nothing, while requests wait, it writes a line `line`
with `call`, `reason` and `tx_hash`.

`keeper/views` describes every field once. This page is made from it by `python -m tests.views.json_reference`."""


def page() -> str:
    logged = ", ".join(f"`{path.replace('.', '_')}`" for path in LOGGED)
    head = HEAD.replace("{logged}", logged)
    for name, columns in (("asset", ASSET_COLUMNS), ("swap", SWAP_COLUMNS), ("attempt", ATTEMPT_COLUMNS)):
        head = head.replace(f"{{{name}_columns}}", ", ".join(f"`{column}`" for column in columns))
    sections = [
        _section(view)
        for view in views(RECORD, STATUS, RECORD_SUMMARY, COSTS, EXPLANATION, MEANING, VAULT_STATE)
    ]
    return "\n\n".join([_wrapped(head), *sections]) + "\n"


def views(*roots: View[Any]) -> Iterator[View[Any]]:
    """Each view once, a view before those that are nested in it."""
    seen: dict[str, View[Any]] = {}
    waiting = list(roots)
    while waiting:
        view = waiting.pop(0)
        if view.heading in seen:
            assert seen[view.heading] == view, f"two views are called {view.heading}"
            continue
        seen[view.heading] = view
        waiting = [*(f.format.view for f in view.fields.values() if isinstance(f.format, Nested)), *waiting]
        yield view


def _section(view: View[Any]) -> str:
    rows = [f"| `{name}` | {_kind(it.format)} | {it.meaning} |" for name, it in view.fields.items()]
    return "\n".join([f"## {view.heading}", "", "| key | value | meaning |", "|---|---|---|", *rows])


def _kind(written: Any) -> str:
    if not isinstance(written, Nested):
        return str(written.unit)
    anchor = written.view.heading.replace(" ", "-").replace(",", "")
    return f"{written.unit}: [{written.view.heading}](#{anchor})"


def _wrapped(text: str) -> str:
    from textwrap import fill

    return "\n".join(
        fill(line, 118) if line.count("`") > 30 and not line.startswith("|") else line
        for line in text.split("\n")
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
