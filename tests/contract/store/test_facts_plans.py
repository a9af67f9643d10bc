"""Reads for monitors go by an index: what a look costs depends on what is there, not on all that ever was."""

from tests.contract.store.plans import check_no_walk, plans_on_a_file, plans_on_a_server

_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, finished_at, changed_at, claim, fresh, codec, input,
                  trigger)
select 'old-' || n, 'a' || n % 50, 'task', 1, 'succeeded', 'default', n, n, n, n, 1, 0, 'json', '[]', 'test'
from generate_series(1, 20000) as n;
insert into rollups (session, automation, minute_at, started, succeeded)
select 0, 'a' || n % 50, n * 60000, 1, 1 from generate_series(1, 20000) as n;
insert into rollup_details (session, automation, minute_at, metric, n)
select 0, 'a' || n % 50, n * 60000, 'ms<=2^5', 1 from generate_series(1, 20000) as n;
insert into slots (schedule, slot_at, verdict, run, made_at)
select 'a' || n % 50, n * 60000, 'run', 'old-' || n, n from generate_series(1, 20000) as n
"""
_LARGE = ("runs", "rollups", "rollup_details", "slots")
_PARAMS = {
    "measure_ready_groups": (0, 1, 1),
    "list_recent_run_ends": ("[]", 1),
    "list_hourly_successes": ("[]", 1),
    "sum_run_durations": ("[]", 0, 1),
    "list_busiest_hours": ("[]", 0, 1),
    "sum_output_sizes": ("[]", 0, 1),
    "list_recent_slots": ("[]", 0, 1, 1),
    "sum_started_runs": ("[]", 0),
    "list_active_automations": (0,),
    "count_new_runs_by_queue": ("r", 1),
    "count_run_ends_by_queue": (0, 1),
    "list_unanswered_questions": (1,),
    "list_last_successes": (),
    "list_oldest_running": (),
    "list_monitored_schedules": (),
    "list_monitored_schedules_of": ("[]",),
    "list_last_successes_of": ("[]",),
    "list_oldest_running_of": ("[]",),
    "sum_rollups_of": ("[]", 0, 1),
    "sum_details_of": ("a", 0, 1),
    "list_hourly_stats": ("a", 0),
    "list_hourly_durations": ("a", 0),
    "list_irregular_slots": ("[]", 0, "run", 0, 1),
}


_BY_AUTOMATION = ("sum_rollups_of", "list_busiest_hours", "sum_run_durations", "sum_output_sizes")
"""What sums the figures of some automations over weeks: read by time, those of one would cost what those of all do."""


def test_run_condition_is_compared_with_its_own_subject_first(tmp_path):
    """Ten thousand automations that changed once are no hundred million pairs, within the commit that prunes."""
    with plans_on_a_file(tmp_path) as plans:
        found = plans.of("prune_run_conditions", (0,))
    searched = [line for line in found if line.startswith("SEARCH newer")]
    assert searched[0].endswith("(kind=? AND subject=? AND at>?)"), found


def test_reads_of_facts_go_by_an_index_on_a_file(tmp_path):
    """No statement walks over all runs, nor over all figures."""
    with plans_on_a_file(tmp_path) as plans:
        check_no_walk(plans, _PARAMS, _LARGE)
        for name in _BY_AUTOMATION:
            found = plans.of(name, _PARAMS[name])
            assert any("(automation=? AND minute_at>? AND minute_at<?)" in line for line in found), found


def test_reads_of_facts_go_by_an_index_on_a_server(postgres):
    """With a history that was counted, as a reader plans it."""
    with plans_on_a_server(postgres, _HISTORY) as plans:
        check_no_walk(plans, _PARAMS, _LARGE)
        for name in _BY_AUTOMATION:
            found = "\n".join([name, *plans.of(name)])
            assert "_pkey" in found, found
            assert "_minute" not in found, found
