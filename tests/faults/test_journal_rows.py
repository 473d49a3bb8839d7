"""Faults under the journal: full disk, power loss, second process, versions. Row 9 is tests/journal/test_hash_chain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keeper.domain.errors import AlreadyRunning, JournalTooNew, JournalUnwritable
from keeper.domain.tx import Intent, IntentStatus
from keeper.journal.attempts import StoredAttempts
from keeper.journal.files import locked_key
from keeper.journal.store import Journal
from tests.journal.rows import PAYLOAD, SENDER

ROOT = Path(__file__).parents[2]

FILLING = """
import resource, sys, time
from keeper.domain.errors import JournalUnwritable
from keeper.domain.market import Round
from keeper.domain.tx import Intent
from keeper.journal.attempts import StoredAttempts
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from tests.journal.rows import PAYLOAD
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Journal.open(sys.argv[1]) as journal:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    number = 0
    for size in (100, 10, 1):  # until not even the smallest entry fits
        try:
            while True:
                number += size
                StoredRounds(journal).extend({"WETH": tuple(Round(number + n, 1, 1) for n in range(size))})
        except JournalUnwritable as refused:
            print(refused.message)
    try:
        StoredAttempts(journal, time.time).create(Intent("one", 0, PAYLOAD))
    except JournalUnwritable:
        print("nothing can be begun")
"""

WRITING = """
import sys, time
from keeper.domain.tx import Attempt, AttemptKind, Intent, IntentStatus
from keeper.journal.attempts import StoredAttempts
from keeper.journal.store import Journal
from tests.journal.rows import PAYLOAD
with Journal.open(sys.argv[1]) as journal:
    log = StoredAttempts(journal, time.time)
    log.create(Intent("one", 7, PAYLOAD))
    log.move("one", IntentStatus.SIGNING)
    for number in range(10_000):
        log.add_attempt(Attempt("one", f"0x{number:064x}", "0x02" + "ab" * 200, number, 1, AttemptKind.CALL))
        print(number, flush=True)
