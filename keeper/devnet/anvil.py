"""Anvil as a child process that ends with this process."""

from __future__ import annotations

import ctypes
import platform
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx

from keeper.devnet.paths import NODE_MODULES
from keeper.domain.errors import BadInput, NodeUnavailable, PortTaken

OLDEST_VERSION = (1, 7, 0)
MNEMONIC = "test test test test test test test test test test test junk"
"""Anvil's public development mnemonic. Everybody knows its keys."""
BLOCK_GAS_LIMIT = 60_000_000
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
PORTS = range(20_000, 32_000)
"""Below those that systems give to connections and to servers that ask for any port. Such a one could take ours between
the choice and the start, and would then answer in our node's place."""
PORT_TRIES = 100
STARTS = 3
STATES_ON_DISK = 256
"""Beside some hundred in memory. Unlimited, hours of blocks filled tens of gigabytes."""
STATES_OF_A_CHAIN_PUT_BACK = 1_000_000
"""More than there ever are. Anvil lists each block whose state it stores, and lists it again after each return to it. A
block that leaves the full list takes its state along, even one that was just stored. What was reverted stays in the
list, but its state takes no memory."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class AnvilNode:
    url: str
    process: subprocess.Popen[bytes]

    def request(self, method: str, *params: object) -> object:
        """One JSON-RPC call. Raises NodeUnavailable with the node's text."""
        return rpc(self.url, method, *params)


@contextmanager
def anvil(
    *,
    port: int = 0,
    chain_id: int = 31_337,
    timestamp: int | None = None,
    fork_url: str | None = None,
    load_state: Path | None = None,
    put_back: bool = False,
) -> Iterator[AnvilNode]:
    """A running node on loopback, stopped when the block is left. Port 0: any free one. ``put_back``: the chain
    goes back by ``evm_revert`` again and again, and keeps the state of every block that stands.

    Raises BadInput when there is no Anvil or the port is taken, NodeUnavailable when it does not answer in
    time.
    """
    if port:
        _require_free(port)
    command = [str(binary()), "--chain-id", str(chain_id), "--silent"]
    command += ["--mnemonic", MNEMONIC, "--gas-limit", str(BLOCK_GAS_LIMIT)]
    command += ["--slots-in-an-epoch", "1"]  # final after two blocks instead of 64
    if timestamp is not None:
        command += ["--timestamp", str(timestamp)]
    if load_state is not None:
        command += ["--load-state", str(load_state)]
    if fork_url is not None:
        command += ["--fork-url", fork_url, "--no-storage-caching", "--no-rate-limit"]
    if put_back:
        command += ["--prune-history", str(STATES_OF_A_CHAIN_PUT_BACK)]
    else:
        command += ["--max-persisted-states", str(STATES_ON_DISK)]
    with (
        tempfile.TemporaryDirectory(prefix="keeper-anvil-", ignore_cleanup_errors=True) as states,
        ExitStack() as stack,
    ):
        # Its own place is the home directory, where what a killed node left would stay for ever.
        command += ["--cache-path", states]
        yield _started(stack, command, port)


def _started(stack: ExitStack, command: Sequence[str], port: int) -> AnvilNode:
    """Port 0: any free one, and another one if a server takes it before the node does."""
    for start in range(1, STARTS + 1):
        chosen = port or free_port()
        try:
            process = stack.enter_context(serving_process([*command, "--port", str(chosen)], chosen, "anvil"))
        except PortTaken:
            if port or start == STARTS:
                raise
        else:
            break
    return AnvilNode(f"http://127.0.0.1:{chosen}", process)


