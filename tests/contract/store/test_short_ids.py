"""Ids by their last characters: what lists show of them is found again, and what could be several is listed."""

import re

import pytest

from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.domain.ids import make_id
from mainspring.store.commands.runs import RunKey
from mainspring.store.read.runs.run_views import find_run_of_key, resolve_id
from mainspring.store.read.short_ids import IdKind, ids_ending, short_ids
from tests.contract.store.plans import plans_on_a_file, plans_on_a_server
from tests.contract.store.test_list_plans import _HISTORY

_OWN_HISTORY = re.sub(
    r"select '(?:old-|d_)' \|\| n, 'a'",
    "select 'r_' || substr(md5(n::text), 1, 26), 'a'",
    _HISTORY.replace("(1, 20000)", "(1, 30000)"),
)
"""With ids as they are made here: their ends differ. Of 20,000 small rows a walk over all would cost as much as the index."""
_LOW, _HIGH = 0x123456789, 0x123456789 | 1 << 60


def test_ids_are_displayed_by_a_short_unique_tail_and_accepted_by_it(store):
    """Six characters; the shown tail of each of many runs means that run."""
    runs = [store.start().run for _ in range(200)]
    displayed = short_ids(store.reader, IdKind.RUN, runs)
    assert list(displayed) == runs
    assert {len(tail) for tail in displayed.values()} <= {6, 7, 8}
    assert [resolve_id(store.reader, tail) for tail in displayed.values()] == runs


def test_tail_that_two_ids_share_is_longer_and_lists_both(store):
    """What is shown stays unique; what was shown before the second one came is answered with the candidates."""
    first, second = make_id("r", 1_000, _LOW), make_id("r", 2_000, _HIGH)
    store.do(store.starting(id=first))
    assert short_ids(store.reader, IdKind.RUN, [first]) == {first: first[-6:]}
    store.do(store.starting(id=second))
    displayed = short_ids(store.reader, IdKind.RUN, [second, first])
    assert all(len(tail) > 6 and id.endswith(tail) for id, tail in displayed.items())
    assert [resolve_id(store.reader, tail) for tail in displayed.values()] == [second, first]
    with pytest.raises(ConflictError, match=f"{first[-6:]} could be more than one run") as caught:
        resolve_id(store.reader, first[-6:])
    assert f"{first}, {second}" in str(caught.value)


def test_chosen_id_is_its_own_short_id(store):
    """It has no end that tells it from others; five characters mean nothing."""
    made = store.start().run
    store.do(store.starting(id="r_mine"))
    assert short_ids(store.reader, IdKind.RUN, ["r_mine", made]) == {"r_mine": "r_mine", made: made[-6:]}
    assert resolve_id(store.reader, "r_mine") == "r_mine"
    assert ids_ending(store.reader, IdKind.RUN, made[-5:]) == []
    with pytest.raises(NotFoundError):
        resolve_id(store.reader, made[-5:])


def test_run_is_found_by_its_key(store):
    """AUTOMATION/KEY, with slashes in both; a key without a run finds none."""
    runs = {}
    for automation, key in (("work", "a/b"), ("team/work", "c"), ("work", "d")):
        runs[f"{automation}/{key}"] = store.start(automation=automation, run_key=RunKey(key, "h")).run
    assert {text: resolve_id(store.reader, text) for text in runs} == runs
    assert find_run_of_key(store.reader, "team/work/c") == ("team/work", runs["team/work/c"])
    for text in ("work/other", "work/", "/d", "work/a", "/" * 500):
        with pytest.raises(NotFoundError):
            resolve_id(store.reader, text)


@pytest.mark.parametrize("kind", list(IdKind))
def test_every_kind_of_id_is_found(store, kind):
    """Also where there is nothing yet."""
    assert ids_ending(store.reader, kind, "abcdef") == []
    assert short_ids(store.reader, kind, []) == {}


def test_tails_are_found_by_an_index(tmp_path, postgres):
    """Of runs, deliveries, events and incidents there may be millions."""
    names = ("list_run_ids_ending", "list_delivery_ids_ending", "list_event_ids_ending", "list_incident_ids_ending")
    with plans_on_a_file(tmp_path) as on_file:
        plans = [(name, on_file.of(name, ("[]",))) for name in names]
    with plans_on_a_server(postgres, _OWN_HISTORY) as on_server:
        plans += [(name, on_server.of(name)) for name in names[:2]]
    for name, plan in plans:
        assert "_short" in "".join(plan), "\n".join([name, *plan])
