"""What processes take of their machines, as their beats tell it, on every database."""

from mainspring.store.commands.sessions import RecordHeartbeat
from mainspring.store.read.status import status


def read_usage(store):
    return {session.id: (session.memory, session.processor) for session in status.sessions(store.reader)}


def test_heartbeat_reports_the_usage_of_its_process(store, second):
    """The newest beat counts; what one does not say stays, and another process's stays as it is."""
    assert read_usage(store)[store.session] == (None, None)
    store.do(RecordHeartbeat(5 * 1024**3, 1_250))
    assert read_usage(store)[store.session] == (5 * 1024**3, 1.25)
    assert read_usage(store)[second.session] == (None, None)
    store.do(RecordHeartbeat())
    assert read_usage(store)[store.session] == (5 * 1024**3, 1.25)
    store.do(RecordHeartbeat(1024, 0))
    assert read_usage(store)[store.session] == (1024, 0)


def test_beat_reports_which_attempts_wait_for_a_child_process(store, second):
    """It stays until another beat says otherwise; an empty one says that none waits."""

    def queue(process):
        return process.reader.read("read_child_queue", (process.session,))

    assert queue(store) == []
    store.do(RecordHeartbeat(child_queue='{"children":1,"count":0,"waiting":[]}'))
    store.do(RecordHeartbeat(1024, 0))
    assert [row[0] for row in queue(store)] == ['{"children":1,"count":0,"waiting":[]}']
    assert queue(second) == []
    store.do(RecordHeartbeat(child_queue=""))
    assert queue(store) == []
