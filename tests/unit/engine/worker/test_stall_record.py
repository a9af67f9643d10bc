"""What a process says of its loop."""

import logging

from mainspring.engine.worker.stall_record import StallRecord
from mainspring.store.commands.sessions import RecordBlockedLoop


class Submitted:
    """Takes commands as a store does."""

    def __init__(self):
        self.commands = []

    def submit(self, command, on_done):
        self.commands.append(command)


def test_blocked_loop_is_logged_and_put_on_record(caplog):
    """With where it stands, known or not, until it turns."""
    store = Submitted()
    record = StallRecord(store)
    with caplog.at_level(logging.ERROR):
        record.started(["loop.py:1 run", "shop.py:14 poll"], 4.0)
    assert "blocked for 4.0 s by:\n  loop.py:1 run\n  shop.py:14 poll" in caplog.text
    record.started([], 4.5)
    record.ended()
    first, unknown, last = store.commands
    assert first == RecordBlockedLoop(4_000, ("loop.py:1 run", "shop.py:14 poll"))
    assert unknown.stack, "without a stack it would turn"
    assert last == RecordBlockedLoop()
