"""`run.flag` and `ms.flag`: a run keeps the answer that it got; a program gets that of now, and its default without a store."""

import asyncio
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import apsw
import pytest

import mainspring as ms
from mainspring.app import program_flags
from mainspring.app.program_flags import ProgramFlags
from mainspring.app.project import Project
from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ArgumentError, StoreUnavailableError
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.domain.flags.flag import FlagKind, FlagQuestion, FlagReason, FlagSide, mark_question
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.store.base import StoreRemovedError
from mainspring.store.commands.flags import ChangeFlag, DeleteFlag
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.flags import list_flag_uses, read_revision
from tests.new_stores import create_store
from tests.polling import polls

CHANGES: dict[str, Callable[..., None]] = {}
"""What a step of the test does to the flag, as a person may at any time."""


@pytest.fixture
def store(url: str) -> Iterator[ProcessStore]:
    made = make_store(url, lease_ms=30_000, clock=SystemClock())
    made.open()

    def change(name: str = "mailer", **fields: Any) -> None:
        made.apply(ChangeFlag(name, FlagChange(**fields)))

    CHANGES["on"] = lambda: change(share=1_000_000)
    CHANGES["off"] = lambda: change(share=0)
    CHANGES["kill"] = lambda: change(is_killed=True)
    yield made
    made.close()


def turn(to: str) -> None:
    CHANGES[to]()


def ask(by: str | None = None, *, fresh: bool = False) -> bool:
    return ms.flag("mailer", by=by, fresh=fresh)


async def ask_in_loop(by: str | None = None) -> bool:
    return await ms.flag_async("mailer", by=by)


def fail_once_after_question() -> list[bool]:
    """Ask on the first attempt, and the flag changes; the second attempt must get the same answer."""
    answer = ask("ann")
    if ms.attempt() == 1:
        turn("off")
        raise ms.Transient("again")
    return [answer, ask("bob")]


@ms.workflow
async def changed_in_the_middle(run: ms.Run) -> list[bool]:
    answers = [await run.flag("mailer", by="ann")]
    await run.step(turn, "off")
    answers += [await run.flag("mailer", by="ann"), await run.step(ask, "ann"), await run.step(ask_in_loop, "ann")]
    answers.append(await run.options(isolate="process").step(ask, "ann"))
    return answers


def test_answer_of_a_run_stays_whatever_changes(store: ProcessStore, url: str) -> None:
    """In the body, in a thread, in the loop and in a child process. The next run gets the answer of then."""
    turn("on")
    app = ms.App(url)
    assert app.run(changed_in_the_middle) == [True] * 5
    assert app.run(changed_in_the_middle) == [False] * 5


@ms.workflow
async def fresh_questions(run: ms.Run) -> list[bool]:
    answers = []
    for to in ("on", "off", "on", "kill"):
        await run.step(turn, to)
        answers += [await run.flag("mailer", fresh=True), await run.step(ask, fresh=True), await run.flag("mailer")]
    return answers


def test_same_question_again_costs_nothing(store: ProcessStore, url: str) -> None:
    """The body has the answer: one outcome in the journal, and no hint about calls without a key."""
    turn("on")
    run = ms.App(url).run(repeated_question)
    kinds = store.reader.read_text("select kind, count(*) from journal where run = ? group by kind", (run,))
    assert kinds == [("flag", 2)]
    idents = {ident for (ident,) in store.reader.read_text("select ident from journal where run = ?", (run,))}
    assert idents == {f"{mark_question(FlagQuestion('mailer', key, 'false'))}#1" for key in ("ann", "bob")}
    assert store.reader.read_text("select detail from runs where id = ?", (run,)) == [(None,)]


@ms.workflow
async def repeated_question(run: ms.Run) -> str:
    answers = {await run.flag("mailer", by="ann") for _ in range(5)}
    assert answers == {True}
    assert await run.flag("mailer", by="bob")
    return run.id


def test_fresh_answer_is_that_of_now(store: ProcessStore, url: str) -> None:
    """Each use asks; the answer that the run holds stays beside it."""
    assert ms.App(url).run(fresh_questions) == [
        *(True, True, True),
        *(False, False, True),
        *(True, True, True),
        *(False, False, True),
    ]


@ms.workflow
async def retried(run: ms.Run) -> list[bool]:
    return await run.options(retry=ms.Retry(attempts=3, initial="1ms")).step(fail_once_after_question)


def test_attempts_of_a_step_get_one_answer(store: ProcessStore, url: str) -> None:
    """A key that was not asked for before gets the answer of now."""
    turn("on")
    assert ms.App(url).run(retried) == [True, False]


