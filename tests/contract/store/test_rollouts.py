"""Rollouts: new runs are divided by key in the commit of their start, and one version is in force."""

import msgspec
import pytest

from mainspring.domain.rollouts.rollout import InFlightPolicy, hash_rollout_key
from mainspring.domain.rollouts.run_outcome import RunOutcomeKind
from mainspring.domain.states import OutcomeState, RolloutMove, RolloutState, RunState
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from mainspring.store.commands.results import DONE, NumberAnswer, Refused, RolloutMoved
from mainspring.store.commands.rollouts import CountRolloutRuns, MoveRollout, MoveRun, StartRollout
from mainspring.store.commands.run_control import ForkRun, PauseRun, RunPauseRequest
from mainspring.store.commands.runs import ParentLink, ReopenRun, RunKey, StartAlternative
from mainspring.store.commands.sessions import DrainSession
from mainspring.store.commands.triggers import TriggerRow
from mainspring.store.read import rollouts
from mainspring.store.read.automations.recent_changes import changes_since
from tests.contract.store.process import BOOM, fail, finish, outcome, suspend

HOUR_MS = 3_600_000
HALF, ALL = 500_000, 1_000_000
HOURLY, DAILY = b'{"cron":"0 * * * *"}', b'{"cron":"0 3 * * *"}'


def announce(process, *versions, fingerprint="code-1", candidates=(2, 3), **options):
    """Announce versions of the automation a, as one process has them. Each has a schedule and a trigger of its own."""
    rows, schedules, triggers = [], [], []
    for version in versions:
        definition = msgspec.json.encode({"version": version})
        rows.append(
            AutomationRow(
                "a", "task", version, f"{fingerprint}-{version}", definition, is_candidate=version in candidates
            )
        )
        spec = HOURLY if version == 1 else DAILY
        schedules.append(ScheduleRow("a", "a", spec, 5_000 + version, version=version))
        triggers.append(TriggerRow("a/webhook", "a", "webhook", definition, f"/v{version}", version=version))
    return process.do(AnnounceDefinitions(fingerprint, tuple(rows), tuple(schedules), tuple(triggers)))


def rollout(version=2, steps=(HALF, ALL), **options):
    values = {"hold_ms": HOUR_MS, "in_flight": InFlightPolicy.FINISH, "age_ms": 1_000, "margin": 50_000}
    return StartRollout(automation="a", new_version=version, steps=steps, **(values | options))


def move(move, **options):
    return MoveRollout(automation="a", move=RolloutMove(move), **options)


def in_force(store):
    """The version, schedule and trigger in force."""
    (view,) = store.read("automations", "a")
    (spec,) = (row.spec for row in store.read("plans", "a"))
    ((_, path),) = store.reader.read("list_paths_of", ("a",))
    return view.version, msgspec.json.decode(view.definition)["version"], spec, path


def versions_of(process, count, **options):
    """The versions that runs with the keys k0, k1, ... get."""
    found = []
    for number in range(count):
        key = hash_rollout_key("a", f"k{number}")
        found.append(process.run(process.start(rollout_key=key, **options).run).version)
    return found


def test_candidate_takes_no_run_and_no_schedule_before_a_rollout(store):
    """It is on record and deployed, and nothing else changes."""
    announce(store, 1, 2)
    assert in_force(store) == (1, 1, HOURLY, "/v1")
    assert [row.version for row in rollouts.list_versions(store.reader, "a")] == [1, 2]
    assert store.run(store.start(version=2, is_candidate=True).run).version == 1
    assert store.run(store.start().run).version == 1


def test_start_of_a_candidate_without_another_version_is_refused(new_process):
    """No version is in force, so nothing can decide on one."""
    store = new_process().open()
    announce(store, 2)
    answer = store.start(version=2, is_candidate=True)
    assert isinstance(answer, Refused)
    assert (answer.code, store.read("automations", "a")) == ("only_candidate", [])


