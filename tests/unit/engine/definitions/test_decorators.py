"""Declaring automations and steps: plainly callable, checked at once, complete as data."""

import asyncio
import inspect
import typing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mainspring.domain.definitions.definition import DefinitionKind
from mainspring.domain.definitions.options import is_option_effective, list_options
from mainspring.domain.errors import DefinitionError, MainspringError, OptionError, OutsideStepError, UnknownNameError
from mainspring.domain.failures.retry import Retry
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.transaction import Tx
from mainspring.engine.definitions import decorators, on
from mainspring.engine.definitions.command_definition import build_command_definition
from mainspring.engine.definitions.decorators import script, step, task, workflow
from mainspring.engine.definitions.default_options import use_default_options
from mainspring.engine.definitions.registry import Registry

COMMAND_ONLY = {"cwd", "env"}
SAMPLES = {
    "title": "of {slot}",
    "at": "03:00",
    "cron": "0 3 * * *",
    "every": "1h",
    "tz": "Europe/Berlin",
    "priority": 1,
    "version": 2,
    "rollout": True,
    "partition": "a",
    "concurrency": 3,
    "cancel_in_progress": True,
    "rate": "3/m",
    "throttle": "3/m",
    "debounce": "1s",
    "debounce_within": "1m",
    "key": "k",
    "retry": 3,
    "jitter": "1s",
    "timeout": "1s",
    "heartbeat": "30s",
    "overlap_attempts": True,
    "deadline": "1s",
    "silence": "1s",
    "grace": "1s",
    "slow": "1s",
    "fail_rate": 0.5,
    "backlog": 3,
    "healthy": "item",
    "stalled": "6h",
    "expect": {"type": "object"},
    "tier": "page",
    "misfire": "all",
    "overlap": "queue",
    "delivery": "at_most_once",
    "isolate": "thread",
    "on_failure": "undo",
    "on_cancel": "undo",
    "cleanup": "1m",
    "on_deadline": "undo",
    "on_blocked": "pass",
}


@pytest.fixture(autouse=True)
def registry():
    with Registry() as current:
        yield current


def refund(order: str, result: object = None) -> None:
    """Stand for an undo."""


@pytest.mark.parametrize("other", ["throttle", "debounce"])
def test_rate_excludes_other_limits_of_starts(registry, other):
    """Each of them does something else with one start too many."""
    with pytest.raises(OptionError, match=f"options rate='3/m' and {other}=.* exclude each other"):
        task(rate="3/m", **{other: "1m" if other == "debounce" else "1/m"})(refund)


def test_task_is_plainly_callable_and_known(registry):
    """A task is its function in a unit test, and an automation in the registry."""

    @task(timeout="20m", retry=Retry(attempts=3), tags=["a"], version=2)
    def double(n: int = 2) -> int:
        """Double a number.

        And more.
        """
        return 2 * n

    assert double(4) == 8
    assert double.__name__ == "double"
    assert registry.get("double") is double
    definition = double.definition
    assert (definition.kind, definition.version, definition.doc) == (DefinitionKind.TASK, 2, "Double a number.")
    assert definition.span("timeout") == timedelta(minutes=20)
    assert definition.file == str(Path(__file__).resolve())
    assert definition.qualname.endswith("double")
    assert "n" in definition.parameters["properties"]
    assert len(definition.fingerprint) == 64
    assert double.retry is not None
    assert double.retry.attempts == 3


def test_transactional_task_is_started_without_its_tx(registry):
    """Anyone who starts it gives what stands behind `tx`; the function itself still takes it."""

    @task(delivery="transactional")
    def pay(tx: Tx, invoice: int) -> int:
        return invoice

    assert list(pay.definition.parameters["properties"]) == ["invoice"]
    assert [p.name for p in pay.signature.parameters] == ["invoice"]
    assert pay(None, 5) == 5


