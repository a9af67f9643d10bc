"""Lines of log: kept in parts beside their run, numbered, bounded, and gone with it."""

from mainspring.domain.runs.log_chunk import LogChunk
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.logs import PruneLogs, SaveLogs
from mainspring.store.commands.results import DONE, NumberAnswer, Refused
from tests.contract.store.process import finish


def part(lines=1, size=100, ident="s#1", **options):
    given = {"attempt": 1, "first_at": 5, "last_at": 9, "body": b"\x00z"} | options
    return LogChunk(ident=ident, lines=lines, size=size, **given)


def seqs(store, run):
    return [(part.seq, part.lines) for part in store.read("parts_of", run.id)]


def test_parts_return_in_order_and_as_they_were(store):
    """A part's number is that of its first line; what was lost on its way leaves a gap."""
    run = store.begin()
    assert store.do(SaveLogs(run.id, (part(3), part(2, ident="", attempt=0)))) == DONE
    assert store.do(SaveLogs(run.id, (part(4, skipped=10, last_at=11),))) == DONE
    found = store.read("parts_of", run.id)
    assert [(p.seq, p.lines, p.ident, p.attempt, p.last_at) for p in found] == [
        (1, 3, "s#1", 1, 9),
        (4, 2, "", 0, 9),
        (16, 4, "s#1", 1, 11),
    ]
    assert found[0].body == b"\x00z"
    assert [p.seq for p in store.read("parts_of", run.id, 4)] == [16]
    assert [p.seq for p in store.read("last_parts", run.id, "s#1", 1)] == [16]


def test_parts_are_read_no_further_than_so_many_lines_need(store):
    """With a part more, which tells that there is more; to the end where there are fewer."""
    run = store.begin()
    store.do(SaveLogs(run.id, tuple(part(3) for _ in range(50))))
    few = store.read("parts_of", run.id, 0, 10)
    assert sum(page.lines for page in few[:-1]) >= 10
    assert len(few) < 50
    rest = store.read("parts_of", run.id, few[-1].seq, 1_000)
    assert [page.seq for page in [*few, *rest]] == list(range(1, 151, 3))


def test_middle_of_too_many_lines_goes(store):
    """The first lines stay, and the newest; numbers show how many went."""
    run = store.begin()
    for number in range(20):
        store.do(SaveLogs(run.id, (part(10, last_at=number),), most_lines=100, protected_lines=30))
    assert seqs(store, run) == [(n, 10) for n in (1, 11, 21, *range(131, 201, 10))]


def test_middle_of_too_many_bytes_goes(store):
    """Long lines count by their bytes; the first ones have a quarter of them."""
    run = store.begin()
    for number in range(20):
        store.do(SaveLogs(run.id, (part(1, size=100, last_at=number),), most_bytes=800))
    assert seqs(store, run) == [(n, 1) for n in (1, 2, *range(15, 21))]


def test_lines_of_another_worker_follow(store, new_process):
    """Anyone who continues with a run continues with its numbers."""
    run = store.begin()
    store.do(SaveLogs(run.id, (part(3),)))
    other = new_process().open()
    other.do(SaveLogs(run.id, (part(1, attempt=2),)))
    assert seqs(store, run) == [(1, 3), (4, 1)]


def test_lines_of_no_run_are_refused(store):
    """Lines of a run that was pruned meanwhile are not kept: nothing would ever delete them."""
    assert isinstance(store.do(SaveLogs("r-gone", (part(),))), Refused)


def test_lines_go_with_their_run_or_by_their_age(store, clock):
    """A pruned run takes its lines along; those of a run that stays go when they are old."""
    gone, stays = store.begin(), store.begin()
    for run in (gone, stays):
        store.do(SaveLogs(run.id, (part(last_at=clock.now()), part(last_at=clock.now() + 100))))
    store.do(finish(gone))
    clock.forward(10)
    store.do(ApplyRetention(clock.now(), None, None, None, None))
    assert store.read("parts_of", gone.id) == []
    assert store.do(PruneLogs(clock.now())) == NumberAnswer(1)
    assert seqs(store, stays) == [(2, 1)]


def test_newest_parts_of_all_runs_are_found_by_time_and_automation(store):
    """The newest come, oldest first, with the automation that they are of."""
    first, other = store.begin(), store.begin(automation="b")
    store.do(SaveLogs(first.id, (part(last_at=5), part(last_at=20))), SaveLogs(other.id, (part(last_at=10),)))
    found = store.read("parts_since", 6)
    assert [(p.run, p.last_at, p.automation) for p in found] == [(other.id, 10, "b"), (first.id, 20, "a")]
    assert [p.run for p in store.read("parts_since", 0, ["b"])] == [other.id]
    assert [p.last_at for p in store.read("parts_since", 0, ["b", "a"], 2)] == [10, 20]
    assert store.read("parts_since", 0, []) == []
    assert [p.last_at for p in store.read("parts_since", 0, limit=2)] == [10, 20]


def test_lines_of_many_runs_in_one_group_are_numbered_by_run(store):
    """What several runs say in one commit is kept as if each had said it alone: gaps, bounds and a run that is gone included."""
    first, other, full = store.begin(), store.begin(), store.begin()
    for _ in range(3):
        store.do(SaveLogs(full.id, (part(10),), most_lines=30, protected_lines=10))
    answers = store.database.commit(
        [
            SaveLogs(first.id, (part(2), part(3, skipped=4, ident="t#1"))),
            SaveLogs("r-gone", (part(),)),
            SaveLogs(other.id, (part(1),)),
            SaveLogs(full.id, (part(10),), most_lines=30, protected_lines=10),
            SaveLogs(first.id, (part(1),)),
        ]
    ).results
    assert [type(answer) is Refused for answer in answers] == [False, True, False, False, False]
    assert seqs(store, first) == [(1, 2), (7, 3), (10, 1)]
    assert seqs(store, other) == [(1, 1)]
    assert seqs(store, full) == [(1, 10), (21, 10), (31, 10)]


def test_lines_that_may_be_there_are_not_added_twice(store):
    """A group that is sent again after an unknown outcome adds nothing that the first try added."""
    first, other = store.begin(), store.begin()
    commands = [SaveLogs(first.id, (part(2),)), SaveLogs(other.id, (part(3),))]
    store.database.commit(commands[:1])
    store.database.commit(commands, again=True)
    assert (seqs(store, first), seqs(store, other)) == ([(1, 2)], [(1, 3)])
