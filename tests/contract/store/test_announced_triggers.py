"""Triggers as announced: whose path is whose, what ends with its automation, and what a renamed automation takes along."""

import pytest

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ResumeAutomation, RetireAutomation
from mainspring.store.commands.triggers import ReportConsumer
from mainspring.store.read import triggers
from tests.contract.store.deliveries import (
    accepting,
    announced,
    gathering,
    hook,
    listed,
    on_event,
    on_run,
    on_runs,
    waiting,
)
from tests.contract.store.process import event, fail, finish


def known(store):
    """Name -> path and problem of each trigger for which something may arrive."""
    return {row[0]: (row[4], row[5]) for row in store.reader.read("list_triggers")}


def test_a_trigger_that_is_no_longer_declared_ends(store):
    """It takes nothing in and hears of nothing, and what is declared again begins again."""
    store.do(announced(hook(), on_event()))
    assert list(known(store)) == ["a/event", "a/webhook"]
    store.do(announced(hook()))
    assert list(known(store)) == ["a/webhook"]
    store.do(event(id="e1"))
    store.do(announced(on_event()))
    assert list(known(store)) == ["a/event"]
    assert waiting(store, "a/event") == []
    store.do(event(id="e2"))
    assert len(waiting(store, "a/event")) == 1


def test_an_automation_that_fails_to_load_keeps_its_triggers(store):
    """Doors continue from the last good definitions."""
    store.do(announced(hook(), on_event()))
    rows = (AutomationRow("a", "task", 1, "code-2", None, problem="SyntaxError"),)
    store.do(AnnounceDefinitions("code-2", rows, (), ()))
    assert list(known(store)) == ["a/event", "a/webhook"]
    store.do(event(id="e1"))
    assert len(waiting(store, "a/event")) == 1


def test_trigger_unknown_to_another_worker_stays(store, second):
    """A worker speaks of its own automations alone."""
    store.do(announced(hook(), hook("b", "/b")))
    second.do(announced(hook("b", "/b"), names=("b",)))
    assert list(known(store)) == ["a/webhook", "b/webhook"]


def test_a_path_belongs_to_the_first(store):
    """The second is reported whose it is, and has it once the first gave it up."""
    store.do(announced(hook("a", "/in"), hook("b", "/in")))
    found = known(store)
    assert found["a/webhook"] == ("/in", None)
    path, problem = found["b/webhook"]
    assert path is None
    assert "'a'" in problem
    store.do(announced(hook("b", "/in")))
    assert known(store) == {"b/webhook": ("/in", None)}


def test_two_paths_may_change_places(store):
    """In one announcement, no matter who is written first."""
    store.do(announced(hook("a", "/one"), hook("b", "/two")))
    for first, second in (("a", "b"), ("b", "a")):
        other = {"a": "/two", "b": "/one"} if first == "a" else {"a": "/one", "b": "/two"}
        store.do(announced(hook(first, other[first]), hook(second, other[second])))
        assert known(store) == {f"{name}/webhook": (path, None) for name, path in other.items()}


def test_retired_automations_hear_nothing(store):
    """Neither what is published nor what ends, nor after they were announced again; resumed, they do."""
    rows = (on_event(), on_run("a", "b"))
    store.do(announced(*rows), RetireAutomation("a"))
    store.do(announced(*rows, names=("a", "b")))
    store.do(event(id="e1"), finish(store.begin(automation="b")))
    assert (known(store), listed(store)) == ({}, [])
    store.do(ResumeAutomation("a"))
    store.do(event(id="e2"), finish(store.begin(automation="b")))
    assert [len(waiting(store, name)) for name in ("a/event", "a/run")] == [1, 1]


def test_a_resumed_automation_has_the_triggers_that_it_declares(store):
    """One that it abandoned before does not come back."""
    store.do(announced(hook(), on_event()))
    store.do(announced(on_event()), RetireAutomation("a"), ResumeAutomation("a"))
    assert list(known(store)) == ["a/event"]


def test_a_retired_automation_frees_its_path(store):
    """Another one may have it, and keeps it when the first is resumed."""
    store.do(announced(hook("a", "/in")), RetireAutomation("a"))
    store.do(announced(hook("b", "/in"), names=("b",)))
    assert known(store) == {"b/webhook": ("/in", None)}
    store.do(ResumeAutomation("a"))
    found = known(store)
    assert found["b/webhook"] == ("/in", None)
    assert found["a/webhook"][0] is None
    assert "'b'" in found["a/webhook"][1]