@contextmanager
def serving_process(
    command: Sequence[str],
    port: int,
    name: str,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A node's process that answers JSON-RPC at ``port`` of loopback. It is stopped when the block is left, and ends
    with this process. ``folder`` and ``environment``: None for those of this process.

    Raises PortTaken when another server has the port, BadInput when it ends at once for another reason, and
    NodeUnavailable when it does not answer in time.
    """
    process = subprocess.Popen(  # noqa: S603 -- a binary that the caller looked for
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
        start_new_session=True,  # a Ctrl-C in the terminal is ours to handle
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}", process, name)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()


def rpc(url: str, method: str, *params: object) -> object:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    try:
        answer = _client().post(url, json=body).json()
    except httpx.HTTPError as error:
        raise NodeUnavailable(
            f"{method}: {error}", remedy="Look whether the local chain still runs."
        ) from error
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise NodeUnavailable(
            f"{method}: what answers at {url} is no JSON-RPC node",
            remedy="Look which program has the port, for example with `ss -ltnp`.",
        )
    if "error" in answer:
        raise NodeUnavailable(
            f"{method}: {answer['error'].get('message')}", remedy="Look whether the local chain still runs."
        )
    return answer.get("result")


@cache
def _client() -> httpx.Client:
    """One for all calls. To make one reads the certificates of this machine, which takes longer than a call."""
    return httpx.Client(timeout=120.0, trust_env=False)


def binary() -> Path:
    """An ``anvil`` on the PATH if new enough, else that of the npm package. Only native binaries: npm's
    launcher script would leave the node running when it is killed itself. Raises BadInput for none."""
    installed = shutil.which("anvil")
    on_path = Path(installed) if installed is not None else None
    if on_path is not None and not _is_script(on_path) and _version(on_path) >= OLDEST_VERSION:
        return on_path
    of_npm = packaged("anvil")
    if of_npm.exists():
        return of_npm
    oldest = ".".join(map(str, OLDEST_VERSION))
    raise BadInput(
        f"no anvil {oldest} or newer on the PATH or in {NODE_MODULES.name}",
        remedy="Run `make setup`, which installs it from npm, or install Foundry.",
    )


def packaged(tool: str) -> Path:
    """Where npm puts the native binary of one of Foundry's tools. Its launcher script in .bin ends with 0 whatever the
    tool ended with."""
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine(), platform.machine()
    )
    return NODE_MODULES / f"@foundry-rs/{tool}-{sys.platform}-{machine}" / "bin" / tool


def free_port() -> int:
    """One of ``PORTS`` by chance, so that two processes hardly ever choose the same. Raises BadInput if all are
    taken."""
    for _ in range(PORT_TRIES):
        port = secrets.choice(PORTS)
        with suppress(BadInput):
            _require_free(port)
            return port
    raise BadInput(
        f"{PORT_TRIES} ports from {PORTS.start} to {PORTS.stop} are all taken", remedy="Name one with --port."
    )


def _require_free(port: int) -> None:
    """Another server on it would answer in our node's place."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BadInput(
                f"port {port} cannot be used: {error.strerror}", remedy="Choose another one with --port."
            ) from None


def _is_script(executable: Path) -> bool:
    with executable.open("rb") as content:
        return content.read(2) == b"#!"


def _version(anvil_binary: Path) -> tuple[int, ...]:
    printed = subprocess.run([anvil_binary, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = re.search(r"(\d+)\.(\d+)\.(\d+)", printed)
    return tuple(int(part) for part in version.groups()) if version else (0,)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], name: str) -> None:
    pause = threading.Event()
    for _ in range(int(START_TIMEOUT_S / 0.02)):
        if process.poll() is not None:
            output = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
            if "ddress already in use" in output:
                raise PortTaken(
                    f"{name}: another server has the port of {url}", remedy="Choose another one with --port."
                )
            raise BadInput(
                f"{name} ended with {process.returncode}: {output[-300:]}",
                remedy="Run `make setup` again if its binary is damaged.",
            )
        try:
            rpc(url, "eth_chainId")
        except NodeUnavailable:
            pause.wait(0.02)
        else:
            return
    raise NodeUnavailable(
        f"{name} did not answer within {START_TIMEOUT_S:.0f} s", remedy="Is the machine overloaded?"
    )
