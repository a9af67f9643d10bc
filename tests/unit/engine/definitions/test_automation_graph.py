"""Which automations start which: cycles are found and taken apart, and a path belongs to one webhook."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mainspring as ms
from mainspring.domain.triggers.event_sources import JoinedRunsSource, RunEndSource
from mainspring.domain.triggers.trigger import Trigger
from mainspring.engine.definitions.automation_graph import drop_impossible_triggers, find_cycle, find_upstream
from mainspring.engine.definitions.registry import Registry

NAMES = "abcdef"


@st.composite
def graphs(draw: Any) -> dict[str, list[str]]:
    """Any graph of up to six automations; some of what they listen to is not known here."""
    known = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    return {name: draw(st.lists(st.sampled_from([*NAMES, "elsewhere"]), unique=True, max_size=3)) for name in known}


def reaches_itself(graph: dict[str, list[str]], name: str) -> bool:
    """By trying every way."""
    seen: set[str] = set()
    found = list(graph[name])
    while found:
        automation = found.pop()
        if automation == name:
            return True
        if automation not in seen:
            seen.add(automation)
            found += graph.get(automation, [])
    return False


@given(graphs())
def test_cycle_is_found_if_there_is_one(graph):
    """And what is found is one: each starts the next, from the first to the first."""
    cycle = find_cycle(graph)
    assert (cycle is not None) == any(reaches_itself(graph, name) for name in graph)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        for starter, started in itertools.pairwise(cycle):
            assert starter in graph[started], "written from who ends to who is started"


def test_upstream_is_each_once_in_its_order():
    """Of single runs and of several."""
    sources = [
        RunEndSource(automation="b"),
        JoinedRunsSource(automations=("a", "b", "c")),
        RunEndSource(automation="d"),
    ]
    assert find_upstream(Trigger(source=source) for source in sources) == ["b", "a", "c", "d"]


def chained(graph: dict[str, list[str]]) -> Registry:
    """Automations that listen to each other's ends."""
    with Registry() as registry:
        for name, names in graph.items():
            made: Any = ms.task(name=name)(lambda: None)
            for other in names:
                made = ms.on.run(other)(made)
            if len(names) > 1:
                ms.on.runs(names)(made)
    return registry


@given(graphs())
def test_remaining_graph_has_no_cycle(graph):
    """Who is in one starts by no run's end any more; everyone else keeps what he had."""
    registry = chained(graph)
    problems = list(drop_impossible_triggers(registry))
    left = {definition.name: find_upstream(definition.definition.triggers.values()) for definition in registry}
    assert find_cycle(left) is None
    in_cycles = {name for name in graph if reaches_itself(graph, name)}
    assert bool(problems) == bool(in_cycles)
    for name, names in graph.items():
        assert left[name] in ([], names)
        assert name in in_cycles or left[name] == names


def test_cycle_is_reported_with_its_place():
    """All of its names, and the place of one of them."""
    (problem,) = drop_impossible_triggers(chained({"a": ["b"], "b": ["a"]}))
    assert problem.what == "these automations start each other without end: a -> b -> a"
    assert "test_automation_graph.py" in problem.where
    (own,) = drop_impossible_triggers(chained({"a": ["a"]}))
    assert own.what.endswith("a -> a")


def test_path_belongs_to_the_first():
    """The second webhook on it is taken off and told where the first is."""
    with Registry() as registry:
        for name, path in (("a", "/in"), ("b", "/in"), ("c", "/other")):
            ms.on.webhook(path, verify="none")(ms.task(name=name)(lambda: None))
    (problem,) = drop_impossible_triggers(registry)
    assert "the path /in: the other is 'a'" in problem.what
    assert {definition.name: len(definition.definition.triggers) for definition in registry} == {"a": 1, "b": 0, "c": 1}


def test_path_twice_in_one_automation_is_reported():
    """The first keeps it."""
    with Registry() as registry:
        ms.on.webhook("/in", verify="none")(ms.on.webhook("/in", verify="none")(ms.task(name="a")(lambda: None)))
    (problem,) = drop_impossible_triggers(registry)
    assert "the path /in: the other is 'a'" in problem.what
    assert list(registry.get("a").definition.triggers) == ["webhook"]


def test_problems_are_found_when_a_project_is_loaded(tmp_path):
    """Everything else is loaded."""
    (tmp_path / "work.py").write_text(
        "import mainspring as ms\n"
        "@ms.on.run('b')\n@ms.task\ndef a() -> None: ...\n"
        "@ms.on.run('a')\n@ms.task\ndef b() -> None: ...\n"
        "@ms.on.run('b')\n@ms.task\ndef c() -> None: ...\n"
    )
    registry = Registry.load([tmp_path / "work.py"])
    (problem,) = registry.problems
    assert "without end" in problem.what
    assert "work.py" in problem.where
    assert [len(registry.get(name).definition.triggers) for name in "abc"] == [0, 0, 1]


@pytest.mark.parametrize("graph", [{}, {"a": []}, {"a": ["elsewhere"]}])
def test_no_dependencies_are_no_problem(graph):
    """What is not known here may be announced by another worker."""
    assert list(drop_impossible_triggers(chained(graph))) == []
