"""What processes take of their machines, as their beats tell it, on every database."""

from mainspring.store.commands.sessions import Beat
from mainspring.store.reads import status


def taken(store):
    return {one.id: (one.memory, one.processor) for one in status.sessions(store.reader)}


def test_beat_tells_what_its_process_takes(store, second):
    """The newest beat counts; what one does not say stays, and another process's stays as it is."""
    assert taken(store)[store.session] == (None, None)
    store.do(Beat(5 * 1024**3, 1_250))
    assert taken(store)[store.session] == (5 * 1024**3, 1.25)
    assert taken(store)[second.session] == (None, None)
    store.do(Beat())
    assert taken(store)[store.session] == (5 * 1024**3, 1.25)
    store.do(Beat(1024, 0))
    assert taken(store)[store.session] == (1024, 0)
