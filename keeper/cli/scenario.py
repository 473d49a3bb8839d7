"""``keeper devnet scenario``: the keeper lives through a window of history, or an incident, on the local chain."""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from keeper.cli.options import DATA_DIR, DAY, HistoryFolder
from keeper.cli.output import console
from keeper.cli.scenario_screen import hour_line, screen, summary_rows
from keeper.devnet import history, local_chain
from keeper.devnet.scenario.hours import ScenarioResult
from keeper.devnet.scenario.incidents import INCIDENTS, NOTHING, Incident, calm_path, with_incident
from keeper.devnet.scenario.page import page
from keeper.devnet.scenario.path import ScenarioPath
from keeper.devnet.scenario.promises import promises
from keeper.devnet.scenario.run import BLOCK_EVERY_S, ScenarioTerms, play
from keeper.devnet.scenario.saved import write_hours
from keeper.devnet.scenario.windows import WINDOWS, recorded_path
from keeper.domain.errors import BadInput, PromiseBroken
from keeper.settings.load import load_strategy

LONGEST_STEP_S = 86_400


def scenario(
    name: Annotated[
        str, typer.Argument(help="A window of history or an incident. Without: --from and --to.")
    ] = "",
    first: Annotated[
        datetime | None, typer.Option("--from", help="First day of the window, UTC.", formats=DAY)
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", help="Day on which the window ends, UTC.", formats=DAY)
    ] = None,
    *,
    step: Annotated[str, typer.Option("--step", help="Time between two cycles, such as 30m or 1h.")] = "1h",
    data_dir: HistoryFolder = DATA_DIR,
    strategy: Annotated[
        Path | None, typer.Option("--strategy", help="Strategy file. Default: ./keeper.toml.")
    ] = None,
    target: Annotated[
        float | None,
        typer.Option("--target", help="Target volatility in place of the strategy's: 1.5 is 150 %."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for a page, the hours as JSON lines and the journal."),
    ] = None,
) -> None:
    """Play history on a local chain of its own, hour by hour, with the keeper in it.

    Ends with 5 where the vault was liquidated, where leverage was raised on bad data, or where the keeper's own
    transaction left the health factor below the emergency level.
    """
    incident = next((each for each in INCIDENTS if each.name == name), NOTHING)
    path, title = _chosen(name, incident, (first, until), data_dir=data_dir)
    terms = ScenarioTerms(title, _step_s(step), _settings(strategy, target, path))
    shown = console()
    with ExitStack() as stack:
        with console(to_stderr=True).status("starting the local chain") as status:
            _, chain = stack.enter_context(local_chain.running(path.start, status.update))
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keeper-scenario-")))
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "keeper.db").exists():
            raise BadInput(f"--out {folder}: a scenario is there", remedy="Choose another folder.")
        result = play(
            chain,
            path,
            incident,
            terms=terms,
            folder=folder,
            progress=lambda hour: shown.print(hour_line(hour)),
        )
        if out is not None:
            write_hours(result, out / "hours.jsonl")
            (out / "index.html").write_text(page(result, summary_rows(result)), encoding="utf-8")
    shown.print(screen(result))
    _require_kept(result)


def _chosen(
    name: str, incident: Incident, days: tuple[datetime | None, datetime | None], *, data_dir: Path
) -> tuple[ScenarioPath, str]:
    """The path, and what it is called. Raises BadInput."""
    first, until = days
    if incident is not NOTHING:
        if first is not None or until is not None:
            raise BadInput(f"{name} is an incident of its own time", remedy="Leave out --from and --to.")
        return with_incident(calm_path(incident, history.load(None, None)), incident), incident.title
    window = next((each for each in WINDOWS if each.name == name), None)
    if name and window is None:
        known = ", ".join(each.name for each in (*WINDOWS, *INCIDENTS))
        raise BadInput(
            f"there is no scenario {name}", remedy=f"Choose one of {known}, or give --from and --to."
        )
    if window is not None:
        first, until = first or window.first, until or window.until
    if first is None or until is None:
        known = ", ".join(each.name for each in (*WINDOWS, *INCIDENTS))
        raise BadInput("no scenario is named", remedy=f"Name one of {known}, or give --from and --to.")
    title = window.title if window is not None else f"{first:%Y-%m-%d} to {until:%Y-%m-%d}"
    return recorded_path(name or "window", data_dir, first, until=until), title


def _step_s(text: str) -> int:
    match = re.fullmatch(r"(\d+)(m|min|h)", text.strip())
    seconds = int(match[1]) * (3_600 if match[2] == "h" else 60) if match is not None else 0
    if not 0 < seconds <= LONGEST_STEP_S or seconds % BLOCK_EVERY_S:
        raise BadInput(
            f"--step {text}: not a multiple of {BLOCK_EVERY_S // 60} minutes up to a day",
            remedy="Write 10m, 30m, 1h or 4h.",
        )
    return seconds


def _settings(strategy: Path | None, target: float | None, path: ScenarioPath) -> dict[str, str]:
    """An asset whose option market is not recorded has none: nobody would have named one then, and the keeper buys
    nothing while a market that is named does not answer."""
    recorded = {each.underlying for each in path.implied}
    assets = [asset.model_dump(mode="json", exclude_unset=True) for asset in load_strategy(strategy).assets]
    for asset in assets:
        if asset.get("implied_underlying") not in recorded:
            asset.pop("implied_underlying", None)
    settings = {"KEEPER_ASSETS": json.dumps(assets)}
    if strategy is not None:
        settings["KEEPER_CONFIG"] = str(strategy.resolve())
    if target is not None:
        settings["KEEPER_SIZE__TARGET_VOLATILITY"] = str(target)
    return settings


def _require_kept(result: ScenarioResult) -> None:
    broken = [sentence for promise in promises(result) for sentence in promise.broken]
    if broken:
        raise PromiseBroken(
            "; ".join(broken),
            remedy="Run it again with --out and read the hour before it with `keeper journal show`.",
        )