"""

DURABLE = r"""
/* What a disk holds after a power loss: of each file of the journal, its content at its last sync. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void keep(int fd) {
    char link[64], path[PATH_MAX], target[PATH_MAX + 256], part[PATH_MAX + 262], block[1 << 16];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    const char *folder = getenv("DURABLE_FOLDER");
    if (length < 0 || folder == NULL) return;
    path[length] = 0;
    if (strstr(path, ".db") == NULL) return;
    snprintf(target, sizeof target, "%s/%s", folder, strrchr(path, '/') + 1);
    snprintf(part, sizeof part, "%s.part", target);
    int from = open(path, O_RDONLY), to = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (ssize_t count; (count = read(from, block, sizeof block)) > 0;)
        if (write(to, block, count) != count) abort();
    close(from);
    close(to);
    rename(part, target);
}

int unlink(const char *path) {
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    char target[PATH_MAX + 256];
    const char *folder = getenv("DURABLE_FOLDER"), *name = strrchr(path, '/');
    if (folder != NULL && name != NULL && strstr(path, ".db") != NULL) {
        snprintf(target, sizeof target, "%s/%s", folder, name + 1);
        real(target);
    }
    return real(path);
}

int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    int result = real(fd);
    if (result == 0) keep(fd);
    return result;
}

int fdatasync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    int result = real(fd);
    if (result == 0) keep(fd);
    return result;
}
"""

SECOND = """
import sys
from keeper.domain.errors import KeeperError
from keeper.journal.files import locked_key
from pathlib import Path
try:
    with locked_key(Path(sys.argv[1]), 31_337, sys.argv[2]):
        print("locked", flush=True)
        sys.stdin.read()
except KeeperError as refused:
    print(refused.name, refused.message)
"""


def python(program: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_row_7_on_a_full_disk_nothing_is_begun_and_the_reason_is_said(sqlite_url: str) -> None:
    said, _ = python(FILLING, sqlite_url).communicate()
    assert "the journal cannot be written" in said
    assert "nothing can be begun" in said
    with Journal.open(sqlite_url) as journal:
        assert journal.verify() > 0
        assert StoredAttempts(journal, lambda: 0.0).unfinished(31_337, SENDER) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD")
def test_row_8_what_a_method_has_written_survives_a_power_loss(tmp_path: Path) -> None:
    """A library between SQLite and the kernel keeps what was synced, and nothing else; the process is killed."""
    source, library, disk = tmp_path / "durable.c", tmp_path / "durable.so", tmp_path / "disk"
    source.write_text(DURABLE)
    disk.mkdir()
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    running = python(
        WRITING, f"sqlite:///{tmp_path / 'keeper.db'}", LD_PRELOAD=str(library), DURABLE_FOLDER=str(disk)
    )
    assert running.stdout is not None
    assert running.stdin is not None
    returned = [running.stdout.readline() for _ in range(60)]
    running.kill()
    returned += running.stdout.readlines()
    running.wait()
    running.stdout.close()
    running.stdin.close()
    written = [int(line) for line in returned if line.endswith("\n")]
    with Journal.open(f"sqlite:///{disk / 'keeper.db'}") as journal:
        kept = {one.max_fee_per_gas_wei for one in StoredAttempts(journal, lambda: 0.0).attempts("one")}
        assert journal.verify() >= len(written)
    assert len(written) >= 60
    assert set(written) <= kept


def test_row_11_a_second_process_on_the_same_key_is_refused_with_the_number_of_the_first(
    tmp_path: Path,
) -> None:
    """Whatever journal it has: the lock of a key knows of none."""
    with locked_key(tmp_path, 31_337, SENDER):
        said, _ = python(SECOND, str(tmp_path), SENDER.lower()).communicate()
    assert said.startswith("AlreadyRunning")
    assert str(os.getpid()) in said


def test_row_11_kill_9_gives_the_key_free(tmp_path: Path) -> None:
    first = python(SECOND, str(tmp_path), SENDER)
    assert first.stdout is not None
    assert first.stdin is not None
    assert first.stdout.readline() == "locked\n"
    with pytest.raises(AlreadyRunning), locked_key(tmp_path, 31_337, SENDER):
        pass
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    first.stdin.close()
    with locked_key(tmp_path, 31_337, SENDER):
        pass


def test_row_11_a_second_writer_of_a_journal_is_refused(journal_url: str) -> None:
    with Journal.open(journal_url), pytest.raises(AlreadyRunning):
        Journal.open(journal_url)


def test_another_chain_or_key_is_another_lock(tmp_path: Path) -> None:
    with (
        locked_key(tmp_path, 1, SENDER),
        locked_key(tmp_path, 31_337, SENDER),
        locked_key(tmp_path, 1, "0x1"),
    ):
        pass


def test_row_43_a_writer_that_lost_its_connection_writes_again_only_with_the_lock(
    postgres_server: str,
) -> None:
    """The lock went with the connection, and another keeper may hold it by now."""
    import psycopg

    from tests.databases import fresh_database

    url = fresh_database(postgres_server)
    with Journal.open(url) as journal:
        log = StoredAttempts(journal, lambda: 0.0)
        log.create(Intent("one", 0, PAYLOAD))
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        with pytest.raises(JournalUnwritable):
            log.move("one", IntentStatus.SIGNING)
        with Journal.open(url) as successor:
            with pytest.raises(JournalUnwritable, match="somebody still has the lock"):
                log.move("one", IntentStatus.SIGNING)
            assert StoredAttempts(successor, lambda: 0.0).status("one") is IntentStatus.OPEN
        log.move("one", IntentStatus.SIGNING)
        assert log.status("one") is IntentStatus.SIGNING


def test_row_45_a_journal_of_a_newer_keeper_is_refused(journal_url: str) -> None:
    with Journal.open(journal_url) as journal, journal.appending("test") as entry:
        entry.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(JournalTooNew):
        Journal.open(journal_url)
    with pytest.raises(JournalTooNew):
        Journal.open_for_reading(journal_url)
