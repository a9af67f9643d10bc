"""Who keeps the write-ahead log from being emptied, by name."""

import os
import subprocess
import sys

import apsw
import pytest

from mainspring.store.sqlite import log_readers
from mainspring.store.sqlite.log_readers import lasting_readers, log_size

READER = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("begin; select * from things").fetchall()
print("reads", flush=True)
sys.stdin.readline()
"""

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="only Linux tells of locks")


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "s.db"
    connection = apsw.Connection(str(path))
    connection.execute(
        "pragma journal_mode = wal; create table things (number); insert into things values (1)"
    ).fetchall()
    yield path
    connection.close()


def test_process_that_reads_all_the_time_is_named(store, monkeypatch):
    """With its number and command line; once it has ended no one is."""
    monkeypatch.setattr(log_readers, "_PAUSE_S", 0.0)
    assert log_size(store) > 0
    assert lasting_readers(store) == []
    words = [sys.executable, "-c", READER, str(store)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "reads\n"
        (found,) = lasting_readers(store)
        assert found.pid == process.pid
        assert found.name.startswith(sys.executable)
        process.stdin.close()
    assert lasting_readers(store) == []


def test_read_that_ends_holds_nothing(store, monkeypatch):
    """Only who is there at each look is named."""
    readings = iter([{1, 2}, {2}, {3}])
    monkeypatch.setattr(log_readers, "_PAUSE_S", 0.0)
    monkeypatch.setattr(log_readers, "_readers", lambda store: next(readings))
    assert lasting_readers(store) == []


def test_store_without_a_log_has_none(tmp_path):
    """Nor is there anyone who reads it."""
    assert (log_size(tmp_path / "none.db"), lasting_readers(tmp_path / "none.db")) == (0, [])