def test_transactional_task_without_a_tx_is_refused(registry):
    """When it is loaded, not when it is due at night."""

    @task(delivery="transactional")
    def pay(invoice: int) -> int:
        return invoice

    with pytest.raises(
        DefinitionError, match=r"task 'pay' at .*:\d+ is transactional, but its first parameter is not an ms.Tx"
    ):
        _ = pay.definition


def test_task_without_brackets_and_async_work_alike():
    """`@task` and `@task()` are the same, for def and async def."""

    @task
    async def first_function() -> int:
        return 1

    @task()
    def two() -> int:
        return 2

    assert asyncio.run(first_function()) == 1
    assert two() == 2


def test_workflow_called_directly_calls_its_function():
    """A body can be tested with anything in place of the run."""

    @workflow(deadline="30d")
    async def order(run, item: str) -> str:
        return f"{run}:{item}"

    assert asyncio.run(order("fake", "pen")) == "fake:pen"
    assert list(order.definition.parameters["properties"]) == ["item"]


def test_workflow_that_is_not_async_is_refused(registry):
    """The message shows the place and the line to write."""
    with pytest.raises(DefinitionError, match="is not async") as refused:

        @workflow
        def order(run): ...

    assert "async def order(run" in refused.value.hint
    assert "test_decorators.py:" in refused.value.message
    assert not registry.automations


def test_workflow_without_the_run_is_refused():
    """No first parameter, or one that is plainly something else."""
    with pytest.raises(DefinitionError, match="needs the run as its first parameter"):

        @workflow
        async def nothing(): ...

    with pytest.raises(DefinitionError, match="needs the run as its first parameter") as refused:

        @workflow
        async def order(item: str): ...

    assert "order(run: ms.Run, item, ...)" in refused.value.hint
    with pytest.raises(DefinitionError, match="needs the run as its first parameter"):

        @workflow
        async def keyword(*, run): ...


def test_callable_that_is_no_function_is_refused():
    """Generators, methods and objects cannot be found and called again."""

    def rows():
        yield 1

    class Shop:
        def sell(self):
            return 1

    for invalid in (rows, Shop.sell, Shop(), "text", print):
        for decorate in (task, step):
            with pytest.raises(DefinitionError) as refused:
                decorate(invalid)
            assert refused.value.hint


def test_unknown_option_is_refused_where_it_is():
    """A misspelt option of any surface shows the nearest one."""
    for declare in (
        lambda: task(timout="1s")(refund),
        lambda: step(timout="1s")(refund),
        lambda: script("x", "./x", timout="1s"),
    ):
        with pytest.raises(UnknownNameError, match=r"test_decorators\.py") as refused:
            declare()
        assert refused.value.nearest == "timeout"


def test_step_carries_its_options_and_live_objects():
    """A step has canonical options, the live retry and the live undo."""

    @step(retry=Retry(attempts=8), timeout="30s", undo=refund)
    def charge(order: str) -> str:
        return order + "!"

    assert charge("a") == "a!"
    assert charge.name == "charge"
    assert charge.options["timeout"] == "30s"
    assert charge.undo is refund
    assert charge.retry is not None
    assert charge.retry.attempts == 8
    assert inspect.unwrap(charge) is charge.fn


def test_step_or_task_called_in_a_body_is_refused():
    """No silent hole: the message shows the form that saves the result."""

    @step
    def charge() -> int:
        return 1

    @task
    def sync() -> int:
        return 1

    token = IN_BODY.set(True)
    try:
        for called in (charge, sync):
            with pytest.raises(OutsideStepError, match=rf"await run\.step\({called.name}, \.\.\.\)"):
                called()
    finally:
        IN_BODY.reset(token)
    assert charge() == sync() == 1


