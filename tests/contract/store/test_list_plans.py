"""Reads for pages go by an index, whatever they are asked for: none walks over all runs, deliveries or figures there are."""

import re
from itertools import product

import pytest

from mainspring.domain.states import IncidentState, RunState
from mainspring.store.postgres.texts import TEXTS as POSTGRES_TEXTS
from mainspring.store.read import effects, triggers
from mainspring.store.read.incident_pages import incident_page
from mainspring.store.read.runs import run_pages, unresolved_runs
from mainspring.store.read.status import change_tokens, status, visible_change_tokens
from mainspring.store.sqlite.texts import TEXTS as SQLITE_TEXTS
from tests.contract.store.plans import plans_on_a_file, plans_on_a_server, walked

_LARGE = ("runs", "journal", "deliveries", "rollups", "incidents", "failures", "effects")
_LIST = re.compile(r"(--.*\n)*select [^()]+? from (runs|deliveries|incidents)\b")
_RUNNING = "from runs where state = 'running'"
_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, finished_at, changed_at, claim, fresh, codec, input,
                  trigger)
select 'old-' || n, 'a' || n % 50, 'task', 1, case n % 50 when 0 then 'failed' when 1 then 'running' else 'succeeded' end, 'q' || n % 3,
       n, n, n, n, 1, 0, 'json',
       '[]', 'test' from generate_series(1, 20000) as n;
insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, input, output, started_at, at,
                     duration_us)
select 'old-' || n, 1, 'load', 'load', 'step', 'succeeded', 1, case n % 500 when 0 then 2 else 1 end, 0, 1, '[]', '[]', n, n, 1
from generate_series(1, 20000) as n;
insert into deliveries (id, trigger, key, state, received_at, changed_at)
select 'd_' || n, 'a' || n % 50 || '/event', 'k' || n, 'started', n, n from generate_series(1, 20000) as n;
insert into rollups (session, automation, minute_at, started, succeeded)
select 0, 'a' || n % 50, n * 60000, 1, 1 from generate_series(1, 20000) as n;
insert into incidents (id, automation, kind, fingerprint, state, severity, text, facts, since_at, opened_at, changed_at, seen_at, opened,
                       number)
select 'i_' || n, 'a' || n % 50, 'silence', n, case when n % 500 = 0 then 'open' else 'resolved' end, 'page', 'x', '{}', n, n, n, n, 1, 1
from generate_series(1, 20000) as n;
insert into effects (key, id, state, intent, started_at, settled_at, recovery, identity_hash, identity, owner, call_id)
select 'k' || n, 'e_' || n, case n % 500 when 0 then 'in_doubt' else 'done' end, 1, n, n, 'person', 'h', '[]', 'ann', n
from generate_series(1, 20000) as n;
insert into failures (run, automation, state, at, fingerprint)
select 'old-' || n, 'a' || n % 50, 'failed', n, n from generate_series(1, 20000) as n
"""


class Noting:
    """A reader that finds nothing and keeps each statement that it is asked, as it was put."""

    def __init__(self, texts) -> None:
        self.texts = texts
        self.requests: list[tuple[str, object]] = []

    def read(self, query, params=()):
        return self.read_text(self.texts.source(query), params)

    def read_text(self, text, params=()):
        self.requests.append((self.texts.worded(text), params))
        counts = {"select count(*) from (": 0, "select coalesce(max(seq)": 9, "select name from automations order": "a"}
        bare = re.sub(r"--.*\n", "", text)
        return next(([(value,)] for words, value in counts.items() if bare.startswith(words)), [])

    def snapshot(self):
        return self

    def __enter__(self):
        return self.read

    def __exit__(self, *reason: object) -> None:
        """Nothing was opened."""


def recording_reader(texts):
    """Return every statement that these reads may come to, with values."""
    reader, state = Noting(texts), RunState
    for states in ((), (state.QUEUED,), (state.RUNNING,), (state.SUCCEEDED,), (state.FAILED, state.NEEDS_ATTENTION)):
        for names in (None, ["a"], [f"a{n}" for n in range(45)]):
            for queue, healed in product((None, "slow"), (False, True)):
                run_pages.run_page(reader, states=states, names=names, queue=queue, healed=healed)
    triggers.deliveries(reader, triggers=["a/event"], at_most=100)
    incident_page(reader, states=(IncidentState.RESOLVED,), automation="a")
    unresolved_runs.count_stopped_without_incident(reader)
    unresolved_runs.count_unfinished_runs(reader, "a1")
    unresolved_runs.count_idle_runs(reader, ["a1", "a2"])
    unresolved_runs.overdue_runs(reader, 1, ["a1"], ["q1"])
    change_tokens.read_change_tokens(reader, 1)
    visible_change_tokens.read_visible_change_tokens(reader, 1, lambda name: True)
    status.automation_names(reader)
    effects.count_effects_in_doubt(reader)
    effects.list_open_doubts(reader, 0)
    effects.list_calls_of_run(reader, "r")
    reader.read("list_blocked_calls", ("r", 100))
    found = dict(reader.requests)
    assert len(found) > 30
    return found


def test_reads_of_pages_go_by_an_index_on_a_file(tmp_path):
    """No statement walks over a large table; one that goes through it in order stops at its limit."""
    with plans_on_a_file(tmp_path) as plans:
        for text, params in recording_reader(SQLITE_TEXTS).items():
            plan = plans.explain(text, params)
            assert not walked(plan, _LARGE) or _is_cut(text), (text, plan)
            # Of what runs, or is not resolved, there is little: it may be put in order.
            if _LIST.match(text) and not any(
                few in text for few in ("runs_running", "incidents_unresolved", "in (select seq from")
            ):
                assert not any("FOR ORDER BY" in line for line in plan), (text, plan)


def test_reads_of_pages_go_by_an_index_on_a_server(postgres):
    """With a history that was counted, as a reader plans it."""
    with plans_on_a_server(postgres, _HISTORY) as plans:
        for text, params in recording_reader(POSTGRES_TEXTS).items():
            plan = plans.explain(text, params)
            assert not walked(plan, _LARGE), "\n".join([text, *plan])
            # Of what runs there is little, of places in a range perhaps all there are: these are no way to it.
            assert _RUNNING not in text or "runs_running" in "".join(plan), "\n".join([text, *plan])


def _is_cut(text: str) -> bool:
    """Tell whether a statement takes the newest of a table, by its number, and no more of them."""
    return "order by seq desc limit" in text


@pytest.mark.parametrize("texts", [SQLITE_TEXTS, POSTGRES_TEXTS], ids=["sqlite", "postgres"])
def test_number_of_reads_is_small_for_any_filter(texts):
    """One statement for what there is, and one for how far a filter looks."""
    for options, most in (
        ({}, 1),
        ({"names": ["a"]}, 1),
        ({"queue": "q"}, 2),
        ({"names": [f"a{n}" for n in range(9_999)]}, 2),
    ):
        reader = Noting(texts)
        run_pages.run_page(reader, **options)
        assert len(reader.requests) == most, options
