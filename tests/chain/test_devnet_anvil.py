"""The node's process: which binary it is, and that it never outlives us."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from keeper.devnet.anvil import anvil, binary
from keeper.domain.errors import BadInput
from tests.chain.restored import restored

START_A_NODE_AND_WAIT = """
import sys
from keeper.devnet.anvil import anvil
with anvil() as node:
    print(node.process.pid, flush=True)
    sys.stdin.read()
"""


def runs(pid: int) -> bool:
    """A dead process that nobody has collected yet does not run."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def executable(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)
    return path


def test_a_node_is_gone_when_its_block_is_left() -> None:
    with anvil() as node:
        assert alive(node.process.pid)
    assert not alive(node.process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_node_is_gone_when_its_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START_A_NODE_AND_WAIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        node = int(parent.stdout.readline())
        assert runs(node)
        parent.kill()
    pause = threading.Event()
    for _ in range(250):
        if not runs(node):
            break
        pause.wait(0.02)
    assert not runs(node)


def test_a_launcher_script_on_the_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = executable(tmp_path / "anvil", "anvil Version: 99.0.0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert binary() != launcher
    assert binary().read_bytes()[:2] != b"#!"


def test_a_port_that_is_taken_is_said_so() -> None:
    with (
        anvil() as node,
        pytest.raises(BadInput, match="port"),
        anvil(port=int(node.url.rsplit(":", 1)[1])),
    ):
        pass


def test_a_chain_that_is_put_back_often_keeps_the_state_that_it_goes_back_to() -> None:
    """Anvil lists a block again for each return to it, and one that leaves the list takes the block's state along."""
    with anvil(put_back=True) as node:
        node.request("evm_mine")
        start = node.request("eth_blockNumber")
        for _ in range(12):
            with restored(node.url):
                node.request("anvil_mine", hex(100))
                node.request("eth_getBalance", "0x" + "11" * 20, start)
