"""What each engine must do, through its protocol alone: start, talk to, steer and describe runs."""

import asyncio
import threading
from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.errors import (
    ArgumentError,
    BusyError,
    ConflictError,
    KeyConflictError,
    NotFoundError,
    OptionError,
    UnknownNameError,
    ValueRefusedError,
)
from mainspring.domain.ids import make_id
from mainspring.domain.states import OutcomeState, RunState, UpdateState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs.run_fork import ForkOptions
from mainspring.store.commands.results import StartAnswer
from tests.contract.engine.automations import CALLS, make_registry

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


def value(data):
    return msgspec.json.decode(data)


async def test_run_is_started_and_described_to_its_end(open_engine):
    """The arguments of the start and the result are described, and the engine reports the end."""
    async with open_engine(make_registry()) as caller:
        started = await caller.start("double", n=21)
        view = await caller.end_of(started.run)
    assert started.created
    assert (view.id, view.automation, view.state, value(view.input), value(view.result)) == (
        started.run,
        "double",
        RunState.SUCCEEDED,
        {"n": 21},
        42,
    )


async def test_failure_is_described_with_its_reason(open_engine):
    """A failed run carries the message of its error."""
    async with open_engine(make_registry()) as caller:
        view = await caller.end_of((await caller.start("fail", text="no stock")).run)
    assert (view.state, view.failure.message) == (RunState.FAILED, "no stock")


async def test_headers_of_a_start_reach_the_run_and_its_children(open_engine):
    """They are fixed at the start; unusable ones start nothing."""
    async with open_engine(make_registry()) as caller:
        headers = {"Tenant": "acme"}
        view = await caller.end_of((await caller.start("pass_headers_on", options=StartOptions(headers=headers))).run)
        assert value(view.result) == [{"tenant": "acme"}, {"tenant": "acme"}]
        assert value((await caller.end_of((await caller.start("read_headers")).run)).result) == {}
        with pytest.raises(OptionError, match="not a valid name"):
            await caller.start("read_headers", options=StartOptions(headers={"a b": "c"}))


async def test_headers_of_a_fork_are_those_of_its_source(open_engine):
    """The fork is another run of the same start."""
    async with open_engine(make_registry()) as caller:
        source = await caller.start("pass_headers_on", options=StartOptions(headers={"tenant": "acme"}))
        await caller.end_of(source.run)
        definition = await caller.definition("pass_headers_on")
        fork = await caller.call(caller.engine.fork, definition, source.run, None, options=ForkOptions())
        assert value((await caller.end_of(fork.run)).result)[0] == {"tenant": "acme"}


async def test_run_that_an_event_starts_has_the_headers_of_the_event(open_engine):
    """They are those of its publication."""
    async with open_engine(make_registry()) as caller:
        await caller.call(caller.engine.publish, "order.placed", 7, headers={"tenant": "acme"})
        async with asyncio.timeout(20):
            while not CALLS:
                await asyncio.sleep(0.01)
    assert CALLS == ["7 {'tenant': 'acme'}"]


async def test_unknown_automation_is_named_with_the_nearest(open_engine):
    """A misspelt name is refused before a start."""
    async with open_engine(make_registry()) as caller:
        with pytest.raises(UnknownNameError, match="doubel") as raised:
            await caller.definition("doubel")
    assert raised.value.nearest == "double"


async def test_same_command_starts_once(open_engine):
    """A repeated request has one run."""
    async with open_engine(make_registry()) as caller:
        first = await caller.start("double", n=1, command="order-1")
        again = await caller.start("double", n=1, command="order-1")
    assert first.run == again.run


async def test_run_key_finds_its_run_and_refuses_another_input(open_engine):
    """The key returns the run that exists, and never one with other arguments."""
    async with open_engine(make_registry()) as caller:
        first = await caller.start("double", n=1, options=StartOptions(key="k"))
        again = await caller.start("double", n=1, options=StartOptions(key="k"))
        with pytest.raises(KeyConflictError):
            await caller.start("double", n=2, options=StartOptions(key="k"))
    assert (again.run, again.created) == (first.run, False)


