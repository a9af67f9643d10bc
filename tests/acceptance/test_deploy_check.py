"""`mainspring deploy check` on the store of a fleet that was at work: what new code would change, and that nothing is written."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run import mark_done
from tests.acceptance.one_project import Project
from tests.postgres_server import PostgresServer

CODE = """
import mainspring as ms

async def charge(amount: int) -> int:
    return amount

async def note(text: str) -> str:
    return text

@ms.workflow
async def order(run: ms.Run, number: int) -> str:
    await run.step(charge, number)
    if await run.flag("new-mailer"):
        await run.step(note, "new mailer")
    await run.receive("go")
    await run.step(note, "sent")
    return f"done {number}"

@ms.workflow
async def bill(run: ms.Run, number: int) -> str:
    await run.step(charge, number)
    await run.step(note, "billed")
    return f"billed {number}"

@ms.task(every="1h")
def report(day: str = "today") -> str:
    return day
"""
OFFLINE_BODY = """
    import socket
    try:
        socket.create_connection(("127.0.0.1", 9))
    except OSError:
        pass
"""


class Site:
    """A store with two orders that wait, three bills and a report, and the code of the next deployment."""

    def __init__(self, folder: Path, store: str) -> None:
        self.project = Project(folder, CODE)
        self.project.store = store

    def check(self, code: str, *words: str, exit_code: int, **env: str) -> dict[str, Any]:
        """Return the report about this code."""
        (self.project.folder / "work.py").write_text(code)
        done = self.project.call("deploy", "check", "--json", *words, code=exit_code, **env)
        report: dict[str, Any] = json.loads(done.stdout)
        return report


def by_kind(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the findings of a report by kind; each kind has one."""
    kinds = [finding["kind"] for finding in report["findings"]]
    assert len(kinds) == len(set(kinds)), report["findings"]
    return {finding["kind"]: finding for finding in report["findings"]}


def read_content(store: str) -> str:
    """Return a digest of all rows of a store."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


def declare_done(place: str, run: str) -> None:
    """Declare a run done with a result, as a person does."""
    clock = SystemClock()
    store = make_store(place, clock=clock)
    store.open()
    act = operation_context(Actor.cli("ann", "box"), clock)
    mark_done(store, run, act=act, result="by hand")
    store.close()


def fill(project: Project) -> None:
    """Let workers do the runs."""
    project.up()
    project.until(lambda: project.call("runs", "list"))
    project.call("flags", "set", "new-mailer", "--share", "0%")
    orders = [project.start("order", f"number={number}") for number in (1, 2)]
    bills = [project.start("bill", f"number={number}") for number in (1, 2, 3)]
    ends = {**dict.fromkeys(orders, "waiting"), **dict.fromkeys(bills, "succeeded")}
    project.until(lambda: project.states().items() >= ends.items())
    project.stop()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    project = Project(tmp_path_factory.mktemp("filled"), CODE)
    fill(project)
    return project.store


@pytest.fixture
def site(tmp_path: Path, store: str) -> Iterator[Site]:
    before = read_content(store)
    yield Site(tmp_path, store)
    assert read_content(store) == before, "the check changed the store"


def test_deploy_check_finds_nothing_in_unchanged_code(site: Site) -> None:
    """All runs are replayed, none differs, and the exit code is 0."""
    report = site.check(CODE, exit_code=0)
    assert report["findings"] == []
    coverage = report["coverage"]
    assert (coverage["runs"], coverage["replayed"], coverage["groups"], coverage["replayed_groups"]) == (5, 5, 2, 2)


def test_deploy_check_names_drift_flag_schedule_and_removed_automation(site: Site) -> None:
    """One call lists all that a changed file would do to the stored runs, each with what to do."""
    code = CODE.replace("run.step(charge, number)\n    if", "run.step(charge, number * 2)\n    if")
    code = code.replace('"new-mailer"', '"new-maler"').replace('every="1h"', 'every="2h", queue="mail", retry="3"')
    code = code.replace('return f"billed {number}"', 'return f"bill {number}"')
    found = by_kind(site.check(code, exit_code=9))
    assert set(found) == {"drift", "other-end", "definition", "unknown-flag"}
    drift = found["drift"]
    assert (drift["automation"], drift["step"], drift["number"]) == ("order", "charge#1", 2)
    assert drift["changes"][0]["path"] == "$.amount"
    assert "retry RUN --accept" in drift["hint"]
    assert (found["other-end"]["automation"], found["other-end"]["number"]) == ("bill", 3)
    changes = {change["path"]: (change["was"], change["now"]) for change in found["definition"]["changes"]}
    assert changes["schedule"] == ("every 1h", "every 2h")
    assert changes["queue"] == ("default", "mail")
    assert set(changes) == {"schedule", "queue", "retry"}
    assert "new-mailer" in found["unknown-flag"]["hint"]
    printed = site.project.call("deploy", "check", code=9)
    assert "unknown-flag: Did you mean 'new-mailer'?" in printed.stderr
    lines = printed.stdout.splitlines()
    place = lines.index("drift order charge#1")
    assert lines[place + 1] == "  $.amount: 2 -> 4"
    assert lines[place + 2].startswith("  runs: r_")
    assert "  schedule: every 1h -> every 2h" in lines
    (allowed, *_) = found
    report = site.check(code, *(word for kind in found for word in ("--allow", kind)), exit_code=0)
    assert allowed in by_kind(report)


def test_deploy_check_names_a_removed_automation_and_a_removed_version(site: Site) -> None:
    """Unfinished runs without their code wait for ever, and a schedule stops."""
    code = CODE.partition("@ms.workflow\nasync def bill")[0].replace("@ms.workflow", "@ms.workflow(version=2)")
    report = site.check(code, exit_code=9)
    removed = {finding["automation"]: finding for finding in report["findings"] if finding["kind"] == "removed"}
    assert set(removed) == {"order", "report"}
    assert (removed["order"]["version"], removed["order"]["number"]) == (1, 2)
    assert "1 schedule" in removed["report"]["text"]


def test_deploy_check_finds_nothing_in_a_candidate_next_to_the_version_in_force(site: Site) -> None:
    """It changes no definition before a rollout, and the stored runs are replayed by their own version."""
    candidate = """
