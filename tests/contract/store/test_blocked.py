"""What a process says of its loop, on every database."""

from mainspring.alerting.inputs.processes import list_processes
from mainspring.store.commands.sessions import CloseSession, RecordBlockedLoop
from mainspring.store.read.status import status


def blocked(store):
    return {session.id: session.blocked for session in status.sessions(store.reader)}


def test_blocked_loop_is_on_record_until_it_turns(store, second, clock):
    """With the run that its process has, where it is the only one; another process's record stays as it is."""
    clock.forward(10_000)
    run = store.begin()
    stack = ("loop.py:1 run", "shop.py:14 poll")
    store.do(RecordBlockedLoop(4_000, stack))
    found = blocked(store)[store.session]
    assert (found.since_at, found.stack, found.run) == (clock.now() - 4_000, stack, run.id)
    store.begin()
    store.do(RecordBlockedLoop(5_000, stack))
    second.do(RecordBlockedLoop())
    assert blocked(store)[store.session].run is None
    assert blocked(store)[second.session] is None
    store.do(RecordBlockedLoop())
    assert blocked(store)[store.session] is None


def test_end_of_a_process_ends_its_findings(store, second):
    """Nothing is blocked that is not there."""
    second.do(RecordBlockedLoop(4_000, ("shop.py:14 poll",)))
    session = second.session
    second.do(CloseSession())
    assert session not in blocked(store)


def test_of_processes_that_pass_only_the_blocked_one_on_probation_is_watched(store, new_process):
    """Which no one else tells of; who runs something by hand sees himself that it hangs."""
    sessions = {}
    for role in ("worker", "probation", "run"):
        process = new_process().open(role)
        process.do(RecordBlockedLoop(4_000, ("shop.py:14 poll",)))
        sessions[role] = process.session
    idle = new_process().open("probation").session
    watched = {process.session: process.blocked for process in list_processes(status.sessions(store.reader))}
    assert watched.keys() >= {sessions["worker"], sessions["probation"]}
    assert not watched.keys() & {sessions["run"], idle}
    assert watched[sessions["probation"]].stack == ("shop.py:14 poll",)
