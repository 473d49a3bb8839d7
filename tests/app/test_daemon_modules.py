"""What a daemon does not need is not in its memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

NEEDLESS = (
    "alembic",
    "apprise",
    "cryptography",
    "keeper.backtest",
    "keeper.devnet",
    "keeper.doctor",
    "keeper.evaluate",
    "keeper.report",
    "keeper.sweep",
    "matplotlib",
    "mcp",
    "pandas",
    "plotly",
    "psycopg",
    "pyarrow",
    "pygments",
    "requests",
    "rich",
    "scipy",
    "web3",
    "yaml",
)
"""Of a daemon with metrics and status page, a SQLite journal of this release, and no alerts."""


@pytest.mark.slow
def test_a_daemon_with_its_pages_imports_nothing_needless() -> None:
    program = (
        "import sys\n"
        "import keeper.cli.main, keeper.cli.run, keeper.app.monitors, keeper.app.status_page\n"
        "import keeper.monitoring.exporter, keeper.web.application, keeper.web.listener, keeper.tx.keystore\n"
        f"print([name for name in {NEEDLESS!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
