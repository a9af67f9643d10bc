"""Answers to questions, signals and events."""

import msgspec
import pytest

from mainspring.domain.errors import ArgumentError, ConflictError, NotFoundError, ValueRefusedError
from mainspring.domain.runs.journal import FactKind
from mainspring.service.runs.question import answer
from mainspring.service.runs.signal import signal
from mainspring.service.triggers.event import publish
from mainspring.store.commands.inbox import OpenWait
from tests.contract.store.process import finish, wait_for

QUESTION = msgspec.json.encode({"text": "Charge it?", "choices": ["approve", "refund"]})


def ask(run, ident="ask"):
    return OpenWait(run.id, run.claim, ident, "ask", "ask", question=QUESTION)


def facts(reads, run):
    return [(fact.kind, fact.name, fact.ident, fact.payload) for fact in reads.run_history(run.id).facts]


def test_answer_is_one_of_the_choices(store, reads, act, begin):
    """A choice is delivered once; another text is refused with the choices."""
    run = begin()
    store.apply(ask(run))
    with pytest.raises(ArgumentError, match="Choices: 'approve', 'refund'"):
        answer(store, reads, run.id, "aprove", act=act())
    for _ in range(2):
        answer(store, reads, run.id, "approve", act=act("yes"), note="seen the invoice")
    assert facts(reads, run) == [(FactKind.ANSWER, "ask", "ask", b'"approve"')]
    row = reads.audit_rows(limit=1)[0]
    assert msgspec.json.decode(row.detail) == {"question": "ask", "choice": "approve", "note": "seen the invoice"}


def test_second_answer_is_refused(store, reads, act, begin):
    """A question that was answered is not open for another person."""
    run = begin()
    store.apply(ask(run))
    answer(store, reads, run.id, "approve", act=act())
    with pytest.raises(NotFoundError, match="no open question"):
        answer(store, reads, run.id, "refund", act=act())


def test_answer_names_its_question_where_several_are_open(store, reads, act, begin):
    """Of several open questions one must be named; the error lists them with what they ask, and says how to name one."""
    run = begin()
    store.apply(ask(run, "first"))
    store.apply(ask(run, "second"))
    with pytest.raises(ConflictError, match="has 2 open questions") as raised:
        answer(store, reads, run.id, "approve", act=act())
    lines = raised.value.message.splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == ["first", "second"]
    assert all("approve, refund" in line for line in lines)
    assert "--question 'first'" in (raised.value.hint or "")
    answer(store, reads, run.id, "refund", act=act(), question="second")
    assert facts(reads, run) == [(FactKind.ANSWER, "ask", "second", b'"refund"')]


def test_end_of_an_identity_names_a_question_if_it_is_the_only_one(store, reads, act, begin):
    """`second#1` is enough for `part#2/second#1`; an end of several lists those, another name lists all open ones."""
    run = begin()
    for ident in ("part#1/ask#1", "part#2/ask#1", "part#2/second#1"):
        store.apply(ask(run, ident))
    with pytest.raises(ConflictError, match="has 2 open questions") as raised:
        answer(store, reads, run.id, "approve", act=act(), question="ask#1")
    assert "part#2/second#1" not in raised.value.message
    with pytest.raises(NotFoundError, match=r"(?s)no open question 'sk#1'; open:.*part#2/second#1") as raised:
        answer(store, reads, run.id, "approve", act=act(), question="sk#1")
    assert "--question 'part#1/ask#1'" in (raised.value.hint or "")
    answer(store, reads, run.id, "refund", act=act(), question="second#1")
    assert facts(reads, run) == [(FactKind.ANSWER, "ask", "part#2/second#1", b'"refund"')]


def test_signal_reaches_its_run_once(store, reads, act, begin):
    """A message with a JSON value lies once in the run's inbox."""
    run = begin()
    for _ in range(2):
        signal(store, reads, run.id, "go", {"n": 1}, act=act("sig"))
    assert facts(reads, run) == [(FactKind.SIGNAL, "go", None, b'{"n":1}')]


def test_signal_is_refused_where_it_cannot_arrive(store, reads, act, begin):
    """A value that is no JSON, a run that ended and one that never was are distinguished."""
    run = begin()
    with pytest.raises(ValueRefusedError, match="signal go"):
        signal(store, reads, run.id, "go", float("nan"), act=act())
    store.apply(finish(run))
    with pytest.raises(ConflictError, match="succeeded"):
        signal(store, reads, run.id, "go", act=act())
    with pytest.raises(NotFoundError):
        signal(store, reads, "r_none", "go", act=act())


def test_event_wakes_who_waits_and_counts_once(store, reads, clock, act, begin):
    """An event tells how many runs it woke; the same command is the same event."""
    run = begin()
    store.apply(wait_for(run, "paid", where={"id": 7}))
    first, second = (publish(store, clock, "paid", {"id": 7}, act=act("pay")) for _ in range(2))
    assert first == second
    assert first.woken == 1
    assert len(reads.run_history(run.id).facts) == 1


@pytest.mark.parametrize("bad", ["", "a\0b", "\ud800", "two\nlines", "x" * 1_001])
def test_event_whose_name_or_key_no_store_could_keep_is_refused(store, clock, act, bad):
    """It is said what is wrong with it, not what a database makes of it."""
    with pytest.raises(ArgumentError, match="name of an event"):
        publish(store, clock, bad, {}, act=act("bad"))
    with pytest.raises(ArgumentError, match="key of an event"):
        publish(store, clock, "paid", {}, act=act("bad"), key=bad)