def test_script_becomes_words_in_the_folder_of_its_file(registry):
    """Relative paths count from the declaring file, whatever folder the worker starts in."""
    made = script("backup", "./backup.sh 'a b'", cron="0 3 * * *", tz="Europe/Berlin", env={"PORT": 8080})
    definition = registry.get("backup").definition
    assert made.definition is definition
    assert definition.command == ["./backup.sh", "a b"]
    assert definition.cwd == str(Path(__file__).resolve().parent)
    assert definition.env == {"PORT": "8080"}
    assert [schedule.tz for schedule in definition.schedules] == ["Europe/Berlin"]
    assert definition.line > 0


def test_stacked_schedules_count_above_and_below():
    """The order of decorators does not matter."""

    @on.cron("0 3 * * *", tz="Europe/Berlin")
    @task(every="15m")
    @on.every("1h", offset="5m")
    @on.cron("H 4 * * *")
    def sync() -> None: ...

    keys = [schedule.key for schedule in sync.definition.schedules]
    assert keys[0] == "every 900000+0"
    assert keys[1] == "every 3600000+300000"
    assert keys[2].endswith(" 4 * * * UTC")
    assert keys[3] == "cron 0 3 * * * Europe/Berlin"


def test_bad_schedule_is_refused_where_it_is_written():
    """A cron that never fires never becomes an automation."""
    with pytest.raises(OptionError, match="never fires"):
        on.cron("0 0 30 2 *")
    with pytest.raises(OptionError, match="never fires"):
        task(cron="0 0 30 2 *")(refund)
    with pytest.raises(DefinitionError, match="cannot start by itself"):
        on.every("1h")(step(refund))
    with pytest.raises(MainspringError, match="no time zone"):
        task(every="1h", tz="Europe/Berlin")(refund)


def test_annotations_may_name_later_classes():
    """A definition is completed when it is asked for, not at decoration."""
    names: dict[str, object] = {"task": task, "__name__": __name__}
    exec("@task\ndef sync(a: 'Later') -> None: ...\nLater = int", names)
    assert names["sync"].definition.parameters["properties"]["a"]["type"] == "integer"


def test_fingerprint_follows_the_text():
    """Another text is another fingerprint; the same text is the same one."""
    made = []
    for body in ("return 1", "return 1", "return 2"):
        names: dict[str, object] = {"step": step, "task": task, "__name__": __name__}
        with Registry():
            exec(f"@task\ndef sync() -> int:\n    {body}\n", names)
        made.append(names["sync"])
    assert all(len(definition._draft.fingerprint) == 64 for definition in made)
    assert made[0]._draft.fingerprint == made[1]._draft.fingerprint


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ({"timeout": "1s"}, "deadline="),
        ({"heartbeat": "30s"}, "run.options(heartbeat=...)"),
        ({"overlap_attempts": True}, "run.options(overlap_attempts=...)"),
        ({"isolate": "process"}, "run.options"),
        ({"delivery": "at_most_once"}, "run.options"),
    ],
)
def test_workflow_refuses_what_only_a_step_can_obey(option, hint):
    """An option that is taken is in force; one that cannot be says where it belongs."""

    async def order(run: Any) -> None: ...

    with pytest.raises(DefinitionError, match="would change nothing") as caught:
        workflow(**option)(order)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("option", [{"isolate": "thread"}, {"overlap_attempts": True}, {"delivery": "transactional"}])
def test_script_refuses_what_a_command_cannot_obey(option):
    """At its definition, not when it runs at night."""
    with pytest.raises(DefinitionError, match="command"):
        script("backup", "./backup.sh", **option)


