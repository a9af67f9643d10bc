"""What pages of dead letters, bulk acts and the search read goes by an index, however much there is."""

import pytest

from tests.contract.store.plans import Plans, check_no_walk, plans_on_a_file, plans_on_a_server

_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, finished_at, changed_at, claim, fresh, codec, input,
                  trigger)
select 'r_' || n, 'a' || n % 50, 'task', 1, case when n % 10 = 0 then 'failed' else 'succeeded' end, 'default', n, n, n, n, 1, 0, 'json',
       '[]', 'test' from generate_series(1, 20000) as n;
insert into failures (run, automation, state, at, fingerprint)
select 'r_' || n, 'a' || n % 50, 'failed', n, 'f' || n % 100 from generate_series(1, 20000) as n;
insert into run_keys (automation, key, run, input_hash, state)
select 'a' || n % 50, 'key-' || n, 'r_' || n, 'h', 'succeeded' from generate_series(1, 20000) as n;
insert into automations (name, kind, version, definition, fingerprint, deploy, announced_at)
select 'a' || n, 'task', 1, '{}', 'f', 1, n from generate_series(0, 49) as n;
insert into events (id, name, data, at, keep_until) select 'e_' || n, 'paid', '{}', n, n from generate_series(1, 20000) as n;
insert into deliveries (id, trigger, key, state, received_at, changed_at)
select 'd_' || n, 't' || n % 50, 'k' || n, 'started', n, n from generate_series(1, 20000) as n;
insert into audit_log (seq, at, command, actor, verb, subject, result, prev_hash, hash)
select n, n, 'c_' || n, 'api:bot', 'start', 'run:r_' || n, '{}', 'h', 'h' from generate_series(1, 20000) as n;
insert into bulk_operations (id, verb, state, selection, automations, piece, every_ms, actor, total, made_at, changed_at, due_at, ended_at)
select 'c_' || n, 'retry', 'done', '{}', '[]', 100, 0, 'cli:a', 100, n, n, n, n from generate_series(1, 2000) as n;
insert into bulk_parts (bulk, run) select 'c_' || n % 2000, 'r_' || n from generate_series(1, 20000) as n;
insert into incidents (id, automation, kind, fingerprint, state, severity, text, facts, since_at, opened_at, changed_at, seen_at,
                       opened, number)
select 'i' || n, 'a' || n % 50, 'silence', 'f' || n, 'resolved', 'page', 't', '{}', n, n, n, n, 1, 1 from generate_series(1, 5000) as n;
insert into incident_moves (incident, move, at) select 'i' || n % 5000, 'open', n from generate_series(1, 20000) as n
"""
_LARGE = (
    "runs",
    "failures",
    "later",
    "run_keys",
    "events",
    "deliveries",
    "bulk_operations",
    "bulk_parts",
    "incident_moves",
    "audit_log",
)
_PARAMS = {
    "list_rollout_operations": ("automation:a", 0, 2**62),
    "list_newest_runs": ("[]", 50),
    "list_automations_of_runs": ("[]",),
    "list_runs_of_incident": ("i", "[]", 50),
    "list_moves_since": (0, 100),
    "count_probation_runs": (),
    "count_unclaimed_probation_runs": (),
    "count_stopped_without_incident": (100, None),
    "count_undecided_failures": (100, None),
    "count_failed_since": (0, 100),
    "count_unresolved_of_error": ("a", "f", 1, None, 0),
    "list_unresolved_of_error": ("a", "f", 1, 1, None, 0),
    "list_last_failures": ("[]",),
    "list_decisions_on_run": ("run:r", 50),
    "list_replayed_deliveries": ('["d_1"]',),
    "find_run_creation_time": (1,),
    "find_delivery_time": (1,),
    "find_newest_run_number": (),
    "list_audit_details": ('["c/d_1"]',),
    "list_unresolved_among": ("[]",),
    "list_failures_of": ("[]",),
    "list_runs_from": ("r", "s", 1),
    "list_automations_with_key": ("k", "l", 1),
    "list_runs_of_key": ("a", "k", "l", 1),
    "list_events_from": ("e", "f", 1),
    "list_deliveries_from": ("d", "e", 1),
    "list_due_bulk_operations": (1, 1),
    "find_prunable_bulk_operation": (1,),
    "list_bulk_operations": (1, 1),
    "list_pending_bulk_runs": ("c", "", 1),
    "list_bulk_runs": ("c", "", 1),
    "list_refused_bulk_runs": ("c", "", 1),
    "list_audit_entries_by_origin": (1, 1, "[]", 1),
    "list_audit_entries_among": (9, 1, 1, None, None, None, "a"),
    "list_audit_entries_of_actor": (9, 1, 1, None, None, None, "a", "cli:a"),
    "list_audit_entries_of_verb": (9, 1, 1, None, None, None, "a", "start"),
    "list_audit_entries_of_subject": (9, 1, 1, "[]", None, None, "a", "run:r"),
    "find_audit_bound": ("actor", "cli:a", 9, 1),
    "find_next_audit_actor": ("a", "b"),
    "find_audit_time": (1,),
}


def test_reads_of_pages_go_by_an_index_on_a_file(tmp_path):
    """No statement walks over a whole table."""
    with plans_on_a_file(tmp_path) as plans:
        check_no_walk(plans, _PARAMS, _LARGE)
        check_few_by_their_index(plans)


def test_reads_of_pages_go_by_an_index_on_a_server(postgres):
    """With a history that was counted, as a reader plans it."""
    with plans_on_a_server(postgres, _HISTORY) as plans:
        check_no_walk(plans, _PARAMS, _LARGE)
        check_few_by_their_index(plans)
        # A rare automation's runs are not looked for among those of all.
        for name in ("list_newest_runs", "list_recent_run_ends"):
            plan = "\n".join(plans.of(name))
            assert ("runs_automation" in plan, "runs_pkey" in plan) == (True, False), plan


def check_few_by_their_index(plans):
    """What is few is read along its own index: runs on probation, errors of runs that need a person, acts of one actor, verb or subject."""
    for name in ("count_probation_runs", "count_unclaimed_probation_runs"):
        assert "runs_probation" in "\n".join(plans.of(name))
    plan = "\n".join(plans.of("count_stopped_without_incident", _PARAMS["count_stopped_without_incident"]))
    assert "runs_state" in plan, plan
    for key in ("actor", "verb", "subject"):
        for name in (f"list_audit_entries_of_{key}", "find_audit_bound"):
            plan = "\n".join(plans.of(name, _PARAMS[name]))
            assert f"audit_log_{key}" in plan, plan
            assert "audit_log_pkey" not in plan, plan
            assert "SEARCH audit_log USING INTEGER PRIMARY KEY" not in plan, plan
    plan = "\n".join(plans.of("list_rollout_operations", _PARAMS["list_rollout_operations"]))
    assert ("audit_log_verb" in plan, "audit_log_subject" in plan) == (True, False), plan


def plan_of(*lines):
    return Plans({"a": ""}, lambda *_: list(lines))


def test_walk_is_found():
    """Anyone who walks over a table is named; along an index is no walk, nor is another table one of these."""
    check_no_walk(plan_of("SCAN runs USING COVERING INDEX runs_seq", "SCAN meta"), {"a": ()}, ("runs",))
    for line in ("SCAN runs", "   ->  Seq Scan on runs  (cost=0.00..1.00)"):
        with pytest.raises(AssertionError, match="a\n"):
            check_no_walk(plan_of(line), {"a": ()}, ("runs",))
