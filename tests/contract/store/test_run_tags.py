"""Tags of runs, on every database: runs are found by those of their start and those of their code."""

import msgspec
import pytest

from mainspring.domain.errors import OptionError
from mainspring.domain.runs.run_tags import make_tag_pairs, parse_tag
from mainspring.domain.states import RunState
from mainspring.domain.values.sealing import Sealing
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.runs import AnnotateRun
from mainspring.store.read.runs.run_pages import count_runs, run_page
from tests.acceptance.sealing_codec import codec
from tests.contract.store.process import finish


def found(store, *tags, **filters):
    """Return the runs with all of these tags, newest first."""
    pairs = [parse_tag(tag) for tag in tags]
    page = run_page(store.reader, tags=pairs, **filters)
    assert count_runs(store.reader, tags=pairs, most=100, **{k: v for k, v in filters.items() if k != "limit"}) >= len(
        page.runs
    )
    return [row.id for row in page.runs]


def tagged(store, automation="a", **tags):
    return store.start(automation, tags=msgspec.json.encode(tags)).run


def test_runs_are_found_by_their_tags(store):
    """Newest first; several tags must all be there; other filters hold, too."""
    first = tagged(store, customer="acme", region="eu")
    second = tagged(store, customer="acme", region="us")
    third = tagged(store, "b", customer="acme", region="eu")
    store.start()
    assert found(store, "customer=acme") == [third, second, first]
    assert found(store, "customer=acme", "region=eu") == [third, first]
    assert found(store, "customer=acme", names=["a"]) == [second, first]
    assert found(store, "customer=acme", states=[RunState.QUEUED], queue="default") == [third, second, first]
    assert found(store, "customer=acme", states=[RunState.FAILED]) == []
    assert found(store, "customer=acm") == []
    assert found(store, "customer=acme", limit=2) == [third, second]


def test_pages_continue_where_the_last_one_ended(store):
    """By the cursor."""
    runs = [tagged(store, day="mon") for _ in range(5)]
    pairs, cursor, listed = [parse_tag("day=mon")], None, []
    while not listed or cursor is not None:
        page = run_page(store.reader, tags=pairs, limit=2, cursor=cursor)
        listed += [row.id for row in page.runs]
        cursor = page.cursor
    assert listed == runs[::-1]


def test_code_adds_to_the_tags_of_the_start(store):
    """A name that is set again has the new value."""
    run = store.begin(tags=b'{"customer":"acme","step":"new"}')
    store.twice(AnnotateRun(run.id, run.claim, tags=b'{"step":"paid","amount":"7"}'))
    assert found(store, "customer=acme", "step=paid", "amount=7") == [run.id]
    assert found(store, "step=new") == []
    assert msgspec.json.decode(store.run(run.id).tags) == {"customer": "acme", "step": "paid", "amount": "7"}


def test_sealed_tags_are_in_no_index(store):
    """They are secret: no list finds runs by them."""
    sealed = Sealing(codec).seal(b'{"customer":"acme"}')
    run = store.begin(tags=sealed, codec=codec.id)
    store.do(AnnotateRun(run.id, run.claim, tags=Sealing(codec).seal(b'{"customer":"globex"}')))
    assert found(store, "customer=acme") == found(store, "customer=globex") == []
    assert store.reader.read_text("select count(*) from run_tags", ()) == [(0,)]


@pytest.mark.parametrize("text", ["", "customer", "=acme"])
def test_text_that_is_no_tag_is_refused(text):
    """It names the form."""
    with pytest.raises(OptionError, match="expected NAME=VALUE"):
        parse_tag(text)


def test_odd_tags_are_found_too(store):
    """Long ones by a hash, others as they are printed."""
    tags = {"long": "x" * 5_000, "sign": "a=b", "line": "a\nb", "mark": "ü'%_"}
    run = tagged(store, **tags)
    for pair in make_tag_pairs(tags):
        assert [row.id for row in run_page(store.reader, tags=[pair]).runs] == [run]
    assert found(store, "sign=a=b") == [run]


def test_tags_end_with_their_run(store, clock):
    """Retention leaves nothing of them."""
    run = store.begin(tags=b'{"customer":"acme"}')
    store.do(finish(run))
    clock.forward(10_000)
    store.do(ApplyRetention(clock.now(), clock.now(), clock.now(), None, None))
    assert store.reader.read_text("select count(*) from run_tags", ()) == [(0,)]
