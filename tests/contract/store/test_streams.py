"""Streams: numbered records beside a run, fenced by the claim of their writer, bounded, and gone with their run."""

import msgspec
import pytest

from mainspring.domain.errors import NotFoundError
from mainspring.domain.runs.stream import (
    DEFAULT_LIMITS,
    MAX_STREAMS,
    StreamLimits,
    StreamPart,
    StreamRecordKind,
    Truncated,
    drop_superseded,
    pack_records,
)
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.service.runs.streams import read_stream
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.results import CLAIM_LOST, DONE, Refused
from mainspring.store.commands.streams import SupersedeRecords, WriteStream
from mainspring.store.read.runs.streams import describe_position, list_streams
from tests.contract.store.process import finish


def part(run, *values, n=1, ident="s#1", attempt=1, generation=0, source=None):
    """Return the values as a chunk of one attempt."""
    encoded = [msgspec.json.encode(value) for value in values]
    size = sum(map(len, encoded))
    body = PLAIN_SEALING.seal_inline(pack_records(encoded))
    name = ident.partition("#")[0]
    where = {"source": source or run.id, "ident": ident, "name": name, "generation": generation, "attempt": attempt}
    return StreamPart(**where, n=n, records=len(values), size=size, body=body)


def write(run, *values, stream="tokens", limits=DEFAULT_LIMITS, target=None, **options):
    """Return the command that writes the values."""
    return WriteStream(target or run.id, run.claim, stream, part(run, *values, **options), limits)


def supersede(run, attempt, *counts, ident="s#1", generation=0):
    """Return the command by which a new attempt marks the records of the one before."""
    name = ident.partition("#")[0]
    return SupersedeRecords(run.id, run.claim, run.id, ident, name, generation, attempt, counts)


def page(store, run, since=0, stream="tokens", limit=1_000):
    """Return the records after a number."""
    return read_stream(store.reader, RowUnsealer(PLAIN_SEALING), run, stream, since, limit)


def values(store, run, since=0, stream="tokens"):
    """Return the numbers and values after a number."""
    return [(record.seq, record.value) for record in page(store, run, since, stream).records]


def test_records_are_numbered_over_all_writers(store):
    """Each stream counts from 1, and a record names its writer."""
    run = store.begin()
    assert store.do(write(run, "a", "b"), write(run, {"x": 1}, ident=""), write(run, "z", stream="other")) == [DONE] * 3
    assert store.do(write(run, "c", n=3)) == DONE
    found = page(store, run.id)
    assert [(record.seq, record.value, record.writer, record.n) for record in found.records] == [
        (1, "a", "s#1", 1),
        (2, "b", "s#1", 2),
        (3, {"x": 1}, "", 1),
        (4, "c", "s#1", 3),
    ]
    assert (found.next, found.is_over, found.continued_by) == (4, False, None)
    assert values(store, run.id, stream="other") == [(1, "z")]
    assert [(view.name, view.first, view.last) for view in list_streams(store.reader, run.id)] == [
        ("other", 1, 1),
        ("tokens", 1, 4),
    ]


def test_reader_continues_after_a_number(store):
    """Also in the middle of a chunk; a page ends with a whole chunk."""
    run = store.begin()
    store.do(*(write(run, *range(first, first + 3), n=first + 1) for first in range(0, 90, 3)))
    assert values(store, run.id, since=4) == [(number, number - 1) for number in range(5, 91)]
    first = page(store, run.id, limit=4)
    assert [record.seq for record in first.records] == [1, 2, 3, 4, 5, 6]
    assert page(store, run.id, first.next).records[0].seq == 7
    assert page(store, run.id, 90).records == []
    assert page(store, run.id, 1_000).next == 1_000


def test_claim_fences_a_write(store):
    """A worker that lost the run writes nothing."""
    run = store.begin()
    lost = msgspec.structs.replace(run, claim=run.claim - 1)
    assert store.do(write(lost, "x")) == CLAIM_LOST
    assert store.do(supersede(lost, 2)) == CLAIM_LOST
    assert values(store, run.id) == []


def test_records_that_are_stored_are_not_stored_again(store):
    """A repeated group, and a body that sends again after a crash."""
    run = store.begin()
    store.do(write(run, "a", "b"))
    assert store.again(write(run, "a", "b")) == DONE
    assert store.do(write(run, "b", n=2), write(run, "c", n=3)) == [DONE, DONE]
    assert values(store, run.id) == [(1, "a"), (2, "b"), (3, "c")]


def test_repeated_group_of_two_attempts_stores_nothing_twice(store):
    """Its answer was lost, and the last attempt is on record by then."""
    run = store.begin()
    group = [write(run, "a"), supersede(run, 2), write(run, "A", attempt=2), supersede(run, 3)]
    store.do(*group)
    before = page(store, run.id).records
    store.again(*group)
    assert page(store, run.id).records == before


def test_next_attempt_marks_the_records_of_the_one_before(store):
    """A reader drops what is made again; records of others stay."""
    run = store.begin()
    assert (
        store.do(write(run, "a", "b"), write(run, "of another", ident="t#1"), write(run, "A", attempt=2)) == [DONE] * 3
    )
    records = page(store, run.id).records
    assert [(record.seq, record.kind, record.attempt, record.n) for record in records] == [
        (1, StreamRecordKind.VALUE, 1, 1),
        (2, StreamRecordKind.VALUE, 1, 2),
        (3, StreamRecordKind.VALUE, 1, 1),
        (4, StreamRecordKind.RETRIED, 2, 1),
        (5, StreamRecordKind.VALUE, 2, 1),
    ]
    assert [record.value for record in drop_superseded(records)] == ["of another", "A"]


