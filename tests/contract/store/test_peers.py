"""What users of peers lost, got twice, or saw stuck: each by the name under which they told it. See also tests/crash/test_peers.py."""

import itertools

import pytest

from mainspring.domain.errors import FencedError
from mainspring.domain.states import RunState
from mainspring.store.commands.automations import MakeSlot, PauseAutomation, ScheduleRow, SetQueue
from mainspring.store.commands.results import DONE, Refused
from mainspring.store.commands.runs import ClaimedRuns, ClaimRuns, ParentLink, RunKey, SlotLink
from mainspring.store.commands.sessions import DeclareSessionDead, DrainSession
from tests.contract.store.process import fail, finish, outcome, signal, suspend, wait_for

HOURLY = ScheduleRow("a", "a", b'{"cron":"0 * * * *"}', 1_000)


def slot(store, slot_at):
    """A slot with its run."""
    link = SlotLink("a", slot_at)
    return MakeSlot(
        "a", slot_at, slot_at + 1_000, "run", store.starting(run_key=RunKey(f"a@{slot_at}", "h"), slot=link)
    )


# -- doubled ---------------------------------------------------------------------------------------------------------------


def test_peer_airflow_57618_run_is_given_to_one_of_two_who_ask_at_once(store, second):
    """A claim is guarded by the state it found: what one worker has, another one does not get, no matter who asks when."""
    runs = {store.start().run for _ in range(20)}
    claimed = [*store.ids(7), *second.ids(7), *store.ids(7), *second.ids(7)]
    assert sorted(claimed) == sorted(runs)


def test_peer_airflow_23520_scheduler_that_starts_again_starts_no_second_copy(store, new_process):
    """A new process with the same code leaves the runs of a live one alone, and makes no slot that was made."""
    store.announce("a", schedules=(HOURLY,))
    store.do(slot(store, 1_000))
    run = store.claim_one()
    again = new_process().open()
    again.announce("a", schedules=(HOURLY,))
    again.do(slot(again, 1_000))
    assert again.ids() == []
    assert [row.id for row in store.list_runs().runs] == [run.id]
    assert store.do(finish(run)) == DONE


def test_peer_prefect_18894_redeployment_repeats_no_slot(store):
    """A schedule is known by its name: new code and a new definition continue from its last slot."""
    store.announce("a", schedules=(HOURLY,))
    store.do(slot(store, 1_000))
    store.announce("a", schedules=(HOURLY,), fingerprint="code-2", definition=b'{"n": 2}')
    assert store.read("next_slot_at") == 2_000
    store.do(slot(store, 1_000))
    assert len(store.list_runs().runs) == 1


def test_peer_prefect_17703_schedule_that_is_gone_leaves_no_run_of_its_future(store):
    """Slots are made when they are due and not ahead: what no longer has a schedule has no run waiting for it."""
    store.announce("a", schedules=(HOURLY,))
    assert store.list_runs().runs == []
    store.announce("a", fingerprint="code-2")
    assert store.read("next_slot_at") is None
    assert store.list_runs().runs == []


def test_peer_dbos_742_who_lost_its_claim_cannot_continue(store, second):
    """A recovery that read a run before another one took it writes nothing for it."""
    run = store.begin()
    store.do(suspend(run, rank=0), signal(run.id))
    claimed = second.claim_one()
    for command in (outcome(run, 1), finish(run), suspend(run)):
        assert store.do(command).code == "claim_lost"
    assert second.do(outcome(claimed, 1), finish(claimed)) == [DONE, DONE]


def test_peer_dbos_759_each_claim_of_a_run_is_counted(store, second, new_process):
    """A run that is taken up again and again has a number that rises with each claim, so that no one's count is stuck."""
    run = store.begin()
    owners = [store, second]
    for number in range(2, 6):
        dead, successor = owners[-2], owners[-1]
        successor.do(DeclareSessionDead(dead.session))
        assert successor.claim_one().claim == number
        owners.append(new_process().open("app"))
        owners[-1].announce("a", "b")
    assert owners[-1].run(run.id).claim == 5


def test_peer_sidekiq_4611_live_run_is_not_recovered_at_any_check(store, second, clock):
    """Three seconds after its claim, or at any time, only a death that is on record gives a run away."""
    run = store.begin()
    for _ in range(10):
        clock.forward(3_000)
        assert second.ids() == []
    assert store.do(finish(run)) == DONE


def test_peer_triggerdev_1566_start_after_a_night_makes_no_more_than_was_requested(store, new_process, clock):
    """Every process restarts and asks for the same again: there are as many runs as keys."""
    for _ in range(5):
        process = new_process().open()
        process.announce("a")
        for n in range(10):
            process.start(run_key=RunKey(f"k{n}", "h"))
        clock.forward(60_000)
    assert len(store.list_runs(limit=1_000).runs) == 10


# -- lost ------------------------------------------------------------------------------------------------------------------