@ms.task
def by_default() -> bool:
    """Without `by`, the key is the run: attempts agree, runs are divided."""
    first = ms.flag("mailer")
    turn("off")
    return first and ms.flag("mailer")


def test_key_without_by_is_the_run(store: ProcessStore, url: str) -> None:
    """A task is a step too."""
    turn("on")
    assert ms.App(url).run(by_default) is True


@ms.workflow
async def typed(run: ms.Run) -> list[Any]:
    return [
        await run.flag("color", default="red"),
        await run.flag("limit", default=10),
        await run.flag("plan", default={"a": 1}),
        await run.flag("color", default=False, by="other"),
        await run.flag("nothing", default=None),
        await run.flag("by-country", attributes={"country": "DE", "vip": True}, by=7),
        await run.flag("by-country", attributes={"country": "FR"}, by=uuid.UUID(int=5)),
    ]


def test_values_of_each_type(store: ProcessStore, url: str) -> None:
    """A flag of another type than its default is not used; an unknown one neither. Both are counted."""
    share = 1_000_000
    store.apply(ChangeFlag("color", FlagChange(kind=FlagKind.STRING, on_value='"blue"', share=share)))
    store.apply(ChangeFlag("limit", FlagChange(kind=FlagKind.NUMBER, on_value="2.5", share=share)))
    store.apply(ChangeFlag("plan", FlagChange(kind=FlagKind.JSON, on_value='{"b":[1]}', share=share)))
    store.apply(ChangeFlag("by-country", FlagChange(attributes={"country": ("DE",), "vip": ("false",)})))
    assert ms.App(url).run(typed) == ["blue", 2.5, {"b": [1]}, False, None, True, False]
    uses = {(use.flag, use.side, use.reason): use.number for use in list_flag_uses(store.reader, None, 0)}
    assert uses["color", FlagSide.DEFAULT, FlagReason.KIND_MISMATCH] == 1
    assert uses["nothing", FlagSide.DEFAULT, FlagReason.UNKNOWN] == 1
    assert uses["by-country", FlagSide.ON, FlagReason.ATTRIBUTE] == 1
    assert {use.automation for use in list_flag_uses(store.reader, None, 0)} == {"typed"}


@ms.workflow
async def question_in_the_body(run: ms.Run) -> bool:
    return ms.flag("mailer")


async def blocks_the_loop() -> bool:
    return ms.flag("mailer")


@ms.workflow
async def question_in_the_loop(run: ms.Run) -> bool:
    return await run.step(blocks_the_loop)


@pytest.mark.parametrize(
    ("workflow", "fix"), [(question_in_the_body, "await run.flag("), (question_in_the_loop, "await ms.flag_async(")]
)
def test_wrong_place_of_a_question_names_the_right_one(url: str, workflow: Any, fix: str) -> None:
    """Neither blocks the loop."""
    with pytest.raises(RunFailed, match=fix.replace("(", r"\(")):
        ms.App(url).run(workflow)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"name": ""}, "not a valid name"),
        ({"name": 5}, "not a valid name"),
        ({"name": "f", "by": 1.5}, "expected a text, a whole number or a UUID"),
        ({"name": "f", "by": True}, "expected a text, a whole number or a UUID"),
        ({"name": "f", "by": "x" * 10_001}, "10,000"),
        ({"name": "f", "by": "\ud800"}, "Unicode"),
        ({"name": "f", "default": object()}, "no JSON value"),
        ({"name": "f", "default": (1, 2)}, "the default of type tuple is no JSON value"),
        ({"name": "f", "default": float("nan")}, "no JSON value"),
        ({"name": "f", "attributes": {"a": [1]}}, "the attribute 'a' is a list"),
        ({"name": "f", "attributes": {"a": "\ud800"}}, "Unicode"),
    ],
)
def test_bad_question_names_the_argument(arguments: dict[str, Any], text: str) -> None:
    """Before anything is read."""
    with pytest.raises(ArgumentError, match=text):
        ms.flag(**arguments)