def test_shared_defaults_apply_only_where_valid(registry):
    """`[defaults] timeout` is for attempts: a workflow beside a task does not get it, and is no error for that."""

    async def order(run: Any) -> None: ...

    def note(tx: Tx) -> None: ...

    with use_default_options({"timeout": "20m", "delivery": "transactional", "owner": "ann"}):
        workflow(order)
        task(note)
        script("backup", "./backup.sh")
    options = {name: registry.get(name).definition.options for name in ("order", "note", "backup")}
    assert options == {
        "order": {"owner": "ann"},
        "note": {"timeout": "20m", "delivery": "transactional", "owner": "ann"},
        "backup": {"timeout": "20m", "owner": "ann"},
    }


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "no time-out ends its attempts"),
        ({"timeout": "1s"}, "ends its child process"),
        ({"heartbeat": "1s", "isolate": "process"}, "ends its child process"),
        ({"heartbeat": "1s", "isolate": "thread", "delivery": "at_most_once"}, "in doubt"),
        ({"timeout": "1s", "delivery": "transactional"}, "can commit nothing"),
    ],
)
def test_overlap_of_attempts_is_refused_where_they_never_overlap(options, reason):
    """With the reason and the place."""

    def plain(tx: Tx) -> None: ...

    with pytest.raises(OptionError, match=reason) as caught:
        task(overlap_attempts=True, **options)(plain)
    assert "task 'plain' at " in caught.value.message
    assert caught.value.hint


def test_overlap_of_attempts_is_accepted_in_loop_and_thread():
    """There a time-out may leave code that runs."""

    def plain() -> None: ...

    async def coroutine() -> None: ...

    assert task(overlap_attempts=True, heartbeat="1s", isolate="thread")(plain).plan.overlaps
    assert task(overlap_attempts=True, timeout="1s")(coroutine).plan.overlaps


def table(kind: DefinitionKind) -> set[str]:
    return {option.name for option in list_options(kind)}


def typed(function: typing.Callable[..., object]) -> set[str]:
    """The keyword names that type checkers know for a surface."""
    overloads = typing.get_overloads(function) or [function]
    found: set[str] = set()
    for overload in overloads:
        options = typing.get_type_hints(overload).get("options")
        if options is not None:
            found |= set(typing.get_type_hints(typing.get_args(options)[0]))
    return found


def test_typed_keywords_are_those_of_the_table():
    """Editors know each option of task, workflow, script and step, and no other."""
    assert typed(task) == table(DefinitionKind.TASK)
    assert typed(workflow) == table(DefinitionKind.WORKFLOW)
    assert typed(script) - COMMAND_ONLY == table(DefinitionKind.SCRIPT) - {"name"}
    assert typed(step) == table(DefinitionKind.STEP)
    assert set(decorators.NamedOptions.__annotations__) == {"name"} | set(decorators.AutomationOptions.__annotations__)


def test_each_surface_accepts_each_single_option():
    """Python functions and TOML tables take the whole table and agree on the canonical value; what a kind cannot obey it refuses."""

    async def body(run): ...
    def plain(): ...

    for name in sorted(table(DefinitionKind.TASK) - {"name"}):
        options = {name: SAMPLES.get(name, "some")}
        if name == "tz":
            options["cron"] = "0 3 * * *"
        elif name in ("per", "cancel_in_progress"):
            options["concurrency"] = 2
        elif name == "debounce_within":
            options["debounce"] = "1s"
        elif name == "overlap_attempts":
            options |= {"timeout": "1s", "isolate": "thread"}
        surfaces = [
            (DefinitionKind.TASK, lambda options=options: task(**options)(plain)._draft),
            (DefinitionKind.WORKFLOW, lambda options=options: workflow(**options)(body)._draft),
            (DefinitionKind.SCRIPT, lambda options=options: script("command", "./x", **options)._draft),
            (
                DefinitionKind.SCRIPT,
                lambda options=options: build_command_definition(
                    DefinitionKind.SCRIPT, "plain", "./x", options, file="scripts.toml"
                ),
            ),
        ]
        made = []
        with Registry():
            for kind, surface in surfaces:
                if is_option_effective(kind, name, options[name]):
                    made.append(surface())
                else:
                    with pytest.raises(DefinitionError, match="would change nothing"):
                        surface()
        assert made, name
        assert all(definition.options == made[0].options for definition in made), name
        assert all(definition.version == made[0].version for definition in made), name
        assert all(definition.schedules == made[0].schedules for definition in made), name
        assert name == "version" or name in made[0].options