def test_rollout_divides_new_runs_by_key(store, second):
    """Each key has one version in all processes, and keeps it while the share grows."""
    announce(store, 1, 2)
    announce(second, 1, 2)
    started = store.do(rollout(steps=(HALF, 750_000, ALL)))
    assert started == RolloutMoved(1, 1, 2, 0, HALF, "running")
    first = versions_of(store, 40)
    assert set(first) == {1, 2}
    assert versions_of(second, 40, version=2, is_candidate=True) == first
    assert store.do(move("advance", rollout=1, step=0)).share == 750_000
    more = versions_of(second, 40)
    assert all(before <= after for before, after in zip(first, more, strict=True))
    assert sum(more) > sum(first)
    store.do(move("advance"))
    assert versions_of(store, 40) == [2] * 40
    assert in_force(store) == (1, 1, HOURLY, "/v1")


def test_run_key_and_id_decide_without_a_key_of_its_own(store):
    """The same run key has the same version in each run; without one each run is by itself."""
    announce(store, 1, 2)
    store.do(rollout())
    hashes = [hash_rollout_key("a", f"k{number}") for number in range(20)]
    expected = [rollouts.find_last_rollout(store.reader, "a").choose_version(key) for key in hashes]
    runs = [store.start(run_key=RunKey(f"k{number}", "h")).run for number in range(20)]
    assert [store.run(run).version for run in runs] == expected
    for run in [store.start().run for _ in range(20)]:
        by_id = rollouts.find_last_rollout(store.reader, "a").choose_version(hash_rollout_key("a", run))
        assert store.run(run).version == by_id


def test_known_run_key_returns_the_run_in_its_version(store):
    """A step of the rollout changes no run that is there."""
    announce(store, 1, 2)
    run = store.start(run_key=RunKey("k", "h")).run
    store.do(rollout(steps=(ALL,)))
    assert store.start(run_key=RunKey("k", "h")).run == run
    assert store.run(run).version == 1


def test_child_of_the_same_automation_follows_its_parent(store):
    """Whatever its key: half a family in another version would be a mixture."""
    announce(store, 1, 2)
    parent = store.begin()
    store.do(rollout(steps=(ALL,)))
    link = ParentLink(parent.id, "c#1", parent.claim)
    child = store.start(parent=link, input=b"[1]").run
    assert store.run(child).version == 1
    assert store.run(store.start().run).version == 2


def test_child_of_another_automation_is_assigned_by_its_own_key(store):
    """One parent has children in both versions."""
    store.announce("b")
    parent = store.begin(automation="b")
    announce(store, 1, 2)
    store.do(rollout())
    hashes = [hash_rollout_key("a", f"k{number}") for number in range(20)]
    expected = [rollouts.find_last_rollout(store.reader, "a").choose_version(key) for key in hashes]
    children = [
        store.start(parent=ParentLink(parent.id, f"c#{number}", parent.claim), rollout_key=key).run
        for number, key in enumerate(hashes)
    ]
    assert set(expected) == {1, 2}
    assert [store.run(child).version for child in children] == expected


def test_retry_keeps_the_version(store):
    """A new generation is the same run, also when its version takes no new run any more."""
    announce(store, 1, 2)
    store.do(rollout(steps=(ALL,)))
    run = store.begin()
    store.do(outcome(run, 1, "bad", state=OutcomeState.FAILED, failure=BOOM, output=None), fail(run, "bad", rank=1))
    store.do(move("abort"))
    store.do(ReopenRun(run.id, "bad"))
    found = store.run(run.id)
    assert (found.version, found.generation, store.claim_one().version) == (2, 1, 2)


def test_options_of_the_version_in_force_count_for_a_start(store):
    """Whichever version the starter named, and whichever version the run gets; without the code of that one, its own options count."""
    store.announce("b")
    parents = [store.begin(automation="b", input=f"[{number}]".encode()) for number in range(5)]
    announce(store, 1, 2)

    def start_child(number, *versions, more=()):
        parent = parents.pop()
        link = ParentLink(parent.id, "c#1", parent.claim)
        start, *other_starts = (
            store.starting(
                id=f"c{number}",
                version=version,
                queue=f"q{version}",
                parent=link,
                input=b"[]",
                is_candidate=version == 2,
            )
            for version in versions
        )
        alternatives = tuple(StartAlternative(start.version, start) for start in (start, *other_starts))
        answer = store.do(msgspec.structs.replace(start, alternatives=(*alternatives, *more)))
        if isinstance(answer, Refused):
            return answer.text
        run = store.run(f"c{number}")
        return run.version, run.queue

    assert start_child(1, 2, 1) == (1, "q1")
    assert start_child(2, 2) == (1, "q2")
    store.do(rollout(steps=(ALL,)))
    assert start_child(3, 2, 1) == (2, "q1")
    store.do(move("finish"))
    assert start_child(4, 1, 2) == (2, "q2")
    assert start_child(5, 1, more=[StartAlternative(2, None, "the key is too long")]) == "the key is too long"