@ms.workflow(name="order", version=2, rollout=True, every="1d")
async def order_v2(run: ms.Run, number: int = 0) -> str:
    return await run.step(note, "all new")
"""
    report = site.check(CODE + candidate, exit_code=0)
    assert report["findings"] == []
    assert report["coverage"]["replayed"] == 5


def test_deploy_check_names_a_renamed_step_and_a_further_step(site: Site) -> None:
    """A rename that no declaration explains is drift; a step behind the last one continues runs that ended."""
    code = CODE.replace("charge", "charge_card").replace(
        'await run.step(note, "billed")', 'await run.step(note, "billed")\n    await run.step(note, "again")'
    )
    report = site.check(code, exit_code=9)
    found = {(finding["kind"], finding["automation"]) for finding in report["findings"]}
    assert found == {("drift", "order"), ("drift", "bill")}
    code = code.replace("async def charge_card", '@ms.step(was="charge")\nasync def charge_card')
    continues = by_kind(site.check(code, exit_code=9))["continues"]
    assert (continues["automation"], continues["step"], continues["number"]) == ("bill", "note#2", 3)


def test_deploy_check_lists_runs_that_keep_the_old_side_of_a_change(site: Site) -> None:
    """They passed the place of the question: with `run.version` the new code continues them, and that is no finding."""
    code = CODE.replace(
        'await run.step(charge, number)\n    if await run.flag("new-mailer")',
        'await run.step(charge, number if await run.version("double", 2) < 2 else 2 * number)\n    if await run.flag("new-mailer")',
    )
    report = site.check(code, exit_code=0)
    (side,) = report["old_sides"]
    assert (side["automation"], side["change"], side["chosen"], side["newest"], side["number"]) == (
        "order",
        "double",
        1,
        2,
        2,
    )
    printed = site.project.call("deploy", "check").stdout
    assert "order: 2 unfinished runs take version 1 of the change 'double'; the code has 2: r_" in printed


def test_deploy_check_refuses_the_network_and_kills_a_loop(site: Site) -> None:
    """A body that connects is reported, and one that never awaits is killed; the other runs are replayed all the same."""
    body = "async def bill(run: ms.Run, number: int) -> str:\n"
    report = site.check(CODE.replace(body, body + OFFLINE_BODY), exit_code=9)
    refused = by_kind(report)["not-replayed"]
    assert (refused["automation"], refused["number"]) == ("bill", 3)
    assert "socket.getaddrinfo" in refused["text"]
    report = site.check(CODE.replace(body, body + "    while True: pass\n"), "--budget", "6s", exit_code=9)
    hung = by_kind(report)["not-replayed"]
    assert hung["automation"] == "bill"
    assert "does not come to rest within 1 s" in hung["text"]
    assert report["coverage"]["replayed"] == 2


def test_deploy_check_survives_code_that_ends_its_process(site: Site) -> None:
    """The exit is reported with its code, and the other runs are replayed."""
    body = "async def bill(run: ms.Run, number: int) -> str:\n"
    report = site.check(CODE.replace(body, body + "    import os\n    os._exit(3)\n"), exit_code=9)
    ended = by_kind(report)["not-replayed"]
    assert "exit code 3" in ended["text"]
    assert report["coverage"]["replayed"] == 2


def test_deploy_check_reports_code_that_does_not_load(site: Site) -> None:
    """A file with an error is a finding with its place, and its automations are missing."""
    report = site.check(f"import nothing_of_this_name\n{CODE}", exit_code=9)
    (problem,) = [finding for finding in report["findings"] if finding["kind"] == "not-loaded"]
    assert "nothing_of_this_name" in problem["text"]
    assert {finding["automation"] for finding in report["findings"] if finding["kind"] == "removed"} == {
        "order",
        "report",
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit code -9"), ("while True: pass", "within 5 s")],
)
def test_deploy_check_reports_code_that_ends_or_hangs_while_it_loads(site: Site, line: str, reason: str) -> None:
    """Nothing can be replayed then, and the report states why."""
    found = by_kind(site.check(f"{line}\n{CODE}", "--budget", "2s", exit_code=9))
    assert set(found) == {"not-loaded"}
    assert reason in found["not-loaded"]["text"]


def test_deploy_check_replays_exported_runs_without_a_store(site: Site, tmp_path: Path) -> None:
    """What `runs export` wrote is enough to find drift; what needs the store is named."""
    folder = tmp_path / "exported"
    folder.mkdir()
    for row in site.project.json("runs", "list"):
        (folder / f"{row['id']}.json").write_text(site.project.call("runs", "export", row["id"]).stdout)
    nowhere = str(tmp_path / "none.db")
    report = site.check(CODE, "--from", str(folder), exit_code=0, MAINSPRING_STORE_URL=nowhere)
    assert report["coverage"]["replayed"] == 5
    assert "no store" in report["notices"][0]
    code = CODE.replace('return f"billed {number}"', "return number")
    found = by_kind(site.check(code, "--from", str(folder), exit_code=9, MAINSPRING_STORE_URL=nowhere))
    assert found["other-end"]["number"] == 3
    (folder / "broken.json").write_text("{}")
    done = site.project.call("deploy", "check", "--from", str(folder), code=2)
    assert "broken.json: this is no exported run" in done.stderr


def test_deploy_check_requires_a_store_and_accepts_an_empty_one(tmp_path: Path) -> None:
    """Without a store there is nothing to compare with; a store without runs has nothing to replay."""
    project = Project(tmp_path, CODE)
    done = project.call("deploy", "check", code=2)
    assert "there is no store" in done.stderr
    project.call("db", "migrate", "--create")
    done = project.call("deploy", "check", code=9)
    assert "unknown-flag" in done.stdout
    assert "There is no run to replay" in done.stderr


SEALED = """
import mainspring as ms