async def test_signals_are_received_in_order_and_each_command_counts_once(open_engine):
    """A repeated signal does not count twice."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("receive_two")).run
        for number, command in ((1, "one"), (1, "one"), (2, "two")):
            await caller.call(caller.engine.signal, run, "number", number, command=command)
        assert value((await caller.end_of(run)).result) == [1, 2]


async def test_signals_of_several_names_are_received_in_order(open_engine):
    """The run gets the name with the value."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("receive_any_two")).run
        for name, sent in (("number", 1), ("word", "two")):
            await caller.call(caller.engine.signal, run, name, sent)
        assert value((await caller.end_of(run)).result) == [["number", 1], ["word", "two"]]


async def test_run_sends_a_signal_to_another_run(open_engine):
    """By its id; a receiver that is missing fails the sender with its name."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("receive_two")).run
        for number in (1, 2):
            sender = await caller.start("send_number", receiver=run, number=number)
            assert (await caller.end_of(sender.run)).state is RunState.SUCCEEDED
        assert value((await caller.end_of(run)).result) == [1, 2]
        missing = make_id("r", 0, 1)
        sender = await caller.start("send_number", receiver=missing, number=1)
        assert missing in (await caller.end_of(sender.run)).failure.message


async def test_key_policies_join_and_replace_the_live_run(open_engine):
    """The live run is the answer, or is cancelled, and the new one begins after its end."""
    async with open_engine(make_registry()) as caller:

        async def start(policy: Any, request_id: str) -> StartAnswer:
            options = StartOptions(key="k", key_policy=policy, request_id=request_id)
            return await caller.start("receive_two", options=options)

        first = await start("one_live", "r1")
        assert (await start("one_live", "r2")).run == first.run
        second = await start("replace", "r3")
        assert (await start("replace", "r3")).run == second.run
        assert (await caller.end_of(first.run)).state is RunState.CANCELLED
        for number in (1, 2):
            await caller.call(caller.engine.signal, second.run, "number", number)
        assert value((await caller.end_of(second.run)).result) == [1, 2]
        assert (await start("one_live", "r2")).run == first.run


async def test_run_starts_a_run_of_its_own(open_engine):
    """It gets the id of the run, whose end is its own."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("start_double")).run
        started = value((await caller.end_of(run)).result)
        assert value((await caller.end_of(started)).result) == 8


async def test_signal_that_the_code_cannot_read_is_refused_at_its_sender(open_engine):
    """A value of another type never reaches the run."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("receive_two")).run
        with pytest.raises(ValueRefusedError, match="number"):
            await caller.call(caller.engine.signal, run, "number", "one")


async def test_event_reaches_the_run_that_waits_for_its_values(open_engine):
    """The values of `where` decide, and a repeated key counts once."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("await_event")).run
        await caller.until(run, lambda view: view.state is RunState.WAITING)
        other = await caller.call(caller.engine.publish, "paid", {"order": 8, "by": "ann"})
        meant = await caller.call(caller.engine.publish, "paid", {"order": 7, "by": "bob"}, key="p7")
        again = await caller.call(caller.engine.publish, "paid", {"order": 7, "by": "bob"}, key="p7")
        assert value((await caller.end_of(run)).result) == "bob"
    assert (other.woken, meant.woken, again.woken) == (0, 1, 0)


