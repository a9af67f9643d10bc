"""Triggers as they are declared: by decorators and in tables of TOML, with what is refused and where."""

import datetime
from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.errors import DefinitionError, MainspringError, OptionError, UnknownNameError
from mainspring.domain.triggers.event_sources import EventSource, JoinedRunsSource, RunEndSource
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.triggers.trigger import Trigger
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.definitions.scripts import load_scripts
from mainspring.engine.definitions.trigger_draft import (
    FLOW_CONTROL_OPTIONS,
    TRIGGER_KINDS,
    build_trigger_draft,
    name_drafts,
    read_trigger_drafts,
)


def options_of_kind(kind: str) -> list[str]:
    _, needed, optional = TRIGGER_KINDS[kind]
    return [*needed, *optional, *(() if kind == "runs" else (*FLOW_CONTROL_OPTIONS, "partition"))]


@pytest.fixture
def registry():
    with Registry() as made:
        yield made


def test_decorators_are_stacked_above_and_below(registry):
    """Each is one trigger, in the order in which they are written; the second of a kind is numbered."""

    def yes(event: ms.Event) -> bool:
        return True

    @ms.on.run("load", state=["failed", "cancelled"])
    @ms.task
    @ms.on.event("paid", where={"a": 1}, filter=yes, rate="1/s", partition="{key}")
    @ms.on.event("sent", debounce="5s", within="1m", by="{data.id}")
    def work(event: ms.Event) -> None: ...

    triggers = work.definition.triggers
    assert list(triggers) == ["run", "event", "event#2"]
    assert triggers["event"].source == EventSource(name="paid", where={"a": 1})
    assert (triggers["event"].filtered, triggers["event"].partition) == (True, "{key}")
    assert triggers["event#2"].pace == FlowControl(by="{data.id}", debounce=5_000, within=60_000)
    assert triggers["run"].source == RunEndSource(automation="load", states=("cancelled", "failed"))
    assert (work.filter_of("event"), work.filter_of("event#2"), work.filter_of("none")) == (yes, None, None)


def test_runs_are_joined_without_flow_control(registry):
    """They start once by themselves."""

    @ms.on.runs(["a", "b"], per="key", within="2h")
    @ms.workflow
    async def report(run: ms.Run) -> None: ...

    assert report.definition.triggers["runs"].source == JoinedRunsSource(
        automations=("a", "b"), per="key", within=7_200_000
    )
    with pytest.raises(UnknownNameError, match="'debounce'"):
        build_trigger_draft("runs", {"automations": ["a", "b"], "debounce": "1s"})


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("event", {}, "a trigger of kind 'event' needs name"),
        ("event", {"name": "e", "were": {}}, "Did you mean 'where'"),
        ("event", {"name": "e", "debonce": "1s"}, "Did you mean 'debounce'"),
        ("event", {"name": "e", "partition": "{other}"}, "other"),
        ("event", {"name": "e", "by": "{data.id"}, "data.id"),
        (
            "event",
            {"name": "e", "partition": "{key}", "concurrency": 2},
            "partition and concurrency exclude each other",
        ),
        (
            "queue",
            {"url": "nats://h/S?subject=a", "partition": "{id}", "concurrency": 2},
            "partition and concurrency exclude each other",
        ),
        ("run", {"automation": "a", "state": "done"}, "no run ends as 'done'"),
        ("runs", {"automations": ["a"]}, "two or more"),
    ],
)
def test_unusable_trigger_is_refused(kind, options, message):
    """An option that is none shows the nearest."""
    with pytest.raises(MainspringError, match=message.replace("(", r"\(")) as refused:
        build_trigger_draft(kind, options)
    assert refused.value.hint or "Did you mean" in str(refused.value)


GOOD: dict[str, dict[str, Any]] = {
    "event": {"name": "e"},
    "run": {"automation": "a"},
    "webhook": {"path": "/a", "verify": "none"},
    "queue": {"url": "nats://h/S?subject=a"},
    "files": {"folder": "in"},
    "runs": {"automations": ["a", "b"]},
}
ODD = [
    5,
    0,
    -1,
    2.5,
    True,
    False,
    "",
    "x",
    "{",
    [],
    [5],
    [[]],
    ["x"],
    {},
    {"x": 5},
    {"kind": "hmac", "secrets": 5},
    datetime.date(2026, 1, 1),
]


