"""auto graph: what starts what, as a tree, as data and as DOT."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.triggers.event_sources import EventSource, JoinedRunsSource, RunEndSource
from mainspring.domain.triggers.trigger import Trigger
from mainspring.insight.automations.dependencies import build_graph, draw_tree, find_roots, render_dot

NIGHT = {
    "extract": ({}, ["0 2 * * *"]),
    "load": ({"run": Trigger(source=RunEndSource(automation="extract"))}, []),
    "report": ({"runs": Trigger(source=JoinedRunsSource(automations=("extract", "load"), within=7_200_000))}, []),
    "alarm": ({"run": Trigger(source=RunEndSource(automation="report", states=("failed",)))}, []),
    "shop": ({"event": Trigger(source=EventSource(name="paid"))}, []),
}
CODE = """
import mainspring as ms

@ms.on.cron("0 2 * * *")
@ms.task
def extract(): ...

@ms.on.run("extract")
@ms.task
def load(): ...

@ms.on.runs(["extract", "load"], within="2h")
@ms.task
def report(): ...

@ms.on.run("elsewhere")
@ms.task
def other(): ...

@ms.task
def alone(): ...
"""


def draw_sample(automations, root: str) -> list[str]:
    return list(draw_tree(build_graph(automations), root))


def test_tree_names_each_below_what_starts_it() -> None:
    """With the states, the others that are waited for, and what else starts it; a second place is not drawn out again."""
    assert draw_sample(NIGHT, "extract") == [
        "extract  (0 2 * * *)",
        "├─ load",
        "│  └─ report  (with extract, for one slot, within 2h)",
        "│     └─ alarm  (failed)",
        "└─ report  (with load, for one slot, within 2h)",
        "   └─ ... as above",
    ]
    assert find_roots(build_graph(NIGHT)) == ["extract"]


def test_part_around_a_name_leads_to_it_and_from_it() -> None:
    """Upstream and downstream, nothing beside."""
    around = build_graph(NIGHT).around("load")
    assert list(around.nodes) == ["alarm", "extract", "load", "report"]
    assert list(build_graph(NIGHT).around("shop").nodes) == ["shop"]
    assert build_graph(NIGHT).after("extract") == ["load", "report", "alarm"]


def test_dot_quotes_names() -> None:
    """What stands in a name cannot leave its quotes; what is not declared is dashed."""
    text = render_dot(build_graph({'a"b': ({"run": Trigger(source=RunEndSource(automation="gone\\"))}, [])}))
    assert '"a\\"b";' in text
    assert '"gone\\\\" [style=dashed];' in text
    assert '"gone\\\\" -> "a\\"b"' in text


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])


@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=3, unique=True), max_size=5))
def test_any_graph_is_rendered_and_every_linked_name_is_in_it(upstream) -> None:
    """Cycles and names that no one declared end, and nothing is left out."""
    automations: dict[str, tuple[dict[str, Trigger], list[str]]] = {
        name: ({f"run#{n}": Trigger(source=RunEndSource(automation=source)) for n, source in enumerate(several)}, [])
        for name, several in upstream.items()
    }
    graph = build_graph(automations)
    lines = [line for root in find_roots(graph) for line in draw_tree(graph, root)]
    linked = {name for edge in graph.edges for name in (edge.upstream, edge.downstream)}
    assert {line.lstrip("│├└─ ").split("  ")[0] for line in lines} - {"... as above"} == linked
    assert len(lines) <= len(linked) + 3 * len(graph.edges)


@pytest.fixture
def project(folder):
    (folder / "night.py").write_text(CODE)
    (folder / "mainspring.toml").write_text('[project]\nautomations = ["night.py"]\n')
    return folder


def test_graph_command_renders_what_the_code_declares(cli, project) -> None:
    """The whole, the part of a name, data, DOT; a name that is not there."""
    result = cli("auto", "graph", "-m", "night.py")
    assert "extract  (" in result.out
    assert "├─ load" in result.out
    assert "elsewhere  (not declared)" in result.out
    assert "1 automation starts no other" in result.err
    data = cli("auto", "graph", "load", "--json", "-m", "night.py").json
    assert [node["name"] for node in data["nodes"]] == ["extract", "load", "report"]
    assert {edge["trigger"] for edge in data["edges"]} == {"load/run", "report/runs"}
    assert cli("auto", "graph", "--dot", "-m", "night.py").out.startswith("digraph mainspring {")
    assert "none starts it" in cli("auto", "graph", "alone", "-m", "night.py").out
    assert "'load'" in cli("auto", "graph", "loda", "-m", "night.py").err