async def test_open_question_is_listed_and_answered(open_engine):
    """A question is open until its answer, which is one of its choices."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("ask")).run
        await caller.until(run, lambda view: view.state is RunState.WAITING)
        listed = [(wait.run, value(wait.question)["text"]) for wait in caller.engine.list_questions(["ask"])]
        assert caller.engine.list_questions(["double"]) == []
        with pytest.raises(ArgumentError, match="later"):
            await caller.call(caller.engine.answer, run, "later")
        await caller.call(caller.engine.answer, run, "go", note="checked")
        assert value((await caller.end_of(run)).result) == "go"
        assert caller.engine.list_questions() == []
        with pytest.raises(NotFoundError):
            await caller.call(caller.engine.answer, run, "stop")
    assert listed == [(run, "Go?")]


async def test_form_and_named_questions_are_answered(open_engine):
    """What does not fit the form is refused with its place, and an answer without a name if several questions are open."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("fill_in")).run
        await caller.until(run, lambda view: view.state is RunState.WAITING)
        waits = {wait.name: wait.assignee for wait in caller.engine.list_questions(["fill_in"])}
        answer = caller.engine.answer
        with pytest.raises(ConflictError, match="refund: Refund"):
            await caller.call(answer, run, "go")
        with pytest.raises(ValueRefusedError) as refused:
            await caller.call(answer, run, {"amount": "many"}, question="refund")
        with pytest.raises(ArgumentError, match="is a form"):
            await caller.call(answer, run, "go", question="refund")
        await caller.call(answer, run, {"amount": 7}, question="refund", note="late parcel")
        await caller.call(answer, run, "go")
        assert value((await caller.end_of(run)).result) == ["7", "card", "go", "late parcel"]
    assert waits == {"refund": "finance", "go": None}
    assert refused.value.path == "$.amount"


async def test_update_gets_its_reply_and_its_errors(open_engine):
    """A check of the code rejects, a handler may fail, and the run continues."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("collect")).run
        sent = await caller.call(caller.engine.request_update, run, "add", 3)
        assert value((await caller.reply_to(sent.id)).result) == 3
        rejected = await caller.call(caller.engine.request_update, run, "add", -1)
        failed = await caller.call(caller.engine.request_update, run, "fail")
        assert (await caller.reply_to(rejected.id)).state is UpdateState.REJECTED
        assert (await caller.reply_to(failed.id)).failure.message == "as requested"
        await caller.call(caller.engine.request_update, run, "close")
        assert value((await caller.end_of(run)).result) == 3
        with pytest.raises(ConflictError):
            await caller.call(caller.engine.request_update, run, "add", 1)


async def test_update_of_one_request_is_applied_once(open_engine):
    """The request id counts over restarts of the run, and not for another value."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("collect")).run
        first, again = [
            await caller.call(caller.engine.request_update, run, "add", 3, request_id="r1") for _ in range(2)
        ]
        assert (first.id, again.created) == (again.id, False)
        await caller.reply_to(first.id)
        with pytest.raises(ConflictError):
            await caller.call(caller.engine.request_update, run, "add", 4, request_id="r1")
        await caller.call(caller.engine.request_update, run, "renew")
        await caller.until(run, lambda view: view.id != run)
        assert (await caller.call(caller.engine.request_update, run, "add", 3, request_id="r1")).id == first.id
        await caller.call(caller.engine.request_update, run, "close")
        assert value((await caller.end_of((await caller.describe(run)).id)).result) == 3