# -- programs ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def program(url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProgramFlags]:
    """The flags of this process as a program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAINSPRING_STORE_URL", url)
    project = Project.find()
    monkeypatch.setattr(program_flags, "_programs", {})
    made = program_flags.program_flags()
    assert made is program_flags.program_flags()
    assert Project.current() is project
    yield made
    made.close()


def test_program_gets_the_answer_of_now(store: ProcessStore, program: ProgramFlags) -> None:
    """A change and a kill reach it while it runs; its questions are on record once it has ended."""
    assert ask("ann") is False
    for to, expected in (("on", True), ("off", False), ("on", True), ("kill", False)):
        turn(to)
        assert any(ask("ann") is expected for _ in polls(20))
    store.apply(DeleteFlag("mailer"))
    assert any(ms.flag("mailer", default=None) is None for _ in polls(20))
    program.close()
    uses = {(use.side, use.reason) for use in list_flag_uses(store.reader, "mailer", 0)}
    assert uses >= {
        (FlagSide.ON, FlagReason.SHARE),
        (FlagSide.OFF, FlagReason.KILLED),
        (FlagSide.DEFAULT, FlagReason.UNKNOWN),
    }
    assert {use.automation for use in list_flag_uses(store.reader, None, 0)} == {""}


def test_async_program_gets_answers_too(store: ProcessStore, program: ProgramFlags) -> None:
    """Both forms: no step is there whose loop could be blocked."""
    turn("on")

    async def main() -> tuple[bool, bool]:
        return await ms.flag_async("mailer"), ms.flag("mailer")

    assert asyncio.run(main()) == (True, True)


def test_program_without_a_store_uses_its_last_flags_for_a_time(
    store: ProcessStore, program: ProgramFlags, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the default of the code counts; both are counted, and a new answer of the store ends it."""
    turn("on")
    assert ask("ann") is True
    lost = threading.Event()

    def fail(reader: Any) -> int:
        if not lost.is_set():
            return read_revision(reader)
        raise StoreUnavailableError("no connection")

    monkeypatch.setattr("mainspring.app.program_flags.read_revision", fail)
    lost.set()
    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    clock[0] += 299
    assert ask("ann") is True
    clock[0] += 2
    assert ask("ann") is False
    lost.clear()
    assert any(ask("ann") for _ in polls(20))
    monkeypatch.undo()
    program.close()
    uses = {(use.side, use.reason): use.number for use in list_flag_uses(store.reader, "mailer", 0)}
    assert uses[FlagSide.DEFAULT, FlagReason.STORE_UNREACHABLE] >= 1


def test_replaced_store_is_opened_again(
    store: ProcessStore, program: ProgramFlags, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restore the file is another one: the next read opens it."""
    turn("on")
    assert ask("ann") is True
    replaced = threading.Event()

    def fail_once(reader: Any) -> int:
        if replaced.is_set():
            return read_revision(reader)
        replaced.set()
        raise StoreRemovedError("the file was replaced")

    monkeypatch.setattr("mainspring.app.program_flags.read_revision", fail_once)
    assert replaced.wait(20)
    turn("off")
    assert any(ask("ann") is False for _ in polls(20))


def test_error_of_any_kind_is_the_default(
    store: ProcessStore, program: ProgramFlags, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For example a kind of flag that only a newer version knows."""
    turn("on")

    def fail(_reader: Any) -> int:
        raise KeyError("a newer kind")

    monkeypatch.setattr("mainspring.app.program_flags.read_revision", fail)
    assert ms.flag("mailer", default="red") == "red"
    assert "the default counts: KeyError" in caplog.text


LOCKED = """
import mainspring as ms
print(ms.flag("mailer"), flush=True)
"""


def test_program_ends_although_its_questions_cannot_be_recorded(tmp_path: Any) -> None:
    """Another process holds the write lock of the file: the counts are dropped within seconds."""
    path = tmp_path / "state.db"
    create_store(str(path))
    holder = apsw.Connection(str(path))
    holder.execute("begin immediate")
    ended = subprocess.run(
        [sys.executable, "-c", LOCKED],
        env=os.environ | {"MAINSPRING_STORE_URL": str(path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    holder.close()
    assert (ended.returncode, ended.stdout) == (0, "False\n")


FORKS = """
import os, sys
import mainspring as ms
print(ms.flag("mailer"), flush=True)
if os.fork() == 0:
    print(ms.flag("mailer"), ms.flag("mailer", by="x"), flush=True)
    sys.exit(0)
os.wait()
"""


def test_forked_child_reads_the_flags_itself(store: ProcessStore, url: str, tmp_path: Any) -> None:
    """The connection and the thread of its parent are not there."""
    turn("on")
    ended = subprocess.run(
        [sys.executable, "-c", FORKS],
        env=os.environ | {"MAINSPRING_STORE_URL": url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert ended.stdout == "True\nTrue True\n", ended.stderr
    assert sum(use.number for use in list_flag_uses(store.reader, "mailer", 0)) == 3