def test_restart_keeps_the_version_while_the_rollout_lasts(store):
    """An endless run does not change its version at a restart; after the end it takes the one in force."""
    announce(store, 1, 2)
    run = store.begin()
    store.do(rollout(steps=(ALL,)))
    store.do(finish(run, then=store.starting(id="next1", version=1)))
    assert store.run("next1").version == 1
    store.do(move("finish"))
    next_run = store.claim_one()
    store.do(finish(next_run, then=store.starting(id="next2", version=1)))
    assert store.run("next2").version == 2


def test_finish_changes_definition_schedule_and_trigger_in_one_commit(store, clock):
    """The slot of the new schedule is computed at the finish: it was announced long before."""
    announce(store, 1, 2)
    store.do(rollout())
    clock.forward(48 * HOUR_MS)
    assert store.do(move("finish")).state == "finished"
    assert in_force(store) == (2, 2, DAILY, "/v2")
    (change,) = changes_since(store.reader, clock.now()).conditions
    assert (change.was["version"], change.now["version"]) == ("1", "2")
    ((*_, next_at),) = store.reader.read("read_schedule", ("a",))
    assert clock.now() < next_at <= clock.now() + 24 * HOUR_MS
    assert versions_of(store, 20) == [2] * 20


def test_old_code_does_not_take_back_what_a_rollout_brought_into_force(store, second):
    """Each worker has the old version in its code until someone removes it."""
    announce(store, 1, 2)
    store.do(rollout(steps=(ALL,)), move("finish"))
    announce(second, 1, 2, fingerprint="code-9")
    announce(store, 1)
    assert in_force(store) == (2, 2, DAILY, "/v2")
    assert store.run(store.start().run).version == 2


@pytest.mark.parametrize("verb", ["abort", "roll_back"])
def test_version_that_failed_takes_no_run_whatever_is_deployed(store, second, verb):
    """Also if it is deployed without rollout=True; another version is free."""
    announce(store, 1, 2)
    store.do(rollout(steps=(ALL,)))
    moved = store.do(move(verb, reason="worse"))
    assert moved.state == {"abort": "aborted", "roll_back": "rolled_back"}[verb]
    assert versions_of(store, 10) == [1] * 10
    announce(second, 2, fingerprint="code-2", candidates=())
    assert in_force(store) == (1, 1, HOURLY, "/v1")
    assert versions_of(second, 10, version=2) == [1] * 10
    announce(second, 4, fingerprint="code-4", candidates=())
    assert in_force(store)[0] == 4


def test_old_code_does_not_end_the_next_rollout(store, second):
    """Each worker that starts again announces the version that is in force no longer."""
    announce(store, 1, 2, 3)
    store.do(rollout(), move("finish"), rollout(3))
    announce(second, 1, 2, 3, fingerprint="code-9")
    assert rollouts.find_last_rollout(store.reader, "a").is_active
    assert in_force(store)[0] == 2


def test_failed_version_does_not_end_the_next_rollout(store, second):
    """It takes no force from the old version, and none from a later rollout."""
    announce(store, 1, 2, 3)
    store.do(rollout(), move("abort"), rollout(3))
    announce(second, 2, fingerprint="code-2", candidates=())
    assert rollouts.find_last_rollout(store.reader, "a").is_active
    assert in_force(store)[0] == 1


def test_failed_version_starts_again_only_with_new_code_or_on_request(store):
    """The same code would fail again."""
    announce(store, 1, 2)
    store.do(rollout(), move("abort"))
    refused = store.do(rollout())
    assert (refused.code, refused.text) == ("same_code", "version 2 of 'a' was aborted with the same code")
    assert store.do(rollout(again=True)).rollout == 2
    store.do(move("abort"))
    announce(store, 1, 2, fingerprint="code-2")
    assert store.do(rollout()).rollout == 3