def test_renamed_trigger_keeps_its_deliveries(store):
    """Keys count on, what is held continues, what is remembered of a key is remembered, and nothing of the old name is left."""
    flow_control = FlowControl.parse(throttle="1h")
    rows = (hook("a", "/in"), on_event("a"))
    store.do(announced(*rows))
    store.do(
        *(accepting(store, key, pace=flow_control) for key in ("one", "two")),
        event(id="e1"),
        ReportConsumer("a/webhook", 1, None, None),
    )
    new = (hook("new", "/in"), on_event("new"))
    store.do(announced(*new, names=("new", "b"), was={"new": "a"}))
    assert known(store) == {"new/event": (None, None), "new/webhook": ("/in", None)}
    assert listed(store, "new/webhook") == [("one", "started"), ("two", "held")]
    assert len(waiting(store, "new/event")) == 1
    assert [consumer.trigger for consumer in triggers.consumers(store.reader)] == ["new/webhook"]
    again = accepting(store, "one", trigger="new/webhook", pace=flow_control)
    assert not store.do(again).first
    assert store.do(accepting(store, "three", trigger="new/webhook", pace=flow_control)).state is DeliveryState.HELD
    store.do(event(id="e2"))
    assert len(waiting(store, "new/event")) == 2
    for table in ("triggers", "topics", "deliveries", "flow_control", "consumers"):
        column = "name" if table == "triggers" else "trigger"
        assert store.reader.read_text(f"select 1 from {table} where {column} like 'a/%'") == []


def test_a_new_name_leaves_those_unchanged_whose_names_start_alike(store):
    """Names may hold a "/": what is of a/b is no trigger of a, and moves with a/b alone."""
    flow_control = FlowControl.parse(throttle="1h")
    own = {
        "a": accepting(store, "one", pace=flow_control),
        "a/b": accepting(store, "two", trigger="a/b/webhook", pace=flow_control),
    }

    def rows(*names: str):
        return [row for name in names for row in (hook(name, None), on_event(name), on_runs(name, "x", "y"))]

    def of(name: str) -> dict[str, list[object]]:
        column = {"triggers": "name"}
        return {
            table: store.reader.read_text(
                f"select 1 from {table} where substr({column.get(table, 'trigger')}, 1, {len(name) + 1}) = '{name}/'"
                f" and substr({column.get(table, 'trigger')}, {len(name) + 2}) not like '%/%'"
            )
            for table in ("triggers", "topics", "deliveries", "flow_control", "consumers", "gatherings", "joined_runs")
        }

    store.do(announced(*rows("a", "a/b"), names=("a", "a/b", "x", "y")))
    store.do(finish(store.begin(automation="x")))
    for name, delivery in own.items():
        (ended,) = waiting(store, f"{name}/runs")
        store.do(
            delivery,
            gathering(store, ended, "x", trigger=f"{name}/runs"),
            ReportConsumer(f"{name}/webhook", 1, None, None),
        )
    before = {name: of(name) for name in own}
    assert all(before["a/b"].values())
    store.do(announced(*rows("new", "a/b"), names=("new", "a/b", "x", "y"), was={"new": "a"}))
    assert {"a": of("new"), "a/b": of("a/b")} == before
    store.do(announced(*rows("new", "deep/er"), names=("new", "deep/er", "x", "y"), was={"deep/er": "a/b"}))
    assert {"a": of("new"), "a/b": of("deep/er")} == before


def test_a_new_name_takes_along_what_is_gathered(store):
    """Of anyone who waits, and of anyone who is waited for."""
    names = ("a", "b", "c")
    store.do(announced(on_runs("c", "a", "b"), names=names))
    run = store.begin(automation="a")
    store.do(finish(run))
    (delivery,) = waiting(store, "c/runs")
    store.do(gathering(store, delivery, "a", run=run.id))
    store.do(announced(on_runs("d", "a", "b"), names=("a", "b", "d"), was={"d": "c"}))
    assert [(view.trigger, view.here) for view in triggers.open_gatherings(store.reader)] == [("d/runs", 1)]
    store.do(announced(on_runs("d", "new", "b"), names=("new", "b", "d"), was={"new": "a"}))
    (row,) = triggers.joined_runs(store.reader, "d/runs", "p")
    assert row.automation == "new"
    store.do(finish(store.begin(automation="b")))
    (delivery,) = waiting(store, "d/runs")
    start = store.starting("d")
    assert store.do(gathering(store, delivery, "b", trigger="d/runs", start=start)).run == start.id


def test_listener_to_the_old_name_receives_the_new_one(store):
    """A worker with the code of before the renaming still listens to the old name; its trigger follows."""
    store.do(announced(on_run("b", "a")))
    store.do(announced(names=("new",), was={"new": "a"}))
    store.do(finish(store.begin(automation="new")))
    assert len(waiting(store, "b/run")) == 1


@pytest.mark.parametrize("states", ['["failed"]', "[]"])
def test_a_listener_hears_of_the_states_it_named(store, states):
    """No states = each end."""
    store.do(announced(on_run("b", "a", states)))
    store.do(finish(store.begin()))
    store.do(fail(store.begin()))
    assert len(waiting(store, "b/run")) == (1 if states != "[]" else 2)
