"""A failure is named by type and place wherever people see it: the exception, the command line, incidents, messages and pages."""

import asyncio
import re

import msgspec
import pytest

import mainspring as ms
from mainspring.alerting.inputs.failure_groups import group_failures
from mainspring.cli.main import run_command_line as cli
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.insight.runs.error_groups import group_by_error
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.read.incidents import ungrouped_failures
from tests.acceptance.engine_world import LONGEST_S, REPLAYING, World

STEP = r"KeyError: 'b' \(test_headlines\.py:\d+ in find_row\)"
BODY = r"ZeroDivisionError: division by zero \(test_headlines\.py:\d+ in divide\)"

with Registry() as REGISTRY:

    @ms.step(retry=1)
    def find_row(name: str) -> int:
        """Fail in a step."""
        return {"a": 1}[name]

    @ms.workflow
    async def order(run: ms.Run) -> int:
        """Fail in a step."""
        return await run.step(find_row, "b")

    @ms.workflow
    async def divide(run: ms.Run, by: int = 0) -> float:
        """Fail in the body."""
        return 1 / by

    @ms.workflow
    async def ask_cause(run: ms.Run) -> str:
        """Publish what the cause of a failed step is, wait, and return it."""
        try:
            await run.step(find_row, "b")
        except ms.StepFailed as failed:
            found = f"{type(failed.__cause__).__name__} {isinstance(failed.__cause__, KeyError)} {failed}"
        run.publish_state(found)
        await run.receive("go")
        return found


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """A store of each kind."""
    return tmp_path / "state.db" if request.param == "sqlite" else request.getfixturevalue("lent_store")


def _output(capsys, place, *words):
    cli(["--store", str(place), *words])
    return capsys.readouterr().out


def test_headlines_are_with_every_displayed_failure(place, capsys):
    """Of a step and of a body: `RunFailed`, its cause, show, explain, lists, groups, and the line of an incident."""
    app = ms.App(place, registry=REGISTRY)
    for automation, headline in ((order, STEP), (divide, BODY)):
        with pytest.raises(RunFailed, match=headline) as failed:
            app.run(automation)
        assert re.search(headline, f"{type(failed.value.__cause__).__name__}: {failed.value.__cause__}")
        run = failed.value.run_id
        displayed = _output(capsys, place, "runs", "show", run)
        assert re.search(headline, displayed)
        assert re.search(rf"raised at\s+{re.escape(__file__)}:\d+ in ", displayed)
        assert re.search(headline, _output(capsys, place, "explain", run))
    listed = _output(capsys, place, "--json", "failed", "list")
    errors = [row["error"] for row in msgspec.json.decode(listed)]
    assert [bool(re.fullmatch(BODY, errors[0])), bool(re.fullmatch(STEP, errors[1]))] == [True, True]
    store = app.open_store()
    texts = {group.text for group in group_by_error(store.reader, (RunState.FAILED,), None, None, None)}
    assert any(re.fullmatch(f"find_row: {STEP}", text) for text in texts)
    assert any(re.fullmatch(BODY, text) for text in texts)
    faults = {fault.text for fault in group_failures(ungrouped_failures(store.reader), KNOWN_SECRETS.redact).faults}
    assert faults == texts
    app.close()


def test_cause_of_a_failed_step_is_the_same_live_and_in_a_replay(tmp_path):
    """A body may decide by it: so it is made of what is saved, and not the exception that happens to be at hand."""

    async def live_and_replayed():
        async with asyncio.timeout(LONGEST_S), World(tmp_path).engine(REGISTRY, REPLAYING) as engine:
            handle = await engine.start(ask_cause)
            view = await engine.until(handle, RunState.WAITING)
            await engine.app.signal(handle.id, "go")
            return msgspec.json.decode(view.published), await handle.result()

    live, replayed = asyncio.run(live_and_replayed())
    assert re.fullmatch(f"KeyError True find_row: {STEP}", live)
    assert replayed == live


def test_words_that_are_hidden_are_hidden_in_headlines_and_causes(tmp_path):
    """A cause is made of the redacted failure."""
    with Registry() as registry:

        @ms.task(retry=1)
        def leak() -> None:
            raise ValueError("password=hunter2hunter2")

    app = ms.App(tmp_path / "state.db", registry=registry)
    with pytest.raises(RunFailed) as failed:
        app.run(leak)
    assert "hunter2" not in f"{failed.value} {failed.value.__cause__} {failed.value.__cause__.__notes__}"
    assert re.search(r"ValueError: password=\*\*\* \(test_headlines\.py:\d+ in leak\)", str(failed.value))