def test_rollout_back_to_an_older_version(store):
    """The way back is a rollout too; afterwards the newer one does not take force by itself."""
    announce(store, 1, 2)
    store.do(rollout(steps=(ALL,)), move("finish"))
    assert store.do(rollout(1, steps=(ALL,))).old_version == 2
    store.do(move("finish"))
    announce(store, 1, 2, candidates=())
    assert in_force(store) == (1, 1, HOURLY, "/v1")


def test_plain_deployment_of_a_third_version_supersedes_the_rollout(store):
    """It takes force at once, as without a rollout."""
    announce(store, 1, 2)
    store.do(rollout())
    announce(store, 1, 2, fingerprint="code-1b")
    assert rollouts.find_last_rollout(store.reader, "a").is_active
    announce(store, 3, fingerprint="code-3", candidates=())
    last = rollouts.find_last_rollout(store.reader, "a")
    assert (last.state, last.reason) == (RolloutState.SUPERSEDED, "version 3 was deployed without rollout=True")
    assert in_force(store)[0] == 3
    assert versions_of(store, 10, version=3) == [3] * 10


def test_claim_takes_the_versions_that_the_session_loaded(store, second):
    """One worker serves both, another one only the old version."""
    announce(store, 1, 2)
    announce(second, 1, fingerprint="old")
    store.do(rollout(steps=(HALF, ALL)))
    versions = versions_of(store, 20)
    assert {run.version for run in second.claim(40).runs} == {1}
    assert [run.version for run in store.claim(40).runs] == [2] * versions.count(2)


def test_bad_rollouts_are_refused(store, second):
    """Each refusal says what is in the way."""
    announce(store, 1, 2)
    assert store.do(msgspec.structs.replace(rollout(), automation="c")).code == "not_found"
    assert store.do(rollout(1)).text == "version 1 of 'a' is in force already"
    assert store.do(rollout(7)).text == "no worker has ever announced version 7 of 'a'; known: 1, 2"
    assert store.do(move("abort")).text == "'a' has no rollout"
    announce(second, 1, 3, fingerprint="code-3")
    announce(second, 1, fingerprint="code-4")
    assert store.do(rollout(3)).text == "no running worker has version 3 of 'a'"
    store.do(rollout())
    assert store.do(rollout(2)).text == "the rollout of 'a' to version 2 is running"
    assert store.do(move("resume")).text == "the rollout of 'a' to version 2 is running"
    assert store.do(move("advance", step=1)).code == "stale"
    store.do(move("advance"))
    assert store.do(move("advance")).text == "the rollout of 'a' to version 2 is running at its last step"
    store.do(move("finish"))
    finished = store.do(move("abort"))
    assert (finished.code, finished.text) == ("rollout_finished", "the rollout of 'a' to version 2 is finished")


@pytest.mark.parametrize("verb", ["advance", "finish"])
def test_version_that_no_worker_has_gets_no_more_runs(store, second, verb):
    """They would wait for a worker. A worker that drains claims no run; an abort needs none."""
    announce(store, 1, 2)
    announce(second, 1)
    store.do(rollout())
    store.do(DrainSession(store.session))
    refused = second.do(move(verb))
    assert (refused.code, refused.text) == ("no_worker", "no running worker has version 2 of 'a'")
    assert second.do(move("abort")).state == "aborted"
    assert second.do(rollout(again=True)).code == "no_worker"


def test_pause_holds_the_step_and_resume_begins_its_time_again(store, clock):
    """The share stays, and no step follows."""
    announce(store, 1, 2)
    store.do(rollout())
    clock.forward(HOUR_MS)
    assert store.do(move("pause")).state == "paused"
    assert store.do(move("advance")).code == "rollout_state"
    assert set(versions_of(store, 40)) == {1, 2}
    clock.forward(HOUR_MS)
    store.do(move("resume"))
    assert rollouts.find_last_rollout(store.reader, "a").step_at == clock.now()


