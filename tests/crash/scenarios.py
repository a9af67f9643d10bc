"""The workflows as scenarios: what is delivered to each, how it ends, and what else must be true then."""

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import apsw

from mainspring.app.stores.blob_place import make_blob_contents
from mainspring.domain.errors import Throttled
from mainspring.domain.runs.stream import drop_superseded
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.domain.values.blob import Blob, address_of
from mainspring.domain.values.codec import decode
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.service.runs.streams import read_stream
from tests.crash.effects import Call
from tests.crash.experiments import Experiment, Scenario, World

ALL = os.environ.get("TESTS_LONG") == "1"
"""The long tier: after each kill a second one at every point of the recovery."""


def publish(experiment: Experiment) -> bool:
    """Deliver the event at once in every other experiment, else when it is waited for."""
    if experiment.number % 2 or experiment.client.rows("select 1 from waits where kind = 'event'"):
        experiment.client.publish("paid", {"id": 7, "amount": 12})
        return True
    return False


def answer(experiment: Experiment) -> bool:
    """Answer as soon as the question is open."""
    return experiment.client.answer(experiment.run, "yes")


def fill_in(experiment: Experiment) -> bool:
    """Answer both questions as soon as each is open."""
    is_filled = experiment.client.answer(experiment.run, {"amount": 7}, "approval", note="fine")
    return experiment.client.answer(experiment.run, "yes", "word") and is_filled


def cancel(experiment: Experiment) -> bool:
    """Cancel the run as soon as it needs a person."""
    if experiment.client.view(experiment.run).state is not RunState.NEEDS_ATTENTION:
        return False
    experiment.client.cancel(experiment.run)
    return True


def cancel_while_it_waits(experiment: Experiment) -> bool:
    """Cancel the run once, when it waits for its event."""
    if not experiment.client.rows("select 1 from waits where kind = 'event'"):
        return False
    experiment.client.cancel(experiment.run)
    return True


def replace_while_it_waits(experiment: Experiment) -> bool:
    """Replace the run once it waits; what follows is about the new one, which gets the event when it waits, too."""
    waiting = experiment.client.rows("select run from waits where kind = 'event'")
    if not experiment.client.rows("select 1 from start_requests"):
        if waiting:
            experiment.run = experiment.client.replace("replaced_run", "the only one")
        return False
    if waiting != [(experiment.run,)]:
        return False
    experiment.client.publish("paid", {"id": 7})
    return True


def start_a_newer_one(experiment: Experiment) -> bool:
    """Start a second run once the first waits, which cancels that; what follows is about the second, which gets the event when it waits."""
    waiting = experiment.client.rows("select run from waits where kind = 'event'")
    if experiment.client.rows("select count(*) from runs") == [(1,)]:
        if waiting:
            experiment.run = experiment.client.start("newest_run", command="newer")
        return False
    earlier_is_live = experiment.client.rows("select 1 from runs where id <> ? and finished_at is null", experiment.run)
    if (experiment.run,) not in waiting or earlier_is_live:
        return False
    experiment.client.publish("paid", {"id": 7})
    return True


def start_with_another_input(experiment: Experiment) -> bool:
    """Start the debounced run again, in every other experiment once the first has ended; what follows is about the returned run."""
    if experiment.number % 2 or experiment.client.view(experiment.run).finished_at is not None:
        experiment.run = experiment.client.start("settled_page", b'{"text":"two"}', command="newer")
        return True
    return False


def start_up_to_the_throttle(experiment: Experiment) -> bool:
    """Start the task a second time once the first run has ended, and be refused a third one: each start counts once."""
    if experiment.client.view(experiment.run).finished_at is None:
        return False
    experiment.run = experiment.client.start("throttled_task", b'{"text":"second"}', command="second")
    with contextlib.suppress(Throttled):
        experiment.client.start("throttled_task", b'{"text":"third"}', command="third")
        raise AssertionError("a third start was accepted")
    return True


