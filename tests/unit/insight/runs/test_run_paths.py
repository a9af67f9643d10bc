"""Ways of runs: from step to step as they were asked for, counted by run; what nothing takes up is reported, what is taken up is not."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState, RunState
from mainspring.insight.runs.run_paths import END, MOST, START, build_run_paths
from mainspring.store.read.runs.run_paths import PathOutcome, RunPath

DONE, FAILED = OutcomeState.SUCCEEDED, OutcomeState.FAILED


def passed(*steps):
    """Return outcomes in rank order, of (name, requested_after, state, kind); what is left out: after the one before, well, a step."""
    found = []
    for rank, step in enumerate(steps, 1):
        left_out = (rank - 1, DONE, OutcomeKind.STEP)[len(step) - 1 :]
        name, called_after, state, kind = tuple(step) + left_out
        found.append(PathOutcome(rank, f"{name}#{rank}", name, kind, state, called_after))
    return found


def run(id, *steps, state=RunState.SUCCEEDED, by=None, is_cut=False):
    """Return a run; `by` = the name of what ended it."""
    outcomes = passed(*steps)
    ident = next((outcome.ident for outcome in outcomes if outcome.name == by), None)
    return RunPath(id, state, ident, None, outcomes, is_cut)


def build_paths(*runs, is_visible=lambda name: True):
    """Return (from, to) -> runs; a way after a failure has "!" or, where it is missing, "!!" behind its first name."""
    found = build_run_paths("a", runs, is_visible).edges
    return {(f"{edge.step}{'!' * (edge.failed + edge.is_missing)}", edge.then): edge.runs for edge in found}


def test_ways_are_counted_by_run():
    """One after the other, to each end; the step at the newest run is named."""
    new, old = run("r2", ("charge",), ("mail",)), run("r1", ("charge",), state=RunState.CANCELLED)
    assert build_paths(new, old) == {
        ("start", "charge"): 2,
        ("charge", "mail"): 1,
        ("charge", "cancelled"): 1,
        ("mail", "succeeded"): 1,
    }
    found = build_run_paths("a", [new, old], bool)
    assert [(node.name, node.runs) for node in found.nodes][:3] == [("start", 2), ("charge", 2), ("mail", 1)]
    assert [(edge.run, edge.ident) for edge in found.edges][:2] == [("r2", "charge#1"), ("r2", "mail#2")]
    assert build_paths(run("r", state=RunState.FAILED)) == {("start", "failed"): 1}


def test_parallel_steps_are_side_by_side():
    """In whatever order it ended; a sleep hands on what it stood on, what was abandoned stands nowhere."""
    side = run("r", ("charge",), ("crm", 1), ("mail", 1), ("close", 3))
    assert build_paths(side) == {
        ("start", "charge"): 1,
        ("charge", "crm"): 1,
        ("charge", "mail"): 1,
        ("crm", "close"): 1,
        ("mail", "close"): 1,
        ("close", "succeeded"): 1,
    }
    sleeping = run(
        "r",
        ("charge",),
        ("timer", 1, DONE, OutcomeKind.TIMER),
        ("slow", 1, OutcomeState.CANCELLED),
        ("stop", 1, DONE, OutcomeKind.CANCEL),
        ("close", 2),
    )
    assert build_paths(sleeping) == {("start", "charge"): 1, ("charge", "close"): 1, ("close", "succeeded"): 1}
    many = [("timer", n - n % 2, DONE, OutcomeKind.TIMER) for n in range(100)]
    assert build_paths(run("r", *many)) == {("start", "succeeded"): 1}


def test_step_that_is_called_many_times_is_one():
    """With how often; it follows itself only where it failed."""
    looped = run("r", ("load",), ("load",), ("load", 2, FAILED), ("load",))
    assert build_paths(looped) == {("start", "load"): 1, ("load!", "load"): 1, ("load", "succeeded"): 1}
    (load,) = [node for node in build_run_paths("a", [looped], bool).nodes if node.kind == "step"]
    assert (load.runs, load.calls, load.failed) == (1, 4, 1)


def test_unhandled_failure_is_reported():
    """Where each ended its run; what continued beside it did not lead there."""
    lost = [run(f"r{n}", ("charge", 0, FAILED), ("crm", 0), state=RunState.FAILED, by="charge") for n in range(3)]
    found = build_run_paths("a", [*lost, run("r", ("charge",))], bool)
    assert build_paths(*lost)["charge!!", "failed"] == 3
    assert ("crm", "failed") not in build_paths(*lost)
    assert found.missing == ["charge failed in 3 of 4 runs and no code handles the error: each ended the run"]
    assert build_run_paths("a", lost[:1], bool).missing[0].endswith("it ended the run")


def test_handled_failure_is_not_reported():
    """By another step, by an undo, by code that ends well or with an error of its own, in some of the runs; or by a person."""
    failing = ("charge", 0, FAILED)
    lost = run("r0", failing, state=RunState.FAILED, by="charge")
    caught = run("r1", failing, ("apologise",))
    undone = run("r2", failing, ("undo charge", 1, DONE, OutcomeKind.UNDO), state=RunState.FAILED, by="charge")
    for path_run in (caught, undone, run("r3", failing), run("r4", failing, state=RunState.FAILED)):
        found = build_run_paths("a", [lost, path_run], bool)
        assert found.missing == []
        assert any(edge.failed and not edge.is_missing for edge in found.edges)
    assert build_paths(caught)["charge!", "apologise"] == 1
    assert build_paths(undone) == {("start", "charge"): 1, ("charge!", "undo charge"): 1, ("undo charge", "failed"): 1}
    assert build_paths(lost, caught)["charge!", "failed"] == 1
    assert build_paths(run("r", failing, state=RunState.NEEDS_ATTENTION))["charge!", "needs_attention"] == 1


def test_run_of_which_only_the_start_was_read_has_no_end():
    """And it is said of how many that is so."""
    found = build_run_paths("a", [run("r", ("load",), is_cut=True)], bool)
    assert [(edge.step, edge.then) for edge in found.edges] == [("start", "load")]
    assert found.cut == 1


def test_child_is_named_to_whom_may_see_it():
    """Else it is another automation."""
    child = run("r", ("ship", 0, DONE, OutcomeKind.CHILD))
    assert ("start", "child ship") in build_paths(child)
    hidden = build_run_paths("a", [child], lambda name: name != "ship")
    assert {edge.then for edge in hidden.edges} == {"child another automation", "succeeded"}
    assert "ship" not in str(hidden)


def test_names_that_are_made_at_run_time_are_cut():
    """So many ways are reported, and how many are not."""
    found = build_run_paths("a", [run(f"r{n}", *((f"s{n}-{m}",) for m in range(20))) for n in range(50)], bool)
    assert (len(found.edges), found.left_out) == (MOST, 50 * 21 - MOST)


outcomes = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.sampled_from([DONE, FAILED])), max_size=10
).map(lambda steps: [(name, min(after, rank), state) for rank, (name, after, state) in enumerate(steps)])
runs = st.lists(st.tuples(outcomes, st.sampled_from([RunState.SUCCEEDED, RunState.FAILED])), max_size=4)


@given(runs)
def test_every_run_goes_from_the_start_to_an_end(graph):
    """Each step is reached, no way has more runs than there are, and ends have as many as ended so."""
    found = build_run_paths("a", [run(f"r{n}", *steps, state=state) for n, (steps, state) in enumerate(graph)], bool)
    reached = {edge.after for edge in found.edges} | {node.key for node in found.nodes if node.kind == START}
    assert {node.key for node in found.nodes} == reached
    assert all(edge.runs <= len(graph) for edge in found.edges)
    ended = {node.name: node.runs for node in found.nodes if node.kind == END}
    assert sum(ended.values()) == len(graph)
    assert ended.get(RunState.FAILED, 0) == sum(state is RunState.FAILED for _, state in graph)