def test_rename_keeps_the_rollout(store):
    """A rollout and the versions go with their automation to the new name."""
    announce(store, 1, 2)
    store.do(rollout())
    rows = tuple(
        AutomationRow("b", "task", version, "f", b"{}", was="a", is_candidate=version == 2) for version in (1, 2)
    )
    store.do(AnnounceDefinitions("renamed", rows, ()))
    assert rollouts.find_last_rollout(store.reader, "b").is_active
    assert [row.version for row in rollouts.list_versions(store.reader, "b")] == [1, 2]


def test_run_moves_to_another_version_as_it_was_replayed(store):
    """A claim or an end since then refuses the move; sent again, it is done once."""
    announce(store, 1, 2)
    store.do(rollout(steps=(ALL,)))
    run = store.begin()
    assert run.version == 2
    moving = MoveRun(run.id, run.claim, 2, 1)
    assert store.do(moving).code == "stale"
    store.do(suspend(run))
    assert store.do(msgspec.structs.replace(moving, claim=run.claim - 1)).code == "stale"
    assert store.twice(moving) == DONE
    assert store.run(run.id).version == 1
    assert store.do(moving).code == "stale"


def test_runs_count_at_their_age_in_the_order_of_their_starts(store, clock):
    """Each by what it was then, the first run of a key only; a run that was cancelled says nothing."""
    announce(store, 1, 2)
    store.do(rollout(steps=(HALF, ALL), age_ms=10_000))
    runs = [store.begin(rollout_key=hash_rollout_key("a", key)) for key in ("k1", "k2", "k1", "k3")]
    store.do(finish(runs[0]))
    store.do(fail(runs[1]))
    store.do(finish(runs[2]), finish(runs[3], RunState.CANCELLED))
    late = store.begin(rollout_key=hash_rollout_key("a", "k4"))
    count = CountRolloutRuns(1, 100)
    assert store.do(count) == NumberAnswer(0)
    clock.forward(10_000)
    assert store.twice(CountRolloutRuns(1, 2)) is not None
    store.do(count)
    store.do(fail(late))
    assert store.do(count) == NumberAnswer(0)
    rows = rollouts.list_counted_runs(store.reader, 1, 0, 0, 10)
    assert [(row.run, row.outcome, row.place) for row in rows] == [
        (runs[0].id, RunOutcomeKind.SUCCEEDED, 1),
        (runs[1].id, RunOutcomeKind.FAILED, 2),
        (late.id, RunOutcomeKind.NOT_ENDED, 3),
    ]


def test_rollouts_are_listed_by_automation_and_state(store):
    """Newest first: of all automations or of one, all or those that divide new runs."""
    announce(store, 1, 2)
    first = store.do(rollout()).rollout
    store.do(move("abort"))
    second = store.do(rollout(again=True)).rollout
    for automation in (None, "a"):
        assert [row.id for row in rollouts.list_rollouts(store.reader, automation)] == [second, first]
        assert [row.id for row in rollouts.list_rollouts(store.reader, automation, active=True)] == [second]
    assert rollouts.list_rollouts(store.reader, "b") == []
    assert rollouts.find_rollout(store.reader, first).state is RolloutState.ABORTED
    assert rollouts.find_rollout(store.reader, 99) is None


def test_fork_gets_the_version_in_force_while_a_rollout_divides_starts(store):
    """The rollout neither assigns nor counts it."""
    run = store.begin(kind="workflow")
    store.do(outcome(run, 1), finish(run, rank=1))
    announce(store, 1, 2)
    store.do(rollout(steps=(ALL,)))
    fork = store.do(ForkRun(store.starting("a", kind="workflow"), run.id, "s1")).run
    assert store.run(fork).version == 1
    assert store.reader.read_text("select 1 from rollout_runs where run = ?", (fork,)) == []


def test_paused_run_of_a_version_is_listed_and_moved_like_a_waiting_one(store):
    """A rollout that ends leaves no run of its version behind, only because it is paused."""
    run = store.start("a", version=1).run
    store.do(PauseRun(run, "p1", RunPauseRequest("ann")))
    assert store.reader.read("list_idle_runs_of_version", ("a", 1, 10)) == [(run,)]
    assert store.do(MoveRun(run, 0, 1, 2)) == DONE
    assert store.run(run).version == 2