def test_attempt_that_writes_nothing_marks_them_too(store):
    """Once, in each stream of its step, and before its own records."""
    run = store.begin()
    store.do(write(run, "a"), write(run, "b", stream="other"))
    assert store.do(supersede(run, 2), supersede(run, 2)) == [DONE, DONE]
    assert [record.kind for record in page(store, run.id).records] == [StreamRecordKind.VALUE, StreamRecordKind.RETRIED]
    assert len(page(store, run.id, stream="other").records) == 2
    store.do(write(run, "A", attempt=2))
    assert drop_superseded(page(store, run.id).records)[0].value == "A"
    assert len(page(store, run.id).records) == 3


def test_new_generation_of_a_body_keeps_what_it_does_not_make_again(store):
    """The body has written two records when it comes to the step from which it continues."""
    run = store.begin()
    store.do(*(write(run, value, n=value, ident="", attempt=0) for value in (1, 2, 3, 4)))
    store.do(supersede(run, 0, ("tokens", 2), ident="", generation=1))
    store.do(write(run, 30, n=3, ident="", attempt=0, generation=1))
    assert [record.value for record in drop_superseded(page(store, run.id).records)] == [1, 2, 30]
    assert store.history(run.id).body_records == {"tokens": 4}


def test_step_on_another_worker_writes_to_the_run_that_called_it(store):
    """A repeated child is another writer of the same step."""
    run = store.begin()
    first, second = store.begin(), store.begin()
    store.do(write(first, "a", target=run.id, source=first.id))
    store.do(write(second, "b", target=run.id, source=second.id))
    assert [record.value for record in drop_superseded(page(store, run.id).records)] == ["b"]
    assert values(store, first.id) == []


def test_two_workers_write_to_one_stream(store, second):
    """Their records get different numbers."""
    run = store.begin()
    child = second.begin()
    for number in range(1, 6):
        store.do(write(run, f"own {number}", n=number))
        second.do(write(child, f"child {number}", n=number, target=run.id, source=child.id, ident="t#1"))
    assert [record.seq for record in page(store, run.id).records] == list(range(1, 11))


def test_oldest_records_of_a_long_stream_are_deleted(store):
    """By number and by bytes; a reader that is behind gets the first stored number, and can continue from there."""
    run = store.begin()
    for number in range(1, 21):
        store.do(write(run, number, n=number, limits=StreamLimits(records=5)))
    assert [value for _, value in values(store, run.id, since=15)] == [16, 17, 18, 19, 20]
    with pytest.raises(Truncated) as error:
        page(store, run.id, since=3)
    assert error.value.at == 16
    assert "since=15" in str(error.value)
    for number in range(1, 11):
        store.do(write(run, "x" * 98, n=number, stream="big", limits=StreamLimits(bytes=250)))
    with pytest.raises(Truncated) as error:
        page(store, run.id, stream="big")
    assert error.value.at == 9


def test_run_has_a_limited_number_of_streams(store):
    """One more is refused, a known one is not."""
    run = store.begin()
    store.do(*(write(run, 1, stream=f"s{number}", ident=f"s#{number}") for number in range(MAX_STREAMS)))
    refused = store.do(write(run, 1, stream="more"))
    assert isinstance(refused, Refused)
    assert refused.code == "too_many_streams"
    assert store.do(write(run, 1, stream="s1", ident="t#1")) == DONE


def test_run_that_continues_another_counts_on(store):
    """A reader follows it with the same `since`; a reader that begins there misses nothing."""
    run = store.begin()
    store.do(write(run, "a", "b"), write(run, "x", stream="other"))
    then = store.starting()
    store.do(finish(run, then=then, detail=msgspec.json.encode({"restarted_as": then.id})))
    successor = store.claim_one()
    assert successor.id == then.id
    ended = page(store, run.id)
    assert (ended.is_over, ended.continued_by, ended.next) == (True, then.id, 2)
    store.do(write(successor, "c"))
    assert values(store, then.id, since=2) == values(store, then.id) == [(3, "c")]
    assert values(store, then.id, stream="other") == []


def test_end_of_a_run_is_seen_after_its_last_record(store):
    """A page of a run in progress is never the last one."""
    run = store.begin()
    store.do(write(run, *range(30)))
    assert not page(store, run.id).is_over
    store.do(finish(run))
    assert page(store, run.id).is_over
    assert page(store, run.id, 30).is_over
    with pytest.raises(NotFoundError):
        page(store, "r-none")


def test_positions_are_reported_when_there_is_more(store):
    """One statement answers for all readers of a process; a stream that is not there yet is awaited too."""
    run, ended = store.begin(), store.begin()
    store.do(write(run, "a", "b"))
    store.do(finish(ended))
    places = {since: describe_position(run.id, "tokens", since) for since in (0, 1, 2)}
    places_elsewhere = [describe_position(run.id, 'no "stream"', 0), describe_position(ended.id, "tokens", 0)]
    found = store.reader.read(
        "list_ended_among", (msgspec.json.encode([*places.values(), *places_elsewhere]).decode(),)
    )
    assert {value for (value,) in found} == {places[0], places[1], places_elsewhere[1]}


def test_records_go_with_their_run(store, clock):
    """Its writers, too."""
    run, later = store.begin(), store.begin()
    store.do(write(run, "a"), write(later, "b"), finish(run))
    store.do(ApplyRetention(clock.now() + 1, None, None, None, None))
    assert store.reader.read("list_streams", (run.id,)) == []
    assert store.reader.read("list_streams_of_writer", (run.id, "s#1")) == []
    assert values(store, later.id) == [(1, "b")]