@pytest.mark.parametrize(("kind", "option"), [(kind, name) for kind in GOOD for name in options_of_kind(kind)])
def test_odd_value_is_refused_with_a_hint_or_can_be_kept(kind, option):
    """Whatever a table of TOML may hold: what was accepted is read from the store as it was."""
    refusals: list[MainspringError] = []
    for value in ODD:
        try:
            draft = build_trigger_draft(kind, {**GOOD[kind], option: value})
        except MainspringError as error:
            refusals.append(error)
            continue
        trigger = draft.complete(None, "/srv")
        assert msgspec.json.decode(msgspec.json.encode(trigger), type=Trigger) == trigger, (option, value)
    assert refusals
    for refused in refusals:
        assert refused.hint or "Did you mean" in str(refused)
        assert "trigger of kind" not in refused.message


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("files", {"ignore": 5}, "ignore=5"),
        ("files", {"recursive": "no"}, "recursive='no'"),
        ("files", {"max_size": 0}, "max_size=0"),
        ("event", {"by": 5}, "by=5"),
        ("event", {"partition": 5}, "partition=5"),
        ("event", {"where": 5}, "where=5"),
        ("event", {"where": {"a": object()}}, "where="),
        ("queue", {"key": 5}, "key=5"),
        ("queue", {"group": 0}, "0 cannot name"),
        ("runs", {"automations": 5}, "automations=5"),
        ("runs", {"state": 5}, "state=5"),
        ("run", {"state": 5}, "state=5"),
    ],
)
def test_value_of_the_wrong_type_is_named_with_its_option(kind, options, message):
    """And how to write it."""
    with pytest.raises(OptionError, match=message) as refused:
        build_trigger_draft(kind, {**GOOD[kind], **options})
    assert refused.value.hint


def test_unexpected_parser_error_is_a_problem_of_its_option_table(monkeypatch):
    """Never a bare error, which would take the rest of the file with it."""

    def parse(name):
        raise AttributeError("no such thing")

    monkeypatch.setitem(TRIGGER_KINDS, "event", (parse, ("name",), ()))
    with pytest.raises(OptionError, match="kind 'event' cannot be created: no such thing") as refused:
        build_trigger_draft("event", {"name": "e"})
    assert refused.value.hint


def test_two_ways_to_order_runs_exclude_each_other(registry):
    """A partition of the definition would win in silence."""

    @ms.on.event("e", concurrency=1)
    @ms.task(partition="{id}")
    def work(id: str) -> None: ...

    with pytest.raises(DefinitionError, match="'work' has a partition, and its trigger 'event'"):
        _ = work.definition


def test_step_takes_no_trigger():
    """Only what can start does."""
    with pytest.raises(DefinitionError, match="cannot start by itself"):
        ms.on.event("e")(ms.step(lambda: None))


def test_tables_of_toml_are_the_same_triggers():
    """One table, or several of a kind; dashes stand for underscores; none and off are left out."""
    found = read_trigger_drafts(
        {
            "event": {"name": "paid", "where": {"a": 1}, "rate": "5/m"},
            "run": [{"automation": "a"}, {"automation": "b", "state": "any"}],
            "runs": {"automations": ["a", "b"], "within": "2h"},
        }
    )
    assert [end for end, _ in name_drafts(found)] == ["event", "run", "run#2", "runs"]
    assert found[0] == build_trigger_draft("event", {"name": "paid", "where": {"a": 1}, "rate": "5/m"})
    with pytest.raises(OptionError, match="event must be a table"):
        read_trigger_drafts({"event": "paid"})


def test_every_kind_is_a_decorator_and_a_table():
    """The same words in both."""
    assert set(TRIGGER_KINDS) <= set(dir(ms.on))


def loaded(tmp_path, text: str) -> Any:
    (tmp_path / "scripts.toml").write_text(text)
    return load_scripts(tmp_path / "scripts.toml")


def test_script_has_triggers(tmp_path):
    """It reads the event from its standard input."""
    scripts, problems = loaded(
        tmp_path,
        '[script.keep]\ncmd = ["cat"]\n[script.keep.event]\nname = "paid"\n'
        '[[script.keep.run]]\nautomation = "a"\n[[script.keep.run]]\nautomation = "b"\n',
    )
    assert problems == []
    triggers = scripts[0].definition.triggers
    assert list(triggers) == ["event", "run", "run#2"]
    assert {trigger.reading.how for trigger in triggers.values()} == {"stdin"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[script.keep.event]\nname = "e"\nwere = 1\n', "Did you mean 'where'"),
        ("[script.keep.event]\n", "needs name"),
        ('[script.keep.evnt]\nname = "e"\n', "Did you mean 'event'"),
        ('[script.keep.event]\nname = "e"\nbatch = 0\n', "batch=0"),
    ],
)
def test_wrong_table_of_a_script_is_a_problem_with_its_place(tmp_path, table, message):
    """The other scripts of the file are loaded."""
    scripts, problems = loaded(tmp_path, f'[script.keep]\ncmd = "cat"\n{table}[script.other]\ncmd = "true"\n')
    assert [script.name for script in scripts] == ["other"]
    (problem,) = problems
    assert message in f"{problem.what}\n{problem.how}"
    assert "scripts.toml" in problem.where
