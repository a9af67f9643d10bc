"""What is found of a write-ahead log: its size, and who reads without a pause."""

from mainspring.app.processes.store_checks import describe_log
from mainspring.store.sqlite.log_readers import LARGE_LOG, LogReader


def test_log_that_is_small_and_unread_is_nothing():
    """Up to 64 MiB it is as large as it may be."""
    assert describe_log(LARGE_LOG, []) == {}


def test_large_log_and_its_readers_are_named():
    """Each reader by itself, so that each one's time counts; a password in its command line is hidden."""
    found = describe_log(LARGE_LOG + 1, [LogReader(7, "report --password hunter2secret"), LogReader(9, "sqlite3 s.db")])
    assert found == {
        "size": "the write-ahead log is larger than 64 MiB",
        "process 7": "process 7 (report --password ***)",
        "process 9": "process 9 (sqlite3 s.db)",
    }