async def test_update_without_a_reply_ends_with_its_run(open_engine):
    """No caller waits for ever."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("sleep_long")).run
        sent = await caller.call(caller.engine.request_update, run, "unknown")
        await caller.call(caller.engine.cancel, run)
        assert (await caller.reply_to(sent.id)).failure.code == "run_ended"
        with pytest.raises(NotFoundError):
            caller.engine.read_update("u_none")


async def test_start_with_update_creates_the_run_once(open_engine):
    """Start and update are one commit; an ended run is no new start."""
    async with open_engine(make_registry()) as caller:
        definition, options = await caller.definition("collect"), StartOptions(key="k")
        first, second = [
            await caller.call(
                caller.engine.start_with_update,
                definition,
                b"{}",
                "add",
                number,
                options=options,
                request_id=f"r{number}",
            )
            for number in (1, 2)
        ]
        assert (first.created_run, second.created_run, second.run) == (True, False, first.run)
        assert value((await caller.reply_to(second.id)).result) == 3
        await caller.call(caller.engine.request_update, first.run, "close")
        await caller.end_of(first.run)
        with pytest.raises(ConflictError):
            await caller.call(caller.engine.start_with_update, definition, b"{}", "add", 9, options=options)


async def test_query_reads_the_state_of_a_waiting_and_of_an_ended_run(open_engine):
    """It changes nothing, and its error is the answer."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("collect")).run
        sent = await caller.call(caller.engine.request_update, run, "add", 3)
        await caller.reply_to(sent.id)
        assert value((await caller.answer_to(run, "total", 10)).result) == 30
        assert (await caller.answer_to(run, "unknown", None)).failure is not None
        await caller.call(caller.engine.request_update, run, "close")
        await caller.end_of(run)
        steps = len(caller.engine.read_history(run).outcomes)
        assert value((await caller.answer_to(run, "total", None)).result) == 3
        assert len(caller.engine.read_history(run).outcomes) == steps
        with pytest.raises(ConflictError):
            await caller.answer_to((await caller.start("double", n=1)).run, "total", None)


async def test_query_without_a_worker_is_refused_at_once(open_engine):
    """The error names the code that no worker has; a query that is not stored is named."""
    with Registry() as other:

        @ms.task
        def unrelated() -> None:
            pass

    async with open_engine(make_registry()) as caller:
        run = (await caller.start("receive_two")).run
        await caller.until(run, lambda view: view.state is RunState.WAITING)
    async with open_engine(other) as caller:
        with pytest.raises(BusyError, match="receive_two version 1"):
            await caller.answer_to(run, "total", None)
        with pytest.raises(NotFoundError):
            caller.engine.read_query(make_id("q", 0, 1))


async def test_cancel_decides_whether_steps_are_undone(open_engine):
    """The request is stronger than the definition."""
    async with open_engine(make_registry()) as caller:
        for undo in (False, True):
            run = (await caller.start("undo_note")).run
            await caller.until(run, lambda view: view.state is RunState.WAITING)
            await caller.call(caller.engine.cancel, run, undo=undo)
            assert (await caller.end_of(run)).state is RunState.CANCELLED
    assert CALLS == ["done", "done", "undo done"]


async def test_cancelled_run_cleans_up_and_ends_cancelled(open_engine):
    """The code may clean up, and an ended run refuses a further cancel."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("sleep_long")).run
        await caller.until(run, lambda view: view.state is RunState.WAITING)
        await caller.call(caller.engine.cancel, run)
        assert (await caller.end_of(run)).state is RunState.CANCELLED
        with pytest.raises(ConflictError):
            await caller.call(caller.engine.cancel, run)
    assert CALLS == ["before", "cleaned"]


async def test_paused_run_receives_its_signals_when_it_is_resumed(open_engine):
    """A pause loses nothing, and a resume needs a pause."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("receive_two")).run
        await caller.until(run, lambda view: view.state is RunState.WAITING)
        await caller.call(caller.engine.pause, run)
        for number in (1, 2):
            await caller.call(caller.engine.signal, run, "number", number)
        assert (await caller.describe(run)).state is RunState.PAUSED
        await caller.call(caller.engine.resume, run)
        assert value((await caller.end_of(run)).result) == [1, 2]
        with pytest.raises(ConflictError):
            await caller.call(caller.engine.resume, run)