def pause_and_resume(experiment: Experiment) -> bool:
    """Pause the run until it is paused, let it receive what it waits for, and resume it."""
    if not experiment.client.rows("select 1 from run_pauses"):
        experiment.client.pause(experiment.run)
        return False
    experiment.client.publish("paid", {"id": 7, "amount": 12})
    experiment.client.resume(experiment.run)
    return True


def fork(experiment: Experiment) -> bool:
    """Fork the run with another input, once it has ended; what follows is about the fork."""
    if experiment.client.view(experiment.run).state is not RunState.SUCCEEDED:
        return False
    experiment.run = experiment.client.fork(experiment.run, "keyed#3")
    return True


def update(experiment: Experiment) -> bool:
    """Send updates one after the other, each after the reply to the one before it."""
    for name, value, request_id in (("add", 1, "u1"), ("add", 2, "u2"), ("add", 1, "again")):
        if experiment.client.update(experiment.run, name, value, request_id).replied_at is None:
            return False
    query = experiment.client.query(experiment.run, "numbers")
    if query is None or query.answered_at is None:
        return False
    assert query.result == b"[1,2]", query
    experiment.client.update(experiment.run, "close", None, "end")
    return True


# -- what else must be true at the end of a workflow -------------------------------------------------------------------


def saved(experiment: Experiment, state: OutcomeState = OutcomeState.SUCCEEDED) -> list[str]:
    """Return the identities of the run's counted outcomes in this state, in rank order."""
    text = "select ident from journal where run = ? and state = ? and superseded is null order by rank"
    return [ident for (ident,) in experiment.client.rows(text, experiment.run, state)]


def calls_of(experiment: Experiment, name: str) -> list[Call]:
    """Return the calls that asked for one effect."""
    return [call for call in experiment.calls() if call.what == name]


def verify_race(experiment: Experiment) -> None:
    """The racer whose outcome was saved first is the winner, no matter who replays it."""
    result = decode(experiment.client.view(experiment.run).result or b"null")
    first = next(ident for ident in saved(experiment) if "left" in ident or "right" in ident or "keyed" in ident)
    assert result[1:] == ["beside", "aside"]
    assert result[0] in ("prize for left", "prize for right")
    prizes = {call.what for call in experiment.calls() if call.what.startswith("prize")}
    assert prizes == {result[0]}, f"two winners: {prizes} ({first} was saved first)"


def verify_silent(experiment: Experiment) -> None:
    """Its effect happened once; each attempt that is on record as failed was silent, or lost its worker."""
    assert [call.what for call in calls_of(experiment, "silent") if call.applied] == ["silent"]
    rows = experiment.client.rows(
        "select state, failure from attempts where ident = 'silent#1' and failure is not null"
    )
    assert all(state == "lost" or b"heartbeat_timeout" in failure for state, failure in rows), rows


def verify_group(experiment: Experiment) -> None:
    """The failed member is saved as failed, the cancelled one never as done."""
    assert not calls_of(experiment, "cancelled member") or not any("endless" in ident for ident in saved(experiment))


def verify_child(experiment: Experiment) -> None:
    """There is one child, however often it was asked for, and its key leads to it."""
    children = experiment.client.rows("select id, state from runs where parent = ?", experiment.run)
    assert [state for _, state in children] == [RunState.SUCCEEDED]
    assert experiment.client.rows("select run from run_keys where key = 'ship:7'") == [(children[0][0],)]


def verify_started(experiment: Experiment) -> None:
    """Each run was started once, also after kills, and has no parent."""
    text = "select runs.input, runs.parent from started_runs join runs on runs.id = started_runs.run where starter = ? order by runs.seq"
    started = experiment.client.rows(text, experiment.run)
    assert [(decode(data), parent) for data, parent in started] == [({"order": 8}, None), ({"order": 9}, None)]
    assert experiment.client.rows("select count(*) from runs") == [(3,)]


def verify_cleaned_up(experiment: Experiment) -> None:
    """The cleanup happened once, after the cancel, also if a worker died in it."""
    assert [call.what for call in experiment.calls() if call.applied] == ["work", "tidied", "tidied again"]
    kinds = experiment.client.rows("select kind from journal where run = ? order by rank", experiment.run)
    assert [kind for (kind,) in kinds] == ["step", "cancel", "step", "timer", "step"]