async def charge(amount: int) -> int:
    return amount

@ms.workflow
async def order(run: ms.Run, number: int) -> str:
    await run.step(charge, number)
    return f"done {number}"
"""


def test_deploy_check_needs_the_codec_for_sealed_values(tmp_path: Path) -> None:
    """With it a sealed run is replayed; without it the check states that, and which codec sealed the run."""
    codec = Path(__file__).with_name("sealing_codec.py").read_text()
    (tmp_path / "sealing_codec.py").write_text(codec)
    project = Project(tmp_path, SEALED)
    project.call("run", "order", "number=7", MAINSPRING_STORE_CODEC="sealing_codec:codec")
    report = json.loads(project.call("deploy", "check", "--json", MAINSPRING_STORE_CODEC="sealing_codec:codec").stdout)
    assert report["coverage"]["replayed"] == 1
    report = json.loads(project.call("deploy", "check", "--json", code=9).stdout)
    sealed = by_kind(report)["not-replayed"]
    assert "keystream" in sealed["text"]
    assert "MAINSPRING_STORE_CODEC" in sealed["hint"]
    done = project.call("deploy", "check", code=9, MAINSPRING_STORE_CODEC="sealing_codec:nothing")
    assert "Sealed runs are not replayed" in done.stderr


def test_deploy_check_stops_when_its_budget_is_used_up(site: Site) -> None:
    """One run is replayed at least, and the report has the share."""
    coverage = site.check(CODE, "--budget", "1ms", exit_code=0)["coverage"]
    assert (coverage["runs"], coverage["replayed"], coverage["replayed_groups"]) == (5, 1, 1)
    done = site.project.call("deploy", "check", "--budget", "1ms")
    assert "Replayed 1 of 5 runs (20%), 1 of 2 groups" in done.stderr
    assert "greater than zero" in site.project.call("deploy", "check", "--budget", "0s", code=2).stderr


def test_deploy_check_expects_no_end_of_a_run_that_a_person_declared_done(tmp_path: Path) -> None:
    """Its code would wait, and that is no finding."""
    project = Project(tmp_path, SEALED.replace("await run.step", 'await run.receive("go")\n    await run.step'))
    run = project.start("order", "number=7")
    assert project.states() == {run: "queued"}
    declare_done(project.store, run)
    report = json.loads(project.call("deploy", "check", "--json").stdout)
    assert (report["findings"], report["coverage"]["replayed"]) == ([], 1)


def test_deploy_check_reads_a_store_on_a_server(tmp_path: Path, postgres: PostgresServer) -> None:
    """The process with the code needs no connection to it."""
    project = Project(tmp_path, SEALED)
    project.store = postgres.new_store()
    project.call("run", "order", "number=7")
    assert json.loads(project.call("deploy", "check", "--json").stdout)["coverage"]["replayed"] == 1
    (tmp_path / "work.py").write_text(SEALED.replace("charge, number", "charge, number + 1"))
    assert "drift" in by_kind(json.loads(project.call("deploy", "check", "--json", code=9).stdout))
