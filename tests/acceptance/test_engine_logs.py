"""What steps write is found again with its attempt, in loop, thread and child alike; and no secret is in any of it."""

import asyncio
import logging
import re
import sys
from pathlib import Path

import pytest
import tenacity

import mainspring as ms
from mainspring.app.setup.process_log import JsonFormatter, TextFormatter
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.service.runs.log_lines import read_lines
from mainspring.store.read.runs.logs import parts_of
from tests.acceptance import log_steps
from tests.acceptance.engine_world import World
from tests.acceptance.sealing_codec import Keystream
from tests.secret_encodings import CANARY, encodings, leaks

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["file", "server"])
def place(request, tmp_path):
    """Where the store is."""
    return tmp_path if request.param == "file" else request.getfixturevalue("lent_store")


def lines(engine, run, sealing=PLAIN_SEALING):
    return read_lines(parts_of(engine.working.store.reader, run.id), RowUnsealer(sealing))


@pytest.mark.parametrize("isolate", ["loop", "thread", "process"])
async def test_step_writes_lines_of_its_attempt(place, isolate, capsys):
    """Prints, records and `ms.log` are kept with step, attempt, level and fields; a print is still seen where it was."""
    with Registry() as registry:
        step, options = (
            (log_steps.writes_in_loop, {}) if isolate == "loop" else (log_steps.writes, {"isolate": isolate})
        )

        @ms.workflow
        async def work(run: ms.Run) -> str:
            run.log.info("begun", n=1)
            return await run.options(name="write", **options).step(step, "here")

    async with World(place).engine(registry) as engine:
        run = await engine.start(work)
        assert await run.result() == "here"
        print("outside of any step")
    async with World(place).engine(registry) as engine:
        found = lines(engine, run)
    assert ("begun", "", {"n": 1}, 0) in [(line.text, line.step, line.fields, line.attempt) for line in found]
    own = [line for line in found if line.step]
    assert {line.attempt for line in own} == {1}
    stored = {(line.text, line.level.value, line.stream, line.logger) for line in own}
    assert stored >= {
        ("printed here", "info", "stdout", ""),
        ("no end here", "warning", "stderr", ""),
        ("logged here", "warning", None, "shop.orders"),
        ("told", "info", None, ""),
    }
    assert len(own) == 4
    assert next(line.fields for line in own if line.logger) == {"rows": 3}
    out = capsys.readouterr().out
    assert "outside of any step" in out
    assert ("printed here" in out) == (isolate != "process")


async def test_script_prints_lines_of_its_attempt(tmp_path):
    """What a command prints is kept by stream."""
    with Registry() as registry:
        backup = ms.script("backup", ["sh", "-c", "echo one; echo two >&2"])
    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(backup)
        await run.result()
        stored_lines = await engine.when(lambda: lines(engine, run), lambda found: len(found) == 2)
    assert {(line.text, line.stream) for line in stored_lines} == {("one", "stdout"), ("two", "stderr")}


async def test_failed_attempt_is_reported_in_its_lines(tmp_path):
    """Each attempt that failed ends with a line that tells its error, code and duration, and so does the run."""
    with Registry() as registry:

        @ms.task(retry=ms.Retry(attempts=2, wait=tenacity.wait_fixed(0)))
        def breaks() -> None:
            raise ms.Transient("the other side hung up")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(breaks)
        with pytest.raises(ms.RunFailed):
            await run.result()
        lifecycle_lines = [line for line in lines(engine, run) if line.state]
    assert [(line.attempt, line.state, line.code) for line in lifecycle_lines] == [
        (1, "failed", "transient"),
        (0, "retrying", ""),
        (2, "failed", "transient"),
        (0, "failed", "transient"),
    ]
    where = rf"the other side hung up \({Path(__file__).name}:\d+ in breaks\)"
    assert re.fullmatch(f"attempt 1 failed: Transient: {where}", lifecycle_lines[0].text)
    assert lifecycle_lines[0].duration_ms is not None
    assert re.fullmatch(f"run failed: retries_exhausted: Transient: {where}", lifecycle_lines[3].text)
    assert {line.fingerprint for line in lifecycle_lines} == {"", lifecycle_lines[0].fingerprint}


