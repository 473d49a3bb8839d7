"""What each exit code of the ``keeper`` command means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExitCode:
    """``meaning`` says what happened, ``remedy`` what the operator does. docs/exit-codes.md has the same text."""

    code: int
    meaning: str
    remedy: str


EXIT_CODES = (
    ExitCode(
        0,
        "The command is done, or the decision is HOLD for an ordinary reason.",
        "Nothing.",
    ),
    ExitCode(
        1,
        "The keeper has a bug. Nothing was sent after it.",
        "Keep the traceback and report it. Start the keeper again: the start settles what was begun. If it "
        "happens again, run `keeper status`; if the health factor is low, `keeper deleverage --execute` is a"
        " shorter path through the code.",
    ),
    ExitCode(
        2,
        "A setting, an argument or a number is wrong. Nothing was started.",
        "Correct what the message names, then run `keeper doctor`. A daemon that ends with 2 at its start is"
        " not restarted by systemd.",
    ),
    ExitCode(
        3,
        "A node, a feed or another service did not answer. Nothing was sent.",
        "Wait for one cycle: the daemon tries again. If it lasts, `keeper doctor` names the service. "
        "Meanwhile nobody deleverages: watch the health factor elsewhere.",
    ),
    ExitCode(
        4,
        "Data is missing, stale or contradicts itself. Risk may only be lowered, and nothing could be "
        "lowered now.",
        "Read the gate or feed that is named (`! … feed is STALE`). Compare the price with another source. "
        "Do not widen a limit before you know the reason.",
    ),
    ExitCode(
        5,
        "A limit, a check or the chain refused the trade. The vault is unchanged, except for gas if a "
        "transaction reverted.",
        "`keeper journal show ID` has the gate or check marked STOP. A gate marked `no buying` stops only "
        "purchases and levering. If the urgency is EMERGENCY, act now: the vault needs a deleveraging and "
        "cannot get one.",
    ),
    ExitCode(
        6,
        "A transaction may have been sent, and its outcome is not known. Nothing else is sent.",
        'Do not start a second keeper. Run `keeper status`: "in flight" shows it. The next cycle follows it.'
        " If its nonce is stuck, stop the daemon and run `keeper unblock --simulate`.",
    ),
    ExitCode(
        7,
        "The keeper halted, or is paused. Only a person can let it continue.",
        "Read the message and the pause on the screen. Remove the cause, then run `keeper resume --reason "
        "…`, or start the daemon again. Until then check the health factor yourself.",
    ),
    ExitCode(
        130,
        "Ctrl-C ended the command. A daemon ends its cycle first; a second Ctrl-C leaves the cycle.",
        "Start it again. The journal has what was begun, and the start settles it. `keeper sweep` continues "
        "from its folder.",
    ),
    ExitCode(
        141,
        "The reader of standard output ended first, as in `keeper config show | head`.",
        "Nothing. The command may have done its work; if it sends, do not pipe it into `head`.",
    ),
)