def verify_replaced(experiment: Experiment) -> None:
    """The first run cleaned up before the second one began, whatever was killed."""
    assert [call.what for call in experiment.calls() if call.applied] == ["tidied", "paid"]
    first, second = experiment.client.rows("select state, started_at, finished_at from runs order by seq")
    assert (first[0], second[0]) == (RunState.CANCELLED, RunState.SUCCEEDED)
    assert second[1] >= first[2]
    assert experiment.client.rows("select run, holder from run_keys") == [(experiment.run, None)]


def verify_retried(experiment: Experiment) -> None:
    """The child continued after its failures under the same keys, and no failure was reported. A lost attempt counts as no failure."""
    assert {call.what for call in experiment.calls() if call.applied} == {"before the failure", "crowd"}
    ((retries,),) = experiment.client.rows("select retries from run_retries")
    assert 1 <= retries <= 2
    assert experiment.client.rows("select 1 from failures") == []


def verify_limited(experiment: Experiment) -> None:
    """No slot is lost: each child had the one slot in turn, and none has it now."""
    assert experiment.client.rows("select id from runs where has_slot = 1 or blocked is not null") == []
    assert {call.what for call in experiment.calls() if call.applied} == {f"limited {number}" for number in range(2)}


def verify_paced(experiment: Experiment) -> None:
    """No child began before its turn, and each had its turn: none is left out, or was given two."""
    rows = experiment.client.rows(
        "select created_at, started_at from runs where automation = 'paced' order by started_at"
    )
    assert len(rows) == 3
    first_at = min(created_at for created_at, _ in rows)
    assert all(started_at >= first_at + 100 * n for n, (_, started_at) in enumerate(rows))
    assert {call.what for call in experiment.calls() if call.applied} == {f"paced {number}" for number in range(3)}


def verify_newest(experiment: Experiment) -> None:
    """The earlier run was cancelled, and its slot came to the newer one, which has given it back."""
    rows = experiment.client.rows("select state, has_slot, blocked from runs order by seq")
    assert rows == [("cancelled", 0, None), ("succeeded", 0, None)]


def verify_settled(experiment: Experiment) -> None:
    """Each run began once, after the wait, with the newest input that came before; no start is lost, and none made a second run."""
    rows = experiment.client.rows("select id, input, created_at, started_at, state from runs order by seq")
    assert rows[-1][0] == experiment.run
    texts = [decode(data).get("text", "one") for _, data, *_ in rows]
    assert texts in (["two"], ["one", "two"])
    assert [call.what for call in experiment.calls() if call.applied] == texts
    assert all(started_at >= created_at + 200 for _, _, created_at, started_at, _ in rows)
    assert {state for *_, state in rows} == {RunState.SUCCEEDED}


def verify_throttled(experiment: Experiment) -> None:
    """The refused start made no run."""
    assert [call.what for call in experiment.calls() if call.applied] == ["first", "second"]
    assert experiment.client.rows("select state from runs") == [(RunState.SUCCEEDED,)] * 2


def verify_blobs(experiment: Experiment) -> None:
    """Each step had one effect, and each blob that a column refers to is whole in its place."""
    assert [call.what for call in experiment.calls() if call.applied] == ["one", "two"]
    verify_whole_blobs(experiment)


def verify_files(experiment: Experiment) -> None:
    """Each step had one effect, and each chunk of a file that a column names is whole in its place."""
    assert [call.what for call in experiment.calls() if call.applied] == ["one", "two", "size"]
    verify_whole_blobs(experiment)


def verify_whole_blobs(experiment: Experiment) -> None:
    """Each blob that a column refers to is whole in its place."""
    contents = make_blob_contents(experiment.client.url)
    blobs = [Blob.of_key(key) for (key,) in experiment.client.rows("select blob from blob_references")]
    assert blobs
    for blob in blobs:
        data = contents.get(blob)
        assert data is not None
        assert address_of(data) == blob.address