async def test_last_lines_of_a_body_are_there_when_its_result_is(tmp_path):
    """They are committed with the end of the run."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            run.log.info("the last line")

    async with World(tmp_path).engine(registry) as engine:
        for _ in range(20):
            run = await engine.start(work)
            await run.result()
            assert [line.text for line in await run.logs()] == ["the last line"]


async def test_lines_are_written_once_though_the_body_is_replayed(tmp_path):
    """A body that is loaded again says nothing twice."""
    with Registry() as registry:

        @ms.workflow
        async def waits(run: ms.Run) -> None:
            run.log.info("before")
            await asyncio.sleep(0.05)
            run.log.info("after")

    async with World(tmp_path).engine(registry, WorkerOptions(suspend_after_ms=0, max_suspended=0)) as engine:
        run = await engine.start(waits)
        await run.result()
        stored_lines = await engine.when(lambda: lines(engine, run), lambda found: len(found) >= 2)
    assert [line.text for line in stored_lines] == ["before", "after"]


async def test_sealed_lines_are_read_with_the_codec_only(tmp_path):
    """Where values are sealed, lines are."""
    codec = Keystream()
    with Registry() as registry:

        @ms.task
        def print_line() -> None:
            ms.log.info("a word in confidence")

    async with World(tmp_path).engine(registry, codec=codec) as engine:
        run = await engine.start(print_line)
        await run.result()
        (part,) = parts_of(engine.working.store.reader, run.id)
        (line,) = lines(engine, run, Sealing(codec))
    assert part.body.startswith(b"\x00")
    assert line.text == "a word in confidence"


async def test_no_lines_are_kept_when_logs_are_off(tmp_path):
    """`max_lines = 0` captures nothing and keeps nothing."""
    stdout = sys.stdout
    with Registry() as registry:

        @ms.task
        def print_line() -> bool:
            ms.log.info("unheard")
            return sys.stdout is stdout

    async with World(tmp_path).engine(registry, WorkerOptions(max_lines=0)) as engine:
        run = await engine.start(print_line)
        assert await run.result() is True
        assert lines(engine, run) == []


async def test_flood_of_lines_stays_within_bounds(tmp_path):
    """A step that prints without end keeps the first lines and the newest; the rest is one line that says how many."""
    with Registry() as registry:

        @ms.task
        def floods() -> None:
            for number in range(30_000):
                print(number)

    async with World(tmp_path).engine(registry, WorkerOptions(max_lines=3_000)) as engine:
        run = await engine.start(floods)
        await run.result()
        found = await engine.when(lambda: lines(engine, run), lambda stored: stored and stored[-1].text == "29999")
    assert found[0].text == "0"
    assert len(found) <= 5_000
    assert any("missing here" in line.text for line in found)


@pytest.mark.parametrize("isolate", ["loop", "thread", "process"])
async def test_canary_secret_is_in_no_sink(place, isolate, monkeypatch, caplog):
    """In each encoding and over two writes: not in stored lines, the process's own, the journal, nor in anything else of the store."""
    monkeypatch.setenv("MAINSPRING_SECRET_CANARY", CANARY)
    caplog.set_level(logging.DEBUG)
    forms = [*encodings(CANARY).values(), "Authorization: Bearer " + CANARY]
    with Registry() as registry:
        step, options = (
            (log_steps.prints_secrets_in_loop, {})
            if isolate == "loop"
            else (log_steps.prints_secrets, {"isolate": isolate})
        )

        @ms.workflow
        async def work(run: ms.Run) -> None:
            run.log.info(forms[0], value=forms[1])
            await run.options(retry=ms.Retry(attempts=1), **options).step(step, forms)

    KNOWN_SECRETS.add([CANARY])
    async with World(place).engine(registry) as engine:
        run = await engine.start(work)
        with pytest.raises(ms.RunFailed) as failed:
            await run.result()
        history = engine.history(run)
    async with World(place).engine(registry) as engine:
        stored_lines = lines(engine, run)
    assert len(stored_lines) > 3 * len(forms)
    failures = [
        history.run.failure,
        *(outcome.failure for outcome in history.outcomes),
        *(a.failure for a in history.attempts),
    ]
    own = [record for record in caplog.records if record.name.startswith("mainspring")]
    written = [form.format(record) for record in own for form in (JsonFormatter("test"), TextFormatter())]
    for sink in (
        *(line.text + repr(line.fields) for line in stored_lines),
        *map(repr, failures),
        *written,
        str(failed.value),
    ):
        assert leaks(sink) == [], sink
    assert leaks("".join(line.text for line in stored_lines)) == []
