"""More ports of Airflow's samples: rules, clean-up, order of days, people, files and deadlines, through a `kill -9` of the worker."""

import json
from typing import Any

import pytest

import mainspring as ms
from examples.ports.airflow import deadline_alert, human_in_the_loop, setup_teardown, trigger_rules
from mainspring.domain.errors import NotFoundError
from tests import warm_command_line
from tests.examples.ports.port_world import TIMEOUT_S, PortWorld

GROUPS = ("alert", "drop", "load customers", "load orders", "newsletter", "blog", "publish")
DAYS = ["2026-10-31", "2026-11-01", "2026-11-02"]


def call(world: PortWorld, *words: str) -> Any:
    """Call the command line on the store; return what it prints as JSON."""
    env = world.env | {"MAINSPRING_STORE_URL": world.store}
    done = warm_command_line.call((*words, "--json"), cwd=world.folder, env=env, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def has_opened(world: PortWorld, automation: str, kind: str) -> bool:
    """Check all monitors, as a crontab does, and return whether there is such an incident."""
    call(world, "watch")
    subjects = [row["subject"] for row in call(world, "incidents", "list")]
    return any((subject["automation"], subject["kind"]) == (automation, kind) for subject in subjects)


def answer(world: PortWorld, run_id: str, choice: str, question: str | None = None) -> None:
    """Answer a question of a run as soon as it is open."""

    def has_answered() -> bool:
        try:
            world.app.answer_sync(run_id, choice, question=question)
        except NotFoundError:
            return False
        return True

    world.wait_until(has_answered, f"question {question} of {run_id}")


@pytest.mark.slow
def test_rules_clean_up_and_people(world: PortWorld) -> None:
    """Killed after a publication and within a query, while people are waited for: each clean-up happens, and each effect counts once."""
    app = world.app
    hanging = ("trigger_rules:publish", "setup_teardown:run_query@2")
    reviewed = app.start_sync(setup_teardown.cluster_query, "select 3", is_reviewed=True)
    published = app.start_sync(human_in_the_loop.human_in_the_loop, "news")
    late = app.start_sync(human_in_the_loop.human_in_the_loop, "old news", within="0.2s")
    world.start_worker("airflow", *hanging)
    world.wait_for_waits(reviewed, published, late)
    mixed = app.start_sync(trigger_rules.trigger_rules, ["orders", "broken", "customers"])
    queried, invalid = (app.start_sync(setup_teardown.cluster_query, query) for query in ("select 1", "selct 2"))
    world.wait_for_hangs(*hanging)
    world.kill_worker()

    form = ("--question", "summary", "--form", "text=fast", "--form", 'tags=["news"]')
    call(world, "runs", "answer", published.id, *form)
    app.answer_sync(late.id, {"text": "slow"}, question="summary")
    app.cancel_sync(reviewed.id, "no longer needed")
    none = app.start_sync(trigger_rules.trigger_rules, ["broken"])
    world.start_worker("airflow")
    answer(world, published.id, "approve", "approval")
    answer(world, published.id, "newsletter", "channel")
    assert published.result_sync(TIMEOUT_S).startswith("newsletter, approved by ")
    assert late.result_sync(TIMEOUT_S) == "rejected"
    assert queried.result_sync(TIMEOUT_S) == len("select 1")
    for handle, reason in (
        (mixed, "1 of 3 tables"),
        (none, "1 of 1 tables"),
        (invalid, "syntax error"),
        (reviewed, "cancelled"),
    ):
        with pytest.raises(ms.RunFailed, match=reason):
            handle.result_sync(TIMEOUT_S)

    ledger = world.read_ledger()
    work = "select 1 on the cluster for select 1"
    assert world.count_calls("publish orders, customers") == world.count_calls(work) == 2
    assert [line for line in ledger if "cluster for select 1" in line] == [
        *("create a cluster for select 1", work, "delete the cluster for select 1"),
    ]
    assert sorted(line for line in ledger if "select 3" in line or "selct" in line) == [
        *("create a cluster for selct 2", "create a cluster for select 3"),
        *("delete the cluster for selct 2", "delete the cluster for select 3", "select 3 on the cluster for select 3"),
    ]
    assert sorted(line for line in ledger if line.startswith(GROUPS)) == [
        *("alert for broken: the table has no key",) * 2,
        *("drop the temporary schema",) * 2,
        *("load customers", "load orders", "newsletter news: fast", "publish orders, customers"),
    ]


@pytest.mark.slow
def test_order_files_and_deadlines(world: PortWorld) -> None:
    """Killed while a day, a file and a report have an unknown outcome: the days stay in order, and each effect counts once."""
    app = world.app
    hanging = ("depends_on_past:close", "asset_watcher:store_rows", "deadline_alert:write_report")
    (world.folder / "inbox").mkdir()
    (world.folder / "inbox" / "a.csv").write_text("1\n2\n")
    for day in (DAYS[0], DAYS[2]):
        (world.folder / f"statement-{day}").touch()
    report = app.start_sync(deadline_alert.late_report, "monday")
    world.start_worker("airflow", *hanging)
    world.wait_until((world.folder / "ready").exists, "the worker")
    call(world, "auto", "backfill", "close-day", "--from", "2026-11-01", "--to", "2026-11-04", "-y")
    world.wait_for_hangs(*hanging)
    world.wait_until(
        lambda: has_opened(world, "late-report", "too_slow"), "the alert about the report that still works"
    )
    world.kill_worker()

    third, second, first = (app.handle(row["id"]) for row in call(world, "runs", "list", "--name", "close-day")[-3:])
    (world.folder / "inbox" / "b.csv").write_text("3\n")
    world.start_worker("airflow")
    assert first.result_sync(TIMEOUT_S) == DAYS[0]
    world.wait_for_waits(second)
    assert third.status_sync() is ms.RunState.QUEUED
    (world.folder / f"statement-{DAYS[1]}").touch()
    app.answer_sync(second.id, "try again")
    assert [day.result_sync(TIMEOUT_S) for day in (second, third)] == DAYS[1:]
    assert report.result_sync(TIMEOUT_S) == "monday"
    world.wait_until(lambda: "report with 1 new rows" in world.read_ledger(), "the report after the second file")
    world.wait_until(lambda: not list((world.folder / "inbox").glob("*.csv")), "the end of both files")

    ledger = world.read_ledger()
    assert [line for line in ledger if line.removeprefix("close ") in DAYS] == [f"close {day}" for day in DAYS]
    assert world.count_calls(f"close {DAYS[0]}") == world.count_calls("store 2 rows of a.csv") == 2
    assert world.count_calls("report of monday") == 2
    for line in ("store 2 rows of a.csv", "store 1 rows of b.csv", "report with 2 new rows", "report of monday"):
        assert ledger.count(line) == 1
