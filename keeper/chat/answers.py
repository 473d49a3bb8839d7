"""The texts of the chat's answers, from the journal. No node is asked, and no key is near."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator

from keeper.app import pausing
from keeper.app.pausing import Heard
from keeper.app.queries import explanation_of, pauses, stored_records
from keeper.app.running import who_runs
from keeper.chat.messages import Command
from keeper.domain.record import DecisionRecord
from keeper.settings.schema import Settings
from keeper.views.drill import drill_line
from keeper.views.explanation import Explanation
from keeper.views.formats import age, money, ratio
from keeper.views.lines import pause_lines
from keeper.views.record import record_information_line
from keeper.views.reference import NamedMeaning
from keeper.views.status import RECORD_SUMMARY

HELP = (
    "I know three words:\n"
    "status: pauses, and the vault as the newest cycle read it\n"
    "explain [RECORD or NAME]: why a cycle traded or held, or what a name means\n"
    "pause [REASON]: stop levering and routine rebalancing; deleveraging goes on\n"
    "Everything else, resuming too, is for a shell of the keeper's machine."
)
NOT_PAUSED = "Not paused."


class ChatAnswers:
    """One answer for each command. Raises what reading the journal raises."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now = now
        self._known = {"status": self._status, "explain": self._explain, "pause": self._pause}

    def __call__(self, command: Command) -> str:
        answer = self._known.get(command.name)
        return answer(command) if answer is not None else HELP

    def _status(self, command: Command) -> str:
        del command
        with stored_records(self._settings) as stored:
            newest = stored.latest(1)
        lines = [f"{platform.node()}: {who_runs(self._settings)}"]
        lines.append(pause_lines(pauses(self._settings)) or NOT_PAUSED)
        lines += self._vault(newest[0]) if newest else ["No cycle has ended yet."]
        return "\n".join(lines)

    def _vault(self, record: DecisionRecord) -> Iterator[str]:
        yield f"The newest cycle began {age(max(self._now() - record.started_at, 0.0))} ago."
        yield RECORD_SUMMARY.text(record, "{outcome} ({mode}): {reason}")
        inputs = record.inputs
        if inputs is None:
            return
        held = inputs.held
        yield f"NAV {money(held.nav_usd)}, leverage {ratio(held.leverage)}, health factor {ratio(held.health_factor)}"
        if inputs.snapshot.vault.paused:
            yield "The vault is paused on chain."
        yield f"Fire drill: {drill_line(inputs.drill)}"
        yield f"Information: {record_information_line(record)}"

    def _explain(self, command: Command) -> str:
        explained = explanation_of(command.argument or None, lambda: self._settings)
        if isinstance(explained, Explanation):
            title = RECORD_SUMMARY.text(explained.record, "Record {record_id:.12} of {started_at}, {mode}")
            return "\n".join((title, *explained.why, *explained.changes, explained.next_look))
        return "\n\n".join(map(_meaning, explained))

    def _pause(self, command: Command) -> str:
        asked = f"Telegram user {command.sender} asked in the chat"
        reason = f"{asked}: {command.argument}" if command.argument else asked
        in_force, heard = pausing.pause(self._settings, reason)
        lines = [f"{platform.node()}: {_paused_keeper(heard)}", pause_lines(in_force)]
        if all(reason != pause.reason for pause in in_force):
            lines.append("It was paused already; your reason was not added.")
        if heard.answer:
            lines.append(f"Acknowledged by {heard.answer}.")
        elif heard.unanswered:
            lines.append(
                f"NO ANSWER of the cycles within {pausing.ACKNOWLEDGED_S:.0f} s. Look at the keeper."
            )
        return "\n".join(lines)


def _paused_keeper(heard: Heard) -> str:
    """Somebody may have several keepers, and each has a bot that looks like the others."""
    if heard.running is not None:
        return str(heard.running)
    vault = f", vault {heard.vault}" if heard.vault else ""
    return f"no keeper runs here yet; it holds from the next start on (journal {heard.journal}{vault})"


def _meaning(entry: NamedMeaning) -> str:
    return "\n".join(part for part in (f"{entry.name} ({entry.kind}): {entry.meaning}", entry.remedy) if part)