def test_peer_dbos_546_one_bad_row_drops_nothing_of_its_batch(store):
    """What cannot be written is answered by itself; all that was committed with it is there."""
    first, bad, last = store.starting(), store.starting(input=None), store.starting()
    answers = store.do(first, bad, last)
    assert isinstance(answers[1], Exception)
    assert [answers[0].run, answers[2].run] == [first.id, last.id]
    assert sorted(row.id for row in store.list_runs().runs) == sorted([first.id, last.id])


def test_peer_dbos_ts_1252_outage_with_one_queue_keeps_no_run_of_another(store):
    """A claim that can take nothing from one queue (paused, full, without a worker) takes all it can from the others."""
    store.do(SetQueue("full", concurrency=1), SetQueue("late", rate_count=1, rate_per_ms=3_600_000))
    store.do(PauseAutomation("b", None, "ann", None))
    for queue in ("full", "late", "good"):
        for _ in range(3):
            store.start(queue=queue)
            store.start("b", queue=queue)
    claimed = store.claim(20).runs
    assert sorted(run.queue for run in claimed) == ["full", "good", "good", "good", "late"]


def test_peer_sidekiq_4635_end_of_the_last_child_is_heard_though_its_parent_is_unreachable(store, second):
    """A parent that was unloaded, and whose worker died meanwhile, is ready as soon as its children have ended."""
    parent = store.begin()
    for n in range(3):
        store.start("b", parent=ParentLink(parent.id, f"c{n}", parent.claim))
    assert len(store.ids()) == 3
    store.do(suspend(parent))
    second.do(DeclareSessionDead(store.session))
    for child in second.claim().runs:
        second.do(finish(child, result=b"1"))
    claimed = second.claim_one()
    assert claimed.id == parent.id
    assert len(second.history(parent.id).facts) == 3


# -- stuck -----------------------------------------------------------------------------------------------------------------


def test_peer_river_1258_no_run_stays_running_without_an_owner(store, second):
    """Thousands that were running when their worker died are ready in the commit that tells of it."""
    for _ in range(50):
        store.start()
    assert len(store.ids(50)) == 50
    second.do(DeclareSessionDead(store.session))
    assert {row.state for row in second.list_runs(limit=100).runs} == {RunState.QUEUED}
    assert len(second.ids(50)) == 50


def test_peer_oban_862_process_with_the_name_of_a_dead_one_is_not_taken_for_it(store, second, new_process):
    """Host, process number and name may come again: a session is known by its own number, and the dead one's runs continue."""
    run = store.begin()
    again = new_process().open()
    again.announce("a")
    assert again.session != store.session
    assert again.ids() == []
    second.do(DeclareSessionDead(store.session))
    assert second.ids() == [run.id]
    with pytest.raises(FencedError):
        store.do(outcome(run, 1))


def test_peer_procrastinate_1408_who_rescues_may_die_too(store, second, new_process):
    """There is no rescuing job that could stall: any process that checks declares a dead one dead."""
    run = store.begin()
    chain = [store, second, *(new_process().open("app") for _ in range(3))]
    for dead, successor in itertools.pairwise(chain):
        successor.announce("a")
        successor.do(DeclareSessionDead(dead.session))
        assert successor.ids() == [run.id]


def test_peer_dbos_804_worker_that_drains_takes_nothing_again(store, second):
    """What a draining worker gives back goes to another one, never to itself."""
    run = store.begin()
    store.do(DrainSession(store.session))
    store.do(suspend(run), signal(run.id))
    assert store.ids() == []
    assert second.ids() == [run.id]


def test_peer_dbos_805_run_between_two_steps_is_running_or_ready(store, second):
    """A run that was taken over between completed steps is never in a state that no one looks at."""
    run = store.begin()
    store.do(outcome(run, 1))
    second.do(DeclareSessionDead(store.session))
    assert second.run(run.id).state == RunState.QUEUED
    claimed = second.claim_one()
    assert (claimed.rank, second.run(run.id).state) == (1, RunState.RUNNING)


def test_peer_inngest_2531_end_frees_all_that_a_run_held(store, second):
    """The end of a run closes its waits, frees its place in the queue and passes its key on, in one commit."""
    store.do(SetQueue("default", concurrency=1))
    first = store.start(partition="p").run
    next_one = store.start(partition="p").run
    run = store.claim_one()
    assert run.id == first
    store.do(wait_for(run), fail(run))
    assert second.ids() == [next_one]


def test_peer_n8n_23807_what_has_ended_is_not_overwritten(store, second):
    """A burial that comes after the end changes nothing of a run that has succeeded."""
    run = store.begin()
    store.do(finish(run, result=b"7"))
    before = store.run(run.id)
    second.do(DeclareSessionDead(store.session, crashed=True))
    assert second.run(run.id) == before


def test_peer_temporal_9193_claim_whose_answer_was_lost_is_found_again(store):
    """A worker that never heard what it was given asks again under the same name and gets just that."""
    store.start()
    claim = ClaimRuns(store.name("c"), 10)
    first, second_time = store.do(claim), store.again(claim)
    assert isinstance(first, ClaimedRuns)
    assert not isinstance(second_time, Refused)
    assert [run.id for run in second_time.runs] == [run.id for run in first.runs]