def verify_spread(experiment: Experiment) -> None:
    """Each step was one run, and had one effect."""
    runs = experiment.client.rows("select kind, state from runs where parent = ?", experiment.run)
    assert runs == [("step", RunState.SUCCEEDED)] * 3
    assert {call.what for call in experiment.calls() if call.applied} == {"elsewhere", "item 1", "item 2"}


def verify_streams(experiment: Experiment) -> None:
    """Each record that counts is there once and in order; marks stand before what is made again."""
    reader, opening = experiment.client.store.reader, RowUnsealer(PLAIN_SEALING)
    words, status = (read_stream(reader, opening, experiment.run, name).records for name in ("words", "status"))
    assert [record.value for record in status] == ["begin", 2, "end"], status
    assert [record.value for record in drop_superseded(words)] == ["a", "b", "c", "d"], words
    assert [record.seq for record in words] == list(range(1, len(words) + 1))
    assert len(words) == 4 or len(experiment.lives) > 1, words


def verify_changed(experiment: Experiment) -> None:
    """The run began with the change, so that it takes it after each loss, and saves this once."""
    assert experiment.client.rows("select name, output from journal where kind = 'version'") == [("by-card", b"2")]
    assert {call.what for call in experiment.calls() if call.applied} == {"before the change", "beside it", "side 2"}


def verify_rollback(experiment: Experiment) -> None:
    """Each undo happened, newest first."""
    undone = [call.what for call in experiment.calls() if call.what.startswith("undo") and call.applied]
    assert undone == ["undo three", "undo two", "undo one"]
    assert experiment.client.view(experiment.run).reason == FailureReason.ROLLED_BACK


def verify_undone(experiment: Experiment) -> None:
    """Each undo happened, newest first, that of the step in doubt too; anyone who died in the middle."""
    undone = [call.what for call in experiment.calls() if call.what.startswith("undo") and call.applied]
    assert undone == ["undo three", "undo two", "undo one"]
    assert experiment.client.view(experiment.run).undoing


def verify_once(experiment: Experiment) -> None:
    """The bet was placed at most once; if no one can know, a person is asked."""
    bets, view = calls_of(experiment, "bet"), experiment.client.view(experiment.run)
    assert len(bets) <= 1
    if view.state is RunState.SUCCEEDED:
        assert len(bets) == 1
    else:
        assert view.reason == FailureReason.IN_DOUBT
        assert len(experiment.lives) > 1, "in doubt, although no worker died"


