"""A process with all imports done that forks one keeper per command: a real process without two seconds of imports.

Reads JSON lines ``{"arguments", "environment", "output", "folder"}``, answers ``{"pid"}`` at once and ``{"status"}``
(as ``os.waitpid`` gives it) when the keeper has ended. It opens nothing and has no threads, so that forking is safe.
"""

from __future__ import annotations

import gc
import json
import os
import sys

from eth_abi.registry import registry

import keeper.app.composition
import keeper.chain.abi
import keeper.cli.app
import keeper.cli.deleverage
import keeper.cli.main
import keeper.cli.rebalance
import keeper.cli.render
import keeper.journal.attempts
import keeper.journal.records
import keeper.journal.rounds
import keeper.runtime.deadline
import keeper.runtime.logs
import keeper.settings.load
import keeper.tx.manager
import keeper.tx.remote_signer
import keeper.tx.signer
import keeper.views.record


def warm() -> None:
    """What the first use of a library imports or computes."""
    import eth_account
    import psycopg  # noqa: F401
    import tenacity  # noqa: F401

    eth_account.Account.from_key("0x" + "11" * 32)
    keeper.runtime.deadline.certificates()
    for path in keeper.chain.abi.FOLDER.glob("*.json"):
        for function in keeper.chain.abi.load(path.stem).functions.values():
            for kind in (*function.inputs, *function.outputs):
                if registry.has_encoder(kind):  # what only a library takes has no code
                    registry.get_encoder(kind)
                    registry.get_decoder(kind)
    gc.freeze()  # a keeper that collects garbage copies no page for what it never frees


def become_keeper(command: dict[str, object]) -> None:
    environment, output = command["environment"], str(command["output"])
    assert isinstance(environment, dict)
    for name in [name for name in os.environ if name.startswith("KEEPER_")]:
        del os.environ[name]
    os.environ.update(environment)
    os.chdir(str(command["folder"]))
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(f"{output}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    arguments = command["arguments"]
    assert isinstance(arguments, list)
    keeper.cli.main.main(arguments)


def serve() -> None:
    warm()
    for line in sys.stdin:
        command = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                become_keeper(command)
            except SystemExit as left:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(left.code if isinstance(left.code, int) else 0)
            except BaseException:  # noqa: BLE001 -- the end of a process: whatever it is goes to its log
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
        print(json.dumps({"pid": child}), flush=True)  # noqa: T201 -- the protocol
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": status}), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
