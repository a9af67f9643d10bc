"""Lists of the first pages go by an index: a million runs in the store cost them nothing."""

from tests.contract.store.plans import check_no_walk, plans_on_a_file, plans_on_a_server

_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, finished_at, changed_at, claim, fresh, codec, input,
                  trigger)
select 'old-' || n, 'a' || n % 50, 'task', 1, 'failed', 'default', n, n, n, n, 1, 0, 'json', '[]', 'test'
from generate_series(1, 20000) as n;
insert into faults (run, automation, fingerprint, state, at)
select 'old-' || n, 'a' || n % 50, 'f' || n % 7, 'failed', n from generate_series(1, 20000) as n;
insert into incidents (id, automation, kind, fingerprint, state, severity, text, facts, since_at, opened_at, changed_at, seen_at,
                       opened, number)
select 'i' || n, 'a' || n % 50, 'silence', 'f' || n, 'resolved', 'page', 't', '{}', n, n, n, n, 1, 1 from generate_series(1, 5000) as n;
insert into incident_moves (incident, move, at) select 'i' || n % 5000, 'open', n from generate_series(1, 20000) as n
"""
_LARGE = ("runs", "faults", "incident_moves")
_PARAMS = {
    "list_newest_runs": ("[]", 50),
    "list_automations_of_runs": ("[]",),
    "list_runs_of_error": ("a", "f", "[]", 50),
    "list_moves_since": (0, 100),
    "count_unattended": (100,),
    "count_failed_since": (0, 100),
}


def test_lists_go_by_an_index_on_a_file(tmp_path):
    """No statement walks over all runs, all failures, or all that ever became of incidents."""
    with plans_on_a_file(tmp_path) as plan:
        check_no_walk(plan, _PARAMS, _LARGE)
        found = plan("list_incident_page", (0, 1, "", None, None, None, None, 1, 50))
    assert "incidents_changed" in found[0], found


def test_lists_go_by_an_index_on_a_server(postgres):
    """With a history that was counted, as a reader plans it."""
    with plans_on_a_server(postgres, _HISTORY) as plan:
        check_no_walk(plan, _PARAMS, _LARGE)
