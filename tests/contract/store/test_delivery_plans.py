"""What arrived long ago costs nothing: every statement about what is undecided goes by an index, before and after a history was counted."""

import re

import pytest

from mainspring.store.sqlite.texts import TEXTS as SQLITE_TEXTS
from tests.contract.store.plans import check_no_walk, plans_on_a_file, plans_on_a_server

HOT = (
    *(
        "find_delivery",
        "read_delivery_state",
        "settle_delivery",
        "count_held_deliveries",
        "drop_held_deliveries",
        "advance_held_deliveries",
        "postpone_held_deliveries",
    ),
    *(
        "list_waiting_triggers",
        "list_received_deliveries",
        "list_due_held_groups",
        "find_next_held_due",
        "list_held_deliveries",
        "start_deliveries",
    ),
    *(
        "list_complete_gatherings",
        "list_joined_runs",
        "read_gathering",
        "list_subscribed_triggers",
        "read_flow_control",
    ),
    *(
        "list_events_of",
        "list_run_results_of",
        "list_prunable_deliveries",
        "list_prunable_events",
        "trim_rejected_deliveries",
    ),
    *("read_event", "list_events_by_name", "read_delivery", "list_receivers_of_event"),
)
BIG = ("deliveries", "joined_runs", "gatherings", "flow_control", "events", "runs", "consumed_facts")
_ROWS = """
insert into deliveries (id, trigger, key, state, body, by_key, received_at, changed_at)
select 'd' || n, 'a/hook', 'k' || n, case when n % 50 = 0 then 'failed' else 'started' end, '{}', '', n, n from numbers;
insert into events (id, name, data, at, keep_until) select 'e' || n, 'paid', '{}', n, n + 1000000 from numbers;
insert into consumed_facts (run, kind, source) select 'r' || n, 'event', 'e' || n from numbers;
insert into flow_control (trigger, by_key, keep_until) select 'a/hook', 'k' || n, n from numbers;
insert into gatherings (trigger, per, expected, here, deadline_at, run, changed_at) select 'b/runs', 'k' || n, 2, 2, n, 'r', n from numbers;
insert into joined_runs (trigger, per, automation, run, state, counts, delivery, at)
select 'b/runs', 'k' || n, 'a', 'r', 'succeeded', 1, 'd' || n, n from numbers
"""
MANY = 20_000


@pytest.mark.parametrize("counted", [False, True], ids=["uncounted", "counted"])
def test_undecided_deliveries_are_found_by_an_index_on_a_file(tmp_path, counted):
    """No statement walks over all deliveries."""
    numbers = f"with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {MANY}) "
    history = re.sub(r"(?s)(insert into [^;]*?\))\s*(select)", rf"\1 {numbers} \2", _ROWS.replace("'{}'", "x'7b7d'"))
    with plans_on_a_file(tmp_path, history if counted else "") as plans:
        check_no_walk(plans, {name: (None,) * values_of(name) for name in HOT}, BIG)
        held = plans.of("list_due_held_groups", (None,) * values_of("list_due_held_groups"))
        assert "USING INDEX deliveries_due" in held[0], "what is held and not due is not walked over"
        refused = plans.of("trim_rejected_deliveries", (None,) * values_of("trim_rejected_deliveries"))
        assert all("INDEX deliveries_refused" in line for line in refused if "SEARCH" in line), "only what was refused"


def values_of(name):
    """Return how many values a text takes."""
    text = SQLITE_TEXTS[name]
    return max(map(int, re.findall(r"\?(\d+)", text)), default=text.count("?"))


def test_undecided_deliveries_are_found_by_an_index_on_a_server(postgres):
    """With a history that was counted."""
    with plans_on_a_server(postgres, _ROWS.replace("from numbers", f"from generate_series(1, {MANY}) as n")) as plans:
        check_no_walk(plans, dict.fromkeys((*HOT, "settle_deliveries")), (*BIG[:4], "consumed_facts"))
        assert "deliveries_refused" in "".join(plans.of("trim_rejected_deliveries", None)), (
            "only what was refused is looked at"
        )