def verify_transactional(experiment: Experiment) -> None:
    """Each booking stands once in the user's database."""
    own = apsw.Connection(str(experiment.folder / "own.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        assert own.execute("select what from bookings order by id").fetchall() == [("room",), ("flight",)]
    finally:
        own.close()


def verify_parts(experiment: Experiment) -> None:
    """What lies before a committed checkpoint is never done again."""
    for number, snapshot in enumerate(experiment.snapshots, 1):
        done = next(iter(snapshot.checkpoints.values()), 0)
        late = [call.what for call in experiment.calls() if call.life > number and call.kind == "part"]
        assert not [name for name in late if int(name.removeprefix("part ")) < done], (done, late)


def verify_script(experiment: Experiment) -> None:
    """A life of the script ends, with all its children, before the next one begins."""
    marks = [line.split() for line in (experiment.folder / "script.txt").read_text().splitlines()]
    groups = list(dict.fromkeys(group for _, group in marks))
    assert [group for _, group in marks] == sorted((group for _, group in marks), key=groups.index), marks
    assert [name for name, group in marks if group == groups[-1]] == ["begin", "work", "end"]
    assert [group for group in groups if living_in(int(group))] == []


def living_in(group: int) -> list[int]:
    """Return the processes of a group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, pgrp = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def verify_retry(experiment: Experiment) -> None:
    """A refusal that was saved is obeyed: no one comes back before the instant that is saved with it."""
    for attempt, next_at in experiment.client.rows("select attempt, next_at from attempts where next_at is not null"):
        early = [c for c in calls_of(experiment, "rush") if c.attempt > attempt and c.at * 1000 < next_at - 1]
        assert early == [], (attempt, next_at)


def verify_single(experiment: Experiment) -> None:
    """One outcome and one effect, no matter who ended the run."""
    assert saved(experiment) == ["one_task#1"]
    assert [call.what for call in experiment.calls() if call.applied] == ["alone"]


def flip(experiment: Experiment) -> bool:
    """Change the flag at each look: before, between and after the kills."""
    experiment.client.flip("mailer")
    return False


def verify_flagged(experiment: Experiment) -> None:
    """All parts of the run, in all lives, got one side, although the flag changed all the time."""
    (side,) = set(decode(experiment.client.view(experiment.run).result or b"null"))
    assert {call.what for call in experiment.calls()} == {f"mail {n} {side}" for n in (1, 2, 3)}
    assert len(experiment.client.rows("select 1 from flag_answers")) == 1


def verify_paused(experiment: Experiment) -> None:
    """No request and no pause is left, and no step was done twice."""
    assert experiment.client.rows("select 1 from run_pauses") == []
    assert experiment.client.rows("select 1 from inbox where kind = 'pause'") == []
    assert [call.what for call in experiment.calls() if call.applied] == ["first", "second"]


def verify_updated(experiment: Experiment) -> None:
    """Each update has one true reply, and each accepted one had its effect once."""
    text = "select request_id, state, result, superseded from run_updates order by seq"
    assert experiment.client.rows(text) == [
        ("u1", "done", b"1", None),
        ("u2", "done", b"2", None),
        ("again", "rejected", None, None),
        ("end", "done", b'"2 numbers"', None),
    ]
    assert [call.what for call in experiment.calls() if call.applied] == ["add 1", "add 2"]
    assert experiment.client.rows("select 1 from inbox") == []


def verify_forked(experiment: Experiment) -> None:
    """There is one fork; it has the inherited values of its source, called nothing of them again, and made its own calls."""
    ((source, fork),) = experiment.client.rows("select source, fork from run_forks")
    assert fork == experiment.run
    before, after = (decode(experiment.client.view(run).result or b"null") for run in (source, fork))
    assert (before[:4], before[4:]) == (after[:4], ["source third", "source last"])
    assert after[4:] == ["fork third", "fork last"]
    text = "select rank, ident, state, output from journal where run = ? and rank <= 3 order by rank"
    assert experiment.client.rows(text, fork) == experiment.client.rows(text, source)
    inherited = [call for name in ("shared", "left", "right") for call in calls_of(experiment, name)]
    assert [call.what for call in inherited if call.applied] == ["shared", "left", "right"]


def verify_surrounded(experiment: Experiment) -> None:
    """The workers with middleware called it around each attempt, with the headers of the run; the others did not."""
    path = experiment.folder / "surrounded"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    assert {line.partition(" ")[2] for line in lines} <= {"acme"}
    surrounded = {process.life.number for process in experiment.lives if process.life.is_surrounded}
    called = {call.step for call in experiment.calls() if call.life in surrounded}
    assert bool(called) <= bool(lines)
    scenario = next(known for known in SCENARIOS if known.automation == experiment.scenario.automation)
    scenario.verify(experiment)


SCENARIOS = [
    Scenario("one_task", result="alone", verify=verify_single, minimum=8),
    Scenario("plain_sequence", result=["first", "first second", "first second third"], minimum=16),
    Scenario("gather_with_race", verify=verify_race, minimum=14),
    Scenario("group_with_error", result="amends", verify=verify_group, minimum=12),
    Scenario("step_with_timeout", result="in its place", minimum=12),
    Scenario("silent_step", result=["silent", "beside the silent one"], verify=verify_silent, minimum=10),
    Scenario("map_with_bad_items", result=[f"bad {n}" if n in (7, 31) else n for n in range(50)], minimum=20),
    Scenario("child_with_key", result="after parcel 7", verify=verify_child, minimum=20),
    Scenario(
        "cancelled_run",
        state=RunState.CANCELLED,
        deliver=cancel_while_it_waits,
        verify=verify_cleaned_up,
        follows=True,
        minimum=16,
    ),
    Scenario(
        "replaced_run", result="paid", deliver=replace_while_it_waits, verify=verify_replaced, follows=True, minimum=16
    ),
    Scenario("started_runs", result="parcel new", verify=verify_started, minimum=16),
    Scenario("sleep_and_event", result="paid 12", deliver=publish, minimum=18),
    Scenario("ask_and_answer", result="they said yes", deliver=answer, minimum=16),
    Scenario("fill_in_form", result="yes 7 fine", deliver=fill_in, minimum=16),
    Scenario("undone_run", state=RunState.CANCELLED, deliver=cancel, verify=verify_undone, minimum=18),
    Scenario("rollback", state=RunState.FAILED, verify=verify_rollback, minimum=20),
    Scenario("limited_children", result=[0, 1], verify=verify_limited, minimum=16),
    Scenario("paced_children", result=["acme"] * 3, verify=verify_paced, minimum=16),
    Scenario(
        "settled_page",
        result="two",
        deliver=start_with_another_input,
        verify=verify_settled,
        follows=True,
        minimum=8,
    ),
    Scenario(
        "throttled_task",
        result="second",
        deliver=start_up_to_the_throttle,
        verify=verify_throttled,
        follows=True,
        minimum=8,
    ),
    Scenario("newest_run", result="paid", deliver=start_a_newer_one, verify=verify_newest, follows=True, minimum=14),
    Scenario(
        "large_values",
        result=6_000,
        verify=verify_blobs,
        places=("commit.before", "commit.after", "blob.before", "blob.after"),
        minimum=16,
    ),
    Scenario(
        "large_files",
        result=4_501_000,
        verify=verify_files,
        places=("commit.before", "commit.after", "blob.before", "blob.after"),
        minimum=16,
    ),
    Scenario("streamed", result=4, verify=verify_streams, minimum=20),
    Scenario("spread_steps", result=["elsewhere", "item 1", "item 2"], verify=verify_spread, minimum=16),
    Scenario("changed_code", result="side 2", verify=verify_changed, minimum=14),
    Scenario("retried_child", result="crowd", verify=verify_retried, minimum=20),
    Scenario("rollback_over_children", state=RunState.FAILED, verify=verify_rollback, minimum=30),
    Scenario(
        "at_most_once",
        result="after the bet",
        other_ends=(RunState.NEEDS_ATTENTION,),
        verify=verify_once,
        minimum=16,
    ),
    Scenario(
        "transactional",
        result=[1, 2],
        verify=verify_transactional,
        places=("commit.before", "commit.after", "effect_commit.before", "effect_commit.after"),
        minimum=20,
    ),
    Scenario("paused_run", result=["first", "second"], deliver=pause_and_resume, verify=verify_paused, minimum=16),
    Scenario("updated_run", result=[1, 2], deliver=update, verify=verify_updated, minimum=16),
    Scenario("forked_run", deliver=fork, verify=verify_forked, follows=True, minimum=20),
    Scenario("flagged", deliver=flip, verify=verify_flagged, minimum=18),
    Scenario("child_process", result=4, verify=verify_parts, minimum=16),
    Scenario("script_with_children", verify=verify_script, minimum=10),
    Scenario("retry_after", result="rush", verify=verify_retry, minimum=16),
]
UNLOADED = [
    replace(scenario, max_suspended=0)
    for scenario in SCENARIOS
    if scenario.automation in ("sleep_and_event", "ask_and_answer")
]
SURROUNDED = [
    replace(scenario, is_surrounded=True, verify=verify_surrounded)
    for scenario in SCENARIOS
    if scenario.automation in ("one_task", "child_process")
]


def carry(world: World, scenario: Scenario, kills: list[str]) -> Experiment:
    """Carry one run to its end."""
    experiment = Experiment(world, scenario, kills)
    experiment.go()
    return experiment