async def test_failed_run_is_retried_with_its_finished_steps(open_engine):
    """A failed run is claimed again; a successful one is not."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("fail", text="down")).run
        await caller.end_of(run)
        await caller.call(caller.engine.retry, run)
        await caller.until(run, lambda view: view.claim > 1 and view.state is RunState.FAILED)
        await caller.call(caller.engine.retry, run, due_at=(due_at := caller.clock.now() + 3_600_000))
        view = await caller.describe(run)
        assert (view.state, view.due_at) == (RunState.QUEUED, due_at)
        done = (await caller.start("double", n=1)).run
        await caller.end_of(done)
        with pytest.raises(ConflictError):
            await caller.call(caller.engine.retry, done)


async def test_fork_inherits_what_came_before_its_step(open_engine):
    """Earlier steps do not run again, later ones run with the new arguments."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("two_steps", word="x")).run
        await caller.end_of(run)
        definition = await caller.definition("two_steps")
        options = ForkOptions(b'{"word":"y"}', None, None)
        fork = await caller.call(caller.engine.fork, definition, run, "second", options=options)
        assert value((await caller.end_of(fork.run)).result) == ["x1", "y2"]
        with pytest.raises(UnknownNameError):
            await caller.call(caller.engine.fork, definition, run, "third", options=options)
    assert CALLS == ["x1", "x2", "y2"]


async def test_history_has_the_steps_with_their_results(open_engine):
    """Each outcome is listed in the order of the requests."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("two_steps")).run
        await caller.end_of(run)
        history = caller.engine.read_history(run)
    assert [(outcome.name, outcome.state, value(outcome.output)) for outcome in history.outcomes] == [
        ("note", OutcomeState.SUCCEEDED, "a1"),
        ("second", OutcomeState.SUCCEEDED, "a2"),
    ]


async def test_restarted_run_is_described_and_signalled_by_its_first_id(open_engine):
    """The first id leads to the run that continues it."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("count_down", n=1)).run
        await caller.call(caller.engine.signal, run, "tick")
        successor = await caller.until(run, lambda view: view.id != run)
        await caller.call(caller.engine.signal, run, "tick")
        view = await caller.end_of(successor.id)
    assert (value(view.result), value(view.input)) == ("zero", {"n": 0})


async def test_stream_is_read_while_the_run_waits_and_to_its_end(open_engine):
    """A reader continues after a number, and is woken by the next record or the end."""
    async with open_engine(make_registry()) as caller:
        run = (await caller.start("speak", words=["a", "b"])).run
        await caller.until(run, lambda view: view.state is RunState.WAITING)
        page = caller.engine.read_stream(run, "words")
        assert ([(record.seq, record.value) for record in page.records], page.is_over) == ([(1, "a"), (2, "b")], False)
        assert [record.value for record in caller.engine.read_stream(run, "words", 1).records] == ["b"]
        assert [view.name for view in caller.engine.list_streams(run)] == ["words"]
        for since, cause in ((0, None), (2, "stop")):
            more = threading.Event()
            with caller.engine.watch_stream(run, "words", since, more.set):
                if cause is not None:
                    await caller.call(caller.engine.signal, run, cause)
                assert await asyncio.to_thread(more.wait, 20)
        await caller.end_of(run)
        assert caller.engine.read_stream(run, "words", 2).is_over


async def test_missing_run_is_named(open_engine):
    """Each operation and read raises the same error."""
    async with open_engine(make_registry()) as caller:
        missing = make_id("r", 0, 1)
        engine = caller.engine
        for call in (engine.describe, engine.read_history, engine.list_streams):
            with pytest.raises(NotFoundError, match=missing):
                call(missing)
        with pytest.raises(NotFoundError, match=missing):
            engine.read_stream(missing, "words")
        for operation, args in (
            (engine.signal, ("number", 1)),
            (engine.cancel, ()),
            (engine.pause, ()),
            (engine.resume, ()),
            (engine.retry, ()),
            (engine.answer, ("go",)),
            (engine.request_update, ("add", 1)),
        ):
            with pytest.raises(NotFoundError, match=missing):
                await caller.call(operation, missing, *args)
        with pytest.raises(NotFoundError, match=missing):
            await caller.answer_to(missing, "total", None)
        with pytest.raises(NotFoundError, match=missing):
            definition = await caller.definition("two_steps")
            await caller.call(engine.fork, definition, missing, None, options=ForkOptions(None, None, None))
